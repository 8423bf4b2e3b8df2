"""Optimizers that see every row at each step: an estimator that uses one of these makes one batch of all rows."""

from typing import Annotated

import jax
import optax
from annotated_types import Gt
from jax import Array


def gd(learning_rate: Annotated[float | Array, Gt(0)] = 0.1) -> optax.GradientTransformationExtraArgs:
    """Gradient descent: update = -learning_rate * gradient, the gradient taken over all rows.

    learning_rate  size of a step per unit of gradient; above 2 / (largest curvature) the loss grows
    Memory: none.
    Source: Cauchy 1847, "Méthode générale pour la résolution des systèmes d'équations simultanées".
    """

    def init(params):
        return optax.EmptyState()

    def update(updates, state, params=None, **extra_args):
        return jax.tree.map(lambda gradient: -learning_rate * gradient, updates), state

    return optax.GradientTransformationExtraArgs(init, update)
