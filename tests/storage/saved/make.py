"""Saves models in today's format under a name of today's version, beside the predictions that are to be kept.

python tests/storage/saved/make.py; it never writes over a file that is there.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import trivium
from trivium import NeuralClassifier, NeuralRegressor
from trivium.storage.file import FORMAT_VERSION

FOLDER = Path(__file__).parent
OPTIONS: dict[str, Any] = {"epochs": 12, "learning_rate": 0.02, "random_state": 0, "on_problem": "ignore"}


def rows() -> pd.DataFrame:
    """Every kind of column, with gaps, as `rows.json` keeps it."""
    content = json.loads((FOLDER / "rows.json").read_text())
    frame = pd.DataFrame(content["columns"])
    frame["day"] = pd.to_datetime(frame["day"])
    frame["grade"] = pd.Categorical(frame["grade"], ["low", "mid", "high"], ordered=True)
    frame["smokes"] = frame["smokes"].astype("boolean")
    return frame


def _new_rows(n: int = 90) -> dict[str, list]:
    random = np.random.default_rng(0)
    numbers = random.normal(50, 20, n).round(3).tolist()
    days = pd.Timestamp("2020-02-27") + pd.to_timedelta(random.integers(0, 900, n), unit="D")
    columns = {
        "size": numbers,
        "colour": random.choice(["red", "green", "blue"], n).tolist(),
        "sex": random.choice(["f", "m"], n).tolist(),
        "grade": random.choice(["low", "mid", "high"], n).tolist(),
        "day": [str(day.date()) for day in days],
        "smokes": (random.random(n) > 0.5).tolist(),
    }
    for place, values in enumerate(columns.values()):
        for row in range(place, n, 11 + place):
            values[row] = None
    return columns


def _recurring(frame: pd.DataFrame, size: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """The rows four times over, with targets that only who knows a row can tell."""
    told = size + 30 * np.random.default_rng(0).normal(size=len(size))
    return pd.concat([frame] * 4, ignore_index=True), pd.concat([told] * 4, ignore_index=True)


def _models(frame: pd.DataFrame) -> dict[str, Any]:
    size = frame["size"].fillna(50) * 2
    labels = np.column_stack([size > 100, size > 120]).astype(int)
    colour = frame["colour"].fillna("none")
    return {
        "regressor": NeuralRegressor((8, 8), activation="mish", **OPTIONS).fit(frame, size),
        "classifier": NeuralClassifier((8,), calibration="temperature", **OPTIONS).fit(frame, colour),
        "labels": NeuralClassifier((8,), normalisation="batch", **OPTIONS).fit(frame, labels),
        "average": NeuralRegressor((8,), population=3, ensemble=3, validation_fraction=0.3, **OPTIONS).fit(frame, size),
        "quantiles": NeuralRegressor((8,), loss="quantiles", **OPTIONS).fit(frame, size),
        "nearby": NeuralRegressor((8,), bagging=3, neighbours=True, **OPTIONS).fit(*_recurring(frame, size)),
        "array": NeuralRegressor((8,), residual=True, **OPTIONS).fit(np.column_stack([size, size**2]), size),
    }


if __name__ == "__main__":
    if not (FOLDER / "rows.json").exists():
        (FOLDER / "rows.json").write_text(json.dumps({"columns": _new_rows()}, indent=1))
    table = rows()
    for name, model in _models(table).items():
        path = FOLDER / f"{trivium.__version__}-format-{FORMAT_VERSION}-{name}.trivium"
        if path.exists():
            raise SystemExit(f"{path.name} is there, and files of past versions are never written again.")
        X = table if name != "array" else np.column_stack([table["size"].fillna(50) * 2] * 2)
        model.save(path)
        said = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
        path.with_suffix(".json").write_text(json.dumps(np.asarray(said).round(9).tolist()))
