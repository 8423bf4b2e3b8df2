"""Losses for numbers. The network puts out `predictions`, in the units of the targets."""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Gt, Interval
from jax import Array, lax

from trivium.activations import tanh
from trivium.losses._contract import Finite, SampleWeight, weighted
from trivium.losses._special import distance, in_one_type, minus_product, number
from trivium.numerics import polynomial

Size = Annotated[float | Array, Gt(0)]
AboveMinusOne = Annotated[Array, Interval(gt=-1, lt=np.inf)]
"""Targets: above -1."""


def squared_error(predictions: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Squared error: (predictions - targets)^2.

    Returns one loss per element, in squared units of the targets. Raises ValueError where the shapes differ.
    Proper: yes, for the mean.
    Trap: one far outlier outweighs a thousand good rows.
    Source: Legendre 1805, "Nouvelles méthodes pour la détermination des orbites des comètes".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    difference = predictions - targets
    return weighted((difference * difference).astype(kind), sample_weight)


mse = mean_squared_error = squared_error


def absolute_error(predictions: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Absolute error: |predictions - targets|.

    Returns one loss per element, in units of the targets. Raises ValueError where the shapes differ.
    Proper: yes, for the median.
    Trap: its slope is 1 however near the target is, so that a constant learning rate never settles; where half of the
    targets are 0, the median is 0 and so is every prediction.
    Source: Boscovich 1757, "De litteraria expeditione per pontificiam ditionem".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    return weighted(distance(predictions - targets).astype(kind), sample_weight)


mae = mean_absolute_error = absolute_error


def huber(predictions: Array, targets: Finite, *, delta: Size = 1.0, sample_weight: SampleWeight = None) -> Array:
    """Huber: d^2 / 2 if |d| < delta else delta * (|d| - delta / 2); d = predictions - targets.

    delta  the size of an error, in units of the targets, from which on it counts as an outlier's
    Returns one loss per element, in squared units of the targets. Raises ValueError where the shapes differ.
    Proper: no, its minimum lies between the median (a small delta) and the mean (a large one).
    Trap: delta has the units of the targets: 1 is nothing to incomes and everything to shares.
    Source: Huber 1964, "Robust estimation of a location parameter".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    delta = number(predictions, "delta", delta, Size)
    difference = predictions - targets
    near = jnp.clip(difference, -delta, delta)
    return weighted((near * (difference - near / 2)).astype(kind), sample_weight)


def smooth_l1(predictions: Array, targets: Finite, *, beta: Size = 1.0, sample_weight: SampleWeight = None) -> Array:
    """Smooth L1: d^2 / (2 * beta) if |d| < beta else |d| - beta / 2; d = predictions - targets.

    beta  the size of an error, in units of the targets, up to which the loss is a parabola
    Returns one loss per element, in units of the targets. Raises ValueError where the shapes differ.
    Proper: no, its minimum lies between the median (a small beta) and the mean (a large one).
    Trap: it is Huber's loss divided by beta: changing beta changes no outlier's gradient, changing delta does.
    Source: Girshick 2015, "Fast R-CNN", equation 3.
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    beta = number(predictions, "beta", beta, Size)
    difference = predictions - targets
    near = jnp.clip(difference, -beta, beta)
    return weighted((near / beta * (difference - near / 2)).astype(kind), sample_weight)


def log_cosh(predictions: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Log-cosh: log(cosh(predictions - targets)).

    Returns one loss per element. Raises ValueError where the shapes differ.
    Proper: no, its minimum lies between the median and the mean; it is the likelihood of the hyperbolic secant.
    Trap: where it turns from a parabola into a line is fixed at about 1: standardise the targets.
    Source: Green 1990, "Bayesian reconstructions from emission tomography data using a modified EM algorithm".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    return weighted(_log_cosh(predictions - targets).astype(kind), sample_weight)


@jax.custom_jvp
def _log_cosh(z: Array) -> Array:
    size = jnp.abs(z)
    near = jnp.minimum(size, 1.1)
    if z.dtype == np.float32:
        around = near * near * polynomial(near * near, _LOG_COSH)
    else:
        rise = jnp.expm1(near)
        around = jnp.log1p(rise * rise / (2 * (1 + rise)))
    # log(2) in two parts: the head has few bits, so that it is taken off without rounding.
    far = (size - 0.693359375) + (jnp.log1p(jnp.exp(-2 * size)) + 2.12194440054690583e-4)
    return jnp.where(size < 1.1, around, far)


_log_cosh.defjvps(lambda tangent, _, z: tangent * tanh(z))

_LOG_COSH = (
    0.499999999, -0.0833332263, 0.0222203332, -0.0067331176, 0.00214258173, -0.000652605799, 0.000157204656,
    -2.03389518e-5,
)  # fmt: skip
"""log(cosh(z)) / z^2 in powers of z^2 up to 1.21, interpolated at Chebyshev's points to 2e-9."""


def mape(predictions: Array, targets: Finite, *, least: Size = 1e-7, sample_weight: SampleWeight = None) -> Array:
    """Mean absolute percentage error: |predictions - targets| / max(|targets|, least).

    least  the size that a smaller target counts as, in units of the targets; 0 among them
    Returns one loss per element, as a share: 0.1 is ten percent. Raises ValueError where the shapes differ.
    Proper: no: its minimum is a median that weighs each target by 1 / |target|, which lies too low.
    Trap: at a target of 0 the loss is |predictions| / least: at the default it outweighs all other rows. Set least to
    the smallest target that matters.
    Source: Makridakis 1993, "Accuracy measures: theoretical and practical concerns".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    unit = jnp.maximum(jnp.abs(targets), number(predictions, "least", least, Size))
    return weighted((distance(predictions - targets) / unit).astype(kind), sample_weight)


mean_absolute_percentage_error = mape


def smape(predictions: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Symmetric mean absolute percentage error: 2 * |predictions - targets| / (|predictions| + |targets|).

    Returns one loss per element, in [0, 2]; 0 where both are 0. Raises ValueError where the shapes differ.
    Proper: no.
    Trap: a prediction of the wrong sign costs 2, however wrong it is, and has no gradient; so does every prediction at
    a target of 0.
    Source: Makridakis 1993, "Accuracy measures: theoretical and practical concerns".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    return weighted(_relative_difference(predictions, targets).astype(kind), sample_weight)


@jax.custom_jvp
def _relative_difference(a: Array, b: Array) -> Array:
    """2 * |a - b| / (|a| + |b|), 0 where both are 0."""
    total = jnp.abs(a) + jnp.abs(b)
    return 2 * (jnp.abs(a - b) / jnp.where(total == 0, 1, total))


@_relative_difference.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """Far from its target a prediction has a slope of 4 |b| / (|a| + |b|)^2, where autodiff subtracts equal terms."""
    a, b = primals
    total = jnp.abs(a) + jnp.abs(b)
    total = jnp.where(total == 0, 1, total)
    # 1 for equal signs, 0 for opposite ones; half of each side where one is 0.
    rise = 2 * (1 + jnp.sign(a) * jnp.sign(b)) * jnp.sign(a - b) / total
    slopes = rise * (jnp.abs(b) / total), -rise * (jnp.abs(a) / total)
    return _relative_difference(a, b), slopes[0] * tangents[0] + slopes[1] * tangents[1]


def msle(predictions: Array, targets: AboveMinusOne, *, sample_weight: SampleWeight = None) -> Array:
    """Mean squared logarithmic error: (log(1 + predictions) - log(1 + targets))^2.

    predictions  above -1. From a thousandth of min(1, 1 + targets) above -1 on downwards the logarithm goes on along
                 its tangent, so that a network that strays has a finite loss, and a gradient that brings it back
    targets      above -1
    Returns one loss per element. Raises ValueError where the shapes differ, and for a target of -1 or less.
    Proper: yes, for the mean of log(1 + targets), which is not the log of the mean.
    Trap: predictions are those of a median rather than of a mean: their sum falls short of the sum of the targets.
    Source: scikit-learn developers 2011, "scikit-learn user guide", mean squared logarithmic error.
    """
    predictions, targets, kind = in_one_type(targets, AboveMinusOne, predictions=predictions)
    ratio = _log_ratio(predictions, targets)
    return weighted((ratio * ratio).astype(kind), sample_weight)


mean_squared_logarithmic_error = msle


@jax.custom_jvp
def _log_ratio(a: Array, b: Array) -> Array:
    """log((1 + a) / (1 + b)), with all digits of a - b where the two are near."""
    first, second = 1 + a, 1 + b
    start = _start_of_tangent(b)
    inside = jnp.maximum(first, start)
    quotient = inside / second
    near = (quotient > 0.5) & (quotient < 2)
    close = jnp.log1p(jnp.where(near, a - b, 0) / second)
    return jnp.where(near, close, jnp.log(quotient)) + jnp.minimum(first - start, 0) / start


def _start_of_tangent(b: Array) -> Array:
    return jnp.minimum(1, 1 + b) / 1000


@_log_ratio.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    a, b = primals
    slope = 1 / jnp.maximum(1 + a, lax.stop_gradient(_start_of_tangent(b)))
    return _log_ratio(a, b), tangents[0] * slope - tangents[1] / (1 + b)


def cosine(predictions: Array, targets: Finite, *, sample_weight: SampleWeight = None) -> Array:
    """Cosine distance: 1 - sum(predictions * targets) / sqrt(sum(predictions^2) * sum(targets^2)).

    predictions, targets  (..., dimensions); only their directions count
    Returns (...), one loss per row, in [0, 2]; 1, without a gradient, where a row is all zeros. Raises ValueError where
    the shapes differ.
    Proper: no, it does not see the lengths.
    Trap: nothing holds the length of the predictions, and their gradient falls as 1 / length; the sign is the other way
    round in Keras and optax, whose cosine losses are similarities with a minus.
    Source: Salton, Wong & Yang 1975, "A vector space model for automatic indexing".
    """
    predictions, targets, kind = in_one_type(targets, Finite, predictions=predictions)
    if predictions.ndim == 0:
        raise ValueError("predictions must have an axis of dimensions, got shape (). Hand over (..., dimensions).")
    return weighted(_one_minus_cosine(_in_reach(predictions), _in_reach(targets)).astype(kind), sample_weight)


@jax.custom_jvp
def _one_minus_cosine(a: Array, b: Array) -> Array:
    """Half the square of a's part across b, in units of both lengths: nothing is left over of 1 - cos.

    That part is taken between a and the multiple of b, or of -b, that has its length.
    """
    gap, sides, (a_unit, b_unit), spans, known = _across(a, b)
    middle = a_unit + b_unit
    middle = middle / jnp.sqrt(jnp.where(known, (middle * middle).sum(axis=-1, keepdims=True), 1))
    gap = gap - middle * (gap * middle).sum(axis=-1, keepdims=True)  # the rounding of the multiple
    half = (gap * gap).sum(axis=-1, keepdims=True) / (2 * spans[0])
    return jnp.where(known, jnp.where(sides > 0, half, 2 - half), 1)[..., 0]


@_one_minus_cosine.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    gap, sides, units, spans, known = _across(*primals)
    moves = []
    for unit, span, side, tangent in zip(units, spans, (sides, -jnp.ones_like(sides)), tangents, strict=True):
        slope = (gap - unit * (gap * unit).sum(axis=-1, keepdims=True)) * side / span
        moves.append(jnp.where(known, slope, 0) * tangent)
    return _one_minus_cosine(*primals), (moves[0] + moves[1]).sum(axis=-1)


def _across(a: Array, b: Array) -> tuple[Array, Array, tuple[Array, Array], tuple[Array, Array], Array]:
    """a minus the multiple of +-b of its length, that sign, both directions (b's with the sign), and whether they are.

    Before the last what slopes are divided by: the product of the lengths, for a with the multiple's instead of b's.
    """
    squares = (a * a).sum(axis=-1, keepdims=True), (b * b).sum(axis=-1, keepdims=True)
    known = (squares[0] != 0) & (squares[1] != 0)
    lengths = jnp.sqrt(jnp.where(known, squares[0], 1)), jnp.sqrt(jnp.where(known, squares[1], 1))
    sides = jnp.where(lax.stop_gradient((a * b).sum(axis=-1, keepdims=True)) < 0, -1, 1).astype(a.dtype)
    b = b * sides
    multiple = jnp.broadcast_to(lax.stop_gradient(lengths[0] / lengths[1]), b.shape)
    gap = minus_product(a, multiple, b)
    product = lengths[0] * lengths[1]
    return gap, sides, (a / lengths[0], b / lengths[1]), (multiple[..., :1] * product, product), known


def _in_reach(rows: Array) -> Array:
    """Rows times a power of two, which rounds nothing, so that their squares neither overflow nor underflow."""
    largest = lax.stop_gradient(jnp.abs(rows).max(axis=-1, keepdims=True))
    exponent = jnp.clip(jnp.frexp(jnp.where(jnp.isfinite(largest), largest, 1))[1], -125, 125)
    return rows * jnp.ldexp(jnp.ones_like(largest), -exponent)
