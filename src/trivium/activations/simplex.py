"""Onto the simplex: rows of numbers become rows of probabilities, or their logarithms."""

import jax
import jax.numpy as jnp
from jax import Array

from trivium.numerics import exp_of_pair


def softmax(z: Array, *, axis: int = -1) -> Array:
    """Softmax: exp(z_i) / sum over j of exp(z_j).

    axis  the one whose entries come to add up to 1
    Range [0, 1]; derivative p_i * (1 if i == j else 0) - p_i * p_j.
    Trap: belongs at the end of a network, once: in front of a cross-entropy from logits it is a second softmax.
    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    return _along(_softmax, z, axis)


def softmin(z: Array, *, axis: int = -1) -> Array:
    """Softmin: exp(-z_i) / sum over j of exp(-z_j).

    axis  the one whose entries come to add up to 1
    Range [0, 1]; derivative p_i * p_j - p_i * (1 if i == j else 0).
    Trap: the largest input gets the smallest share, as suits distances and energies, not scores.
    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs", of -z.
    """
    return softmax(-jnp.asarray(z), axis=axis)


def log_softmax(z: Array, *, axis: int = -1) -> Array:
    """Log-softmax: z_i - log(sum over j of exp(z_j)).

    axis  the one over which the sum goes
    Range [-inf, 0]; derivative (1 if i == j else 0) - p_j.
    Trap: these are logarithms: a loss on probabilities or on logits takes something else.
    Source: Bridle 1990, "Probabilistic interpretation of feedforward classification network outputs".
    """
    return _along(_log_softmax, z, axis)


def sparsemax(z: Array, *, axis: int = -1) -> Array:
    """Sparsemax: max(z_i - tau, 0), with the tau that makes the sum 1: the nearest point of the simplex.

    axis  the one whose entries come to add up to 1
    Range [0, 1]; derivative of the entries above zero: (1 if i == j else 0) - 1 / how many there are.
    Trap: an entry that is zero gets no gradient, so that a loss must not be the cross-entropy: `sparsemax_loss`.
    Source: Martins & Astudillo 2016, "From softmax to sparsemax: A sparse model of attention and multi-label
    classification".
    """
    return _along(_sparsemax, z, axis)


def entmax15(z: Array, *, axis: int = -1) -> Array:
    """Entmax 1.5: max(z_i / 2 - tau, 0)^2, with the tau that makes the sum 1: between softmax and sparsemax.

    axis  the one whose entries come to add up to 1
    Range [0, 1]; derivative s_i * (1 if i == j else 0) - s_i * s_j / sum of s, s = sqrt of the entries.
    Trap: an entry that is zero gets no gradient, so that a loss must not be the cross-entropy: `entmax15_loss`.
    Source: Peters, Niculae & Martins 2019, "Sparse sequence-to-sequence models", algorithm 2.
    """
    return _along(_entmax15, z, axis)


def _along(function, z: Array, axis: int) -> Array:
    """Apply a function of the last axis along another one, in float32 at least."""
    z = jnp.asarray(z)
    if z.ndim == 0:
        raise ValueError(f"z must have an axis to share out over, got the single number {z}. Hand over a row.")
    narrow = z.dtype if jnp.issubdtype(z.dtype, jnp.floating) else jnp.result_type(float)
    wide = jnp.float32 if jnp.finfo(narrow).bits < 32 else narrow
    return jnp.moveaxis(function(jnp.moveaxis(z.astype(wide), axis, -1)), -1, axis).astype(narrow)


def _powers(z: Array) -> tuple[Array, Array]:
    """z - largest, and its exponential with the rounding of the difference (Knuth's two-sum) taken back."""
    largest = jax.lax.stop_gradient(z.max(axis=-1, keepdims=True))
    largest = jnp.where(jnp.isfinite(largest), largest, jnp.where(jnp.isnan(largest), largest, 0))
    difference = z - largest
    back = difference - z
    lost = (z - (difference - back)) - (largest + back)
    return difference, exp_of_pair(difference, jnp.where(jnp.isfinite(lost), lost, 0))


@jax.custom_jvp
def _softmax(z: Array) -> Array:
    powers = _powers(z)[1]
    return powers / powers.sum(axis=-1, keepdims=True)


@_softmax.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    """p_i times (t_i - t_mean), as differences of t: where all t are equal, nothing is left to cancel."""
    (z,), (t,) = primals, tangents
    p = softmax(z)
    return p, p * (t - (p * t).sum(axis=-1, keepdims=True))


@jax.custom_jvp
def _log_softmax(z: Array) -> Array:
    difference, powers = _powers(z)
    first = jax.nn.one_hot(jnp.argmax(z, axis=-1), z.shape[-1], dtype=bool)
    return difference - jnp.log1p(jnp.where(first, 0, powers).sum(axis=-1, keepdims=True))


@_log_softmax.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (z,), (t,) = primals, tangents
    return log_softmax(z), t - (softmax(z) * t).sum(axis=-1, keepdims=True)


@jax.custom_jvp
def _sparsemax(z: Array) -> Array:
    shifted = z - z.max(axis=-1, keepdims=True)
    ordered = -jnp.sort(-shifted, axis=-1)
    places = _places(z)
    sums = jnp.cumsum(ordered, axis=-1)
    inside = 1 + places * ordered > sums
    count = inside.sum(axis=-1, keepdims=True).astype(z.dtype)
    tau = (jnp.where(inside, ordered, 0).sum(axis=-1, keepdims=True) - 1) / count
    return jnp.maximum(shifted - tau, 0)


@_sparsemax.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (z,), (t,) = primals, tangents
    p = sparsemax(z)
    inside = (p > 0).astype(z.dtype)
    mean = (inside * t).sum(axis=-1, keepdims=True) / inside.sum(axis=-1, keepdims=True)
    return p, inside * (t - mean)


@jax.custom_jvp
def _entmax15(z: Array) -> Array:
    shifted = (z - z.max(axis=-1, keepdims=True)) / 2
    ordered = -jnp.sort(-shifted, axis=-1)
    places = _places(z)
    mean = jnp.cumsum(ordered, axis=-1) / places
    spread = jnp.cumsum(ordered * ordered, axis=-1) - places * mean * mean
    tau = mean - jnp.sqrt(jnp.maximum((1 - spread) / places, 0))
    inside = (tau <= ordered).sum(axis=-1, keepdims=True)
    return jnp.square(jnp.maximum(shifted - jnp.take_along_axis(tau, inside - 1, axis=-1), 0))


@_entmax15.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (z,), (t,) = primals, tangents
    p = entmax15(z)
    share = jnp.where(p > 0, jnp.sqrt(jnp.where(p > 0, p, 1)), 0)
    mean = (share * t).sum(axis=-1, keepdims=True) / share.sum(axis=-1, keepdims=True)
    return p, share * (t - mean)


def _places(z: Array) -> Array:
    """1, 2, ... along the last axis."""
    return jax.lax.broadcasted_iota(z.dtype, z.shape, z.ndim - 1) + 1
