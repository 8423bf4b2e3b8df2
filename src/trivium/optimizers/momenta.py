"""More than one memory of the gradients: averages over several horizons, or the change since the last step."""

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

from ._leafwise import NotNegative, Positive, Share, WholeShare, average, filled, leafwise, norm, off, shrunk
from .adaptive import AdamState


class QhmState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters


class AggmoState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    velocities: optax.Updates  # per array as many as there are momenta, along a new first axis


class OptimisticState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    previous: optax.Updates  # gradients of the last step, shaped like the parameters


class AdanState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    change: optax.Updates  # the same of their changes from step to step
    second: optax.Updates  # the same of the squares of gradient + beta2 * change
    previous: optax.Updates  # gradients of the last step


class AdemamixState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    slow: optax.Updates  # the same over a long time
    second: optax.Updates  # the same of their squares


class MarsState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the corrected gradients, shaped like the parameters
    second: optax.Updates  # the same of their squares
    previous: optax.Updates  # gradients of the last step


def qhm(
    learning_rate: Positive = 1.0,
    *,
    momentum: Share = 0.999,
    share: WholeShare = 0.7,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Quasi-hyperbolic momentum: update = -learning_rate * ((1 - share) * gradient + share * first).

        first <- momentum * first + (1 - momentum) * gradient

    learning_rate  per unit of gradient, as in gradient descent: 1 / (1 - momentum) times that of sgd with momentum
    share          0 is gradient descent, 1 momentum, the momentum itself Nesterov's
    Memory: one copy of the parameters.
    Source: Ma & Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", algorithm 1.
    """

    def step(n, gradient, parameter, first):
        first = average(n.momentum, first, gradient)
        return shrunk(-n.learning_rate * average(n.share, first, gradient), n, parameter), first

    return leafwise(
        QhmState, step, learning_rate=learning_rate, momentum=momentum, share=share, weight_decay=weight_decay
    )


def qhadam(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.995,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    share1: WholeShare = 0.7,
    share2: WholeShare = 1.0,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """QHAdam: Adam with the gradient mixed into first and its square into second.

        above  = (1 - share1) * gradient + share1 * first / (1 - beta1^t)
        below  = (1 - share2) * gradient^2 + share2 * second / (1 - beta2^t)
        update = -learning_rate * above / (sqrt(below) + epsilon)

    share1, share2  1 and 1 are Adam; share1 = beta1 is Nesterov's momentum
    Memory: two copies of the parameters.
    Source: Ma & Yarats 2019, "Quasi-hyperbolic momentum and Adam for deep learning", algorithm 2.
    """

    def step(n, gradient, parameter, first, second):
        square = gradient * gradient
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, square)
        above = average(n.share1, first / filled(n.beta1, n.t), gradient)
        below = average(n.share2, second / filled(n.beta2, n.t), square)
        return shrunk(-n.learning_rate * above / (jnp.sqrt(below) + n.epsilon), n, parameter), first, second

    return leafwise(
        AdamState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        share1=share1,
        share2=share2,
        weight_decay=weight_decay,
    )


def aggmo(
    learning_rate: Positive = 0.1,
    *,
    momentum: Share = 0.99,
    middle: Share = 0.9,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Aggregated momentum: update = -learning_rate * mean of three velocities, with momenta 0, middle and momentum.

        velocity_i <- momentum_i * velocity_i + gradient

    momentum  of the longest memory; the others damp the oscillations that it alone would start
    Memory: three copies of the parameters.
    Source: Lucas et al. 2019, "Aggregated momentum: Stability through passive damping".
    """

    def step(n, gradient, parameter, velocities):
        momenta = jnp.stack([jnp.asarray(value).astype(gradient.dtype) for value in (0.0, n.middle, n.momentum)])
        velocities = momenta.reshape(3, *(1 for _ in gradient.shape)) * velocities + gradient[None]
        return shrunk(-n.learning_rate * velocities.mean(axis=0), n, parameter), velocities

    return leafwise(
        AggmoState,
        step,
        start={"velocities": lambda parameter: jnp.zeros((3, *parameter.shape), parameter.dtype)},
        learning_rate=learning_rate,
        momentum=momentum,
        middle=middle,
        weight_decay=weight_decay,
    )


def optimistic_gradient(
    learning_rate: Positive = 0.01,
    *,
    optimism: NotNegative = 1.0,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Optimistic gradient descent: update = -learning_rate * (gradient + optimism * (gradient - previous gradient)).

    Converges in games such as min over x, max over y of x * y, around whose solution gradient descent circles outwards.
    optimism  0 is gradient descent; 1 takes the next gradient to differ from this one as this from the last
    Memory: one copy of the parameters.
    Agrees with: Optax's optimistic_gradient_descent.
    Source: Daskalakis et al. 2018, "Training GANs with optimism".
    """

    def step(n, gradient, parameter, previous):
        change = jnp.where(n.t == 1, 0, gradient - previous)
        return shrunk(-n.learning_rate * (gradient + n.optimism * change), n, parameter), gradient

    return leafwise(OptimisticState, step, learning_rate=learning_rate, optimism=optimism, weight_decay=weight_decay)


def adan(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.98,
    beta2: Share = 0.92,
    beta3: Share = 0.99,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Adan: update = -learning_rate * (first + beta2 * change) / (sqrt(second) + epsilon), Nesterov by differences.

        first  <- beta1 * first + (1 - beta1) * gradient
        change <- beta2 * change + (1 - beta2) * (gradient - previous), 0 at the first step
        second <- beta3 * second + (1 - beta3) * (gradient + beta2 * (gradient - previous))^2
        parameter <- (parameter + update) / (1 + learning_rate * weight_decay)

    All three averages are rid of their zero start.
    Memory: four copies of the parameters.
    Agrees with: the authors' program.
    Differs from Optax: its adan has 1 - beta2 in the place of beta2 before the changes (the paper's beta is 1 - beta
    of both programs), adds epsilon below the root too, and subtracts learning_rate * weight_decay of the parameter.
    Source: Xie et al. 2022, "Adan: Adaptive Nesterov momentum algorithm for faster optimizing deep models",
    algorithm 1.
    """

    def step(n, gradient, parameter, first, change, second, previous):
        difference = jnp.where(n.t == 1, 0, gradient - previous)
        ahead = gradient + n.beta2 * difference
        first = average(n.beta1, first, gradient)
        change = average(n.beta2, change, difference)
        second = average(n.beta3, second, ahead * ahead)
        above = first / filled(n.beta1, n.t) + n.beta2 * change / filled(n.beta2, n.t)
        update = -n.learning_rate * above / (jnp.sqrt(second / filled(n.beta3, n.t)) + n.epsilon)
        if not off(n.weight_decay):
            shrink = n.learning_rate * n.weight_decay
            update = (update - shrink * parameter) / (1 + shrink)
        return update, first, change, second, gradient

    return leafwise(
        AdanState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        beta3=beta3,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def ademamix(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    beta3: Share = 0.9999,
    mix: NotNegative = 5.0,
    warmup: NotNegative = 0.0,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """AdEMAMix: AdamW with a second, far slower average: the step's numerator is first + mix * slow.

        slow   <- beta3 * slow + (1 - beta3) * gradient
        update = -learning_rate * ((first + mix * slow) / (sqrt(second) + epsilon) + weight_decay * parameter)

    first and second are rid of their zero start, slow is not: it comes in by itself.
    beta3   0.9999 remembers ten thousand steps; 0.999 for shorter runs
    warmup  steps over which mix grows from 0, as t / warmup, and beta3 from beta1, by its half-life
    Memory: three copies of the parameters.
    Agrees with: Optax's contrib.ademamix where warmup is 0.
    Source: Pagliardini, Ablin & Grangier 2024, "The AdEMAMix optimizer: Better, faster, older", algorithm 1.
    """

    def step(n, gradient, parameter, first, slow, second):
        mix, beta3 = n.mix, n.beta3
        if not off(n.warmup):
            done = jnp.where(n.t >= n.warmup, 1, n.t / jnp.where(n.t >= n.warmup, 1, n.warmup))
            fast, far = (jnp.log(jnp.asarray(beta).astype(gradient.dtype)) for beta in (n.beta1, n.beta3))
            mix = mix * done
            beta3 = jnp.minimum(jnp.exp(fast * far / ((1 - done) * far + done * fast)), n.beta3)
        first = average(n.beta1, first, gradient)
        slow = average(beta3, slow, gradient)
        second = average(n.beta2, second, gradient * gradient)
        above = first / filled(n.beta1, n.t) + mix * slow
        update = -n.learning_rate * above / (jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon)
        return shrunk(update, n, parameter), first, slow, second

    return leafwise(
        AdemamixState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        beta3=beta3,
        mix=mix,
        warmup=warmup,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def mars(
    learning_rate: Positive = 3e-3,
    *,
    beta1: Share = 0.95,
    beta2: Share = 0.99,
    correction: NotNegative = 0.025,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """MARS: AdamW on gradients corrected by their change, which takes noise out of the average.

        corrected = gradient + correction * beta1 / (1 - beta1) * (gradient - previous), the change 0 at the first step
        corrected <- corrected / max(1, |corrected|)                                     over each array
        first     <- beta1 * first + (1 - beta1) * corrected
        second    <- beta2 * second + (1 - beta2) * corrected^2
        update    = that of AdamW from these

    correction  0 is AdamW of gradients clipped to length 1
    Memory: three copies of the parameters.
    Differs from the paper: its exact form takes both gradients on the same rows; this is the one that it names
    approximate, with the gradient of the step before. From the authors' program: there the first change is the
    gradient itself.
    Source: Yuan et al. 2024, "MARS: Unleashing the power of variance reduction for training large models",
    algorithm 2.
    """

    def step(n, gradient, parameter, first, second, previous):
        change = jnp.where(n.t == 1, 0, gradient - previous)
        corrected = gradient + n.correction * (n.beta1 / (1 - n.beta1)) * change
        corrected = corrected / jnp.maximum(1, norm(corrected))
        first = average(n.beta1, first, corrected)
        second = average(n.beta2, second, corrected * corrected)
        denominator = jnp.sqrt(second / filled(n.beta2, n.t)) + n.epsilon
        update = -n.learning_rate / filled(n.beta1, n.t) * first / denominator
        return shrunk(update, n, parameter), first, second, gradient

    return leafwise(
        MarsState,
        step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        correction=correction,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )
