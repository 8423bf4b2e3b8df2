"""Adam's sizes without Adam's memory: for a matrix, one number per row and column in the place of one per weight.

A matrix is the last two axes of an array; vectors and single numbers keep one number each.
"""

from functools import reduce
from typing import Any, NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import NotNegative, Positive, Share, average, leafwise, ratio, root_mean_square, shrunk


class AdafactorState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    second: (
        Any  # per matrix, averages of the squared gradients over each row and each column; per vector, of each entry
    )


class CameState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the steps, shaped like the parameters
    second: Any  # as Adafactor's
    doubt: Any  # per matrix, the same of (step - first)^2; None per vector


class Sm3State(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the steps, shaped like the parameters
    squares: Any  # per array one vector for each axis: bounds on the sums of the squared gradients


def adafactor(
    learning_rate: Positive = 1e-2,
    *,
    beta2_power: Positive = 0.8,
    clip: Positive = 1.0,
    epsilon: Positive = 1e-30,
    least_length: Positive = 1e-3,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Adafactor: Adam without momentum, second kept by rows and columns, steps in shares of each array's size.

        beta2   = 1 - t^-beta2_power
        rows    <- beta2 * rows + (1 - beta2) * mean over columns of (gradient^2 + epsilon), columns likewise
        step    = gradient / sqrt(rows * columns / mean(rows))
        step    <- step / max(1, rms(step) / clip)                                 rms: root of the mean square
        update  = -min(learning_rate, 1 / sqrt(t)) * max(least_length, rms(parameter)) * step

    learning_rate  share of its size by which each array moves; 1 / sqrt(t) takes over when that is less
    beta2_power    how fast the averages grow long: all gradients count alike at 1
    clip           root of the mean square of a step, which is 1 where the average foresaw the gradient
    least_length   size that an array is taken to have if it has less, so that zeros can move
    Memory: one number per row and column of each matrix, one copy of each vector.
    Agrees with: PyTorch's Adafactor, whose epsilon is a floor of the result and not in the average, which shows only
    where gradients are as small as that floor.
    Differs from Optax: its adafactor leaves the learning rate as given, takes beta2 in float32, and factors only axes
    of 128 or more.
    Source: Shazeer & Stern 2018, "Adafactor: Adaptive learning rates with sublinear memory cost", algorithms 4 and 5.
    """

    def step(n, gradient, parameter, second):
        beta2 = 1 - n.t**-n.beta2_power
        second, size = _factored(beta2, second, gradient * gradient + n.epsilon)
        direction = gradient / size
        direction = direction / jnp.maximum(1, root_mean_square(direction) / n.clip)
        rate = jnp.minimum(n.learning_rate, 1 / jnp.sqrt(n.t)) * jnp.maximum(
            n.least_length, root_mean_square(parameter)
        )
        return shrunk(-rate * direction, n, parameter), second

    return leafwise(
        AdafactorState,
        step,
        needs_params=True,
        start={"second": _no_squares},
        learning_rate=learning_rate,
        beta2_power=beta2_power,
        clip=clip,
        epsilon=epsilon,
        least_length=least_length,
        weight_decay=weight_decay,
    )


def came(
    learning_rate: Positive = 2e-4,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    beta3: Share = 0.9999,
    clip: Positive = 1.0,
    epsilon: Positive = 1e-30,
    epsilon_doubt: Positive = 1e-16,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """CAME: Adafactor with momentum, shorter where steps differ from their average.

        step   = gradient / sqrt(second), second by rows and columns as Adafactor's, with a constant beta2
        step   <- step / max(1, rms(step) / clip)
        first  <- beta1 * first + (1 - beta1) * step
        doubt  <- beta3 * doubt + (1 - beta3) * ((step - first)^2 + epsilon_doubt), by rows and columns
        update = -learning_rate * first / sqrt(doubt) for a matrix, -learning_rate * first for a vector

    Memory: one copy of the parameters, two numbers per row and column of each matrix, another copy of each vector.
    Source: Luo et al. 2023, "CAME: Confidence-guided adaptive memory efficient optimization", algorithm 2.
    """

    def step(n, gradient, parameter, first, second, doubt):
        second, size = _factored(n.beta2, second, gradient * gradient + n.epsilon)
        direction = gradient / size
        direction = direction / jnp.maximum(1, root_mean_square(direction) / n.clip)
        first = average(n.beta1, first, direction)
        sure = first
        if doubt is not None:
            away = direction - first
            doubt, size = _factored(n.beta3, doubt, away * away + n.epsilon_doubt)
            sure = first / size
        return shrunk(-n.learning_rate * sure, n, parameter), first, second, doubt

    return leafwise(
        CameState,
        step,
        start={
            "second": _no_squares,
            "doubt": lambda parameter: _no_squares(parameter) if parameter.ndim > 1 else None,
        },
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        beta3=beta3,
        clip=clip,
        epsilon=epsilon,
        epsilon_doubt=epsilon_doubt,
        weight_decay=weight_decay,
    )


def sm3(
    learning_rate: Positive = 0.1,
    *,
    beta1: Share = 0.9,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """SM3: AdaGrad with one sum per row and column: squares of a weight <= the least of those it belongs to.

        squares = min over the axes of the sum of the weight's row, column, ... + gradient^2
        sums    <- the largest squares of each row, column, ...
        first   <- beta1 * first + (1 - beta1) * gradient / sqrt(squares), 0 where squares is 0
        update  = -learning_rate * first

    Memory: one copy of the parameters, one number per row and column.
    Agrees with: Optax's sm3, but for an epsilon of 1e-8 below its root.
    Source: Anil et al. 2019, "Memory-efficient adaptive optimization", algorithm SM3-II.
    """

    def step(n, gradient, parameter, first, sums):
        axes = range(gradient.ndim)
        spread = [total.reshape([-1 if i == axis else 1 for i in axes]) for axis, total in enumerate(sums)]
        bound = reduce(jnp.minimum, [jnp.broadcast_to(total, gradient.shape) for total in spread])
        squares = bound + gradient * gradient
        sums = tuple(jnp.max(squares, axis=tuple(i for i in axes if i != axis)) for axis in range(len(sums)))
        first = average(n.beta1, first, ratio(gradient, jnp.sqrt(squares)))
        return shrunk(-n.learning_rate * first, n, parameter), first, sums

    def no_sums(parameter: Array) -> tuple[Array, ...]:
        return tuple(jnp.zeros(length, parameter.dtype) for length in parameter.shape) or (jnp.zeros_like(parameter),)

    return leafwise(
        Sm3State,
        step,
        start={"squares": no_sums},
        learning_rate=learning_rate,
        beta1=beta1,
        weight_decay=weight_decay,
    )


def _no_squares(parameter: Array) -> Any:
    if parameter.ndim < 2:
        return jnp.zeros_like(parameter)
    rows, columns = jnp.zeros_like(parameter[..., 0]), jnp.zeros_like(parameter[..., 0, :])
    return rows, columns


def _factored(beta: Any, second: Any, squares: Array) -> tuple[Any, Array]:
    """The averages with new squares in them, and the root of what they say of each entry."""
    if squares.ndim < 2:
        second = average(beta, second, squares)
        return second, jnp.sqrt(second)
    rows, columns = average(beta, second[0], squares.mean(axis=-1)), average(beta, second[1], squares.mean(axis=-2))
    share = jnp.sqrt(rows / rows.mean(axis=-1, keepdims=True))
    return (rows, columns), share[..., :, None] * jnp.sqrt(columns)[..., None, :]
