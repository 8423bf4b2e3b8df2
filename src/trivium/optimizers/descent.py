"""Descent along the gradient of a batch, with and without momentum."""

from typing import NamedTuple

import optax
from jax import Array
from jax import numpy as jnp

from ._leafwise import NotNegative, Positive, Share, WholeShare, leafwise, off


class SgdState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    velocity: optax.Updates  # decayed sum of the gradients, shaped like the parameters; None without momentum


def sgd(
    learning_rate: Positive = 0.01,
    *,
    momentum: Share = 0.0,
    dampening: WholeShare = 0.0,
    nesterov: bool = False,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Stochastic gradient descent: update = -learning_rate * velocity.

        slope    = gradient + weight_decay * parameter
        velocity <- momentum * velocity + (1 - dampening) * slope, at the first step the slope itself
        update   = -learning_rate * velocity                        (plain)
        update   = -learning_rate * (slope + momentum * velocity)   (Nesterov)

    momentum      share of the last velocity that is kept; a steady gradient then moves 1 / (1 - momentum) as far
    dampening     share of each new slope that is left out of the velocity
    weight_decay  as a penalty weight_decay / 2 * parameter^2 on the loss, which goes through the momentum
    Memory: one copy of the parameters; none without momentum.
    Agrees with: PyTorch's SGD; Optax's sgd, which has no dampening and no weight decay.
    Source: Robbins & Monro 1951, "A stochastic approximation method"; Sutskever et al. 2013, "On the importance of
    initialization and momentum in deep learning", equations 3 and 4 in the form of PyTorch.
    """

    def step(n, gradient, parameter, *velocity):
        slope = gradient if off(n.weight_decay) else gradient + n.weight_decay * parameter
        if not velocity:
            return (-n.learning_rate * slope,)
        share = 1.0 if off(n.dampening) else jnp.where(n.t == 1, 1, 1 - n.dampening)
        moved = n.momentum * velocity[0] + share * slope
        return -n.learning_rate * (slope + n.momentum * moved if nesterov else moved), moved

    return leafwise(
        SgdState,
        step,
        start={"velocity": None} if off(momentum) else None,
        learning_rate=learning_rate,
        momentum=momentum,
        dampening=dampening,
        weight_decay=weight_decay,
    )
