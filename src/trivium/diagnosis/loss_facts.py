"""What a loss does, found by asking it: any function of outputs and targets, of any framework."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Ask = Callable[[np.ndarray, np.ndarray], float]
"""(outputs of the network, targets of the same rows) -> the loss of that batch, NaN where it refuses."""

SCALES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0)
"""How confident the perfect predictions are that the loss is shown, as logits."""


def behaviour(ask: Ask, targets: np.ndarray, facts: dict[str, Any], width: int) -> dict[str, Any]:
    """Facts about a loss, from its values on made-up outputs.

    targets  some rows of the true ones, as the loss gets them
    facts    of the targets: kind, counts, ...
    width    outputs per row
    perfect    the least loss that any outputs reach
    floor      `perfect` as a share of `baseline`; 0 where the targets can be met exactly
    bounded    whether still more confidence than the most that was tried changes nothing
    unbounded  whether a loss of classes falls below zero without end
    flat       whether outputs do not change the loss at all
    reduction  "mean" or "sum" over the rows
    sign       -1 where a right prediction costs more than a wrong one
    safe       whether the loss stays finite at the most confident outputs, right and wrong
    """
    kind = facts.get("kind")
    if kind == "classes":
        right = _signs(targets, width, facts)
    elif kind == "several":
        right = np.where(targets > 0.5, 1.0, -1.0)
    elif kind == "numbers":
        return _numbers(ask, targets, facts, width)
    else:
        return {}
    if right is None:
        return {}
    good = [ask(right * scale, targets) for scale in SCALES]
    bad = [ask(-right * scale, targets) for scale in SCALES]
    rng = np.random.default_rng(0)
    random = [ask(rng.normal(0, 2, right.shape), targets) for _ in range(3)]
    finite = [value for value in good if math.isfinite(value)]
    if not finite:
        return {"safe": False}
    every = [*finite, *(value for value in [*bad, *random] if math.isfinite(value))]
    perfect, spread = min(finite), max(every) - min(every)
    baseline = entropy(facts, kind)
    single, double = ask(right, targets), ask(np.repeat(right, 2, 0), np.repeat(targets, 2, 0))
    return {
        "perfect": perfect,
        "floor": perfect / baseline if baseline else None,
        "bounded": bool(math.isclose(good[-1], good[-2], rel_tol=1e-3, abs_tol=1e-6)),
        "unbounded": perfect < -1.0 and good[-1] < 1.5 * good[-2],
        "flat": spread <= 1e-6 * max(abs(perfect), 1e-3),
        "reduction": _reduction(single, double),
        "sign": _sign(good, bad),
        "safe": all(math.isfinite(value) for value in [*good, *bad]),
    }


def _signs(targets: np.ndarray, width: int, facts: dict[str, Any]) -> np.ndarray | None:
    """+1 at the right class, -1 elsewhere; one column of ±1 for a network with one output."""
    labels = targets.argmax(-1) if targets.ndim > 1 and targets.shape[-1] > 1 else targets.reshape(-1)
    labels = labels.astype(int)
    if width == 1:
        return np.where(labels > 0, 1.0, -1.0)[:, None] if facts.get("classes", 2) <= 2 else None
    if labels.min() < 0 or labels.max() >= width:
        return None
    return np.where(np.arange(width)[None, :] == labels[:, None], 1.0, -1.0)


def entropy(facts: dict[str, Any], kind: str | None) -> float | None:
    """Loss of predicting the classes' shares for every row, in nats; for several labels the mean over labels."""
    if kind == "classes":
        shares = np.asarray(facts.get("counts") or (), dtype=float)
        shares = shares[shares > 0] / max(shares.sum(), 1)
        return float(-(shares * np.log(shares)).sum()) or None
    if kind == "several":
        shares = np.clip(np.asarray(facts.get("shares") or (), dtype=float), 1e-12, 1 - 1e-12)
        return float(-(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).mean()) if shares.size else None
    return None


def _reduction(single: float, double: float) -> str | None:
    if not (math.isfinite(single) and math.isfinite(double)) or abs(single) < 1e-9:
        return None
    if math.isclose(double, single, rel_tol=1e-3):
        return "mean"
    return "sum" if math.isclose(double, 2 * single, rel_tol=1e-3) else None


def _sign(good: list[float], bad: list[float]) -> int | None:
    pairs = [(a, b) for a, b in zip(good, bad, strict=True) if math.isfinite(a) and math.isfinite(b) and a != b]
    if not pairs:
        return None
    worse = sum(a > b for a, b in pairs)
    return -1 if worse == len(pairs) else 1


def _numbers(ask: Ask, targets: np.ndarray, facts: dict[str, Any], width: int) -> dict[str, Any]:
    """For targets that are numbers: the best that outputs can do at the smallest, middle and largest target."""
    flat = targets.reshape(len(targets), -1)
    if flat.shape[1] != width or width > 8 or not np.isfinite(flat).all():
        return {}
    order = np.argsort(flat[:, 0])
    picks = sorted({int(order[0]), int(order[len(order) // 2]), int(order[-1])})
    reach = max(1.0, float(np.abs(flat).max()))
    grid = np.concatenate([-np.geomspace(1e-3, 3 * reach, 60)[::-1], [0.0], np.geomspace(1e-3, 3 * reach, 60)])
    best, constant = [], []
    for pick in picks:
        own = targets[pick : pick + 1]
        tries = [*(np.full((1, width), value) for value in grid), flat[pick : pick + 1]]
        costs = [cost for outputs in tries if math.isfinite(cost := ask(outputs, own))]
        if not costs:
            return {"safe": False}
        best.append(min(costs))
        constant.append(max(costs) - min(costs))
    baseline = ask(np.repeat(flat.mean(0, keepdims=True), len(flat), 0), targets)
    scale = facts.get("constant_loss") or (baseline if math.isfinite(baseline) else None)
    single, double = ask(flat * 0.5 + 0.1, targets), ask(np.repeat(flat * 0.5 + 0.1, 2, 0), np.repeat(targets, 2, 0))
    perfect = ask(flat, targets)
    wrong = ask(flat + 2 * (flat.std() + 1e-6), targets)
    return {
        "perfect": float(np.mean(best)),
        "floor": float(np.max(best)) / scale if scale else None,
        "flat": bool(max(constant) <= 1e-9 * max(1.0, abs(best[0]))),
        "reduction": _reduction(single, double),
        "sign": -1 if math.isfinite(wrong) and wrong < perfect - 1e-9 and wrong < 0 else 1,
        "safe": True,
    }
