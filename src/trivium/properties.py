"""What can be computed of an activation, so that nobody has to list it; a user's own included.

Signals are thought of as normal with mean 0 and variance 1; learned numbers stand at their start.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from trivium.compiling import quickly

WIDTH = 12
"""Units of a trial layer: most pieces that an activation may share divide it."""


class Saturation(NamedTuple):
    """Where the derivative stays below a hundredth of its largest: up to `below`, from `above` on; None: nowhere."""

    below: float | None
    above: float | None


@cache
def width_factor(activation: Callable) -> float:
    """Units behind the activation over units in front of it: 1/2 for gated ones, 2 for crelu.

    Raises ValueError for a function that does not take rows of units.
    """
    shape = jax.eval_shape(activation, jax.ShapeDtypeStruct((1, WIDTH), jnp.float32)).shape
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(
            f"activation must map rows of units to rows of units, got {shape} from (1, {WIDTH}). Reduce no axis."
        )
    return shape[1] / WIDTH


@cache
def is_elementwise(activation: Callable) -> bool:
    """Whether each output depends on the input in its place alone."""
    if width_factor(activation) != 1:
        return False
    before, after = _trial(activation)[:2]
    return bool((before[1:] == after[1:]).all())


@cache
def is_bounded(activation: Callable) -> bool:
    """Whether it stays within 100 at 1e4 on either side."""
    return bool((np.abs(_trial(activation)[2]) < 100).all())


@cache
def gain(activation: Callable) -> float:
    """What to multiply weights by so that the activation keeps a unit second moment, 1 / sqrt(E[f(z)^2])."""
    return float(1 / np.sqrt(_expected(activation, np.square)))


@cache
def output_mean(activation: Callable) -> float:
    """E[f(z)]: far from zero, it shifts the layer behind."""
    return _expected(activation, lambda values: values)


@cache
def saturates(activation: Callable) -> Saturation | None:
    """Where an elementwise activation saturates; None for one that mixes units."""
    if not is_elementwise(activation):
        return None
    sizes = np.concatenate([np.arange(0, 50, 0.01), np.geomspace(50, 1e4, 500)]).astype(np.float32)
    peak = np.abs(_slopes(activation, np.arange(-20, 20, 0.01, dtype=np.float32))).max()
    ends = []
    for side in (-1, 1):
        awake = np.flatnonzero(np.abs(_slopes(activation, side * sizes)) > peak / 100)
        last = awake[-1] + 1 if len(awake) else 0
        ends.append(None if last == len(sizes) else float(side * round(float(sizes[last]), 2)))
    return Saturation(*ends)


@cache
def dead_region(activation: Callable) -> tuple[float, float] | None:
    """The widest interval in which the derivative is exactly zero; None where there is none wider than 0.1."""
    if not is_elementwise(activation):
        return None
    edge = 8.0
    places = np.arange(-edge, edge + 0.005, 0.01).astype(np.float32)
    still = np.concatenate([[False], _slopes(activation, places) == 0, [False]]).astype(int)
    starts, stops = np.flatnonzero(np.diff(still) == 1), np.flatnonzero(np.diff(still) == -1)
    widths = [(stop - start, start, stop) for start, stop in zip(starts, stops, strict=True) if stop - start > 10]
    if not widths:
        return None
    _, start, stop = max(widths)
    low = -np.inf if start == 0 else round(float(places[start]), 2)
    high = np.inf if stop == len(places) else round(float(places[stop - 1]), 2)
    return float(low), float(high)


@cache
def is_monotonic(activation: Callable) -> bool | None:
    """Whether it never falls; None for one that mixes units."""
    if not is_elementwise(activation):
        return None
    values = np.asarray(activation(jnp.arange(-20, 20, 0.01, dtype=jnp.float32)))
    return bool((np.diff(values) >= -1e-6).all())


def in_words(activation: Callable) -> dict[str, str]:
    """The computed facts, for people."""
    facts = {"Gain": f"{gain(activation):.4f}", "Mean output": f"{output_mean(activation):.4f}"}
    saturation, dead = saturates(activation), dead_region(activation)
    if saturation is not None:
        sides = [] if saturation.below is None else [f"below {saturation.below + 0.0:g}"]
        sides += [] if saturation.above is None else [f"above {saturation.above:g}"]
        facts["Saturates"] = " and ".join(sides) or "nowhere"
        facts["Dead region"] = "none" if dead is None else f"from {dead[0]:g} to {dead[1]:g}"
        facts["Monotonic"] = "yes" if is_monotonic(activation) else "no"
    if width_factor(activation) != 1:
        facts["Width"] = f"{width_factor(activation):g} units out for each one in"
    return facts


def _expected(activation: Callable, of: Callable[[np.ndarray], np.ndarray]) -> float:
    """The mean of a function of the activation's outputs."""
    if is_elementwise(activation):
        places, weights = _quadrature()
        density = weights * np.exp(-(places**2) / 2)
        values = _trial(activation)[3:].ravel()
        return float((of(values) * density).sum() / density.sum())
    rows = np.random.default_rng(0).normal(size=(1 << 15, WIDTH)).astype(np.float32)
    rows = (rows - rows.mean()) / rows.std()
    return float(of(np.asarray(jax.jit(activation)(jnp.asarray(rows)), float)).mean())


@cache
def _trial(activation: Callable) -> np.ndarray:
    """Rows of units behind an activation, all in one call, since each call of another shape is another program: a row,
    the same with its first unit changed, one far out on both sides, and the places of the quadrature."""
    row = np.linspace(-2, 2, WIDTH)
    changed = np.where(np.arange(WIDTH) == 0, 5, row)
    far = np.resize([-1e4, 1e4], WIDTH)
    rows = np.concatenate([[row, changed, far], _quadrature()[0].reshape(-1, WIDTH)])
    return np.asarray(_of_rows(activation, rows.astype(np.float32)), float)


@partial(quickly, static=("activation",))
def _of_rows(activation: Callable, rows: jax.Array) -> jax.Array:
    return activation(rows)


def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    """Places and weights: panels so narrow that kinks at round numbers lie between them, eight points in each."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    edges = np.linspace(-12, 12, 481)
    places = (edges[1:] + edges[:-1])[:, None] / 2 + nodes * (edges[1] - edges[0]) / 2
    return places.ravel(), np.tile(weights, 480)


def _slopes(activation: Callable, places: np.ndarray) -> np.ndarray:
    return np.asarray(jax.vmap(jax.grad(lambda z: activation(z).astype(float)))(jnp.asarray(places)), float)
