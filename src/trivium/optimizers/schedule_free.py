"""Optimizers that need no schedule: gradients are taken near an average of the parameters, the one to evaluate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from . import _working as w
from ._leafwise import NotNegative, Positive, Share, WholeShare


class ScheduleFreeState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    average: w.Averaged  # x, the parameters to evaluate
    fast: optax.Params  # z, where plain descent stands
    weight: Array  # (), sum of the squared rates
    largest_rate: Array  # ()
    second: optax.Updates | None  # moving average of the squared gradients, None for descent


def schedule_free_sgd(
    learning_rate: Positive = 1.0,
    *,
    beta1: WholeShare = 0.9,
    warmup: NotNegative = 0.0,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Schedule-free descent: fast <- fast - rate * gradient, and the average of its path is the solution.

        rate       = learning_rate * min(1, t / warmup)                      in step t = 1, 2, ...
        fast       <- fast - rate * (gradient + weight_decay * parameter)
        average    <- (1 - c) * average + c * fast,                          c = rate^2 / sum of all rate^2
        parameters <- beta1 * average + (1 - beta1) * fast

    learning_rate  larger than that of gradient descent with a schedule
    beta1          0 takes gradients at the fast parameters (Polyak and Ruppert's average), 1 at the average
    warmup         steps until the full rate
    Trap: evaluate `evaluation_parameters(state, parameters)`, not the parameters that are trained.
    Memory: two copies of the parameters.
    Agrees with: Optax's contrib.schedule_free_sgd, whose state holds one copy and which computes the average back from
    the parameters, at the loss of digits and of beta1 = 0. With a schedule of rates, c takes the largest rate so far.
    Source: Defazio et al. 2024, "The road less scheduled", algorithm 1 (there for Adam) and equations 3 to 5.
    """
    return _schedule_free(learning_rate, beta1, None, 0.0, warmup, weight_decay)


def schedule_free_adamw(
    learning_rate: Positive = 2.5e-3,
    *,
    beta1: WholeShare = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    warmup: NotNegative = 0.0,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Schedule-free AdamW: schedule-free descent along gradient / (sqrt(second) + epsilon).

        second     <- beta2 * second + (1 - beta2) * gradient^2              rid of its zero start where it is used
        fast       <- fast - rate * (gradient / (sqrt(second) + epsilon) + weight_decay * parameter)
        average    <- (1 - c) * average + c * fast,                          c = rate^2 / sum of all rate^2
        parameters <- beta1 * average + (1 - beta1) * fast

    beta1   takes the place of Adam's momentum
    warmup  steps until the full rate
    Trap: evaluate `evaluation_parameters(state, parameters)`, not the parameters that are trained.
    Memory: three copies of the parameters.
    Agrees with: Optax's contrib.schedule_free_adamw.
    Source: Defazio et al. 2024, "The road less scheduled", algorithm 1.
    """
    return _schedule_free(learning_rate, beta1, beta2, epsilon, warmup, weight_decay)


def _schedule_free(learning_rate, beta1, beta2, epsilon, warmup, weight_decay) -> optax.GradientTransformationExtraArgs:
    """beta2 None leaves the gradients as they are."""

    def init(params):
        nothing = w.numbers(params, 0)[0]
        second = None if beta2 is None else w.zeros(params)
        return ScheduleFreeState(jnp.int32(0), w.Averaged(params), params, nothing, nothing, second)

    def update(updates, state, params, **extra_args):
        rate, b1, decay, wait, tiny = w.numbers_at(
            state.count, updates, learning_rate, beta1, weight_decay, warmup, epsilon
        )
        (steps,) = w.numbers(updates, state.count + 1)
        rate = rate * jnp.minimum(1, steps / jnp.maximum(wait, 1))
        direction, second = updates, None
        if beta2 is not None:
            (b2,) = w.numbers_at(state.count, updates, beta2)
            second = w.mixed(b2, state.second, jax.tree.map(jnp.square, updates))
            unbiased = 1 / (1 - b2**steps)
            direction = jax.tree.map(lambda g, v: g / (jnp.sqrt(v * unbiased) + tiny), updates, second)
        largest = jnp.maximum(state.largest_rate, rate)
        weight = state.weight + largest**2
        share = jnp.where(weight > 0, largest**2 / jnp.where(weight > 0, weight, 1), 0)
        fast = jax.tree.map(lambda z, d, p: z - rate * (d + decay * p), state.fast, direction, params)
        average = w.mixed(1 - share, state.average.parameters, fast)
        new = w.less(w.mixed(b1, average, fast), params)
        return new, ScheduleFreeState(state.count + 1, w.Averaged(average), fast, weight, largest, second)

    return w.transformation(init, update)
