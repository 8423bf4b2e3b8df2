"""Losses for quantiles and their kin. The network puts out `predictions` at one level, or `increments` for several."""

from collections.abc import Sequence
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from annotated_types import Interval
from jax import Array
from jax.core import Tracer

from trivium.activations import relu
from trivium.losses._contract import Finite, SampleWeight, weighted
from trivium.losses._quantiles import rising
from trivium.losses._special import in_one_type, number

Level = Annotated[float | Array, Interval(gt=0, lt=1)]
Levels = Annotated[Sequence[float] | Array, Interval(gt=0, lt=1)]


def quantile(predictions: Array, targets: Finite, *, level: Level = 0.5, sample_weight: SampleWeight = None) -> Array:
    """Quantile (pinball): level * e if e > 0 else (level - 1) * e; e = targets - predictions.

    level  the share of targets that shall lie below the predictions
    Returns one loss per element, in units of the targets. Raises ValueError where the shapes differ.
    Proper: yes, for the quantile at that level.
    Trap: networks trained at two levels apart may cross: the 90th percent below the 50th; `quantiles` cannot. At 0.5
    it is half the absolute error.
    Source: Koenker & Bassett 1978, "Regression quantiles".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    loss = _pinball(targets - predictions, number(predictions, "level", level, Level))
    return weighted(loss.astype(kind), sample_weight)


pinball = quantile


def quantiles(
    increments: Array,
    targets: Finite,
    *,
    levels: Levels = (0.1, 0.5, 0.9),
    sample_weight: SampleWeight = None,
) -> Array:
    """Quantiles: mean over levels of (level * e if e > 0 else (level - 1) * e); e = target - q[level].

    q[0] = increments[0], q[k] = q[k - 1] + log(1 + exp(increments[k])): no quantile is below the one before.

    increments  (..., levels)
    targets     (...)
    levels      rising, each between 0 and 1; one per increment
    Returns (...), one loss per row, in units of the targets. Raises ValueError where the shapes do not fit, and for
    levels that do not rise.
    Proper: yes, for the quantiles at the levels; with ever more of them, twice the loss comes near the CRPS.
    Trap: the increments are no quantiles: `rising` of them is.
    Source: Koenker & Bassett 1978, "Regression quantiles"; the increments after Gasthaus et al. 2019, "Probabilistic
    forecasting with spline quantile function RNNs".
    """
    increments, targets, shares = jnp.asarray(increments), jnp.asarray(targets), _rising_levels(levels)
    if increments.shape != (*targets.shape, len(shares)):
        raise ValueError(
            f"increments must have one axis more than targets, the {len(shares)} levels, got {increments.shape} and "
            f"{targets.shape}. Hand over one column per level, or set levels."
        )
    first, targets, kind = in_one_type(targets, Finite, first=increments[..., 0])
    # The targets are taken off the first quantile before the gaps come on: beside a large one a gap would be rounded.
    gaps = increments[..., 1:].astype(first.dtype)
    ahead = rising(jnp.concatenate([(first - targets)[..., None], gaps], axis=-1))
    losses = _pinball(-ahead, number(ahead, "levels", shares, Levels))
    return weighted(losses.mean(axis=-1).astype(kind), sample_weight)


def expectile(predictions: Array, targets: Finite, *, level: Level = 0.5, sample_weight: SampleWeight = None) -> Array:
    """Expectile: (level if e > 0 else 1 - level) * e^2; e = targets - predictions.

    level  how much a target above the predictions weighs; 1 - level is the weight of one below
    Returns one loss per element, in squared units of the targets. Raises ValueError where the shapes differ.
    Proper: yes, for the expectile at that level, which at 0.5 is the mean.
    Trap: an expectile is no quantile: at a level of 0.9 it is not nine tenths of the targets that lie below it.
    Source: Newey & Powell 1987, "Asymmetric least squares estimation and testing".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    level = number(predictions, "level", level, Level)
    error = targets - predictions
    loss = jnp.where(error > 0, level, 1 - level) * error * error
    return weighted(loss.astype(kind), sample_weight)


def _pinball(error: Array, level: Array) -> Array:
    """Without a slope where the error is 0, as that of the absolute error."""
    return level * relu(error) + (1 - level) * relu(-error)


def _rising_levels(levels: Sequence[float] | Array) -> Array | np.ndarray:
    if isinstance(levels, Tracer):
        return levels
    known = np.asarray(levels)
    if known.ndim != 1 or not (np.diff(known) > 0).all():
        raise ValueError(f"levels must rise, got {levels!r}. Sort them and leave each out but once.")
    return known
