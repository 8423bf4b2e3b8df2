"""A step size for every parameter, from the size of its own gradients: adagrad and rmsprop, adadelta, adam and adamw.

Here and in the files beside it `beta1` is the share of itself that the average of the gradients keeps at each step,
`beta2` that of the average of their squares, and `weight_decay` shrinks every parameter by
learning_rate * weight_decay of itself, apart from the gradients.
"""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import NotNegative, Positive, Share, StartValue, average, filled, leafwise, off, shrunk


class AdamState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    second: optax.Updates  # the same of their squares


class AdagradState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    squares: optax.Updates  # sum of the squared gradients, shaped like the parameters


class AdadeltaState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    second: optax.Updates  # exponential moving average of the squared gradients, shaped like the parameters
    steps: optax.Updates  # the same of the squared steps, before the learning rate


class RmspropState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    second: optax.Updates  # exponential moving average of the squared gradients, shaped like the parameters
    first: optax.Updates  # the same of the gradients; None where not centered
    velocity: optax.Updates  # decayed sum of the steps; None without momentum


def adagrad(
    learning_rate: Positive = 0.01,
    *,
    epsilon: Positive = 1e-10,
    start_value: StartValue = 0.0,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdaGrad: update = -learning_rate * gradient / (sqrt(squares) + epsilon), squares the sum of all so far.

        squares <- squares + gradient^2

    learning_rate  size of the first step, in units of the parameters; steps shrink as 1 / sqrt(t) by themselves
    start_value    of the squares; above 0 it dampens the first steps
    epsilon        keeps a parameter whose gradients were all 0 where it is
    Memory: one copy of the parameters.
    Agrees with: PyTorch's Adagrad without weight decay.
    Differs from PyTorch: its weight_decay is added to the gradient; here it shrinks the parameters.
    Differs from Optax: its adagrad starts the squares at 0.1 and adds epsilon below the root.
    Source: Duchi, Hazan & Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization".
    """

    def step(n, gradient, parameter, squares):
        squares = squares + gradient * gradient
        return shrunk(-n.learning_rate * gradient / (jnp.sqrt(squares) + n.epsilon), n, parameter), squares

    return leafwise(
        AdagradState,
        step,
        start={"squares": lambda parameter: jnp.full_like(parameter, start_value)},
        learning_rate=learning_rate,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def adadelta(
    learning_rate: Positive = 1.0,
    *,
    beta2: Share = 0.9,
    epsilon: Positive = 1e-6,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdaDelta: update = -learning_rate * sqrt(steps + epsilon) / sqrt(second + epsilon) * gradient.

        second <- beta2 * second + (1 - beta2) * gradient^2
        steps  <- beta2 * steps + (1 - beta2) * (update / learning_rate)^2

    learning_rate  a factor on the step that it finds, in the units of the parameters; the paper has 1
    beta2          1 / (1 - beta2) steps count in either average
    epsilon        sets the first steps, sqrt(epsilon) in size; they grow from there
    Memory: two copies of the parameters.
    Agrees with: PyTorch's Adadelta and Optax's adadelta without weight decay.
    Differs from PyTorch: its weight_decay is added to the gradient; here it shrinks the parameters.
    Source: Zeiler 2012, "ADADELTA: An adaptive learning rate method", algorithm 1.
    """

    def step(n, gradient, parameter, second, steps):
        second = average(n.beta2, second, gradient * gradient)
        found = jnp.sqrt(steps + n.epsilon) / jnp.sqrt(second + n.epsilon) * gradient
        return shrunk(-n.learning_rate * found, n, parameter), second, average(n.beta2, steps, found * found)

    return leafwise(
        AdadeltaState, step, learning_rate=learning_rate, beta2=beta2, epsilon=epsilon, weight_decay=weight_decay
    )


def rmsprop(
    learning_rate: Positive = 0.01,
    *,
    beta2: Share = 0.99,
    epsilon: Positive = 1e-8,
    momentum: Share = 0.0,
    centered: bool = False,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """RMSProp: update = -learning_rate * gradient / (sqrt(second) + epsilon).

        second   <- beta2 * second + (1 - beta2) * gradient^2
        first    <- beta2 * first + (1 - beta2) * gradient            (centered: second - first^2 below the root)
        velocity <- momentum * velocity + gradient / (sqrt(second) + epsilon)
        update   = -learning_rate * velocity

    beta2     1 / (1 - beta2) gradients count in their size
    momentum  share of the last velocity that is kept: a steady gradient then moves 1 / (1 - momentum) as far
    centered  divides by the spread of the gradients around their mean: longer steps where they agree
    Memory: one copy of the parameters, one more with momentum, one more if centered.
    Agrees with: PyTorch's RMSprop without weight decay, and where first^2 exceeds second by rounding, 0 for its NaN.
    Differs from PyTorch: its weight_decay is added to the gradient; here it shrinks the parameters.
    Differs from Optax: its rmsprop has beta2 = 0.9, epsilon below the root, and the learning rate inside the velocity.
    Source: Tieleman & Hinton 2012, "Lecture 6.5: RMSProp"; Graves 2013, "Generating sequences with recurrent neural
    networks", equations 38 to 41 (centered).
    """

    def step(n, gradient, parameter, second, *kept):
        kept = list(kept)
        second = average(n.beta2, second, gradient * gradient)
        spread = second
        if centered:
            kept[0] = average(n.beta2, kept[0], gradient)
            spread = jnp.maximum(second - kept[0] * kept[0], 0)
        direction = gradient / (jnp.sqrt(spread) + n.epsilon)
        if not off(momentum):
            direction = kept[-1] = n.momentum * kept[-1] + direction
        return shrunk(-n.learning_rate * direction, n, parameter), second, *kept

    left_out = {"first": None} if not centered else {}
    left_out |= {"velocity": None} if off(momentum) else {}
    return leafwise(
        RmspropState,
        step,
        start=left_out,
        learning_rate=learning_rate,
        beta2=beta2,
        epsilon=epsilon,
        momentum=momentum,
        weight_decay=weight_decay,
    )


def adam(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
) -> optax.GradientTransformationExtraArgs:
    """Adam: update = -learning_rate * first / (sqrt(second) + epsilon), both averages rid of their zero start.

        first  <- beta1 * first + (1 - beta1) * gradient
        second <- beta2 * second + (1 - beta2) * gradient^2
        update = -learning_rate * first / (1 - beta1^t) / (sqrt(second / (1 - beta2^t)) + epsilon)

    learning_rate  about the size of each step, in units of the parameters
    beta1          1 / (1 - beta1) gradients count in the direction
    beta2          1 / (1 - beta2) gradients count in the size; the more, the steadier and the slower to adapt
    epsilon        gradients far below it make steps in proportion to them, larger ones steps of one size
    Memory: two copies of the parameters.
    Agrees with: PyTorch's Adam and Optax's adam.
    Differs from PyTorch: its Adam has a weight_decay, added to the gradient; see `adamw`.
    Source: Kingma & Ba 2015, "Adam: A method for stochastic optimization", algorithm 1.
    """
    return adamw(learning_rate, beta1=beta1, beta2=beta2, epsilon=epsilon, weight_decay=0.0)


def adamw(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 1e-2,
) -> optax.GradientTransformationExtraArgs:
    """AdamW: Adam, and every parameter shrinks by learning_rate * weight_decay of itself at each step.

        first  <- beta1 * first + (1 - beta1) * gradient
        second <- beta2 * second + (1 - beta2) * gradient^2
        step   = first / (1 - beta1^t) / (sqrt(second / (1 - beta2^t)) + epsilon)
        update = -learning_rate * (step + weight_decay * parameter)

    beta1, beta2, epsilon  as in `adam`
    weight_decay           decoupled from the gradient, so that it does not depend on the size of the gradients
    Memory: two copies of the parameters.
    Agrees with: PyTorch's AdamW; Optax's adamw, whose weight_decay is 1e-4 if not given.
    Differs from the paper: there the decay is not multiplied by learning_rate, only by the schedule.
    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization", algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        rate = n.learning_rate / filled(n.beta1, n.t)
        denominator = jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon
        return shrunk(-rate * first / denominator, n, parameter), first, second

    return leafwise(
        AdamState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )
