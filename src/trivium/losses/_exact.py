"""What losses share: exact building blocks, and one way to refuse shapes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from trivium.activations import sigmoid


@jax.custom_jvp
def log1p_exp(z: Array) -> Array:
    """log(1 + exp(z)), with the sigmoid as its derivative: exact on both sides, where autodiff subtracts."""
    return jnp.maximum(z, 0) + jnp.log1p(jnp.exp(-jnp.abs(z)))


log1p_exp.defjvps(lambda tangent, _, z: tangent * sigmoid(z))


@jax.custom_jvp
def cross_entropy_of_integers(logits: Array, targets: Array) -> Array:
    """(..., classes) logits and (...) class numbers -> (...): -log(softmax(logits)[target]).

    As (largest - target's) + log1p(sum of exp(others - largest)): no term cancels another.
    """
    largest = logits.max(axis=-1, keepdims=True)
    terms = _exp_of_difference(logits, largest)
    first = _classes(logits) == jnp.argmax(logits, axis=-1, keepdims=True)
    others = jnp.where(first, 0, terms).sum(axis=-1)
    own = jnp.take_along_axis(logits, targets[..., None], axis=-1)
    return (largest - own)[..., 0] + jnp.log1p(others)


@cross_entropy_of_integers.defjvp
def _(primals, tangents):
    """The derivative is softmax - target, whose target's part is minus the sum of the others' probabilities."""
    logits, targets = primals
    terms = _exp_of_difference(logits, lax.stop_gradient(logits.max(axis=-1, keepdims=True)))
    own = _classes(logits) == targets[..., None]
    others = jnp.where(own, 0, terms)
    gradient = jnp.where(own, -others.sum(axis=-1, keepdims=True), others) / terms.sum(axis=-1, keepdims=True)
    return cross_entropy_of_integers(logits, targets), (gradient * tangents[0]).sum(axis=-1)


def _classes(logits: Array) -> Array:
    """The number of the class at every place of the logits."""
    return lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)


def _exp_of_difference(a: Array, b: Array) -> Array:
    """exp(a - b), the rounding of the difference (Knuth's two-sum) taken back: exp would multiply it by |a - b|."""
    difference = a - b
    back = difference - a
    lost = (a - (difference - back)) - (b + back)
    return jnp.exp(difference) * (1 + jnp.where(jnp.isfinite(lost), lost, 0))


def same_shape(name: str, given: Array, targets: Array) -> Array:
    """The targets. Raises ValueError where they are not of the shape of what the network puts out."""
    if np.shape(given) != np.shape(targets):
        raise ValueError(
            f"{name} and targets must have one shape, got {np.shape(given)} and {np.shape(targets)}. "
            "Reshape one: broadcasting would compare every row with every target."
        )
    return targets
