"""Static facts of a table and its targets, in bounded time: what is in them, and what could be learned from them."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from trivium.moments import mean_and_variance

LEARN_ROWS, SCORE_ROWS, LEARN_COLUMNS = 2000, 1000, 1024
"""Rows and columns that the reference models see, at most: they take some tenths of a second."""

EXPECTED = 10
"""Rows kept aside in which a column is expected to differ from its median, from which on its spread tells something."""

COLUMNS_PER_SPLIT = 100
"""Among which trees on numbers choose, at most: scikit-learn would take them all."""


def target_facts(targets: np.ndarray, kind: str | None = None, width: int | None = None) -> dict[str, Any]:
    """What the targets are: "classes", "numbers", "several" (labels of 0 and 1 each) or "tokens".

    kind   of the loss, where it is known: squared error on integers of many values means numbers; or "numbers" itself
    width  outputs of the network
    """
    targets = np.asarray(targets)
    whole = np.issubdtype(targets.dtype, np.integer) or targets.dtype == bool
    if whole and targets.ndim > 1 and targets.shape[-1] > 1 and targets.max(initial=0) > 1:
        counts = np.bincount(targets.reshape(-1).clip(min=0)[:100_000])
        return {"kind": "tokens", "classes": len(counts), "counts": counts.tolist()}
    if whole and kind == "classes" and targets.ndim == 1 and targets.size and targets.min() >= 0:
        counts = np.bincount(targets)
        return {"kind": "classes", "classes": len(counts), "counts": counts.tolist()}
    values = targets if targets.dtype in (np.float32, np.float64) else targets.astype(float)
    if values.ndim > 1 and values.shape[-1] == 1:
        values = values.reshape(-1)
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        values = np.where(np.isfinite(values), values, 0.0)
        return {"kind": "numbers", "nonfinite": bad, "rows": len(values)}
    if kind == "numbers":
        return _number_facts(values)
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    if values.ndim > 1:
        if binary and np.all(values.sum(-1) == 1) and values.shape[-1] > 1:
            counts = values.sum(0)
            return {"kind": "classes", "classes": values.shape[-1], "counts": counts.tolist(), "one_hot": True}
        if binary:
            return {"kind": "several", "classes": values.shape[-1], "shares": values.mean(0).tolist()}
        return _number_facts(values)
    labels = values[:, ...] if values.ndim else values.reshape(1)
    integers = bool((labels == np.round(labels)).all()) and labels.min() >= 0
    few = len(np.unique(labels[:10_000])) <= 2 or whole
    if integers and few and not (kind in ("mse", "mae", "huber") and width == 1 and labels.max() > 1):
        counts = np.bincount(labels.astype(int))
        return {"kind": "classes", "classes": len(counts), "counts": counts.tolist()}
    return _number_facts(values)


def _number_facts(values: np.ndarray) -> dict[str, Any]:
    least, largest = float(values.min()), float(values.max())
    mean, variance = mean_and_variance(values)
    return {
        "kind": "numbers",
        "minimum": least,
        "maximum": largest,
        "mean": float(np.mean(mean)),
        "std": float(np.mean(np.sqrt(variance))),
        "constant": least == largest,
    }


def some_columns(n: int) -> slice:
    """Of so many columns those that are looked at, at even distances."""
    return slice(None, None, max(1, -(-n // LEARN_COLUMNS)))


def column_facts(rows: np.ndarray) -> dict[str, Any]:
    """Scale, holes, outliers and constant columns of an input table (rows, columns).

    scale          median over columns of the root mean square of the finite entries
    largest        largest magnitude
    spread_ratio   largest column spread / smallest one above zero
    offset         median over columns of |mean| / spread
    constant       share of columns with one value
    outliers       rows with an entry more than 50 times further from the column's median than 99 % of the entries
    duplicates     share of rows that stand there more than once
    """
    flat = np.asarray(rows).reshape(len(rows), -1)
    flat = flat[:, some_columns(flat.shape[1])].astype(np.float64)
    holes = ~np.isfinite(flat)
    facts: dict[str, Any] = {
        "rows": len(flat),
        "columns": flat.shape[1],
        "nan": int(np.isnan(flat).sum()),
        "infinite": int(np.isinf(flat).sum()),
    }
    if holes.any():
        place = np.argwhere(holes)[0]
        facts["first_hole"] = {"row": int(place[0]), "column": int(place[1])}
        flat = np.where(holes, 0.0, flat)
    center, spread = np.median(flat, axis=0), flat.std(0)
    magnitude = np.sqrt((flat**2).mean(0))
    varying = spread > 0
    far, distance = _far(flat), np.abs(flat - center)
    usual = np.quantile(distance, 0.99, axis=0)
    kept = flat[~far]
    inner = kept.std(0)
    facts |= {
        "scale": float(np.median(magnitude[varying])) if varying.any() else 0.0,
        "typical": float(np.sqrt((kept**2).mean())),
        "spread": float(np.sqrt((inner**2).mean())),
        "largest_spread": float(inner.max(initial=0.0)),
        "largest": float(np.abs(flat).max(initial=0.0)),
        "spread_ratio": float(inner.max() / inner[inner > 0].min()) if (inner > 0).any() else None,
        "offset": float(np.median(np.abs(kept.mean(0)[inner > 0]) / inner[inner > 0])) if (inner > 0).any() else None,
        "constant": float((~varying).mean()) if flat.size else None,
        "outliers": int(far.sum()),
        "outlier_rows": np.flatnonzero(far)[:10].tolist(),
        "outlier_factor": float(distance[far].max() / max(float(usual.max()), 1e-300)) if far.any() else None,
        "duplicates": 1 - len(np.unique(kept, axis=0)) / max(len(kept), 1) if len(kept) <= 20_000 else None,
    }
    return facts


def _far(flat: np.ndarray) -> np.ndarray:
    """Rows with an entry 50 times further from its column's median than 99 % of the entries; none where they are many.

    A column that hardly ever varies is measured with its own few distances, or where these are three or less with the
    usual distance of the others.
    """
    distance = np.abs(flat - np.median(flat, axis=0))
    usual = np.quantile(distance, min(0.99, 1 - 3.5 / max(len(flat), 4)), axis=0)
    floor = np.median(usual[usual > 0]) if (usual > 0).any() else 0.0
    for place in np.flatnonzero((usual == 0) & ((distance > 0).sum(axis=0) > 3)):
        column = distance[:, place]
        usual[place] = np.median(column[column > 0])
    if not floor > 0:
        return np.zeros(len(flat), bool)
    far = np.any(distance > 50 * np.maximum(usual, floor)[None, :], axis=1)
    return np.asarray(far if far.sum() < 0.02 * len(flat) + 3 else np.zeros(len(flat), bool))


def split_facts(
    rows: np.ndarray, targets: np.ndarray, kept_rows: np.ndarray, kept_targets: np.ndarray, kind: str | None
) -> dict[str, Any]:
    """How training and validation rows compare, and what reference models reach.

    overlap              share of validation rows that are training rows to the bit (with the same target)
    same                 whether both are one and the same table
    shift                median distance of the column means, in training spreads, and `shift_scale` of the spreads; of
                         columns that are to vary in so few rows
    majority, nearest, linear, trees   validation score of a constant, 5 neighbours, least squares, extra trees
    reference            the best of these: what the data allow, at least
    agreement            leave-one-out score of 5 neighbours within the training rows
    agreement_trees      out-of-bag score of the trees within the training rows
    agreement_linear     score of least squares on left-out quarters of the training rows
    kept_rows            validation rows
    clearest             share of the commonest label among 20 neighbours, in the clearest quarter of the rows
    single               the best score of one column alone (a tree of two levels), with its index
    """
    x, v = _table(rows), _table(kept_rows)
    facts: dict[str, Any] = {}
    if x.shape[1] != v.shape[1] or not len(v):
        return facts
    keys = {row.tobytes() for row in np.ascontiguousarray(x[:50_000])}
    facts["same"] = bool(x.shape == v.shape and np.array_equal(x, v))
    facts["overlap"] = float(np.mean([row.tobytes() in keys for row in np.ascontiguousarray(v[:2000])]))
    facts["distinct"] = len(keys) / max(min(len(x), 50_000), 1)
    inner, outer = x[~_far(x)], v[~_far(v)]
    center, spread = inner.mean(0), inner.std(0)
    # an indicator of a rare level is 0 in a few rows kept aside, by whomever they were drawn
    expected = (inner != np.median(inner, axis=0)).mean(0) * len(outer) if len(inner) else np.zeros(x.shape[1])
    varying = (spread > 0) & (expected >= min(EXPECTED, len(outer) / 2))
    if varying.any():
        facts["shift"] = float(np.median(np.abs(outer.mean(0) - center)[varying] / spread[varying]))
        facts["shift_scale"] = float(np.median(outer.std(0)[varying] / spread[varying]))
    facts["kept_rows"] = len(v)
    return facts | reference_facts(rows, targets, kept_rows, kept_targets, kind)


def reference_facts(
    rows: np.ndarray, targets: np.ndarray, kept_rows: np.ndarray, kept_targets: np.ndarray, kind: str | None
) -> dict[str, Any]:
    """Of `split_facts`, what reference models reach: the part that takes time."""
    x, v = _table(rows), _table(kept_rows)
    if kind not in ("classes", "numbers", "several") or x.shape[1] != v.shape[1] or not len(v):
        return {}
    return _references(x, _plain_targets(targets, kind), v, _plain_targets(kept_targets, kind), kind)


def grid_facts(rows: np.ndarray, targets: np.ndarray, kind: str | None) -> dict[str, Any]:
    """What a truth table allows, such as that of XOR: rows that are every combination of their columns' values.

    There is nothing outside such a table, so learning it by heart is learning it, and a hidden layer suffices for that:
    where least squares knows nothing of the targets, `majority`, `linear` and a `reference` of 1 are told. Any other
    table, and one in which equal rows have different targets, has none of these.
    """
    table = _table(rows)
    if not 4 <= len(table) <= 256 or table.shape[1] < 2 or kind not in ("classes", "numbers"):
        return {}
    distinct, which = np.unique(table, axis=0, return_inverse=True)
    combinations = np.prod([len(np.unique(column)) for column in table.T], dtype=float)
    y = _plain_targets(targets, kind)
    if y.ndim > 1 or len(distinct) != combinations or len(distinct) > 64 or not np.isfinite(y).all():
        return {}
    whole = np.unique(np.column_stack([which.reshape(-1), y]), axis=0)
    if len(whole) != len(distinct) or len(np.unique(y)) < 2:
        return {}
    goal = (y[:, None] == np.unique(y)).astype(float) if kind == "classes" else y[:, None].astype(float)
    goal = goal - goal.mean(0)
    inputs = np.column_stack([np.ones(len(table)), table])
    left = goal - inputs @ np.linalg.lstsq(inputs, goal, rcond=None)[0]
    if (left**2).sum() < 0.9 * (goal**2).sum():
        return {}
    majority = _constant_score(y, y, kind)
    return {"majority": majority, "linear": majority, "reference": 1.0}


def token_facts(rows: np.ndarray, targets: np.ndarray, kept: np.ndarray, kept_targets: np.ndarray) -> dict[str, Any]:
    """For sequences of tokens: how often the commonest follower of the last one or two tokens is right."""
    facts: dict[str, Any] = {"kept_rows": int(kept_targets.size)}
    if rows.ndim != 2 or rows.shape != targets.shape or not np.issubdtype(rows.dtype, np.integer):
        return facts
    common = int(np.bincount(targets.reshape(-1)).argmax())
    facts["majority"] = float((kept_targets == common).mean())
    for name, length in (("last_token", 1), ("last_two_tokens", 2)):
        known: dict[tuple, Counter] = {}
        for context, follower in _contexts(rows[:LEARN_ROWS], targets[:LEARN_ROWS], length):
            known.setdefault(context, Counter())[follower] += 1
        best = {context: counts.most_common(1)[0][0] for context, counts in known.items()}
        pairs = list(_contexts(kept[:200], kept_targets[:200], length))
        facts[name] = float(np.mean([best.get(context, common) == follower for context, follower in pairs]))
    facts["reference"] = max(facts["majority"], facts["last_token"], facts["last_two_tokens"])
    return facts


def _contexts(rows: np.ndarray, targets: np.ndarray, length: int) -> Iterator[tuple[tuple, int]]:
    for row, target in zip(rows.tolist(), targets.tolist(), strict=True):
        for place in range(len(row)):
            yield tuple(row[max(0, place - length + 1) : place + 1]), target[place]


def _table(rows: np.ndarray) -> np.ndarray:
    flat = np.asarray(rows).reshape(len(rows), -1)
    flat = flat[:, some_columns(flat.shape[1])].astype(np.float32)
    return np.where(np.isfinite(flat), flat, 0.0)


def _plain_targets(targets: np.ndarray, kind: str) -> np.ndarray:
    targets = np.asarray(targets)
    if kind == "classes":
        labels = targets.argmax(-1) if targets.ndim > 1 and targets.shape[-1] > 1 else targets.reshape(len(targets))
        return labels.astype(int)
    values = targets.reshape(len(targets), -1)
    return values[:, 0] if values.shape[1] == 1 else values


def _references(x: np.ndarray, y: np.ndarray, v: np.ndarray, w: np.ndarray, kind: str) -> dict[str, Any]:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
    from sklearn.linear_model import Ridge, RidgeClassifier
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    rng = np.random.default_rng(0)
    if len(x) > LEARN_ROWS:
        pick = rng.choice(len(x), LEARN_ROWS, replace=False)
        x, y = x[pick], y[pick]
    if len(v) > SCORE_ROWS:
        pick = rng.choice(len(v), SCORE_ROWS, replace=False)
        v, w = v[pick], w[pick]
    if not (np.isfinite(y).all() and np.isfinite(w).all()) or len(np.unique(y)) < 2:
        return {}
    center, spread = np.median(x, 0), x.std(0)
    spread = np.where(spread > 0, spread, 1)
    x, v = np.clip((x - center) / spread, -20, 20), np.clip((v - center) / spread, -20, 20)
    classes = kind == "classes"
    forest = {"n_estimators": 60, "random_state": 0, "bootstrap": True, "oob_score": len(x) >= 30}
    if not classes:
        forest["max_features"] = min(x.shape[1], COLUMNS_PER_SPLIT)
    if kind == "numbers" and y.ndim == 1:
        y, w = (y - (m := y.mean())) / (s := y.std() or 1.0), (w - m) / s
    neighbours = min(5, max(1, len(x) // 2))
    models = {
        "nearest": (KNeighborsClassifier if classes else KNeighborsRegressor)(neighbours),
        "linear": RidgeClassifier() if classes else Ridge(),
        "trees": (ExtraTreesClassifier if classes else ExtraTreesRegressor)(**forest),
    }
    facts: dict[str, Any] = {"majority": _constant_score(y, w, kind)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model in models.items():
            model.fit(x, y)
            guess = model.predict(v)
            facts[name] = _score(guess, w, kind)
            if name == "trees" and classes and kind == "classes":
                facts["worst_recall"] = min(float((guess[w == k] == k).mean()) for k in np.unique(w))
                facts["balanced"] = float(np.mean([(guess[w == k] == k).mean() for k in np.unique(w)]))
        if classes and len(x) >= 200:
            facts["clearest"] = _clearest(x, y)
        if len(x) >= 30:
            facts["agreement"] = _leave_one_out(x, y, kind, neighbours)
            held_out: Any = cross_val_predict(models["linear"], x, y, cv=KFold(4, shuffle=True, random_state=0))
            facts["agreement_linear"] = _score(held_out, y, kind)
            oob = getattr(models["trees"], "oob_score_", None)
            facts["agreement_trees"] = float(oob) if oob is not None else None
        tree = DecisionTreeClassifier if classes else DecisionTreeRegressor
        singles = [(tree(max_depth=2 if not classes else 4), column) for column in _promising(x, y, kind)]
        scores = [(_score(t.fit(x[:, [c]], y).predict(v[:, [c]]), w, kind), c) for t, c in singles]
        if scores:
            best, at = max(scores)
            facts |= {"single": best, "single_column": int(at)}
            others = np.delete(np.arange(x.shape[1]), at)
            if best > 0.97 and len(others):
                rest = type(models["trees"])(n_estimators=60, random_state=0).fit(x[:, others], y)
                facts["without_single"] = _score(rest.predict(v[:, others]), w, kind)
    facts["reference"] = max(facts[name] for name in ("majority", "nearest", "linear", "trees"))
    return facts


def _clearest(x: np.ndarray, y: np.ndarray, neighbours: int = 20) -> float:
    """Share of the commonest label among a row's neighbours, in the quarter of the rows where it is largest."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=neighbours + 1).fit(x).kneighbors(x, return_distance=False)[:, 1:]
    votes = np.stack([(y[near] == k).mean(1) for k in np.unique(y)], 1).max(1)
    return float(np.quantile(votes, 0.75))


def _promising(x: np.ndarray, y: np.ndarray, kind: str) -> list[int]:
    """The eight columns that go with the targets most."""
    goal = y.reshape(len(y), -1).astype(float)
    if kind == "classes":
        goal = (y[:, None] == np.unique(y)[None, :]).astype(float)
    goal = goal - goal.mean(0)
    inner = x - x.mean(0)
    size = np.sqrt((inner**2).sum(0))[:, None] * np.sqrt((goal**2).sum(0))[None, :]
    strength = np.abs(inner.T @ goal) / np.where(size > 0, size, 1)
    return np.argsort(-strength.max(1))[:8].tolist()


def _constant_score(y: np.ndarray, w: np.ndarray, kind: str) -> float:
    if kind == "classes":
        return float((w == np.bincount(y).argmax()).mean())
    if kind == "several":
        return float((w == np.round(y.mean(0))).reshape(len(w), -1).all(1).mean())
    return 0.0


def _score(guess: np.ndarray, truth: np.ndarray, kind: str) -> float:
    if kind == "classes":
        return float((guess == truth).mean())
    if kind == "several":
        return float(((guess > 0.5) == (truth > 0.5)).reshape(len(truth), -1).all(1).mean())
    spread = float(((truth - truth.mean(0)) ** 2).sum())
    return 1 - float(((guess - truth) ** 2).sum()) / spread if spread else math.nan


def _leave_one_out(x: np.ndarray, y: np.ndarray, kind: str, neighbours: int) -> float:
    """Score of each row's nearest others; duplicates of the row itself do not count as others."""
    from sklearn.neighbors import NearestNeighbors

    x, keep = np.unique(x, axis=0, return_index=True)
    y = y[keep]
    if len(x) <= neighbours + 1:
        return math.nan
    near = NearestNeighbors(n_neighbors=neighbours + 1).fit(x).kneighbors(x, return_distance=False)[:, 1:]
    if kind == "classes":
        votes = np.stack([(y[near] == k).sum(1) for k in range(int(y.max()) + 1)], 1)
        return float((votes.argmax(1) == y).mean())
    return _score(y[near].mean(1), y, kind)
