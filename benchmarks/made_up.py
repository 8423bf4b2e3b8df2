"""Tables with one difficulty each, made up: what real tables have now and then, and then decides.

python benchmarks/made_up.py FOLDER
python benchmarks/tables.py --data FOLDER --models trivium,trivium_fast,lightgbm,catboost,sklearn_mlp --splits 1

FOLDER then holds a Parquet file per table and `index.csv`, as `tables.py` wants them.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification, make_friedman1
from sklearn.tree import DecisionTreeRegressor

Table = tuple[pd.DataFrame, np.ndarray]
Random = np.random.Generator


def lognormal_target(random: Random) -> Table:
    X = random.normal(size=(3000, 8))
    y = np.sin(2 * X[:, 0]) + 0.7 * X[:, 1] * X[:, 2] + abs(X[:, 3])
    return pd.DataFrame(X), np.exp(1.5 * y + 0.4 * random.normal(size=3000))


def zero_inflated(random: Random) -> Table:
    X = random.normal(size=(6000, 8))
    claims = random.random(6000) < 1 / (1 + np.exp(2 - X[:, 0] - X[:, 1] * X[:, 2]))
    return pd.DataFrame(X), claims * random.gamma(2, 100 * np.exp(0.5 * X[:, 3]))


def rare_class(random: Random) -> Table:
    X = random.normal(size=(8000, 10))
    score = 2 * X[:, 0] + X[:, 1] ** 2 - X[:, 2] * X[:, 3]
    rare = score + 0.7 * random.normal(size=8000) > np.quantile(score, 0.985)
    return pd.DataFrame(X), rare.astype(str)


def many_levels(random: Random) -> Table:
    n, kinds = 8000, (2000, 300, 40)
    levels = [random.integers(0, kind, n) for kind in kinds]
    effects = [random.normal(size=kind) for kind in kinds]
    frame = pd.DataFrame({f"c{place}": [f"v{one}" for one in column] for place, column in enumerate(levels)})
    frame[["n0", "n1", "n2"]] = random.normal(size=(n, 3))
    told = np.sum([effect[level] for effect, level in zip(effects, levels, strict=True)], axis=0)
    return frame, told + frame.n0.to_numpy() + 0.5 * random.normal(size=n)


def wide(random: Random) -> Table:
    X = random.normal(size=(400, 800))
    return pd.DataFrame(X), (X[:, :8] @ random.normal(size=8) + 0.5 * random.normal(size=400) > 0).astype(str)


def friedman_among_noise(random: Random) -> Table:
    X, y = make_friedman1(1500, 60, noise=1, random_state=0)
    return pd.DataFrame(X), y


def parities(random: Random) -> Table:
    codes = random.integers(0, 8, (6000, 6))
    parity = (codes[:, 0] % 2) ^ (codes[:, 1] % 2) ^ (codes[:, 2] > 3)
    frame = pd.DataFrame({f"c{place}": [f"k{one}" for one in codes[:, place]] for place in range(6)})
    return frame, (parity ^ (random.random(6000) < 0.05)).astype(str)


def waves(random: Random) -> Table:
    X = random.uniform(-3, 3, (3000, 5))
    return pd.DataFrame(X), np.sin(6 * X[:, 0]) + np.cos(4 * X[:, 1]) + X[:, 2] + 0.2 * random.normal(size=3000)


def values_far_off(random: Random) -> Table:
    X = random.standard_cauchy((4000, 8))
    X[random.integers(0, 4000, 20), random.integers(0, 8, 20)] = 1e9
    told = np.tanh(X[:, 0]) + 2 * (X[:, 1] > 1) - (abs(X[:, 2]) < 0.5)
    return pd.DataFrame(X), told + 0.2 * random.normal(size=4000)


def steps(random: Random) -> Table:
    X = random.normal(size=(6000, 10))
    tree = DecisionTreeRegressor(max_leaf_nodes=60, random_state=0)
    tree.fit(random.normal(size=(500, 10)), random.normal(size=500))
    return pd.DataFrame(X), tree.predict(X) + 0.3 * random.normal(size=6000)


def telling_gaps(random: Random) -> Table:
    X = random.normal(size=(4000, 6))
    y = X[:, 0] + 2 * (X[:, 1] > 0.5) + X[:, 2] * X[:, 3] + 0.3 * random.normal(size=4000)
    X[(X[:, 1] > 0.3) & (random.random(4000) < 0.8), 1] = np.nan
    X[random.random(4000) < 0.3, 2] = np.nan
    return pd.DataFrame(X), y


def counts(random: Random) -> Table:
    X = random.normal(size=(4000, 6))
    return pd.DataFrame(X), random.poisson(np.exp(0.5 * X[:, 0] + 0.4 * X[:, 1] * X[:, 2])).astype(float)


def rows_again(random: Random) -> Table:
    X = random.normal(size=(1500, 8))
    y = np.sign(X[:, 0] * X[:, 1]) + 0.8 * random.normal(size=1500)
    again = random.integers(0, 1500, 4500)
    return pd.DataFrame(X[again]), y[again]


def weak_and_many(random: Random) -> Table:
    X = random.normal(size=(200, 50))
    return pd.DataFrame(X), X @ random.normal(size=50) + 2 * random.normal(size=200)


def words(random: Random) -> Table:
    found = random.poisson(random.gamma(0.1, 1, 400), (2000, 400))
    told = found[:, :40].sum(1) - found[:, 40:80].sum(1) + 0.5 * random.normal(size=2000)
    return pd.DataFrame(found), (told > 0).astype(str)


def codes_as_numbers(random: Random) -> Table:
    place, day = random.integers(0, 400, 6000), np.arange(6000)
    effects = 2 * random.normal(size=400)
    frame = pd.DataFrame({"zip": 10_000 + place, "day": day, "a": random.normal(size=6000)})
    return frame, effects[place] + 2 * np.sin(day / 200) + 0.5 * random.normal(size=6000)


def clusters(random: Random) -> Table:
    X, y = make_classification(
        3000, 20, n_informative=10, n_redundant=5, n_classes=4, n_clusters_per_class=3, class_sep=0.8, flip_y=0.1,
        random_state=1,
    )  # fmt: skip
    return pd.DataFrame(X), y.astype(str)


TABLES: tuple[Callable[[Random], Table], ...] = (
    lognormal_target, zero_inflated, rare_class, many_levels, wide, friedman_among_noise, parities, waves,
    values_far_off, steps, telling_gaps, counts, rows_again, weak_and_many, words, codes_as_numbers, clusters,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Tables with one difficulty each, made up.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where they are written")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for make in TABLES:
        frame, y = make(np.random.default_rng(0))
        frame = frame.rename(columns=lambda name: name if isinstance(name, str) else f"x{name}").assign(target=y)
        frame.to_parquet(folder / f"{make.__name__}.parquet")
        kinds = len(np.unique(y)) if y.dtype.kind not in "if" else 0
        task = "regression" if not kinds else "binary" if kinds == 2 else "multiclass"
        index.append({"name": make.__name__, "task": task, "target": "target"})
    pd.DataFrame(index).to_csv(folder / "index.csv", index=False)
    print(f"{len(index)} tables in {folder}")


if __name__ == "__main__":
    main()
