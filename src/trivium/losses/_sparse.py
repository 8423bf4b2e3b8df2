"""Sparsemax and 1.5-entmax with the losses that belong to them, written so that no digit cancels.

With p the mapping of z and y the target, the optimality conditions of the mapping turn the Fenchel-Young loss
Omega(y) - Omega(p) + (p - y) z into sums of terms of one sign:

    sparsemax   |y - p|^2 / 2 + max(0, threshold - z[target])
    entmax 1.5  2/3 * (sum over others of q^3 + (1 - q[target])^2 * (2 + q[target])) + max(0, 2 * threshold - z[target])

where q = sqrt(p). One minus the target's probability is the sum of the others'.
"""

import jax
import jax.numpy as jnp
from jax import Array, lax


@jax.custom_jvp
def sparsemax_fenchel_young(logits: Array, targets: Array) -> Array:
    """(..., classes) logits and (...) class numbers -> (...)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    threshold = _sparsemax_threshold(shifted)
    difference = _minus_target(jnp.maximum(shifted - threshold, 0), targets)
    return jnp.square(difference).sum(axis=-1) / 2 + _below_threshold(threshold, shifted, targets)


@sparsemax_fenchel_young.defjvp
def _(primals, tangents):
    logits, targets = primals
    gradient = _minus_target(_sparsemax(logits), targets)
    return sparsemax_fenchel_young(logits, targets), (gradient * tangents[0]).sum(axis=-1)


@jax.custom_jvp
def entmax15_fenchel_young(logits: Array, targets: Array) -> Array:
    """(..., classes) logits and (...) class numbers -> (...)."""
    shifted = logits / 2 - logits.max(axis=-1, keepdims=True) / 2
    threshold = _entmax15_threshold(shifted)
    roots = jnp.maximum(shifted - threshold, 0)
    own = _is_target(logits, targets)
    target_root = jnp.where(own, roots, 0).sum(axis=-1)
    others = jnp.where(own, 0, roots)
    missing = jnp.square(others).sum(axis=-1) / (1 + target_root)  # 1 - target_root, without the difference
    inside = (others**3).sum(axis=-1) + jnp.square(missing) * (2 + target_root)
    return inside * 2 / 3 + 2 * _below_threshold(threshold, shifted, targets)


@entmax15_fenchel_young.defjvp
def _(primals, tangents):
    logits, targets = primals
    gradient = _minus_target(_entmax15(logits), targets)
    return entmax15_fenchel_young(logits, targets), (gradient * tangents[0]).sum(axis=-1)


@jax.custom_jvp
def _sparsemax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return jnp.maximum(shifted - _sparsemax_threshold(shifted), 0)


@_sparsemax.defjvp
def _(primals, tangents):
    probabilities = _sparsemax(*primals)
    support = (probabilities > 0).astype(probabilities.dtype)
    mean = (support * tangents[0]).sum(axis=-1, keepdims=True) / support.sum(axis=-1, keepdims=True)
    return probabilities, support * (tangents[0] - mean)


@jax.custom_jvp
def _entmax15(logits: Array) -> Array:
    shifted = logits / 2 - logits.max(axis=-1, keepdims=True) / 2
    return jnp.square(jnp.maximum(shifted - _entmax15_threshold(shifted), 0))


@_entmax15.defjvp
def _(primals, tangents):
    probabilities = _entmax15(*primals)
    positive = probabilities > 0
    roots = jnp.where(positive, jnp.sqrt(jnp.where(positive, probabilities, 1)), 0)
    mean = (roots * tangents[0]).sum(axis=-1, keepdims=True) / roots.sum(axis=-1, keepdims=True)
    return probabilities, roots * (tangents[0] - mean)


def _sparsemax_threshold(shifted: Array) -> Array:
    """The threshold above which a row, its largest entry at 0, adds up to 1."""
    falling, rank = _sorted(shifted)
    total = jnp.cumsum(falling, axis=-1)
    size = (1 + rank * falling > total).sum(axis=-1, keepdims=True)
    threshold = (jnp.take_along_axis(total, size - 1, axis=-1) - 1) / size.astype(shifted.dtype)
    inside = shifted > threshold
    # The sum of what is above a threshold so near to the right one mends the rounding of the cumulative sum.
    rest = jnp.where(inside, shifted - threshold, 0).sum(axis=-1, keepdims=True) - 1
    return threshold + rest / inside.sum(axis=-1, keepdims=True).astype(shifted.dtype)


def _entmax15_threshold(shifted: Array) -> Array:
    """The threshold above which the squares of a row, its largest entry at 0, add up to 1."""
    falling, rank = _sorted(shifted)
    mean = jnp.cumsum(falling, axis=-1) / rank
    squares = jnp.cumsum(jnp.square(falling), axis=-1)
    spread = squares - rank * jnp.square(mean)
    candidates = mean - jnp.sqrt(jnp.maximum((1 - spread) / rank, 0))
    size = (candidates <= falling).sum(axis=-1, keepdims=True)
    threshold = jnp.take_along_axis(candidates, size - 1, axis=-1)
    roots = jnp.maximum(shifted - threshold, 0)
    # One step of Newton's method mends the rounding of the cumulative sums.
    return threshold + (jnp.square(roots).sum(axis=-1, keepdims=True) - 1) / (2 * roots.sum(axis=-1, keepdims=True))


def _sorted(shifted: Array) -> tuple[Array, Array]:
    """A row in falling order and the ranks from 1. What lies more than 1 below the largest is out whatever it is."""
    falling = -jnp.sort(-jnp.maximum(shifted, -2), axis=-1)
    return falling, 1 + lax.broadcasted_iota(shifted.dtype, shifted.shape, shifted.ndim - 1)


def _minus_target(probabilities: Array, targets: Array) -> Array:
    """p - y, whose target's part is minus the sum of the others."""
    own = _is_target(probabilities, targets)
    others = jnp.where(own, 0, probabilities)
    return jnp.where(own, -others.sum(axis=-1, keepdims=True), others)


def _below_threshold(threshold: Array, shifted: Array, targets: Array) -> Array:
    own = jnp.where(_is_target(shifted, targets), shifted, 0).sum(axis=-1)
    return jnp.maximum(threshold[..., 0] - own, 0)


def _is_target(logits: Array, targets: Array) -> Array:
    return lax.broadcasted_iota(targets.dtype, logits.shape, logits.ndim - 1) == targets[..., None]
