"""What each part of the default recipe is worth: the recipe with one part changed, beside itself.

python benchmarks/ablation.py [--data FOLDER] [--tables a,b] [--splits 1] [--rows N] [--out CSV]

FOLDER and splits are those of `tables.py`. A part is worth what the loss rises by without it, as a share of the way
from a constant prediction to the recipe itself; below 0 where the recipe would do better without.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from _tabular_models import MODELS, trivium

from tables import DEFAULT, filled

VARIANTS = {
    "the recipe": {},
    "one network, no folds": {"bagging": None},
    "two networks of eight folds": {"bagging": {"folds": 8, "networks": 2}},
    "16 folds": {"bagging": 16},
    "numbers not embedded": {"embedding": None},
    "waves alone (pbld)": {"embedding": "pbld"},
    "bins alone (piecewise linear)": {"embedding": "piecewise_linear"},
    "relu": {"activation": "relu"},
    "mish": {"activation": "mish"},
    "no dropout": {"dropout": 0.0},
    "two layers": {"hidden_widths": (128, 128)},
    "half as wide": {"hidden_widths": (64, 64, 64)},
    "twice as wide": {"hidden_widths": (256, 256, 256)},
    "learning rate halved": {"learning_rate": 4e-3},
    "half the epochs": {"epochs": 16},
    "twice the epochs": {"epochs": 64},
    "robust scaling": {"scaling": "robust"},
    "rows nearby not asked": {"neighbours": False},
}
"""What is changed of `preset="default"`."""


def main() -> None:
    parser = argparse.ArgumentParser(description="What each part of the default recipe is worth.")
    parser.add_argument("--data", type=Path, default=DEFAULT, metavar="FOLDER", help="Parquet files and an index.csv")
    parser.add_argument("--tables", help="names of the index; all of them by default")
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--rows", type=int, help="most rows of a table, drawn at random")
    parser.add_argument("--out", type=Path, default=Path("ablation.csv"), metavar="CSV")
    given = parser.parse_args()
    index = pd.read_csv(given.data / "index.csv").set_index("name")
    tables = given.tables.split(",") if given.tables else list(index.index)
    unknown = sorted(set(tables) - set(index.index))
    if unknown:
        parser.error(f"unknown tables: {', '.join(unknown)}; there are {', '.join(index.index)}")
    for name, changed in VARIANTS.items():
        MODELS[name] = partial(trivium, preset="default", **changed)
    scores = filled(given, index, tables, list(VARIANTS))
    print(worth(scores[scores.table.isin(tables) & (scores.split < given.splits)]).to_string())


def worth(scores: pd.DataFrame) -> pd.DataFrame:
    """Per variant: its worth over tables and splits with a standard error, the tables it wins, its relative time."""
    losses = scores.pivot_table("loss", ["table", "split"], "model")
    way = losses["constant"] - losses["the recipe"]
    seconds = scores.pivot_table("fit_s", ["table", "split"], "model")
    found = {}
    for name in list(VARIANTS)[1:]:
        rise = (losses[name] - losses["the recipe"]) / way
        by_table = rise.groupby("table").mean()
        found[name] = {
            "loss rises by": f"{rise.mean():+.2%}",
            "standard error": f"{by_table.std() / max(1, len(by_table)) ** 0.5:.2%}",
            "better on": f"{int((by_table < 0).sum())} of {len(by_table)}",
            "time": f"{np.exp(np.log(seconds[name] / seconds['the recipe']).mean()):.2f}",
        }
    return pd.DataFrame(found).T


if __name__ == "__main__":
    main()
