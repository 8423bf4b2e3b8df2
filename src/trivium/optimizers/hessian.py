"""Adam with curvature in the place of squared gradients: the diagonal of the Hessian, drawn at random.

Along a random vector of signs v, v * (Hessian v) is the diagonal on average (Hutchinson). `update` takes the loss as
`value_fn`, a function of the parameters, for that product; or a diagonal estimated elsewhere as `curvature`.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge
from jax import Array

from ._leafwise import NotNegative, Positive, Share, StartValue, average, filled, leafwise, shrunk


class SophiaState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    curvature: optax.Updates  # the same of the drawn diagonals


class AdahessianState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # exponential moving average of the gradients, shaped like the parameters
    second: optax.Updates  # the same of the squares of the drawn diagonals
    drawn: optax.Updates  # the last diagonal


def sophia(
    learning_rate: Positive = 1e-3,
    *,
    beta1: Share = 0.965,
    beta2: Share = 0.99,
    reach: Positive = 0.01,
    interval: Annotated[float | Array, Ge(1)] = 10,
    epsilon: Positive = 1e-12,
    weight_decay: NotNegative = 0.0,
    random_state: StartValue = 0,
) -> optax.GradientTransformationExtraArgs:
    """Sophia: update = -learning_rate * clip(first / max(reach * curvature, epsilon), 1), a Newton step with a bound.

        first     <- beta1 * first + (1 - beta1) * gradient
        curvature <- beta2 * curvature + (1 - beta2) * drawn diagonal of the Hessian, at every interval-th step

    Neither average is rid of its zero start. Where the loss curves down or hardly at all, this is the sign of first.
    reach       the smaller, the more entries are clipped; half to nine tenths of them should be
    interval    steps from one drawing to the next, each of which costs about two gradients
    value_fn    of `update`: the loss of the parameters; or `curvature`: the diagonal itself, at every step
    Memory: two copies of the parameters.
    Differs from Optax: its contrib.sophia rids first of its zero start, has epsilon = 1e-8, and steps before it draws.
    Source: Liu et al. 2023, "Sophia: A scalable stochastic second-order optimizer for language model pre-training",
    algorithm 3 with Hutchinson's estimator.
    """

    def step(n, gradient, parameter, first, curvature):
        first = average(n.beta1, first, gradient)
        newton = first / jnp.maximum(n.reach * curvature, n.epsilon)
        return shrunk(-n.learning_rate * jnp.clip(newton, -1, 1), n, parameter), first, curvature

    base = leafwise(
        SophiaState,
        step,
        needs_params=True,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        reach=reach,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )

    def update(updates, state, params=None, *, value_fn=None, curvature=None, **extra_args):
        if params is not None:

            def with_new(old):
                drawn = _diagonal(params, value_fn, curvature, random_state, state.count)
                share = beta2(state.count) if callable(beta2) else beta2
                return jax.tree.map(lambda h, d: average(_as(share, h), h, d.astype(h.dtype)), old, drawn)

            due = jnp.bool_(True)
            if curvature is None:
                due = state.count % jnp.asarray(interval).astype(jnp.int32) == 0
            state = state._replace(curvature=jax.lax.cond(due, with_new, lambda old: old, state.curvature))
        return base.update(updates, state, params)

    return optax.GradientTransformationExtraArgs(base.init, update)


def adahessian(
    learning_rate: Positive = 0.1,
    *,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-4,
    power: Annotated[float | Array, Ge(0)] = 1.0,
    weight_decay: NotNegative = 0.0,
    random_state: StartValue = 0,
) -> optax.GradientTransformationExtraArgs:
    """AdaHessian: Adam that averages the squares of a drawn diagonal of the Hessian, not those of the gradients.

        second <- beta2 * second + (1 - beta2) * (drawn diagonal)^2
        update = -learning_rate * first / (1 - beta1^t) / ((second / (1 - beta2^t))^(power / 2) + epsilon)

    learning_rate  a share of a Newton step
    power          below 1 trusts the curvature less; 0 is momentum
    value_fn       of `update`: the loss of the parameters; or `curvature`: the diagonal itself
    Memory: three copies of the parameters. Each step costs about two gradients more.
    Differs from the paper: there the diagonal of a convolution is averaged over its window first.
    Source: Yao et al. 2021, "ADAHESSIAN: An adaptive second order optimizer for machine learning", algorithm 1.
    """

    def step(n, gradient, parameter, first, second, drawn):
        first = average(n.beta1, first, gradient)
        second = average(n.beta2, second, drawn * drawn)
        size = (second / filled(n.beta2, n.t)) ** (n.power / 2)
        update = -n.learning_rate / filled(n.beta1, n.t) * first / (size + n.epsilon)
        return shrunk(update, n, parameter), first, second, drawn

    base = leafwise(
        AdahessianState,
        step,
        needs_params=True,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        power=power,
        weight_decay=weight_decay,
    )

    def update(updates, state, params=None, *, value_fn=None, curvature=None, **extra_args):
        if params is not None:
            drawn = _diagonal(params, value_fn, curvature, random_state, state.count)
            drawn = jax.tree.map(lambda d, old: d.astype(old.dtype), drawn, state.drawn)
            state = state._replace(drawn=drawn)
        return base.update(updates, state, params)

    return optax.GradientTransformationExtraArgs(base.init, update)


def _as(number: Any, array: Array) -> Any:
    return number if isinstance(number, float) else jnp.asarray(number).astype(array.dtype)


def _diagonal(params: Any, value_fn: Callable | None, curvature: Any, random_state: Any, count: Array) -> Any:
    """The diagonal that was handed over, or one drawn along random signs."""
    if curvature is not None:
        return curvature
    if value_fn is None:
        raise ValueError(
            "value_fn must be the loss as a function of the parameters, got None. "
            "Call update(gradients, state, params, value_fn=loss)."
        )
    seed = jax.random.key(jnp.asarray(random_state).astype(jnp.uint32))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.fold_in(seed, count), max(1, len(leaves)))
    signs = structure.unflatten(
        [jax.random.rademacher(key, leaf.shape, leaf.dtype) for key, leaf in zip(keys, leaves, strict=False)]
    )
    product = jax.jvp(jax.grad(value_fn), (params,), (signs,))[1]
    return jax.tree.map(jnp.multiply, signs, product)
