"""A step size for every parameter, from the size of its own gradients: adam and kin."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Interval
from jax import Array


class AdamState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    second: optax.Updates  # the same of their squares


def adam(
    learning_rate: Annotated[float | Array, Gt(0)] = 1e-3,
    *,
    beta1: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.9,
    beta2: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.999,
    epsilon: Annotated[float | Array, Gt(0)] = 1e-8,
) -> optax.GradientTransformationExtraArgs:
    """Adam: update = -learning_rate * first / (sqrt(second) + epsilon), both averages rid of their zero start.

        first  <- beta1 * first + (1 - beta1) * gradient
        second <- beta2 * second + (1 - beta2) * gradient^2

    learning_rate  about the size of each step, in units of the parameters
    Memory: two copies of the parameters.
    Source: Kingma & Ba 2015, "Adam: A method for stochastic optimization", algorithm 1.
    """
    return adamw(learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=0.0)


def adamw(
    learning_rate: Annotated[float | Array, Gt(0)] = 1e-3,
    *,
    beta1: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.9,
    beta2: Annotated[float | Array, Interval(ge=0, lt=1)] = 0.999,
    epsilon: Annotated[float | Array, Gt(0)] = 1e-8,
    weight_decay: Annotated[float | Array, Ge(0)] = 1e-2,
) -> optax.GradientTransformationExtraArgs:
    """AdamW: Adam, and every parameter shrinks by learning_rate * weight_decay of itself at each step.

    weight_decay  decoupled from the gradient, so that it does not depend on the size of the gradients
    Memory: two copies of the parameters.
    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.
    """

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return AdamState(count=jnp.zeros([], jnp.int32), first=zeros, second=zeros)

    def update(updates, state, params=None, **extra_args):
        count = state.count + 1
        first = jax.tree.map(lambda g, m: beta1 * m + (1 - beta1) * g, updates, state.first)
        second = jax.tree.map(lambda g, v: beta2 * v + (1 - beta2) * g * g, updates, state.second)
        scale1, scale2 = 1 / (1 - beta1**count), 1 / (1 - beta2**count)

        def step(m, v, parameter):
            return -learning_rate * (m * scale1 / (jnp.sqrt(v * scale2) + epsilon) + weight_decay * parameter)

        return jax.tree.map(step, first, second, params), AdamState(count, first, second)

    return optax.GradientTransformationExtraArgs(init, update)
