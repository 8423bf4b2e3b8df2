"""What goes around any optimizer: a function of a transformation that returns another one.

`cautious(adam(1e-3))` is a transformation like any other, and wrappers nest.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Interval
from jax import Array

from . import _working as w
from ._leafwise import NotNegative, Number, Positive, Share


class WrappedState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    inner: optax.OptState


def cautious(transformation: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """Cautious: an update stays only where its sign is opposite to the gradient's, larger by what the others lost.

        agrees = update * gradient < 0
        update <- update * agrees / max(share of entries that agree, 1e-3),   the share taken in each array

    Trap: it belongs around an optimizer with momentum; descent without one always agrees.
    Source: Liang et al. 2024, "Cautious optimizers: Improving training with one line of code", algorithm 1.
    """
    inner = optax.with_extra_args_support(transformation)

    def update(updates, state, params=None, **extra_args):
        steps, inner_state = inner.update(updates, state.inner, params, **extra_args)

        def mask(step, gradient):
            agrees = (step * gradient < 0).astype(step.dtype)
            return step * agrees / jnp.maximum(jnp.mean(agrees), 1e-3)

        kept = w.like(jax.tree.map(mask, w.wide(steps), w.wide(updates)), steps)
        return kept, WrappedState(state.count + 1, inner_state)

    return optax.GradientTransformationExtraArgs(lambda params: WrappedState(jnp.int32(0), inner.init(params)), update)


class LookaheadState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    slow: w.Averaged  # the parameters to evaluate
    inner: optax.OptState


def lookahead(
    transformation: optax.GradientTransformation,
    *,
    every: Annotated[int | Array, Ge(1)] = 6,
    share: Annotated[Number, Interval(gt=0, le=1)] = 0.5,
) -> optax.GradientTransformationExtraArgs:
    """Lookahead: every few steps, slow parameters go a share of the way to the fast ones, which start from there anew.

        slow <- slow + share * (fast - slow),   fast <- slow              once in `every` steps

    every  fast steps for each slow one
    share  of the way
    Evaluate `evaluation_parameters(state, parameters)`, the slow ones. Memory: one copy of the parameters.
    Agrees with: Optax's lookahead, which wants both in one pair of parameters and does not reset its inner state.
    Source: Zhang et al. 2019, "Lookahead optimizer: k steps forward, 1 step back", algorithm 1.
    """
    inner = optax.with_extra_args_support(transformation)

    def init(params):
        return LookaheadState(jnp.int32(0), w.Averaged(w.wide(params)), inner.init(params))

    def update(updates, state, params=None, **extra_args):
        _need_params(params)
        steps, inner_state = inner.update(updates, state.inner, params, **extra_args)
        now, slow = w.wide(params), state.slow.parameters
        fast = w.added(now, w.wide(steps))
        (part,) = w.numbers_at(state.count, now, share)
        count = state.count + 1
        due = count % jnp.asarray(every).astype(jnp.int32) == 0
        slow = w.chosen(due, w.mixed(1 - part, slow, fast), slow)
        new = w.chosen(due, w.less(slow, now), w.wide(steps))
        return w.like(new, steps), LookaheadState(count, w.Averaged(slow), inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


def sam(
    transformation: optax.GradientTransformation,
    *,
    radius: Positive = 0.05,
) -> optax.GradientTransformationExtraArgs:
    """SAM, sharpness-aware: the gradient at parameters + radius * gradient / |gradient|, handed to the optimizer.

    radius  how far the climb goes before the gradient is taken
    Trap: `update` needs the extra argument `value_fn`, the loss of this batch as a function of parameters; each step
    takes a second gradient. An optimizer inside sees `value` at the parameters and `grad` at the climbed ones.
    Source: Foret et al. 2021, "Sharpness-aware minimization for efficiently improving generalization", algorithm 1.
    """
    inner = optax.with_extra_args_support(transformation)

    def update(updates, state, params=None, *, value_fn=None, **extra_args):
        _need_params(params)
        loss = w.needed("value_fn", value_fn, "Call update(gradients, state, params, value_fn=loss_of_parameters).")
        gradient = w.wide(updates)
        (far,) = w.numbers_at(state.count, gradient, radius)
        size = w.norm(gradient)
        climb = w.scaled(jnp.where(size > 0, far / jnp.where(size > 0, size, 1), 0), gradient)
        there = jax.grad(loss)(w.like(w.added(w.wide(params), climb), params))
        extra_args = {**extra_args, "value_fn": value_fn, "grad": there}
        steps, inner_state = inner.update(there, state.inner, params, **extra_args)
        return steps, WrappedState(state.count + 1, inner_state)

    return optax.GradientTransformationExtraArgs(lambda params: WrappedState(jnp.int32(0), inner.init(params)), update)


def clip_by_norm(
    transformation: optax.GradientTransformation,
    *,
    largest: Positive = 1.0,
) -> optax.GradientTransformationExtraArgs:
    """Clipping by norm: gradient <- gradient * min(1, largest / |gradient|), the norm over all parameters.

    Agrees with: Optax's clip_by_global_norm and, up to the 1e-6 that it adds to the norm, PyTorch's clip_grad_norm_.
    Source: Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """

    def clip(gradients, params, count):
        size, (most,) = w.norm(gradients), w.numbers_at(count, gradients, largest)
        return w.scaled(jnp.where(size > most, most / jnp.where(size > most, size, 1), 1), gradients)

    return _of_gradients(transformation, clip)


def clip_by_value(
    transformation: optax.GradientTransformation,
    *,
    largest: Positive = 1.0,
) -> optax.GradientTransformationExtraArgs:
    """Clipping by value: every entry of the gradients is held within [-largest, largest].

    Trap: it turns the direction of the gradient, which `clip_by_norm` keeps.
    Agrees with: Optax's clip, PyTorch's clip_grad_value_.
    Source: Mikolov 2012, "Statistical language models based on neural networks".
    """

    def clip(gradients, params, count):
        (most,) = w.numbers_at(count, gradients, largest)
        return jax.tree.map(lambda g: jnp.clip(g, -most, most), gradients)

    return _of_gradients(transformation, clip)


def adaptive_clip(
    transformation: optax.GradientTransformation,
    *,
    ratio: Positive = 0.01,
    epsilon: Positive = 1e-3,
) -> optax.GradientTransformationExtraArgs:
    """Adaptive clipping: a unit's gradient shrinks to `ratio` times the norm of its weights, where it is larger.

        gradient <- gradient * ratio * max(|weights|, epsilon) / |gradient|     both norms over a unit's column

    ratio    of norms; the larger the batch, the smaller it should be
    epsilon  stands for the norm of weights that are zero
    The columns are those of weights (n_in, n_out). A vector, such as the biases, is one unit, as in Optax.
    Agrees with: Optax's adaptive_grad_clip.
    Source: Brock et al. 2021, "High-performance large-scale image recognition without normalization", equation 3.
    """

    def size(array):
        axes = tuple(range(array.ndim - 1)) if array.ndim > 1 and min(array.shape) > 1 else None
        return jnp.sqrt(jnp.sum(array * array, axis=axes, keepdims=True))

    def clip(gradients, params, count):
        part, least = w.numbers_at(count, gradients, ratio, epsilon)

        def one(gradient, parameter):
            most, given = part * jnp.maximum(size(parameter), least), size(gradient)
            return gradient * jnp.where(given > most, most / jnp.where(given > most, given, 1), 1)

        return jax.tree.map(one, gradients, params)

    return _of_gradients(transformation, clip, needs_params=True)


def _weight_matrices(params: Any) -> Any:
    """Which leaves are matrices: a tree of booleans. Biases and scales are none."""
    return jax.tree.map(lambda leaf: jnp.ndim(leaf) >= 2, params)


def decoupled_weight_decay(
    transformation: optax.GradientTransformation,
    *,
    decay: NotNegative = 1e-4,
    mask: Callable[[Any], Any] = _weight_matrices,
) -> optax.GradientTransformationExtraArgs:
    """Every weight shrinks by `decay` of itself at each step, whatever the optimizer does: update - decay * weight.

    decay  not multiplied by a learning rate, which the wrapper does not know; AdamW's product of the two belongs here
    mask   params -> tree of booleans, true where weights shrink; the default leaves biases alone
    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization", equation 1.
    """
    inner = optax.with_extra_args_support(transformation)

    def update(updates, state, params=None, **extra_args):
        _need_params(params)
        steps, inner_state = inner.update(updates, state.inner, params, **extra_args)
        now = w.wide(params)
        (part,) = w.numbers_at(state.count, now, decay)
        new = jax.tree.map(lambda s, p, on: s - part * p if on else s, w.wide(steps), now, mask(params))
        return w.like(new, steps), WrappedState(state.count + 1, inner_state)

    return optax.GradientTransformationExtraArgs(lambda params: WrappedState(jnp.int32(0), inner.init(params)), update)


def centralize(transformation: optax.GradientTransformation) -> optax.GradientTransformationExtraArgs:
    """The gradient of each unit's weights has its mean taken off: the weights of a unit keep their sum.

    A unit is a column of weights (n_in, n_out); vectors stay as they are.
    Differs from Optax's centralize: there, a unit is a row.
    Source: Yong et al. 2020, "Gradient centralization: A new optimization technique for deep neural networks".
    """

    def centre(gradients, params, count):
        def one(gradient):
            if gradient.ndim < 2:
                return gradient
            return gradient - jnp.mean(gradient, axis=tuple(range(gradient.ndim - 1)), keepdims=True)

        return jax.tree.map(one, gradients)

    return _of_gradients(transformation, centre)


class AverageState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    average: w.Averaged  # the parameters to evaluate
    inner: optax.OptState


def parameter_average(
    transformation: optax.GradientTransformation,
    *,
    decay: Share = 0.999,
) -> optax.GradientTransformationExtraArgs:
    """A moving average of the parameters, which the steps do not see: the model to evaluate.

        average <- d * average + (1 - d) * parameters,   d = min(decay, (1 + t) / (10 + t)) after step t = 1, 2, ...

    decay  1 / (1 - decay) steps count; few early ones do, so that the start is forgotten
    Evaluate `evaluation_parameters(state, parameters)`. Memory: one copy of the parameters.
    Source: Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the warmup of the decay is
    that of TensorFlow's ExponentialMovingAverage.
    """
    inner = optax.with_extra_args_support(transformation)

    def init(params):
        return AverageState(jnp.int32(0), w.Averaged(w.wide(params)), inner.init(params))

    def update(updates, state, params=None, **extra_args):
        _need_params(params)
        steps, inner_state = inner.update(updates, state.inner, params, **extra_args)
        now = w.wide(params)
        keep, t = w.numbers_at(state.count, now, decay, state.count + 1)
        average = w.mixed(jnp.minimum(keep, (1 + t) / (10 + t)), state.average.parameters, w.added(now, w.wide(steps)))
        return steps, AverageState(state.count + 1, w.Averaged(average), inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


class AccumulateState(NamedTuple):
    count: Array  # (), gradients since the last step  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    mean: optax.Updates  # of these gradients
    value: Array  # (), mean of their losses, NaN where none was handed over
    inner: optax.OptState


def accumulate(
    transformation: optax.GradientTransformation,
    *,
    every: Annotated[int | Array, Ge(1)] = 4,
) -> optax.GradientTransformationExtraArgs:
    """One step for the mean of several gradients: batches as large as `every` of them, in the memory of one.

    every  gradients for a step; between steps the update is 0 and the inner state stays
    An optimizer inside sees the mean `value`, too; its `value_fn` is that of the last batch.
    Agrees with: Optax's MultiSteps. Memory: one copy of the parameters.
    Source: Goyal et al. 2017, "Accurate, large minibatch SGD: Training ImageNet in 1 hour", on what a batch is for.
    """
    inner = optax.with_extra_args_support(transformation)

    def init(params):
        nothing = w.zeros(w.wide(params))
        return AccumulateState(jnp.int32(0), nothing, w.numbers(nothing, 0)[0], inner.init(params))

    def update(updates, state, params=None, *, value=None, **extra_args):
        count = state.count + 1
        steps_before = w.numbers(state.mean, state.count)[0]
        share = steps_before / (steps_before + 1)
        mean = w.mixed(share, state.mean, w.like(w.wide(updates), state.mean))
        average = state.value
        if value is not None:
            average = share * state.value + (1 - share) * w.numbers(mean, value)[0]
            extra_args["value"] = average.astype(jnp.asarray(value).dtype)
        gradient = w.like(mean, updates)
        if "grad" in extra_args:
            extra_args["grad"] = gradient
        steps, inner_state = inner.update(gradient, state.inner, params, **extra_args)
        due = count >= jnp.asarray(every).astype(jnp.int32)
        new = AccumulateState(
            jnp.where(due, 0, count),
            w.chosen(due, w.zeros(mean), mean),
            jnp.where(due, jnp.zeros_like(average), average),
            w.chosen(due, inner_state, state.inner),
        )
        return w.chosen(due, steps, w.zeros(steps)), new

    return optax.GradientTransformationExtraArgs(init, update)


def _of_gradients(
    transformation: optax.GradientTransformation, change: Callable[..., Any], *, needs_params: bool = False
) -> optax.GradientTransformationExtraArgs:
    """The optimizer, which sees changed gradients.

    change  (gradients, params, steps taken) -> gradients, all in the working type
    """
    inner = optax.with_extra_args_support(transformation)

    def update(updates, state, params=None, **extra_args):
        if needs_params:
            _need_params(params)
        wide_params = None if params is None else w.wide(params)
        changed = w.like(change(w.wide(updates), wide_params, state.count), updates)
        if "grad" in extra_args:
            extra_args["grad"] = changed
        steps, inner_state = inner.update(changed, state.inner, params, **extra_args)
        return steps, WrappedState(state.count + 1, inner_state)

    return optax.GradientTransformationExtraArgs(lambda params: WrappedState(jnp.int32(0), inner.init(params)), update)


def _need_params(params: Any) -> None:
    w.needed("params", params, "Call update(gradients, state, params=parameters).")
