"""Steps of one size for every parameter, in the direction of a sign."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import NotNegative, Positive, Share, average, leafwise


class SignState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters


def lion(
    learning_rate: Positive = 1e-4,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.99,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Lion: every parameter moves by the same amount, in the direction of the sign of a momentum.

        direction = sign(beta1 * first + (1 - beta1) * gradient)
        update    = -learning_rate * (direction + weight_decay * parameter)
        first     <- beta2 * first + (1 - beta2) * gradient

    learning_rate  size of each step, in units of the parameters; a third to a tenth of Adam's
    weight_decay   three to ten times AdamW's, so that learning_rate * weight_decay stays the same
    Trap: beta1 and beta2 as plain numbers are faster than as traced arrays: the direction is then taken from the new
    average, and the old one need not be copied.
    Memory: one copy of the parameters.
    Agrees with: Optax's lion, whose weight_decay is 1e-3 if not given. PyTorch has none.
    Source: Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2.
    """

    def step(n, gradient, parameter, first):
        new = average(n.beta2, first, gradient)
        # The same direction from the new average: the old one may then be overwritten, where a compiler would copy it.
        known = isinstance(n.beta1, float) and isinstance(n.beta2, float) and 0 < n.beta2 >= n.beta1
        ahead = average(n.beta1 / n.beta2, new, gradient) if known else average(n.beta1, first, gradient)
        decayed = jnp.sign(ahead) if parameter is None else jnp.sign(ahead) + n.weight_decay * parameter
        return -n.learning_rate * decayed, new

    return leafwise(SignState, step, learning_rate=learning_rate, beta1=beta1, beta2=beta2, weight_decay=weight_decay)


def signum(
    learning_rate: Positive = 1e-4,
    *,
    momentum: Share = 0.9,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Signum: update = -learning_rate * sign(first); with a momentum of 0, signSGD.

        first <- momentum * first + (1 - momentum) * gradient

    learning_rate  size of each step, in units of the parameters
    Memory: one copy of the parameters.
    Agrees with: Optax's signum and, without momentum, its sign_sgd.
    Source: Bernstein et al. 2018, "signSGD: Compressed optimisation for non-convex problems", algorithm 2.
    """

    def step(n, gradient, parameter, first):
        first = average(n.momentum, first, gradient)
        decayed = jnp.sign(first) if parameter is None else jnp.sign(first) + n.weight_decay * parameter
        return -n.learning_rate * decayed, first

    return leafwise(SignState, step, learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay)
