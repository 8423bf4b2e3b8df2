"""How time and memory grow with rows, columns, width and population: `python benchmarks/growth.py`.

Every point is a process of its own: it makes its table, trains for some epochs, and trains again, which is timed.
Memory is what the process grew by beyond its imports. One before it has compiled its programs, as the compiler takes
more memory than most trainings. Prints a table, and writes a picture with --html FILE.
"""

import argparse
import json
import subprocess
import sys
from statistics import median

FACTORS = (1, 2, 4, 8)
BASE = {"rows": 20_000, "columns": 32, "width": 128, "members": 4}
EPOCHS, BATCH, REPEATS = 3, 256, 3

POINT = """
import json, sys, time
import numpy as np
from trivium import activations, heads, initializers, losses, network, optimizers
from trivium.training.epochs import keys, start
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import Program
from trivium.training.split import table

given = json.loads(sys.argv[1])
rows, columns, width, count = (given[name] for name in ("rows", "columns", "width", "members"))
head = heads.regressor_head(losses.squared_error, None)
net = network.Perceptron((width, width), activations.relu, 1)
program = Program(net, head, losses.squared_error, optimizers.adam, (), heads.squared_distance, given["batch"])
numbers = {"learning_rate": 1e-3}

def members(rows_of_all):
    made = []
    for seed in range(count):
        init_key, order_key = keys(seed)
        parameters = net.init(init_key, rows_of_all.X)
        state = start(program, numbers, parameters, order_key)
        made.append(Member(program, numbers, state, rows_of_all, None, History("R2", 1)))
    return made

def peak():  # of this program; what `getrusage` says begins at the peak of the one that started it
    return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])

random = np.random.default_rng(0)
small = random.normal(size=(64, columns)).astype(np.float32)
train_population(members(table(small, small[:, 0].copy(), None))[:1], epochs=1)
before = peak()
X = random.normal(size=(rows, columns), ).astype(np.float32)
data = table(X, X[:, 0].copy(), None)
train_population(members(data), epochs=1)
seconds = []
for _ in range(given["repeats"]):
    population = members(data)
    began = time.perf_counter()
    train_population(population, epochs=given["epochs"])
    seconds.append(time.perf_counter() - began)
print(json.dumps({"seconds": seconds, "bytes": peak() - before}))
"""


def point(**changed: int) -> dict[str, float]:
    """Seconds per epoch of all members, and megabytes, at the base with one number changed."""

    def process(repeats: int) -> dict:
        given = BASE | changed | {"epochs": EPOCHS, "repeats": repeats, "batch": BATCH}
        command = [sys.executable, "-c", POINT, json.dumps(given)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout.splitlines()[-1])

    process(1)
    found = process(REPEATS)
    return {"seconds": median(found["seconds"]) / EPOCHS, "megabytes": found["bytes"] / 1e6}


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description="How time and memory grow with the size of a training.")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    parser.add_argument("--html", metavar="FILE", help="write the picture")
    given = parser.parse_args()
    print(f"{EPOCHS} epochs of {BASE}, batch {BATCH}, Adam; one number grows at a time\n")
    print(f"{'':>10} {'value':>9} {'s/epoch':>9} {'x':>6} {'MB':>8} {'x':>6}")
    figures: dict[str, list[dict[str, float]]] = {}
    for name, base in BASE.items():
        figures[name] = []
        for factor in FACTORS:
            found = {"value": float(base * factor)} | point(**{name: base * factor})
            figures[name].append(found)
            first = figures[name][0]
            times, more = found["seconds"] / first["seconds"], found["megabytes"] / max(first["megabytes"], 1e-9)
            print(
                f"{name:>10} {base * factor:>9,} {found['seconds']:>9.3f} {times:>6.2f} {found['megabytes']:>8.1f} "
                f"{more:>6.2f}",
                flush=True,
            )
    if given.json:
        with open(given.json, "w") as file:
            json.dump(figures, file, indent=2)
    if given.html:
        draw(figures, given.html)


def draw(figures: dict[str, list[dict[str, float]]], path: str) -> None:
    """Two panels, time and memory over that of the base, with the line of proportion."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(
        1, 2, subplot_titles=("seconds per epoch / those of the base", "megabytes / those of the base")
    )
    colours = ("#4c78a8", "#54a24b", "#f58518", "#b279a2")
    for colour, (name, points) in zip(colours, figures.items(), strict=True):
        for column, measure in enumerate(("seconds", "megabytes"), 1):
            values = [one[measure] / points[0][measure] for one in points]
            line = go.Scatter(x=FACTORS, y=values, name=name, mode="lines+markers", showlegend=column == 1)
            figure.add_trace(line.update(line_color=colour), 1, column)
    for column in (1, 2):
        line = go.Scatter(x=FACTORS, y=FACTORS, mode="lines", line={"dash": "dot", "color": "grey"}, showlegend=False)
        figure.add_trace(line, 1, column)
    figure.update_xaxes(type="log", title="factor", tickvals=FACTORS)
    figure.update_yaxes(type="log", tickvals=[2**power for power in range(7)])
    figure.update_layout(template="plotly_white", width=1100, height=480)
    figure.write_html(path, include_plotlyjs=True)


if __name__ == "__main__":
    main()
