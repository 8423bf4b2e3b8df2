"""Optimizers that find the size of their step from the gradients, from the distance gone, or from the loss."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Gt, Interval
from jax import Array

from . import _working as w
from ._leafwise import NotNegative, Positive, Share


class ProdigyState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # moving average of distance * gradient
    second: optax.Updates  # moving average of its square
    weighted_sum: optax.Updates  # decayed sum of the gradients, weighted by the steps
    start: optax.Params  # the parameters at init
    distance: Array  # (), estimate of the distance from the start to the solution
    numerator: Array  # ()


def prodigy(
    learning_rate: Positive = 1.0,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
    start_distance: Annotated[float | Array, Gt(0)] = 1e-6,
    growth: Positive = 1.0,
) -> optax.GradientTransformationExtraArgs:
    """Prodigy: Adam with the step distance, a growing lower estimate of how far the solution lies.

        step         = learning_rate * distance * sqrt(1 - beta2^t) / (1 - beta1^t)
        first        <- beta1 * first + (1 - beta1) * distance * gradient
        second       <- beta2 * second + (1 - beta2) * (distance * gradient)^2
        numerator    <- sqrt(beta2) * numerator + distance * step * <gradient, start - parameters> / start_distance
        weighted_sum <- sqrt(beta2) * weighted_sum + distance * step * gradient / start_distance
        update       = -step * (first / (sqrt(second) + distance' * epsilon) + weight_decay * parameter)
        distance     <- distance' = max(distance, growth * numerator / |weighted_sum|_1)

    learning_rate   a factor on the step that it finds; leave it at 1
    start_distance  of the first step; any number far below the right one serves. Of bfloat16 parameters a step below
                    1/256 of them is rounded away: try 0.01 there
    growth          above 1 reaches for larger steps
    Memory: four copies of the parameters.
    Agrees with: Optax's contrib.prodigy.
    Source: Mishchenko & Defazio 2024, "Prodigy: An expeditiously adaptive parameter-free learner", algorithm 4.
    """

    def init(params):
        (distance,) = w.numbers(params, start_distance)
        nothing = w.zeros(params)
        return ProdigyState(jnp.int32(0), nothing, nothing, nothing, params, distance, jnp.zeros_like(distance))

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        b1, b2, tiny, decay, base, coefficient = w.numbers_at(
            state.count, updates, beta1, beta2, epsilon, weight_decay, start_distance, growth
        )
        count, distance = state.count + 1, state.distance
        b3 = jnp.sqrt(b2)
        step = distance * rate * jnp.sqrt(1 - w.power(b2, count)) / (1 - w.power(b1, count))
        first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * distance * g, state.first, updates)
        second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * (distance * g) ** 2, state.second, updates)
        along = w.dot(updates, w.less(state.start, params))
        numerator = b3 * state.numerator + distance / base * step * along
        weighted = jax.tree.map(lambda s, g: b3 * s + step * distance / base * g, state.weighted_sum, updates)
        distance = _larger(distance, coefficient * numerator, _absolute_sum(weighted))
        new = jax.tree.map(
            lambda m, v, p: -step * (_ratio(m, jnp.sqrt(v) + distance * tiny) + decay * p), first, second, params
        )
        return new, ProdigyState(count, first, second, weighted, state.start, distance, numerator)

    return w.transformation(init, update)


class DAdaptationState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # moving average of step * gradient
    second: optax.Updates  # moving average of the squared gradients
    weighted_sum: optax.Updates  # moving average of step * gradient, slower than first
    distance: Array  # (), estimate of the distance from the start to the solution
    numerator: Array  # ()


def d_adaptation(
    learning_rate: Positive = 1.0,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
    start_distance: Annotated[float | Array, Gt(0)] = 1e-6,
) -> optax.GradientTransformationExtraArgs:
    """D-Adaptation of Adam: Adam whose rate is a lower bound of how far the solution lies, raised as it is proved.

        step         = learning_rate * distance * sqrt(1 - beta2^t) / (1 - beta1^t),   b = sqrt(beta2)
        numerator    <- b * numerator + (1 - b) * step * <gradient, weighted_sum / (sqrt(second) + epsilon)>
        first        <- beta1 * first + (1 - beta1) * step * gradient
        second       <- beta2 * second + (1 - beta2) * gradient^2
        weighted_sum <- b * weighted_sum + (1 - b) * step * gradient
        update       = -first / (sqrt(second) + epsilon) - step * weight_decay * parameter
        distance     <- max(distance, numerator / ((1 - b) * |weighted_sum|_1))

    learning_rate   a factor on the step that it finds; leave it at 1
    start_distance  of the first step; any number far below the right one serves
    Memory: three copies of the parameters.
    Agrees with: Optax's contrib.dadapt_adamw, which takes the numerator with the averages before their update.
    Source: Defazio & Mishchenko 2023, "Learning-rate-free learning by D-adaptation", algorithm 5.
    """

    def init(params):
        (distance,) = w.numbers(params, start_distance)
        nothing = w.zeros(params)
        return DAdaptationState(jnp.int32(0), nothing, nothing, nothing, distance, jnp.zeros_like(distance))

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        b1, b2, tiny, decay = w.numbers_at(state.count, updates, beta1, beta2, epsilon, weight_decay)
        count, b = state.count + 1, jnp.sqrt(b2)
        step = state.distance * rate * jnp.sqrt(1 - w.power(b2, count)) / (1 - w.power(b1, count))
        whitened = jax.tree.map(lambda s, v: s / (jnp.sqrt(v) + tiny), state.weighted_sum, state.second)
        numerator = b * state.numerator + (1 - b) * step * w.dot(updates, whitened)
        first = w.mixed(b1, state.first, w.scaled(step, updates))
        second = w.mixed(b2, state.second, jax.tree.map(jnp.square, updates))
        weighted = w.mixed(b, state.weighted_sum, w.scaled(step, updates))
        distance = _larger(state.distance, numerator, (1 - b) * _absolute_sum(weighted))
        new = jax.tree.map(lambda m, v, p: -m / (jnp.sqrt(v) + tiny) - step * decay * p, first, second, params)
        return new, DAdaptationState(count, first, second, weighted, distance, numerator)

    return w.transformation(init, update)


class DogState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    start: optax.Params  # the parameters at init
    distance: Array  # (), the farthest that they have been from there
    squared_gradients: Array  # (), sum of the squared norms


def dog(
    learning_rate: Positive = 1.0,
    *,
    start_distance: Annotated[float | Array, Gt(0)] = 1e-6,
    epsilon: NotNegative = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """DoG, distance over gradients: the step is the farthest distance from the start over the size of all gradients.

        direction         = gradient + weight_decay * parameter
        distance          <- max(distance, |parameters - start|)
        squared_gradients <- squared_gradients + |direction|^2
        update            = -learning_rate * distance / sqrt(squared_gradients + epsilon) * direction

    learning_rate   a factor on the step that it finds; leave it at 1
    start_distance  of the first step, as a share of 1 + |parameters|; for bfloat16 parameters, from which a step below
                    1/256 of them is rounded away, try 0.01
    Trap: the last parameters are noisy; the paper evaluates an average of them (`wrappers.parameter_average`).
    Memory: one copy of the parameters.
    Agrees with: Optax's contrib.dog.
    Source: Ivgi, Hinder & Carmon 2023, "DoG is SGD's best friend: A parameter-free dynamic step size schedule".
    """

    def init(params):
        (share,) = w.numbers(params, start_distance)
        return DogState(jnp.int32(0), params, share * (1 + w.norm(params)), jnp.zeros_like(share))

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        tiny, decay = w.numbers_at(state.count, updates, epsilon, weight_decay)
        direction = jax.tree.map(lambda g, p: g + decay * p, updates, params)
        distance = jnp.maximum(state.distance, w.norm(w.less(params, state.start)))
        squared = state.squared_gradients + w.dot(direction, direction)
        step = rate * _ratio(distance, jnp.sqrt(squared + tiny))
        return w.scaled(-step, direction), DogState(state.count + 1, state.start, distance, squared)

    return w.transformation(init, update)


class CountState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)


def polyak(
    learning_rate: Positive = 1.0,
    *,
    lower_bound: Annotated[float | Array, Interval(gt=-jnp.inf)] = 0.0,
    epsilon: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Polyak's step: update = -min(learning_rate, (value - lower_bound) / (|gradient|^2 + epsilon)) * gradient.

    learning_rate  the largest step allowed
    lower_bound    of the loss; 0 fits every loss that a perfect model brings to zero
    Trap: `update` needs the extra argument `value`, the loss at the current parameters. A bound far below what can be
    reached makes the steps too long.
    Memory: none.
    Agrees with: Optax's polyak_sgd, variant "sps+": the step is never negative.
    Source: Polyak 1987, "Introduction to optimization"; Loizou et al. 2021, "Stochastic Polyak step-size for SGD: An
    adaptive learning rate for fast convergence", for batches.
    """

    def init(params):
        return CountState(jnp.int32(0))

    def update(updates, state, params, *, value=None, **extra_args):
        w.needed("value", value, _VALUE)
        rate = w.rate_at(learning_rate, state.count, updates)
        value, bound, tiny = w.numbers_at(state.count, updates, value, lower_bound, epsilon)
        step = jnp.minimum(_ratio(jnp.maximum(value - bound, 0), w.dot(updates, updates) + tiny), rate)
        return w.scaled(-step, updates), CountState(state.count + 1)

    return w.transformation(init, update, needs_params=False)


class MomoState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    average: optax.Updates  # moving average of the gradients
    value: Array  # (), moving average of the losses
    product: Array  # (), moving average of <gradient, parameters>


def momo(
    learning_rate: Positive = 1.0,
    *,
    beta: Share = 0.9,
    lower_bound: Annotated[float | Array, Interval(gt=-jnp.inf)] = 0.0,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """MoMo: momentum with Polyak's step, from a model of the loss that is the average of its last linear models.

        average <- beta * average + (1 - beta) * gradient                 (the first gradient itself at the first step)
        value   <- beta * value   + (1 - beta) * loss
        product <- beta * product + (1 - beta) * <gradient, parameters>
        gap     = (1 + learning_rate * weight_decay) * (value - product - lower_bound) + <average, parameters>
        step    = min(learning_rate, max(gap, 0) / |average|^2)
        update  = -step * average - learning_rate * weight_decay / (1 + learning_rate * weight_decay) * parameters

    learning_rate  the largest step allowed
    lower_bound    of the loss; 0 fits every loss that a perfect model brings to zero
    Trap: `update` needs the extra argument `value`, the loss at the current parameters.
    Memory: one copy of the parameters.
    Agrees with: Optax's contrib.momo with a fixed lower bound.
    Source: Schaipp et al. 2024, "MoMo: Momentum models for adaptive learning rates".
    """

    def init(params):
        nothing = w.numbers(params, 0)[0]
        return MomoState(jnp.int32(0), w.zeros(params), nothing, nothing)

    def update(updates, state, params, *, value=None, **extra_args):
        w.needed("value", value, _VALUE)
        rate = w.rate_at(learning_rate, state.count, updates)
        value, share, bound, decay = w.numbers_at(state.count, updates, value, beta, lower_bound, weight_decay)
        share = jnp.where(state.count == 0, 0, share)
        average = w.mixed(share, state.average, updates)
        value = share * state.value + (1 - share) * value
        product = share * state.product + (1 - share) * w.dot(updates, params)
        growth = 1 + rate * decay
        gap = growth * (value - product - bound) + w.dot(average, params)
        step = jnp.minimum(rate, _ratio(jnp.maximum(gap, 0), w.dot(average, average)))
        new = jax.tree.map(lambda m, p: -step * m - rate * decay / growth * p, average, params)
        return new, MomoState(state.count + 1, average, value, product)

    return w.transformation(init, update)


_VALUE = "Call update(gradients, state, params, value=loss), the loss that the gradients are of."


def _absolute_sum(tree: optax.Updates) -> Array:
    return jax.tree.reduce(jnp.add, jax.tree.map(lambda leaf: jnp.sum(jnp.abs(leaf)), tree))


def _ratio(over: Array, under: Array) -> Array:
    """over / under, and 0 where both vanish: no gradient, no step."""
    return jnp.where(under > 0, over / jnp.where(under > 0, under, 1), 0)


def _larger(distance: Array, over: Array, under: Array) -> Array:
    return jnp.maximum(distance, _ratio(over, under))
