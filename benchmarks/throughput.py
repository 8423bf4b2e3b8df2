"""How fast networks train and predict here, beside PyTorch and scikit-learn: `python benchmarks/throughput.py`.

All in float32, 20,000 rows of 32 inputs, batches of 256, Adam. Every figure is the median of five runs that take turns
with those of the peers; ratios above 1 mean that Trivium is the faster. PyTorch runs eagerly, with the better of one
thread and all, and is left out where it is not installed.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

import jax
import numpy as np
from sklearn.neural_network import MLPRegressor

from trivium import NeuralRegressor, activations, heads, initializers, losses, network, optimizers
from trivium.training import devices
from trivium.training.epochs import start
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import Program
from trivium.training.split import table

ROWS, INPUTS, BATCH, MEMBERS = 20_000, 32, 256, 16
NUMBERS = {"learning_rate": 1e-3}
random = np.random.default_rng(0)
X = random.normal(size=(ROWS, INPUTS)).astype(np.float32)
Y = np.tanh(X[:, :4]).sum(axis=1).astype(np.float32)
HAVE_TORCH = importlib.util.find_spec("torch") is not None


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast networks train and predict here, beside peers.")
    parser.add_argument("--json", metavar="FILE", help="write every figure there, too")
    parser.add_argument("--quick", action="store_true", help="one run of each instead of five, and no large networks")
    given = parser.parse_args()
    repeats = 1 if given.quick else 5
    figures: dict[str, Any] = {"cores": devices.cores(), "jax": jax.__version__, "numpy_gflops": numpy_rate()}
    print(f"{figures['cores']} cores; a 2048-square product in NumPy: {figures['numpy_gflops']:.0f} GFLOP/s\n")
    figures["population"] = populations(repeats, [(64, 64), (128, 128), (256, 256)])
    figures["single"] = singles(repeats, [(32,), (128,), (256, 256)] + ([] if given.quick else [(512, 512, 512)]))
    figures["cold"] = cold(repeats)
    figures["predict"] = predictions(repeats, 10**5 if given.quick else 10**6)
    if given.json:
        with open(given.json, "w") as file:
            json.dump(figures, file, indent=2)


# --- what is measured -----------------------------------------------------------------------------------------------


def populations(repeats: int, sizes: list[tuple[int, ...]]) -> list[dict[str, Any]]:
    """16 networks at once: their rate, as a share of NumPy's, and the time per network beside PyTorch's."""
    print(f"{MEMBERS} networks at once{'GFLOP/s':>16}{'of NumPy':>10}{'PyTorch / ours, per network':>30}")
    found = []
    for hidden in sizes:
        epochs = 8  # of fewer, starting and ending take a share
        runners: dict[str, Callable] = {"ours": population(hidden, epochs)} | torch_runners(hidden, epochs)
        runners["numpy"] = numpy_rate
        seconds = take_turns(runners, repeats)
        rate = flops(hidden) * MEMBERS * epochs / seconds["ours"] / 1e9
        record = {"hidden": hidden, "gflops": rate, "of_numpy": rate / seconds["numpy"]}
        if HAVE_TORCH:
            record["torch_ratio"] = peer(seconds, "torch") / (seconds["ours"] / MEMBERS)
        found.append(record)
        print(f"{words(hidden):20}{rate:>12.0f}{record['of_numpy']:>10.2f}{record.get('torch_ratio', np.nan):>30.1f}")
    print()
    return found


def singles(repeats: int, sizes: list[tuple[int, ...]]) -> list[dict[str, Any]]:
    """One network alone: milliseconds per epoch, and how much longer the peers take."""
    print(f"{'one network alone':20}{'ms per epoch':>14}{'PyTorch / ours':>18}{'scikit-learn / ours':>22}")
    found = []
    for hidden in sizes:
        epochs = 6 if sum(hidden) <= 128 else 3 if sum(hidden) <= 512 else 1
        runners = {"ours": single(hidden, epochs)} | torch_runners(hidden, epochs)
        runners["sklearn"] = sklearn_fit(hidden, epochs)
        seconds = take_turns(runners, repeats)
        ours = seconds["ours"]
        record = {"hidden": hidden, "ms": 1e3 * ours / epochs, "sklearn_ratio": seconds["sklearn"] / ours}
        if HAVE_TORCH:
            record["torch_ratio"] = peer(seconds, "torch") / ours
        found.append(record)
        torch_ratio = record.get("torch_ratio", np.nan)
        print(f"{words(hidden):20}{record['ms']:>14.1f}{torch_ratio:>18.2f}{record['sklearn_ratio']:>22.2f}")
    print()
    return found


COLD = """
import time; began = time.perf_counter()
import numpy as np
random = np.random.default_rng(0)
X = random.normal(size=(1000, 20)); y = X[:, 0] + X[:, 1] ** 2
{fit}
model.predict(X)
print(time.perf_counter() - began)
"""
COLD_FITS = {
    "ours": "from trivium import NeuralRegressor\nmodel = NeuralRegressor((100,), epochs=50, patience=None, "
    "optimizer='adam').fit(X, y)",
    "sklearn": "from sklearn.neural_network import MLPRegressor\nimport warnings; warnings.simplefilter('ignore')\n"
    "model = MLPRegressor(hidden_layer_sizes=(100,), max_iter=50, tol=0, n_iter_no_change=1000).fit(X, y)",
}


def cold(repeats: int) -> dict[str, float]:
    """A whole process: import, fit 1,000 x 20 for 50 epochs, predict. The first one fills the cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)

        def process(fit: str) -> float:
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", COLD.format(fit=fit)], check=True, env=environment, stdout=-3)
            return time.perf_counter() - began

        first = process(COLD_FITS["ours"])
        seconds = take_turns({name: partial(process, fit) for name, fit in COLD_FITS.items()}, repeats)
    print(f"whole process       {seconds['ours']:.2f} s (the first on a machine {first:.2f} s), ", end="")
    print(f"scikit-learn {seconds['sklearn']:.2f} s, ratio {seconds['sklearn'] / seconds['ours']:.2f}\n")
    return {"first": first, **seconds, "ratio": seconds["sklearn"] / seconds["ours"]}


def predictions(repeats: int, many: int) -> dict[str, dict[str, float]]:
    """predict of one row and of many, 100 hidden units, beside scikit-learn's network of the same size."""
    ours = NeuralRegressor((100,), epochs=2, optimizer="adam").fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = MLPRegressor(hidden_layer_sizes=(100,), max_iter=2).fit(X, Y)
    found = {}
    for n, calls in ((1, 50), (many, 1)):
        rows = np.resize(X, (n, INPUTS))

        def predict(model: Any, rows: np.ndarray, calls: int) -> None:
            for _ in range(calls):
                model.predict(rows)

        runners = {"ours": partial(predict, ours, rows, calls), "sklearn": partial(predict, theirs, rows, calls)}
        seconds = {name: second / calls for name, second in take_turns(runners, repeats).items()}
        found[str(n)] = {**seconds, "ratio": seconds["sklearn"] / seconds["ours"]}
        print(f"predict {n:>9,} rows  {1e3 * seconds['ours']:.2f} ms, ", end="")
        print(f"scikit-learn {1e3 * seconds['sklearn']:.2f} ms, ratio {found[str(n)]['ratio']:.2f}")
    return found


# --- contenders -----------------------------------------------------------------------------------------------------


def member(hidden: tuple[int, ...], seed: int) -> Member:
    head = heads.regressor_head(losses.squared_error, None)
    program = Program(
        network.Perceptron(hidden, activations.relu, 1),
        head,
        losses.squared_error,
        optimizers.adam,
        (),
        heads.squared_distance,
        BATCH,
    )
    init_key, order_key = jax.random.split(jax.random.PRNGKey(seed))
    parameters = network.init(init_key, (INPUTS, *hidden, 1), initializers.he_uniform, activations.relu)
    return Member(program, NUMBERS, start(program, NUMBERS, parameters, order_key), ROWS_OF_ALL, None, History("R2", 1))


ROWS_OF_ALL = table(X, Y, None)


def population(hidden: tuple[int, ...], epochs: int) -> Callable[[], None]:
    members = [member(hidden, seed) for seed in range(MEMBERS)]
    return lambda: train_population(members, epochs=epochs)


def single(hidden: tuple[int, ...], epochs: int) -> Callable[[], None]:
    one = member(hidden, 0)
    return lambda: train_population([one], epochs=epochs)


def sklearn_fit(hidden: tuple[int, ...], epochs: int) -> Callable[[], None]:
    model = MLPRegressor(hidden_layer_sizes=hidden, batch_size=BATCH, max_iter=epochs, tol=0, n_iter_no_change=10**6)

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, Y)

    return fit


def torch_runners(hidden: tuple[int, ...], epochs: int) -> dict[str, Callable[[], None]]:
    """PyTorch, eager, by thread count."""
    if not HAVE_TORCH:
        return {}
    import torch

    widths = (INPUTS, *hidden, 1)
    layers: list[Any] = []
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    inputs, targets = torch.from_numpy(X), torch.from_numpy(Y)

    def fit(threads: int) -> None:
        torch.set_num_threads(threads)
        for _ in range(epochs):
            order = torch.randperm(ROWS)
            for first in range(0, ROWS, BATCH):
                rows = order[first : first + BATCH]
                optimizer.zero_grad()
                loss = ((model(inputs[rows])[:, 0] - targets[rows]) ** 2).mean()
                loss.backward()
                optimizer.step()

    return {f"torch {threads}": partial(fit, threads) for threads in sorted({1, devices.cores()})}


# --- the measuring --------------------------------------------------------------------------------------------------


def take_turns(runners: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each, or what it returns where it measures by itself; each has run once before."""
    figures: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(repeats + 1):
        for name, runner in runners.items():
            time.sleep(0.05)  # threads of the last one may still be spinning
            began = time.perf_counter()
            own = runner()
            seconds = time.perf_counter() - began
            if turn:
                figures[name].append(own if isinstance(own, float) else seconds)
    return {name: median(values) for name, values in figures.items()}


def numpy_rate() -> float:
    """GFLOP/s of a 2048-square product, the best of three."""
    square = random.normal(size=(2048, 2048)).astype(np.float32)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        square @ square
        seconds.append(time.perf_counter() - began)
    return 2 * 2048**3 / min(seconds) / 1e9


def flops(hidden: tuple[int, ...]) -> int:
    """Of an epoch: three products per layer, and two for the first, whose inputs need no gradient."""
    widths = (INPUTS, *hidden, 1)
    products = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    return ROWS * (6 * products - 2 * widths[0] * widths[1])


def peer(seconds: dict[str, float], name: str) -> float:
    return min(value for key, value in seconds.items() if key.startswith(name))


def words(hidden: tuple[int, ...]) -> str:
    return "-".join(map(str, hidden))


if __name__ == "__main__":
    main()
