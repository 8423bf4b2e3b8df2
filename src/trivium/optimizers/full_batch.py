"""Optimizers that see every row at each step: an estimator that uses one of these makes one batch of all rows."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Interval
from jax import Array

from . import _curvature as curvature
from . import _working as w
from ._leafwise import NotNegative, Number, Positive


class GdState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)


def gd(learning_rate: Positive = 0.1) -> optax.GradientTransformationExtraArgs:
    """Gradient descent: update = -learning_rate * gradient, the gradient taken over all rows.

    learning_rate  size of a step per unit of gradient; above 2 / (largest curvature) the loss grows
    Memory: none.
    Agrees with: PyTorch's optim.SGD and Optax's sgd, both without momentum.
    Source: Cauchy 1847, "Méthode générale pour la résolution des systèmes d'équations simultanées".
    """

    def init(params):
        return GdState(jnp.int32(0))

    def update(updates, state, params, **extra_args):
        return w.scaled(-w.rate_at(learning_rate, state.count, updates), updates), GdState(state.count + 1)

    return w.transformation(init, update, needs_params=False)


class RpropState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    steps: optax.Updates  # the size of each parameter's next step
    signs: optax.Updates  # of the last gradients; 0 after a turn


def rprop(
    learning_rate: Annotated[float | Array, Gt(0)] = 0.01,
    *,
    shrink: Annotated[Number, Interval(gt=0, lt=1)] = 0.5,
    grow: Annotated[Number, Gt(1)] = 1.2,
    smallest: NotNegative = 1e-6,
    largest: Positive = 50.0,
) -> optax.GradientTransformationExtraArgs:
    """Rprop: update = -step * sign(gradient), where a parameter's step grows until its gradient changes sign.

        turn   = sign(gradient) * sign(last gradient)
        step   <- step * grow where turn > 0, step * shrink where turn < 0, within [smallest, largest]
        update = -step * sign(gradient), and 0 where turn < 0: that gradient counts as 0 in the next turn

    learning_rate      the first step of every parameter, in its own units
    shrink, grow       factors on a step after a turn and after none
    smallest, largest  bounds of a step
    Trap: on batches signs change by chance, and every step shrinks to nothing: hand it all rows.
    Memory: two copies of the parameters.
    Agrees with: PyTorch's optim.Rprop. Differs from Optax's rprop 0.2.8, whose first update is 0 and which applies each
    step one call late; and from its source: a parameter that turned stays where it is, while there it goes back.
    Source: Riedmiller & Braun 1993, "A direct adaptive method for faster backpropagation learning: The
    RPROP algorithm".
    """

    def init(params):
        (rate,) = w.numbers(params, learning_rate)
        return RpropState(jnp.int32(0), jax.tree.map(lambda p: jnp.full_like(p, rate), params), w.zeros(params))

    def update(updates, state, params, **extra_args):
        less, more, least, most = w.numbers_at(state.count, updates, shrink, grow, smallest, largest)

        def size(gradient, step, last):
            turn = jnp.sign(gradient) * last
            changed = jnp.clip(step * jnp.where(turn > 0, more, less), least, most)
            return jnp.where(turn == 0, step, changed)

        signs = jax.tree.map(lambda g, last: jnp.where(jnp.sign(g) * last < 0, 0, jnp.sign(g)), updates, state.signs)
        steps = jax.tree.map(size, updates, state.steps, state.signs)
        new = jax.tree.map(lambda s, step: -step * s, signs, steps)
        return new, RpropState(state.count + 1, steps, signs)

    return w.transformation(init, update, needs_params=False)


def lbfgs(
    learning_rate: Annotated[float | Array, Gt(0)] = 1.0,
    *,
    memory: Annotated[int, Ge(1)] = 10,
    trials: Annotated[int, Ge(1)] = 20,
) -> optax.GradientTransformationExtraArgs:
    """L-BFGS: update = -step * H * gradient, H an inverse Hessian made of the last differences of gradients.

    The step is the first that a line search finds to satisfy the strong Wolfe conditions: the loss falls by 1e-4 of
    what the slope promises, and the slope by a tenth.
    learning_rate  the step that the search tries first; 1 is the quasi-Newton step
    memory         differences kept
    trials         most losses and gradients that the search may take
    Trap: `update` needs the extra arguments `value`, `grad` and `value_fn`, a function of parameters that is the same
    at every step: on batches the differences are noise.
    Memory: 2 * memory + 4 copies of the parameters.
    Agrees with: Optax's lbfgs, whose parts it is made of.
    Differs from PyTorch: its LBFGS searches only where line_search_fn is "strong_wolfe", takes twenty steps in a call,
    and scales the first by the size of the gradient.
    Source: Liu & Nocedal 1989, "On the limited memory BFGS method for large scale optimization"; Nocedal & Wright 2006,
    "Numerical optimization", algorithms 3.5, 3.6 and 7.4.
    """

    def transformation(tree):
        return optax.chain(
            optax.scale_by_lbfgs(memory_size=memory),
            optax.scale(-w.numbers(tree, learning_rate)[0]),
            optax.scale_by_zoom_linesearch(max_linesearch_steps=trials, initial_guess_strategy="one"),
        )

    def update(updates, state, params, *, value=None, value_fn=None, **extra_args):
        loss = w.needed("value_fn", value_fn, "Call update(gradients, state, params, value=..., value_fn=loss).")
        (value,) = w.numbers(params, loss(params) if value is None else value)

        def wide_value_fn(point):
            return w.numbers(point, loss(point))[0]

        with jax.numpy_dtype_promotion("standard"):  # with 64 bits, Optax adds its counts to wider ones
            return transformation(params).update(
                updates, state, params, value=value, grad=updates, value_fn=wide_value_fn
            )

    def init(params):  # Optax begins with weak types, which the first update makes firm: a program would compile twice
        return jax.tree.map(lambda leaf: leaf.astype(leaf.dtype), transformation(params).init(params))

    return w.transformation(init, update)


class GaussNewtonState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    share: Array  # (), of the step that was taken last; 0 where none lowered the loss


def gauss_newton(
    learning_rate: Positive = 1.0,
    *,
    damping: NotNegative = 1e-2,
) -> optax.GradientTransformationExtraArgs:
    """Gauss-Newton: update = -step * (G + damping * mean diagonal(G) * I)^-1 gradient, G = J^T H J.

    J is the derivative of the network's outputs by the parameters, H that of the loss by the outputs, taken twice.
    step starts at learning_rate and is halved until the loss falls, twenty times at most. Up to 1,024 parameters G is
    written out and factored; beyond, and where it is not positive definite, conjugate gradients take products with it,
    up to 100, and stop where it curves down. There the curvature along the gradient stands for the mean diagonal.
    damping  as a share of the mean diagonal; 0 is Gauss and Newton's own step, too bold for a network with more
             parameters than rows
    `update` takes as extra arguments either `residual_fn` (of parameters; the loss is half its sum of squares), or
    `outputs_fn` (of parameters) and `loss_fn` (of outputs), or `value_fn` alone, for which G is the Hessian.
    Memory: the square of the number of parameters, or a few copies beyond 1,024 of them.
    Source: Nocedal & Wright 2006, "Numerical optimization", section 10.3; Schraudolph 2002, "Fast curvature
    matrix-vector products for second-order gradient descent", for H other than the identity.
    """

    def init(params):
        return GaussNewtonState(jnp.int32(0), w.numbers(params, 0)[0])

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        problem = curvature.problem(updates, params, extra_args)
        direction = problem.direction(w.numbers_at(state.count, updates, damping)[0])
        share = problem.step_along(direction, rate)
        return problem.tree(share * direction), GaussNewtonState(state.count + 1, share)

    return w.transformation(init, update)


class LevenbergMarquardtState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    damping: Array  # (), that the next step tries first


def levenberg_marquardt(
    learning_rate: Positive = 1.0,
    *,
    damping: Annotated[float | Array, Gt(0)] = 1.0,
    shrink: Annotated[Number, Interval(gt=0, lt=1)] = 0.2,
    grow: Annotated[Number, Gt(1)] = 4.0,
) -> optax.GradientTransformationExtraArgs:
    """Levenberg and Marquardt's step: update = -learning_rate * (G + damping * diagonal(G))^-1 gradient, G = J^T H J.

    J is the derivative of the network's outputs by the parameters, H that of the loss by the outputs, taken twice.
    A step that does not lower the loss is taken back, and damping grows until one does, ten times at most; one that
    lowers it by at least a quarter of what G foretold shrinks damping. Large damping makes short steps downhill, small
    damping Gauss and Newton's. Up to 1,024 parameters G is written out; beyond, conjugate gradients take products with
    it, up to 100 for a step, and the curvature along the gradient stands for the diagonal.
    damping  the first, as a share of the diagonal; a network with more parameters than rows begins with steps that are
             too bold, and stays where they led, from 0.001 on; a curve of few parameters gains from as little
    `update` takes as extra arguments either `residual_fn` (of parameters; the loss is half its sum of squares), or
    `outputs_fn` (of parameters) and `loss_fn` (of outputs), or `value_fn` alone, for which G is the Hessian.
    Memory: the square of the number of parameters, or a few copies beyond 1,024 of them.
    Source: Marquardt 1963, "An algorithm for least-squares estimation of nonlinear parameters".
    """

    def init(params):
        return LevenbergMarquardtState(jnp.int32(0), w.numbers(params, damping)[0])

    def update(updates, state, params, **extra_args):
        rate, less, more = w.numbers_at(state.count, updates, learning_rate, shrink, grow)
        problem = curvature.problem(updates, params, extra_args)
        direction, weight = problem.damped_step(state.damping, less, more, rate)
        return problem.tree(direction), LevenbergMarquardtState(state.count + 1, weight)

    return w.transformation(init, update)
