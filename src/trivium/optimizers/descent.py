"""Descent along the gradient of a batch, with and without momentum."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Gt, Interval
from jax import Array


class SgdState(NamedTuple):
    velocity: optax.Updates  # decayed sum of the gradients, shaped like the parameters


def sgd(
    learning_rate: Annotated[float | Array, Gt(0)] = 0.01,
    *,
    momentum: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.0,
    nesterov: bool = False,
) -> optax.GradientTransformationExtraArgs:
    """Stochastic gradient descent: update = -learning_rate * velocity.

        velocity <- momentum * velocity + gradient
        update   = -learning_rate * velocity                           (plain)
        update   = -learning_rate * (gradient + momentum * velocity)   (Nesterov)

    momentum  share of the last velocity that is kept; a steady gradient then moves 1 / (1 - momentum) as far
    Memory: one copy of the parameters.
    Source: Robbins & Monro 1951, "A stochastic approximation method"; Sutskever et al. 2013, "On the importance of
    initialization and momentum in deep learning", equations 3 and 4 in the form of PyTorch.
    """

    def init(params):
        return SgdState(velocity=jax.tree.map(jnp.zeros_like, params))

    def update(updates, state, params=None, **extra_args):
        velocity = jax.tree.map(lambda gradient, v: momentum * v + gradient, updates, state.velocity)
        direction = velocity
        if nesterov:
            direction = jax.tree.map(lambda gradient, v: gradient + momentum * v, updates, velocity)
        return jax.tree.map(lambda d: -learning_rate * d, direction), SgdState(velocity)

    return optax.GradientTransformationExtraArgs(init, update)
