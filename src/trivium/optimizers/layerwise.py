"""Steps measured against each array of the parameters as a whole: large batches, layers of different scale."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import NotNegative, Positive, Share, average, filled, leafwise, norm, off, ratio
from .adaptive import AdamState


class LarsState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    velocity: optax.Updates  # decayed sum of the steps, shaped like the parameters


class NovogradState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    velocity: optax.Updates  # decayed sum of the normalised gradients, shaped like the parameters
    second: optax.Updates  # exponential moving average of |gradient|^2, one number per array


class FromageState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)


def lamb(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-6,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """LAMB: AdamW's step, stretched for each array so that it moves by learning_rate of its own length.

        step   = first / (1 - beta1^t) / (sqrt(second / (1 - beta2^t)) + epsilon) + weight_decay * parameter
        update = -learning_rate * |parameter| / |step| * step, a length of 0 counting as no stretch

    learning_rate  share of its length by which each array moves
    Memory: two copies of the parameters.
    Agrees with: Optax's lamb.
    Source: You et al. 2020, "Large batch optimization for deep learning: Training BERT in 76 minutes", algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        direction = first / filled(n.beta1, n.t) / (jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon)
        if not off(n.weight_decay):
            direction = direction + n.weight_decay * parameter
        return -n.learning_rate * _trust(norm(parameter), norm(direction)) * direction, first, second

    return leafwise(
        AdamState,
        step,
        needs_params=True,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def lars(
    learning_rate: Positive = 1.0,
    *,
    momentum: Share = 0.9,
    trust: Positive = 1e-3,
    nesterov: bool = False,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """LARS: momentum over steps of trust times the length of each array.

        local    = trust * |parameter| / (|gradient| + weight_decay * |parameter|), 1 where either length is 0
        velocity <- momentum * velocity + learning_rate * local * (gradient + weight_decay * parameter)
        update   = -velocity, with Nesterov -(momentum * velocity + the newest term)

    trust  share of its length by which each array moves where learning_rate is 1
    Memory: one copy of the parameters.
    Agrees with: Optax's lars without weight decay; with it, the length below is |gradient + weight_decay * parameter|.
    Source: You, Gitman & Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1.
    """

    def step(n, gradient, parameter, velocity):
        length, slope = norm(parameter), norm(gradient)
        if not off(n.weight_decay):
            gradient, slope = gradient + n.weight_decay * parameter, slope + n.weight_decay * length
        newest = n.learning_rate * _trust(length, slope, n.trust) * gradient
        velocity = n.momentum * velocity + newest
        return -(n.momentum * velocity + newest if nesterov else velocity), velocity

    return leafwise(
        LarsState,
        step,
        needs_params=True,
        learning_rate=learning_rate,
        momentum=momentum,
        trust=trust,
        weight_decay=weight_decay,
    )


def novograd(
    learning_rate: Positive = 1e-2,
    *,
    beta1: Share = 0.95,
    beta2: Share = 0.98,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """NovoGrad: momentum over gradients divided by their length, one length for each array.

        second   <- beta2 * second + (1 - beta2) * |gradient|^2, at the first step |gradient|^2 itself
        velocity <- beta1 * velocity + gradient / (sqrt(second) + epsilon) + weight_decay * parameter
        update   = -learning_rate * velocity

    learning_rate  about the length by which each array moves at first, 1 / (1 - beta1) times that where gradients stay
    weight_decay   goes through the momentum
    Memory: one copy of the parameters.
    Agrees with: Optax's novograd, whose beta1 is 0.9, beta2 0.25 and epsilon 1e-6 if not given.
    Source: Ginsburg et al. 2019, "Stochastic gradient methods with layer-wise adaptive moments for training of deep
    networks", algorithm 1.
    """

    def step(n, gradient, parameter, velocity, second):
        squared = jnp.sum(gradient * gradient)
        second = jnp.where(n.t == 1, squared, average(n.beta2, second, squared))
        normal = gradient / (jnp.sqrt(second) + n.epsilon)
        if not off(n.weight_decay):
            normal = normal + n.weight_decay * parameter
        velocity = n.beta1 * velocity + normal
        return -n.learning_rate * velocity, velocity, second

    return leafwise(
        NovogradState,
        step,
        start={"second": lambda parameter: jnp.zeros([], parameter.dtype)},
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def fromage(learning_rate: Positive = 1e-2) -> optax.GradientTransformationExtraArgs:
    """Fromage: every array moves by learning_rate of its own length, and is then shortened by as much as that added.

        parameter <- (parameter - learning_rate * |parameter| / |gradient| * gradient) / sqrt(1 + learning_rate^2)

    learning_rate  share of its length by which each array moves
    Memory: none.
    Trap: arrays that start at 0 follow the plain gradient until they have a length; they grow only slowly then.
    Agrees with: Optax's fromage, where no length is below its min_norm of 1e-6.
    Source: Bernstein et al. 2020, "On the distance between two neural networks and the stability of learning",
    algorithm 1.
    """

    def step(n, gradient, parameter):
        moved = parameter - n.learning_rate * _trust(norm(parameter), norm(gradient)) * gradient
        return (moved / jnp.sqrt(jnp.asarray(1 + n.learning_rate**2).astype(gradient.dtype)) - parameter,)

    return leafwise(FromageState, step, needs_params=True, learning_rate=learning_rate)


def _trust(length: Array, step: Array, factor: float | Array = 1.0) -> Array:
    """factor * length / step, 1 where either is 0."""
    return jnp.where((length == 0) | (step == 0), 1, factor * ratio(length, step))
