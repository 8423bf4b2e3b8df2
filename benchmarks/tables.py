"""How well and how fast models learn real tables: ours beside boosted trees and other networks, each at its defaults.

python benchmarks/tables.py [--data FOLDER] [--models a,b] [--tables a,b] [--splits 5] [--out CSV] [--picture HTML]

FOLDER holds a Parquet file per table and `index.csv` with the columns name, task (regression, binary, multiclass) and
target; default: ../shared/data beside the repository. Each split keeps a fifth of the rows for the test, chosen by its
number, stratified by class. What `--out` holds already is not run again. The loss is log-loss or RMSE.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from _ranks import calibration_error, paired, summary
from _tabular_models import BOOSTED, MODELS
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split

DEFAULT = Path(__file__).parents[2] / "shared" / "data"
COLUMNS = ["table", "task", "n", "split", "model", "score", "loss", "ece", "fit_s", "predict_s"]


def main() -> None:
    parser = argparse.ArgumentParser(description="How well and how fast models learn real tables.")
    parser.add_argument("--data", type=Path, default=DEFAULT, metavar="FOLDER", help="Parquet files and an index.csv")
    parser.add_argument("--models", default="trivium,hgb,lightgbm,sklearn_mlp", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--tables", help="names of the index; all of them by default")
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--rows", type=int, help="most rows of a table, drawn at random")
    parser.add_argument("--out", type=Path, default=Path("tables.csv"), metavar="CSV")
    parser.add_argument("--picture", type=Path, metavar="HTML", help="accuracy against time, a point per model")
    given = parser.parse_args()
    index = pd.read_csv(given.data / "index.csv").set_index("name")
    tables = given.tables.split(",") if given.tables else list(index.index)
    models = given.models.split(",")
    for known, asked, what in ((index.index, tables, "tables"), (MODELS, models, "models")):
        unknown = sorted(set(asked) - set(known))
        if unknown:
            parser.error(f"unknown {what}: {', '.join(unknown)}; there are {', '.join(known)}")
    scores = filled(given, index, tables, models)
    scores = scores[
        scores.table.isin(tables) & scores.model.isin(["constant", *models]) & (scores.split < given.splits)
    ]
    show(scores, given.picture)


def filled(given: argparse.Namespace, index: pd.DataFrame, tables: list[str], models: list[str]) -> pd.DataFrame:
    """The file `given.out` with a row per table, split and model; what it holds already is not run again."""
    scores = pd.read_csv(given.out) if given.out.exists() else pd.DataFrame(columns=COLUMNS)
    done = set(zip(scores.table, scores.split, scores.model, strict=True))
    for name in tables:
        X, y = read(given.data / f"{name}.parquet", index.target[name], given.rows)
        numbers = index.task[name] == "regression"
        for split in range(given.splits):
            for model in ["constant", *models]:
                if (name, split, model) not in done:
                    row = {"table": name, "task": index.task[name], "split": split, "model": model}
                    row |= measured(model, X, y, numbers, split)
                    pd.DataFrame([row], columns=COLUMNS).to_csv(
                        given.out, mode="a", header=not given.out.exists(), index=False
                    )
                    if model != "constant":
                        print(f"{name:20}{split:>3} {model:30}{row['loss']:>12.5g}{row['fit_s']:>9.1f} s", flush=True)
    return pd.read_csv(given.out)


def read(path: Path, target: str, rows: int | None) -> tuple[pd.DataFrame, pd.Series]:
    """A table without the rows that have no target; texts, objects and booleans as categories."""
    frame = pd.read_parquet(path).dropna(subset=[target])
    if rows is not None and len(frame) > rows:
        frame = frame.sample(rows, random_state=0).reset_index(drop=True)
    X = frame.drop(columns=target)
    for name in X.columns:
        if X[name].dtype.kind not in "iufM":
            X[name] = X[name].astype(str).where(X[name].notna()).astype("category")
        elif X[name].dtype.kind == "M":
            X[name] = X[name].astype("int64") / 1e9
    return X, frame[target]


def measured(model: str, X: pd.DataFrame, y: pd.Series, numbers: bool, split: int) -> dict[str, float]:
    """Scores and seconds of a model on one split."""
    codes = y.to_numpy(float) if numbers else pd.factorize(y, sort=True)[0]
    X_train, X_test, y_train, y_test = train_test_split(
        X, codes, test_size=0.2, random_state=split, stratify=None if numbers else codes
    )
    found: dict[str, float] = {"n": len(X_train), "ece": np.nan, "fit_s": 0.0, "predict_s": 0.0}
    if model == "constant":
        shares = np.bincount(y_train.astype(int)) / len(y_train) if not numbers else np.zeros(0)
        said = np.full(len(y_test), y_train.mean()) if numbers else np.tile(shares, (len(y_test), 1))
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            began = time.perf_counter()
            fitted = MODELS[model](numbers, split).fit(X_train, y_train)
            found["fit_s"] = time.perf_counter() - began
            began = time.perf_counter()
            said = fitted.predict(X_test) if numbers else fitted.predict_proba(X_test)
            found["predict_s"] = time.perf_counter() - began
    if numbers:
        return found | {"score": r2_score(y_test, said), "loss": root_mean_squared_error(y_test, said)}
    said = np.asarray(said, float)
    said /= said.sum(axis=1, keepdims=True)
    right = said.argmax(axis=1) == y_test
    loss = log_loss(y_test, said, labels=np.arange(said.shape[1]))
    score = accuracy_score(y_test, said.argmax(axis=1))
    return found | {"score": score, "loss": loss, "ece": calibration_error(said, right)}


def show(scores: pd.DataFrame, picture: Path | None) -> None:
    """The losses per table, the summary, and the picture."""
    losses = scores[scores.model != "constant"].pivot_table("loss", "table", "model")
    print(losses.to_string(float_format="{:.5g}".format), "\n")
    found = summary(scores)
    print(found.to_string(float_format="{:.3f}".format))
    ours = [model for model in found.index if model.startswith("trivium")]
    for one in ours:
        for other in (model for model in found.index if not model.startswith("trivium")):
            print(f"{one} against {other}: p = {paired(scores, one, other):.3g} over {len(losses)} tables")
    if picture is not None:
        draw(found, picture)


def draw(found: pd.DataFrame, picture: Path) -> None:
    """Mean distance to the best loss against the time of a fit."""
    import plotly.graph_objects as go

    figure = go.Figure()
    kinds = {"ours": found.index.str.startswith("trivium"), "boosted trees": found.index.isin(BOOSTED)}
    kinds["other networks"] = ~(kinds["ours"] | kinds["boosted trees"])
    for kind, chosen in kinds.items():
        part = found[chosen]
        figure.add_scatter(
            x=part["fit seconds"], y=part["behind the best"], text=part.index, name=kind,
            mode="markers+text", textposition="top center", marker={"size": 12},
        )  # fmt: skip
    figure.update_layout(
        title="Nearer to the bottom left is better",
        xaxis={"title": "seconds of a fit, geometric mean over tables", "type": "log"},
        yaxis={"title": "distance to the best loss, constant = 100%", "tickformat": ".0%", "rangemode": "tozero"},
        template="plotly_white", width=900, height=560,
    )  # fmt: skip
    figure.write_html(picture, include_plotlyjs=True)


if __name__ == "__main__":
    main()
