"""Adam with one thing changed: the size that it divides by, the order of its averages, or the bounds of its steps.

What is left as it is goes without saying: `first` and `second` are Adam's averages of the gradients and of their
squares, and "rid of their zero start" means divided by 1 - beta^t.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import (
    NotNegative,
    Positive,
    Share,
    StartValue,
    average,
    filled,
    leafwise,
    shrunk,
)
from .adaptive import AdamState


class AmsgradState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    second: optax.Updates  # the same of their squares
    largest: optax.Updates  # the largest that second has been


class AdamaxState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    largest: optax.Updates  # decayed maximum of their sizes


class NadamState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    second: optax.Updates  # the same of their squares
    product: optax.Updates  # of all momenta so far, one number per array


class DiffgradState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    second: optax.Updates  # the same of their squares
    previous: optax.Updates  # gradients of the last step


def amsgrad(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AMSGrad: Adam that divides by the largest second so far, so that no step size ever grows again.

        largest <- max(largest, second)
        update  = -learning_rate * first / (1 - beta1^t) / (sqrt(largest / (1 - beta2^t)) + epsilon)

    Memory: three copies of the parameters.
    Agrees with: PyTorch's Adam(amsgrad=True), AdamW(amsgrad=True) with weight decay.
    Differs from Optax: its amsgrad takes the largest of second / (1 - beta2^t), and so keeps the first gradients whole.
    Differs from the paper: there neither average is rid of its zero start, and there is no epsilon.
    Source: Reddi, Kale & Kumar 2018, "On the convergence of Adam and beyond", algorithm 2.
    """

    def step(n, gradient, parameter, first, second, largest):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        largest = jnp.maximum(largest, second)
        rate = n.learning_rate / filled(n.beta1, n.t)
        update = -rate * first / (jnp.sqrt(largest / filled(n.beta2, n.t)) + n.epsilon)
        return shrunk(update, n, parameter), first, second, largest

    return leafwise(
        AmsgradState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def adamax(
    learning_rate: Positive = 2e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdaMax: update = -learning_rate * first / (1 - beta1^t) / largest, largest a decayed maximum.

        largest <- max(beta2 * largest, |gradient| + epsilon)

    Memory: two copies of the parameters.
    Agrees with: PyTorch's Adamax without weight decay and Optax's adamax; its adamaxw with weight decay.
    Differs from PyTorch: its weight_decay is added to the gradient; here it shrinks the parameters.
    Differs from the paper: there without epsilon, which leaves 0 / 0 where all gradients were 0.
    Source: Kingma & Ba 2015, "Adam: A method for stochastic optimization", algorithm 2.
    """

    def step(n, gradient, parameter, first, largest):
        first = average(n.beta1, first, gradient)
        largest = jnp.maximum(n.beta2 * largest, jnp.abs(gradient) + n.epsilon)
        update = -n.learning_rate / filled(n.beta1, n.t) * first / largest
        return shrunk(update, n, parameter), first, largest

    return leafwise(
        AdamaxState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def nadam(
    learning_rate: Positive = 2e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    momentum_decay: NotNegative = 4e-3,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """NAdam: Adam that looks ahead by the momentum of its next step, m = beta1 * (1 - 0.96^(t * momentum_decay) / 2).

        product <- product * m,   next = the m of step t + 1
        ahead   = (1 - m) * gradient / (1 - product) + next * first / (1 - product * next)
        update  = -learning_rate * ahead / (sqrt(second / (1 - beta2^t)) + epsilon)

    momentum_decay  how fast the momentum m grows from beta1 / 2 to beta1
    Memory: two copies of the parameters.
    Agrees with: PyTorch's NAdam, with decoupled_weight_decay where there is weight decay; its product is in float32.
    Differs from Optax: its nadam keeps the momentum at beta1, as in (1 - beta1) * gradient + beta1 * first.
    Source: Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 8 in the form of PyTorch.
    """

    def step(n, gradient, parameter, first, second, product):
        now, ahead = (n.beta1 * (1 - 0.5 * 0.96 ** (t * n.momentum_decay)) for t in (n.t, n.t + 1))
        product = product * now
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        direction = (1 - now) / (1 - product) * gradient + ahead / (1 - product * ahead) * first
        update = -n.learning_rate * direction / (jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon)
        return shrunk(update, n, parameter), first, second, product

    return leafwise(
        NadamState,
        step,
        start={"product": lambda parameter: jnp.ones([], parameter.dtype)},
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        momentum_decay=momentum_decay,
        weight_decay=weight_decay,
    )


def radam(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """RAdam: Adam, its steps times r while few gradients make second uncertain, and plain momentum for the first five.

        whole  = 2 / (1 - beta2) - 1,   length = whole - 2 * t * beta2^t / (1 - beta2^t)
        r      = sqrt((length - 4) * (length - 2) * whole / ((whole - 4) * (whole - 2) * length))
        update = r times that of Adam where length > 5, else -learning_rate * first / (1 - beta1^t)

    learning_rate  about the size of each step, but a factor on the gradient in the first steps
    beta2          above 2/3, so that length ever passes 5
    Memory: two copies of the parameters.
    Agrees with: Optax's radam, where length is not exactly 5.
    Differs from PyTorch: its RAdam adds epsilon to sqrt(second) before it is rid of its zero start (they agree where
    epsilon does not count), and its weight_decay to the gradient unless decoupled_weight_decay is set.
    Differs from the paper: there the bound is 4, and there is no epsilon.
    Source: Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        gathered = filled(n.beta2, n.t)
        whole = 2 / (1 - n.beta2) - 1
        length = whole - 2 * n.t * (1 - gathered) / gathered
        sure, enough = length > 5, jnp.maximum(length, 5)
        r = jnp.sqrt((enough - 4) * (enough - 2) / enough * (whole / ((whole - 4) * (whole - 2))))
        sized = r / (jnp.sqrt(second / gathered) + n.epsilon)
        update = -n.learning_rate / filled(n.beta1, n.t) * first * jnp.where(sure, sized, 1)
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


def adabelief(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-16,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdaBelief: Adam that divides by how far the gradients lie from their average, not by their size.

        first  <- beta1 * first + (1 - beta1) * gradient
        second <- beta2 * second + (1 - beta2) * (gradient - first)^2 + epsilon
        update = -learning_rate * first / (1 - beta1^t) / (sqrt(second / (1 - beta2^t)) + epsilon)

    epsilon  far below Adam's, since it is added to a square as well
    Memory: two copies of the parameters.
    Agrees with: Optax's adabelief.
    Source: Zhuang et al. 2020, "AdaBelief optimizer: Adapting stepsizes by the belief in observed gradients".
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        away = gradient - first
        second = average(n.beta2, second, away * away) + n.epsilon
        denominator = jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon
        return shrunk(-n.learning_rate / filled(n.beta1, n.t) * first / denominator, n, parameter), first, second

    return leafwise(
        AdamState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def yogi(
    learning_rate: Positive = 1e-2,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-3,
    start_value: StartValue = 1e-6,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Yogi: Adam whose second moves by (1 - beta2) * gradient^2 at most, so that step sizes grow slowly.

        second <- second - (1 - beta2) * sign(second - gradient^2) * gradient^2

    epsilon      a thousandth: where gradients are far below it, steps shrink with them
    start_value  of second
    Memory: two copies of the parameters.
    Agrees with: Optax's yogi but for first, which starts at 1e-6 there and at 0 here, as in the paper.
    Differs from the paper: there neither average is rid of its start.
    Source: Zaheer et al. 2018, "Adaptive methods for nonconvex optimization", algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        first = average(n.beta1, first, gradient)
        square = gradient * gradient
        second = second - (1 - n.beta2) * jnp.sign(second - square) * square
        denominator = jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon
        return shrunk(-n.learning_rate / filled(n.beta1, n.t) * first / denominator, n, parameter), first, second

    return leafwise(
        AdamState,
        step,
        start={"second": lambda parameter: jnp.full_like(parameter, start_value)},
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def diffgrad(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """diffGrad: Adam's step times 1 / (1 + exp(-|previous gradient - gradient|)): half where gradients stay the same.

    learning_rate  about the size of a step where gradients change by several units, of two steps where they do not
    Memory: three copies of the parameters.
    Trap: the factor depends on the unit of the loss; gradients far below 1 in size make this Adam at half the rate.
    Source: Dubey et al. 2020, "diffGrad: An optimization method for convolutional neural networks", equations 6 to 10.
    """

    def step(n, gradient, parameter, first, second, previous):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, gradient * gradient)
        friction = jax.nn.sigmoid(jnp.abs(previous - gradient))
        denominator = jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon
        update = -n.learning_rate / filled(n.beta1, n.t) * friction * first / denominator
        return shrunk(update, n, parameter), first, second, gradient

    return leafwise(
        DiffgradState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )
