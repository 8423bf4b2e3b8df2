"""The small programs behind the pictures of the lessons: each fails in one way, and its twin differs in that alone.

`python docs/lessons.py` trains all of them in PyTorch under `trivium.watch`, in some three minutes, and writes what was
measured to `src/trivium/lessons/pictures.json`. A picture is kept where the diagnosis finds in the failing program what
the lesson is about, and not in its twin; what is left out is printed with the reason.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from twins import TWINS, Program

TARGET = Path(__file__).parents[1] / "src" / "trivium" / "lessons" / "pictures.json"
MOST_POINTS = 80


def table(program: Program) -> tuple[np.ndarray, ...]:
    """(training inputs, targets, validation inputs, targets) of a data set by its name."""
    from sklearn.datasets import load_digits, make_moons

    random = np.random.default_rng(0)
    name = program.data
    if name.startswith("digits"):
        X, y = load_digits(return_X_y=True)
        X = (X - X.mean(0)) / (X.std(0) + 1e-3)
    else:
        few = name.startswith("few")
        X, y = make_moons(160 if few else 1000, noise=0.45 if few else 0.15, random_state=0)
        X = (X - X.mean(0)) / X.std(0)
    order = random.permutation(len(y))
    X, y = X[order], y[order]
    count = 60 if name.startswith("few") else len(y) * 7 // 10
    train, y_train, aside, y_aside = X[:count], y[:count], X[count:], y[count:]
    if name == "outliers":
        train[random.choice(len(train), 5, replace=False)] *= 3000
    if name == "constant":
        train, aside = np.zeros_like(train), np.zeros_like(aside)
    if name == "holes":
        train[40, 1] = np.nan
    if name == "misaligned":
        y_train, y_aside = random.permutation(y_train), random.permutation(y_aside)
    if name == "digits, noise":
        wrong = random.random(len(y_train)) < 0.3
        y_train = np.where(wrong, random.integers(0, 10, len(y_train)), y_train)
    if name == "shifted":
        aside = aside * 8 + 20
    if name == "rare":
        kept = (y_train == 0) | (random.random(len(y_train)) < 0.03)
        train, y_train = train[kept], y_train[kept]
    if name == "balanced rare":
        kept = (y_train == 0) | (random.random(len(y_train)) < 0.03)
        train, y_train = train[kept], y_train[kept]
        copies = np.where(y_train == 1, int((y_train == 0).sum() / max(1, (y_train == 1).sum())), 1)
        train, y_train = np.repeat(train, copies, axis=0), np.repeat(y_train, copies)
    if name == "few, leak":
        aside, y_aside = train[:40].copy(), y_train[:40].copy()
    if name == "sorted":
        order = np.argsort(y_train, kind="stable")
        train, y_train = train[order], y_train[order]
    if name.startswith("numbers"):
        y_train = 0.5 * np.sin(2 * train[:, 0]) * train[:, 1]
        y_aside = 0.5 * np.sin(2 * aside[:, 0]) * aside[:, 1]
        if name == "numbers in thousands":
            y_train, y_aside = 5000 + 3000 * y_train, 5000 + 3000 * y_aside
    train, aside = (rows * program.scale + program.offset for rows in (train, aside))
    return train, y_train, aside, y_aside


def network(program: Program, inputs: int, outputs: int) -> Any:
    from torch import nn

    if program.attention is not None:
        return attention(inputs, outputs, program.attention)
    functions = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "identity": nn.Identity}
    layers: list[Any] = []
    for width in program.widths:
        layers.append(nn.Linear(inputs, width))
        if program.batch_norm is not None:
            layers.append(nn.BatchNorm1d(width, momentum=program.batch_norm))
        layers.append(nn.Softmax(-1) if program.activation == "softmax" else functions[program.activation]())
        if program.dropout:
            layers.append(nn.Dropout(program.dropout))
        inputs = width
    layers.append(nn.Linear(inputs, outputs))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            if program.start is not None:
                nn.init.normal_(layer.weight, std=program.start) if program.start else nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)
            if program.bias is not None and layer is not layers[-1]:
                nn.init.constant_(layer.bias, program.bias)
    return nn.Sequential(*layers)


def attention(inputs: int, outputs: int, factor: float) -> Any:
    """Attention over the eight rows of a digit; queries and keys start as many times as large."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.mixed = nn.Linear(inputs // 8, 32), nn.Linear(32, 96)
            self.places, self.last = nn.Parameter(torch.randn(8, 32)), nn.Linear(32, outputs)
            with torch.no_grad():
                self.mixed.weight[:64] *= factor

        def forward(self, rows: Any) -> Any:
            tokens = torch.relu(self.embed(rows.view(len(rows), 8, -1)) + self.places)
            queries, keys, values = self.mixed(tokens).chunk(3, -1)
            weights = functional.softmax(queries @ keys.transpose(1, 2) / 32**0.5, -1)
            return self.last((tokens + weights @ values).mean(1))

    return Rows()


def criterion(program: Program) -> Any:
    import torch
    from torch.nn import functional

    def loss(outputs: Any, targets: Any) -> Any:
        if program.loss == "mse":
            return program.sign * functional.mse_loss(outputs[:, 0], targets, reduction=program.reduction)
        if program.loss == "double softmax":
            outputs = torch.softmax(outputs, -1)
        if program.loss == "bare logarithm":
            chances = torch.sigmoid(outputs[:, 1] - outputs[:, 0])
            truth = targets.float()
            return -(truth * chances.log() + (1 - truth) * (1 - chances).log()).mean()
        return program.sign * functional.cross_entropy(outputs, targets, reduction=program.reduction)

    return loss


def run(program: Program) -> Any:
    """The record of one program."""
    import torch

    import trivium

    torch.set_num_threads(1)
    torch.manual_seed(0)
    arrays = table(program)
    numbers = program.loss == "mse"
    train, y_train, aside, y_aside = (
        torch.tensor(a, dtype=torch.float32 if place % 2 == 0 or numbers else torch.int64)
        for place, a in enumerate(arrays)
    )
    model = network(program, train.shape[1], 1 if numbers else int(y_train.max()) + 1)
    held = list(model.parameters()) if program.given == "all" else list(model[-1].parameters())
    kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[program.optimizer]
    optimizer = kind(held, lr=program.learning_rate, **program.options)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, program.decay)
    loss_of = criterion(program)
    with trivium.watch(model, optimizer, loss_fn=loss_of, train=(train, y_train), validation=(aside, y_aside)) as watch:
        for _ in range(program.epochs):
            order = torch.randperm(len(train)) if program.shuffle else torch.arange(len(train))
            for rows in order.split(program.batch):
                if program.zero:
                    optimizer.zero_grad()
                loss = loss_of(model(train[rows]), y_train[rows])
                loss.backward()
                if program.clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), program.clip)
                optimizer.step()
            schedule.step()
    return watch.record


def drawn(record: Any, draw: tuple[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """(numbers of updates, values) of one line of a record, as few points as a picture needs."""
    signal, place = draw
    values = getattr(record, signal)
    values = values[:, place] if values.ndim == 2 else values
    axis = record.step if signal.startswith("step_") else record.moment if len(record.moment) == len(values) else None
    places = np.asarray(record.epoch_step if axis is None else axis, dtype=float)
    known = np.isfinite(values)
    places, values = places[known], values[known]
    if len(values) > MOST_POINTS:
        kept = np.unique(np.linspace(0, len(values) - 1, MOST_POINTS).round().astype(int))
        places, values = places[kept], values[kept]
    return places, values


def picture(name: str) -> dict[str, Any] | str:
    """The numbers for a lesson, or why there are none."""
    from trivium.diagnosis.ranking import diagnose

    twins = TWINS[name]
    runs, found = [], []
    for program, about in ((twins.failing, twins.fails), (twins.mended, twins.mends)):
        record = run(program)
        found.append({finding.name for finding in diagnose(record).findings})
        places, values = drawn(record, twins.draw)
        if len(values) < 2:
            return f"nothing to draw of {about[0]}"
        runs.append(
            {
                "about": {"en": about[0], "zh": about[1]},
                "places": [int(place) for place in places],
                "values": [float(f"{value:.4g}") for value in values],
            }
        )
    if name not in found[0]:
        return f"the failing program is found to have {', '.join(found[0]) or 'no fault'}"
    if name in found[1]:
        return "the mended program has it, too"
    return {"signal": twins.draw[0], "runs": runs}


def main() -> None:
    """Record the pictures of all lessons, or of those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="lessons; all of them if left out")
    chosen = parser.parse_args().names or list(TWINS)
    pictures = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    for name in chosen:
        made = picture(name)
        pictures.pop(name, None)
        if isinstance(made, str):
            print(f"{name}: no picture, {made}")
        else:
            pictures[name] = made
    lines = (f"{json.dumps(name)}: {json.dumps(pictures[name], ensure_ascii=False)}" for name in sorted(pictures))
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{len(pictures)} pictures")


if __name__ == "__main__":
    main()
