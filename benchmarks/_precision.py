"""Worst errors in float32 against arithmetic of many digits, in units in the last place of the truth."""

import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from laws.precision import derivative, worst_ulps

DIGITS = 120  # squares of 1e38 beside numbers near 1
NO_DIGIT = 1e6
"""From this many ulp on nothing is left: a float32 has 2^23 = 8.4e6 of them between a power of two and the next."""

KINDS = ("value", "derivative")
Errors = dict[str, object]
"""Ulp of value and derivative; at: the places of the worst, where a place is one number; against: heights of waves."""
Truth = Callable[[mp.mpf], mp.mpf]


def numbers_of(function: Callable) -> dict[str, mp.mpf]:
    """The default numbers of an entry, as float32 has them."""
    return {
        p.name: mp.mpf(float(np.float32(p.default)))
        for p in inspect.signature(function).parameters.values()
        if isinstance(p.default, float)
    }


def truths(truth: Truth, places: np.ndarray) -> tuple[list[mp.mpf], list[mp.mpf | None]]:
    """Values and derivatives to many digits; at a kink or a jump there is no derivative, and None stands for it."""
    with mp.workdps(DIGITS):
        exact = [mp.mpf(float(place)) for place in places]
        return [mp.mpf(truth(z)) for z in exact], [slope(truth, z) for z in exact]


def slope(truth: Truth, z: mp.mpf) -> mp.mpf | None:
    """The derivative at one place, None at a kink."""
    step = (abs(z) or mp.mpf(1)) * mp.mpf(10) ** -40
    with mp.workdps(200):
        here, after, before = truth(z), truth(z + step), truth(z - step)
        right, left = (after - here) / step, (here - before) / step
        smooth = abs(right - left) <= mp.mpf(10) ** -25 * (abs(right) + abs(left) + mp.mpf(10) ** -10)
    return derivative(truth, z) if smooth and abs(here) < 1e39 else None


def errors(
    got: tuple[np.ndarray, np.ndarray], truth: tuple[Sequence[mp.mpf], Sequence[mp.mpf | None]], places: np.ndarray
) -> Errors:
    """The worst errors of values and derivatives over all places, and where they are."""
    values, slopes = got
    smooth = [n for n, slope in enumerate(truth[1]) if slope is not None]
    rows = range(len(truth[0]))
    with mp.workdps(DIGITS):
        of_value, value_at = worst_ulps(values, truth[0], rows)
        of_slope, slope_at = worst_ulps(slopes.ravel()[smooth], [truth[1][n] for n in smooth], smooth)
    found = {"value": readable(of_value), "derivative": readable(of_slope)}
    if places.ndim > 1:
        return found
    at = {"value": value_at, "derivative": slope_at}
    return found | {"at": {kind: None if row is None else float(f"{places[row]:.7g}") for kind, row in at.items()}}


def errors_of_waves(
    got: tuple[np.ndarray, np.ndarray],
    truth: tuple[Sequence[mp.mpf], Sequence[mp.mpf]],
    places: np.ndarray,
    heights: tuple[float, float],
) -> Errors:
    """The same for waves up to 1e4, in ulp of the truth, but at least of the height of value or derivative: near its
    zeros a wave cannot be told from its neighbours.
    """
    near = np.flatnonzero(np.abs(places) < 1e4)
    found: Errors = {"against": dict(zip(KINDS, heights, strict=True)), "at": {}}
    for kind, height, values, trues in zip(KINDS, heights, got, truth, strict=True):
        true = np.array([float(trues[n]) for n in near])
        units = np.spacing(np.float32(np.maximum(np.abs(true), height))).astype(float)
        off = np.abs(values.ravel()[near] - true) / units
        worst = int(off.argmax())
        found[kind] = readable(float(off[worst]))
        found["at"][kind] = float(f"{places[near[worst]]:.7g}")
    return found


def readable(ulps: float) -> float:
    """To two digits; at most 1e9, which also stands for what is not finite, as JSON has no word for that.

    Below a thousandth it is zero: so far the truth itself may be rounded.
    """
    if not ulps < 1e9:
        return 1e9
    return float(f"{ulps:.2g}") if ulps >= 1e-3 else 0.0


def by_jax(function: Callable, *arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives by the first argument, compiled."""
    both = jax.jit(jax.vmap(jax.value_and_grad(function)))
    value, slope = both(*map(jnp.asarray, arguments))
    return np.asarray(value), np.asarray(slope)


def by_torch(function: Callable, *arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and derivatives by the first argument, eagerly."""
    first, *others = (torch.from_numpy(np.array(argument)) for argument in arguments)
    first.requires_grad_(True)
    value = function(first, *others)
    value.sum().backward()
    return value.detach().numpy(), first.grad.numpy()
