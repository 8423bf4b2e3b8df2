"""What a loss means to the numbers of a table: its domain, and whether they may be shifted, scaled or shared out."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, cast

import jax.numpy as jnp
import numpy as np

from trivium import losses
from trivium.heads.head import Head, network_puts_out
from trivium.losses._contract import within
from trivium.moments import mean_and_variance


def check_targets(loss: Callable, targets: np.ndarray) -> None:
    """Raises ValueError that names the first target outside the loss's domain, as `y`."""
    function = loss.func if isinstance(loss, partial) else loss
    annotation = inspect.signature(function).parameters.get("targets")
    within("y", cast(Any, np.asarray(targets, np.float32)), None if annotation is None else annotation.annotation)


def moves_with(loss: Callable, head: Head) -> tuple[bool, bool]:
    """Whether a loss keeps its meaning where outputs and targets are shifted together, and where they are scaled.

    Found by trying: of what the network puts out, the first unit is shifted or scaled, and the scale grows with it. Of
    the squared error, which most fits use, it is known.
    """
    return (True, True) if loss is losses.squared_error else moved(loss, head)


def moved(loss: Callable, head: Head) -> tuple[bool, bool]:
    """The same, of any loss, by trying."""
    random = np.random.default_rng(0)
    targets = random.uniform(1, 2, 64).astype(np.float32)
    outputs = random.uniform(1, 2, (64, head.width)).astype(np.float32)
    outputs = outputs[:, 0] if head.flat else outputs

    def at(factor: float, shift: float) -> np.ndarray:
        changed = outputs.copy()
        first = changed if head.flat else changed[:, 0]
        first *= factor
        first += shift
        return np.asarray(head.losses(loss, jnp.asarray(changed), jnp.asarray(targets * np.float32(factor) + shift)))

    if network_puts_out(loss) not in _MOVABLE:
        return False, False
    shifted = bool(np.allclose(at(1, 4), at(1, 0), rtol=1e-3, atol=1e-5))
    ratios = at(8, 0) / np.maximum(at(1, 0), 1e-12)
    return shifted, shifted or bool(np.allclose(ratios, ratios[0], rtol=1e-3))


_MOVABLE = ("predictions", "means", "increments")


def centre_and_scale(loss: Callable, head: Head, targets: np.ndarray) -> tuple[Any, Any]:
    """What to subtract from targets and then to divide them by, where the loss keeps its meaning: else 0 and 1.

    For several numbers (n, n_outputs), lists with an entry each.
    """
    if targets.ndim == 2:
        alone = replace(head, width=1, flat=True)
        pairs = [centre_and_scale(loss, alone, column) for column in targets.T]
        return [centre for centre, _ in pairs], [scale for _, scale in pairs]
    may_shift, may_scale = moves_with(loss, head)
    if not may_shift:
        return 0.0, (float(np.abs(targets).mean()) or 1.0) if may_scale else 1.0
    mean, variance = mean_and_variance(targets)
    return float(mean), (float(np.sqrt(variance)) or 1.0) if may_scale else 1.0


def encoded(head: Head, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """Numbers of classes (n,) as the loss takes them."""
    if head.targets == "one-hot":
        return np.eye(n_classes, dtype=np.float32)[numbers]
    return numbers.astype(np.float32 if head.targets == "numbers" else np.int32)


def takes_shares(loss: Callable, head: Head) -> bool:
    """Whether a loss for classes also takes targets that are shares of several classes. Found by trying."""
    if head.over_batch or not head.probabilistic:
        return False
    outputs = jnp.full((2,) if head.flat else (2, head.width), 0.4, jnp.float32)
    shares = jnp.full(outputs.shape, 1 / max(2, head.width), jnp.float32)
    try:
        return bool(np.isfinite(np.asarray(head.losses(loss, outputs, shares))).all())
    except (TypeError, ValueError):
        return False
