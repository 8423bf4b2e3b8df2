"""Steps from where the parameters began, by the sum of all gradients so far."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import NotNegative, Positive, Share, leafwise


class MadgradState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    total: optax.Updates  # weighted sum of the gradients, shaped like the parameters
    squares: optax.Updates  # the same of their squares
    origin: optax.Params  # the parameters at init


class FtrlState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    total: optax.Updates  # the parameter times -(beta + sqrt(squares)), before the penalties
    squares: optax.Updates  # sum of the squared gradients


def madgrad(
    learning_rate: Positive = 1e-2,
    *,
    momentum: Share = 0.9,
    epsilon: Positive = 1e-6,
) -> optax.GradientTransformationExtraArgs:
    """MADGRAD: dual averaging with a cube root for size, and momentum by averaging the places.

        total     <- total + learning_rate * sqrt(t) * gradient
        squares   <- squares + learning_rate * sqrt(t) * gradient^2
        place     = origin - total / (cbrt(squares) + epsilon)
        parameter <- momentum * parameter + (1 - momentum) * place

    learning_rate  not like Adam's: steps go with its power 2/3, and with the gradients' 1/3
    Memory: three copies of the parameters.
    Differs from Optax and the authors' program: they add epsilon to learning_rate as well.
    Source: Defazio & Jelassi 2022, "Adaptivity without compromise: A momentumized, adaptive, dual averaged gradient
    method for stochastic optimization", algorithm 1.
    """

    def step(n, gradient, parameter, total, squares, origin):
        weight = n.learning_rate * jnp.sqrt(n.t)
        total = total + weight * gradient
        squares = squares + weight * gradient * gradient
        place = origin - total / (jnp.cbrt(squares) + n.epsilon)
        return (1 - n.momentum) * (place - parameter), total, squares, origin

    return leafwise(
        MadgradState,
        step,
        needs_params=True,
        start={
            "origin": lambda parameter: jnp.array(parameter, copy=True)
        },  # a donated parameter takes its buffer along
        learning_rate=learning_rate,
        momentum=momentum,
        epsilon=epsilon,
    )


def ftrl(
    learning_rate: Positive = 0.1,
    *,
    beta: NotNegative = 1.0,
    l1: NotNegative = 0.0,
    l2: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """FTRL-proximal: AdaGrad whose penalty l1 makes parameters exactly 0.

        squares   <- squares + gradient^2
        total     <- total + learning_rate * gradient - (change of sqrt(squares)) * parameter
        parameter <- -sign(total) * max(|total| - learning_rate * l1, 0) / (beta + sqrt(squares) + learning_rate * l2)

    Without penalties update = -learning_rate * gradient / (beta + sqrt(squares)).
    beta    1 keeps the first steps below learning_rate * gradient
    l1, l2  on the sum over all steps, not at each step
    Memory: two copies of the parameters.
    Trap: l1 reads every parameter as a weight: biases become 0 as well.
    Differs from the paper: parameters may start anywhere, there at 0; total is learning_rate times the z of the paper.
    Source: McMahan et al. 2013, "Ad click prediction: A view from the trenches", algorithm 1.
    """

    def begin(parameter: Array) -> Array:
        return -(beta(jnp.int32(0)) if callable(beta) else jnp.asarray(beta).astype(parameter.dtype)) * parameter

    def step(n, gradient, parameter, total, squares):
        new = squares + gradient * gradient
        total = total + n.learning_rate * gradient - (jnp.sqrt(new) - jnp.sqrt(squares)) * parameter
        kept = jnp.maximum(jnp.abs(total) - n.learning_rate * n.l1, 0)
        below = n.beta + jnp.sqrt(new) + n.learning_rate * n.l2
        place = jnp.where(below > 0, -jnp.sign(total) * kept / jnp.where(below > 0, below, 1), parameter)
        return place - parameter, total, new

    return leafwise(
        FtrlState,
        step,
        needs_params=True,
        start={"total": begin},
        learning_rate=learning_rate,
        beta=beta,
        l1=l1,
        l2=l2,
    )
