"""Adam whose steps cannot grow large: bounded, normalised before they are averaged, or measured against each array."""

import math
from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import (
    NotNegative,
    Positive,
    Share,
    WholeShare,
    average,
    filled,
    leafwise,
    ratio,
    root_mean_square,
    shrunk,
)
from .adam_kin import AmsgradState
from .adaptive import AdamState


class LapropState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    velocity: optax.Updates  # exponential moving average of the normalised gradients, shaped like the parameters
    second: optax.Updates  # exponential moving average of the squared gradients


def adabound(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    final_ratio: Positive = 100.0,
    closing: Positive = 1e-3,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdaBound: Adam at first, gradient descent with momentum in the end: update = -rate * first.

        rate = learning_rate / (1 - beta1^t) / (sqrt(second / (1 - beta2^t)) + epsilon), kept
               between final * (1 - 1 / (closing * t + 1)) and final * (1 + 1 / (closing * t))
        final = final_ratio * learning_rate

    learning_rate  about the size of each step at first; in the end, times final_ratio, a factor on the gradient
    final_ratio    of the descent's rate at the end to Adam's at the start
    closing        how fast the bounds close: they are a factor of two apart from about 2 / closing steps on
    Trap: the bounds are rates per unit of gradient. Where a gradient is steep, the lower one makes a step far longer
    than Adam's from the second step on: Rosenbrock's valley, whose curvature is 1,000, needs a final rate below 0.002.
    Memory: two copies of the parameters.
    Differs from the paper and the authors' program: there the final rate is given by itself, 0.1 if not given; the
    program then scales it with the schedule of learning_rate, as it is here. The program also adds epsilon to
    sqrt(second) before it is rid of its zero start.
    Source: Luo et al. 2019, "Adaptive gradient methods with dynamic bound of learning rate", algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        rate = n.learning_rate / filled(n.beta1, n.t) / (jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon)
        final = n.final_ratio * n.learning_rate
        least = final * (1 - 1 / (n.closing * n.t + 1))
        most = final * (1 + 1 / (n.closing * n.t))
        return shrunk(-jnp.clip(rate, least, most) * first, n, parameter), first, second

    return leafwise(
        AdamState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        final_ratio=final_ratio,
        closing=closing,
        weight_decay=weight_decay,
    )


def padam(
    learning_rate: Positive = 1e-1,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    power: WholeShare = 0.25,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Padam: AMSGrad with a power of its denominator, between gradient descent (0) and AMSGrad (1).

        update = -learning_rate * first / (1 - beta1^t) / (sqrt(largest / (1 - beta2^t)) + epsilon)^power

    power  of the denominator, twice the p of the paper
    Memory: three copies of the parameters.
    Differs from the paper: there neither average is rid of its zero start.
    Source: Chen & Gu 2018, "Closing the generalization gap of adaptive gradient methods in training deep neural
    networks", algorithm 1.
    """

    def step(n, gradient, parameter, first, second, largest):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        largest = jnp.maximum(largest, second)
        denominator = (jnp.sqrt(largest / filled(n.beta2, n.t)) + n.epsilon) ** n.power
        update = -n.learning_rate / filled(n.beta1, n.t) * first / denominator
        return shrunk(update, n, parameter), first, second, largest

    return leafwise(
        AmsgradState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        power=power,
        weight_decay=weight_decay,
    )


def laprop(
    learning_rate: Positive = 4e-4,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-15,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """LaProp: Adam that first divides each gradient by its size and then averages.

        second   <- beta2 * second + (1 - beta2) * gradient^2
        velocity <- beta1 * velocity + (1 - beta1) * gradient / (sqrt(second / (1 - beta2^t)) + epsilon)
        update   = -learning_rate * velocity / (1 - beta1^t)

    Memory: two copies of the parameters.
    Differs from the authors' program: there the velocity holds the learning rate as well, which matters for schedules.
    Source: Ziyin, Wang & Ueda 2020, "LaProp: Separating momentum and adaptivity in Adam", algorithm 1.
    """

    def step(n, gradient, parameter, velocity, second):
        second = average(n.beta2, second, gradient * gradient)
        normal = gradient / (jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon)
        velocity = average(n.beta1, velocity, normal)
        return shrunk(-n.learning_rate / filled(n.beta1, n.t) * velocity, n, parameter), velocity, second

    return leafwise(
        LapropState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def adopt(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.9999,
    epsilon: Positive = 1e-6,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """ADOPT: Adam that divides each gradient by the second of the step before, and so converges with any beta2.

        velocity <- beta1 * velocity + (1 - beta1) * clip(gradient / max(sqrt(second), epsilon), t^(1/4))
        update   = -learning_rate * velocity
        second   <- beta2 * second + (1 - beta2) * gradient^2

    The first step only sets second = gradient^2; t counts the steps after it.
    Memory: two copies of the parameters.
    Agrees with: Optax's contrib.adopt.
    Source: Taniguchi et al. 2024, "ADOPT: Modified Adam can converge with any β2 with the optimal rate", algorithm 2.
    """

    def step(n, gradient, parameter, velocity, second):
        begun = n.t > 1
        most = (n.t - 1) ** 0.25
        normal = jnp.clip(gradient / jnp.maximum(jnp.sqrt(second), n.epsilon), -most, most)
        velocity = jnp.where(begun, average(n.beta1, velocity, normal), velocity)
        square = gradient * gradient
        second = jnp.where(begun, average(n.beta2, second, square), square)
        return shrunk(-n.learning_rate * velocity, n, parameter), velocity, second

    return leafwise(
        LapropState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def adam_atan2(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Adam-atan2: update = -learning_rate * atan2(first, sqrt(second)), Adam's step without an epsilon.

    Both averages are rid of their zero start. The same for gradients of any unit, since nothing is added to them.
    learning_rate  about 4 / pi of Adam's for the same steps; none is larger than pi / 2 of it
    Memory: two copies of the parameters.
    Source: Everett et al. 2024, "Scaling exponents across parameterizations and optimizers".
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        angle = jnp.arctan2(first / filled(n.beta1, n.t), jnp.sqrt(second / filled(n.beta2, n.t)))
        return shrunk(-n.learning_rate * angle, n, parameter), first, second

    return leafwise(AdamState, step, learning_rate=learning_rate, beta1=beta1, beta2=beta2, weight_decay=weight_decay)


def stable_adamw(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.99,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 1e-2,
) -> optax.GradientTransformationExtraArgs:
    """StableAdamW: AdamW whose rate is divided by how much an array's gradients exceed what second foresaw.

        excess = max(1, sqrt(mean(gradient^2 / max(second / (1 - beta2^t), epsilon^2))))   over each array
        update = that of AdamW at learning_rate / excess

    Memory: two copies of the parameters.
    Source: Wortsman et al. 2023, "Stable and low-precision training for large-scale vision-language models",
    algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        foreseen = second / filled(n.beta2, n.t)
        excess = jnp.maximum(1, root_mean_square(gradient / jnp.maximum(jnp.sqrt(foreseen), n.epsilon)))
        n.learning_rate = n.learning_rate / excess
        update = -n.learning_rate / filled(n.beta1, n.t) * first / (jnp.sqrt(foreseen) + n.epsilon)
        return shrunk(update, n, parameter), first, second

    return leafwise(
        AdamState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def adamp(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
    threshold: NotNegative = 0.1,
    decay_share: WholeShare = 0.1,
) -> optax.GradientTransformationExtraArgs:
    """AdamP: Adam without the part of a step that only lengthens weights whose length does not matter.

        ahead  = Adam's step with beta1 * first + (1 - beta1) * gradient in the place of first
        ahead  <- ahead - weights * <weights, ahead> / |weights|^2        where
                  |<weights, gradient>| / (|weights| * |gradient|) < threshold / sqrt(size of weights)
        update = -learning_rate * (ahead + weight_decay * parameter, decay_share of it where projected)

    The weights into one unit (one index of the last axis) count as one, if that holds for every unit of the array; else
    the whole array, if it holds for that. Vectors and numbers are left to Adam.
    threshold  on the cosine, by which length is taken not to matter; 0 never projects
    Memory: two copies of the parameters.
    Differs from the authors' program: there a unit is an index of the first axis, as PyTorch lays out its weights.
    Source: Heo et al. 2021, "AdamP: Slowing down the slowdown for momentum optimizers on scale-invariant weights".
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        ahead = average(n.beta1, first, gradient) / filled(n.beta1, n.t)
        ahead = ahead / (jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon)
        decay = n.weight_decay
        if parameter.ndim > 1:
            units, unit_rows = _without_length(
                ahead, gradient, parameter, tuple(range(parameter.ndim - 1)), n.threshold
            )
            whole, whole_array = _without_length(ahead, gradient, parameter, None, n.threshold)
            decay = jnp.where(unit_rows | whole_array, decay * n.decay_share, decay)
            ahead = jnp.where(unit_rows, units, jnp.where(whole_array, whole, ahead))
        return -n.learning_rate * (ahead + decay * parameter), first, second

    return leafwise(
        AdamState,
        step,
        needs_params=True,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
        threshold=threshold,
        decay_share=decay_share,
    )


def _without_length(step: Array, gradient: Array, weights: Array, axes: tuple[int, ...] | None, threshold: Array):
    """A step without its part along the weights, and whether the gradients are square to all of them."""

    def dot(a: Array, b: Array) -> Array:
        return jnp.sum(a * b, axis=axes, keepdims=True)

    size = math.prod(weights.shape if axes is None else [weights.shape[axis] for axis in axes])
    lengths = jnp.sqrt(dot(weights, weights) * dot(gradient, gradient))
    square = jnp.abs(dot(weights, gradient)) < threshold / math.sqrt(size) * lengths
    along = ratio(dot(weights, step), dot(weights, weights))
    return step - along * weights, jnp.all(square)
