"""What every loss asks of its arguments, asked in one way: shapes that fit, targets in their domain, weights per row.

Shapes are checked always, values wherever they are known: inside `jit` a target is a symbol, so that there nothing can
be told of it. The domain of a loss's targets is written once, as the annotation of its `targets`.
"""

from typing import Annotated, Any

import jax.numpy as jnp
import numpy as np
from annotated_types import Ge, Interval
from jax import Array
from jax.core import Tracer

from trivium.catalog import violation

Finite = Annotated[Array, Interval(gt=-np.inf, lt=np.inf)]
"""Targets: any number."""
Positive = Annotated[Array, Interval(gt=0, lt=np.inf)]
"""Targets: above 0."""
Nonnegative = Annotated[Array, Interval(ge=0, lt=np.inf)]
"""Targets: 0 or more."""
Share = Annotated[Array, Interval(ge=0, le=1)]
"""Targets: 0 for the first class, 1 for the second, or the share of the second."""
Label = Annotated[Array, Ge(0)]
"""Targets: the number of the class, from 0 to classes - 1."""

SampleWeight = Annotated[Array | None, Ge(0)]
"""One weight per row, (n,), or one per loss: 2 counts a row twice, 0 leaves it out; None weighs every row 1."""


def same_shape(name: str, given: Array, targets: Any, domain: Any = None) -> Array:
    """The targets as an array. Raises ValueError where their shape is not that of what the network puts out.

    domain  the annotation of the targets, such as `Nonnegative`: a known value outside it is refused and named
    """
    if np.shape(given) != np.shape(targets):
        raise ValueError(
            f"{name} and targets must have one shape, got {np.shape(given)} and {np.shape(targets)}. "
            "Reshape one: broadcasting would compare every row with every target."
        )
    return within("targets", jnp.asarray(targets), domain)


def one_per_row(
    name: str, given: Array, targets: Any, *, classes: int | None = None, ignored: int | None = None
) -> Array:
    """Class numbers as an array, one for each row of (..., classes).

    classes  how many there are; None: as many as the last axis is long
    ignored  a number outside the classes that marks rows without a target
    Raises ValueError where the shapes do not fit, and for a known number that is no class of the row.
    """
    targets = jnp.asarray(targets)
    if np.ndim(given) != targets.ndim + 1 or np.shape(given)[:-1] != targets.shape:
        raise ValueError(
            f"{name} must have one axis more than targets, the classes, got {np.shape(given)} and {targets.shape}. "
            "Hand over class numbers, one per row."
        )
    if not jnp.issubdtype(targets.dtype, jnp.integer):
        raise ValueError(
            f"targets must be whole numbers of classes, got an array of {targets.dtype}. Convert: targets.astype(int)."
        )
    if not isinstance(targets, Tracer):
        numbers, classes = np.asarray(targets), np.shape(given)[-1] if classes is None else classes
        wrong = ((numbers < 0) | (numbers >= classes)) & (numbers != ignored)
        _refuse("targets", numbers, wrong, f"from 0 to {classes - 1}, one of {classes} classes")
    return targets


def within(parameter: str, values: Array, domain: Any) -> Array:
    """The values. Raises ValueError that names the first known one outside the domain, and its place."""
    bounds = getattr(domain, "__metadata__", ())
    if bounds and not isinstance(values, Tracer):
        known = np.asarray(values)
        extremes = (known.min(), known.max()) if known.size else ()
        for extreme in extremes:
            # A NaN keeps no bound: as a target it is refused, as nothing can be learned from it.
            words = "a number" if np.isnan(extreme) else violation(extreme, bounds)
            if words:
                wrong = np.isnan(known) if np.isnan(extreme) else known == extreme
                _refuse(parameter, known, wrong, words)
    return values


def weighted(losses: Array, sample_weight: Array | None) -> Array:
    """Losses times the weights of their rows; a row of weight 0 has no loss, whatever its value, NaN included.

    losses         (...) as a loss puts them out, rows on the first axis
    sample_weight  None, (n,) for the rows, or of the losses' shape
    Raises ValueError where the weights fit neither, or where a known one is below 0.
    """
    if sample_weight is None:
        return losses
    weights = within("sample_weight", jnp.asarray(sample_weight), SampleWeight)
    if weights.shape not in (losses.shape, losses.shape[:1]):
        raise ValueError(
            f"sample_weight must have one weight per row, got {weights.shape} for losses of {losses.shape}. "
            f"Hand over an array of shape {losses.shape[:1]}."
        )
    weights = weights.astype(losses.dtype).reshape(weights.shape + (1,) * (losses.ndim - weights.ndim))
    weights = jnp.broadcast_to(weights, losses.shape)
    return jnp.where(weights > 0, losses * weights, 0)


def spread_like(array: Array, number: float | Array) -> Array:
    """A number, or one per place of the last axes, in the array's type and shape, so that neither is promoted."""
    number = jnp.asarray(number, array.dtype)
    return jnp.broadcast_to(number.reshape((1,) * (array.ndim - number.ndim) + number.shape), array.shape)


def _refuse(parameter: str, values: np.ndarray, wrong: np.ndarray, must_be: str) -> None:
    if wrong.any():
        place = tuple(int(axis[0]) for axis in np.nonzero(np.atleast_1d(wrong)))[-wrong.ndim :] if wrong.ndim else ()
        where = f" in row {place[0]}" if place else ""
        raise ValueError(
            f"{parameter} must be {must_be}, got {values[place].item()!r}{where}. "
            "Correct that value or drop the row, or choose a loss for such values."
        )
