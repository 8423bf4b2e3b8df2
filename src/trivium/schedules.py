"""Schedules: functions that return `count -> value`, for a learning rate or any other number over the steps.

`count` is the number of steps taken, from 0 on; it may be traced, and so may every number. `steps` is the length of the
whole run; past it the last value stays.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Interval
from jax import Array
from jax.typing import ArrayLike

Value = Annotated[float | Array, Ge(0)]
Steps = Annotated[int | Array, Gt(0)]
Share = Annotated[float | Array, Interval(ge=0, le=1)]
Schedule = Callable[[ArrayLike], Array]


def constant(value: Value) -> Schedule:
    """Constant: value.

    Source: Robbins & Monro 1951, "A stochastic approximation method", whose rates fall; this one does not.
    """
    return lambda count: jnp.broadcast_to(_number(value), jnp.shape(count))


def step(value: Value, *, every: Steps, factor: Share = 0.1) -> Schedule:
    """Step: value * factor^floor(count / every).

    every  steps between two falls
    Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", section 3.4.
    """
    return lambda count: _number(value) * _number(factor) ** _number(jnp.asarray(count) // jnp.asarray(every))


def multi_step(value: Value, *, milestones: Sequence[int] | Array, factor: Share = 0.1) -> Schedule:
    """Multi-step: value * factor^passed; passed = how many milestones are at or before count.

    milestones  counts at which the value falls, (n,)
    Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition", section 4.2.
    """

    def at(count: ArrayLike) -> Array:
        passed = jnp.asarray(count)[..., None] >= jnp.asarray(milestones)[(None,) * jnp.ndim(count)]
        return _number(value) * _number(factor) ** _number(passed.sum(axis=-1))

    return at


def exponential(value: Value, *, every: Steps = 1, factor: Share = 0.999) -> Schedule:
    """Exponential: value * factor^(count / every).

    every  steps in which the value falls by the factor
    Source: Robbins & Monro 1951, "A stochastic approximation method", for rates that fall.
    """
    return lambda count: _number(value) * _number(factor) ** (_number(count) / _number(every))


def polynomial(
    value: Value, *, steps: Steps, power: Annotated[float | Array, Gt(0)] = 2.0, end: Value = 0.0
) -> Schedule:
    """Polynomial: end + (value - end) * (1 - t)^power; t = count / steps.

    power  1 falls in a line; larger ones fall early and then slowly
    Source: Chen et al. 2018, "DeepLab: Semantic image segmentation with deep convolutional nets", section 4.
    """
    return lambda count: _between(value, end, (1 - _progress(count, steps)) ** _number(power))


def linear(value: Value, *, steps: Steps, end: Value = 0.0) -> Schedule:
    """Linear: end + (value - end) * (1 - t); t = count / steps.

    Source: Defazio et al. 2023, "Optimal linear decay learning rate schedules and further refinements".
    """
    return lambda count: _between(value, end, 1 - _progress(count, steps))


def cosine(value: Value, *, steps: Steps, end: Value = 0.0) -> Schedule:
    """Cosine: end + (value - end) * (1 + cos(pi * t)) / 2; t = count / steps.

    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts", equation 5, one period.
    """
    return lambda count: _between(value, end, _half_cosine(_progress(count, steps)))


def warmup(schedule: Value | Schedule, *, steps: Steps, start: Value = 0.0) -> Schedule:
    """Warm-up: start + (first - start) * count / steps, then the schedule; first = its value at 0.

    schedule  what comes after the warm-up: a number, or any function count -> value
    steps     length of the warm-up alone
    Trap: with start = 0 the first step does nothing.
    Source: Goyal et al. 2017, "Accurate, large minibatch SGD: Training ImageNet in 1 hour", section 2.2.
    """
    after = schedule if callable(schedule) else constant(schedule)

    def at(count: ArrayLike) -> Array:
        rising = _between(after(0), start, _progress(count, steps))
        since = jnp.maximum(jnp.asarray(count) - jnp.asarray(steps), 0)
        return jnp.where(jnp.asarray(count) < jnp.asarray(steps), rising, after(since))

    return at


def one_cycle(
    value: Value,
    *,
    steps: Steps,
    rise: Share = 0.3,
    divisor: Annotated[float | Array, Gt(0)] = 25.0,
    final_divisor: Annotated[float | Array, Gt(0)] = 1e4,
) -> Schedule:
    """One cycle: value / divisor up to value in the first share `rise` of the steps, then down; both along a cosine.

    value          the peak
    rise           share of the steps that go up
    divisor        peak over the first value
    final_divisor  first value over the last one
    Source: Smith & Topin 2018, "Super-convergence: Very fast training of neural networks using large learning rates".
    """

    def at(count: ArrayLike) -> Array:
        t, peak, first = _progress(count, steps), _number(value), _number(value) / _number(divisor)
        up = _between(peak, first, 1 - _half_cosine(t / jnp.maximum(_number(rise), 1e-9)))
        fallen = (t - _number(rise)) / jnp.maximum(1 - _number(rise), 1e-9)
        down = _between(peak, first / _number(final_divisor), _half_cosine(jnp.clip(fallen, 0, 1)))
        return jnp.where(t < _number(rise), up, down)

    return at


def cyclic(value: Value, *, half_period: Steps, low: Value = 0.0, shrink: Share = 1.0) -> Schedule:
    """Cyclic: low + (value - low) * shrink^cycle * |wave|; wave = a triangle from 0 to 1 and back in 2 * half_period.

    value   the top of the first cycle
    shrink  what each further cycle keeps of the height of the one before: 1 "triangular", 1/2 "triangular2"
    Source: Smith 2017, "Cyclical learning rates for training neural networks", section 3.
    """

    def at(count: ArrayLike) -> Array:
        count, length = jnp.asarray(count), jnp.asarray(half_period)
        cycle = count // (2 * length)
        place = _number(count - 2 * length * cycle) / _number(length)
        return _between(value, low, _number(shrink) ** _number(cycle) * (1 - jnp.abs(place - 1)))

    return at


def sgdr(value: Value, *, period: Steps, growth: Annotated[float | Array, Ge(1)] = 2.0, end: Value = 0.0) -> Schedule:
    """SGDR: end + (value - end) * (1 + cos(pi * t)) / 2, t from 0 to 1 in each period, from the top again in the next.

    period  steps of the first period
    growth  each period is so many times as long as the one before
    Source: Loshchilov & Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts", equation 5.
    """

    def at(count: ArrayLike) -> Array:
        count, length, ratio = _number(count), _number(period), _number(growth)
        even = ratio == 1
        safe = jnp.where(even, 2.0, ratio)
        # Periods 0 to k - 1 last length * (ratio^k - 1) / (ratio - 1) steps; a hair is added against rounding.
        number = jnp.floor(jnp.log1p(count / length * (safe - 1)) / jnp.log(safe) + 1e-6)
        began = length * (safe**number - 1) / (safe - 1)
        t = jnp.where(even, count / length % 1, (count - began) / (length * safe**number))
        return _between(value, end, _half_cosine(jnp.clip(t, 0, 1)))

    return at


def inverse_sqrt(value: Value, *, warmup_steps: Steps) -> Schedule:
    """Inverse square root: value * min(count / warmup_steps, sqrt(warmup_steps / count)).

    value  the peak, at count = warmup_steps
    Source: Vaswani et al. 2017, "Attention is all you need", equation 3.
    """

    def at(count: ArrayLike) -> Array:
        share = _number(count) / _number(warmup_steps)
        return _number(value) * jnp.minimum(share, 1 / jnp.sqrt(jnp.maximum(share, 1)))

    return at


def wsd(value: Value, *, steps: Steps, rise: Share = 0.05, fall: Share = 0.2, end: Value = 0.0) -> Schedule:
    """Warm-up, stable, decay: up from 0 in a line, value, and in a line down to end.

    rise  share of the steps that go up
    fall  share of the steps that go down, the last ones
    Source: Hu et al. 2024, "MiniCPM: Unveiling the potential of small language models", section 4.
    """

    def at(count: ArrayLike) -> Array:
        t = _progress(count, steps)
        up = jnp.where(_number(rise) > 0, jnp.minimum(t / jnp.maximum(_number(rise), 1e-9), 1), 1)
        down = jnp.clip((1 - t) / jnp.maximum(_number(fall), 1e-9), 0, 1)
        return jnp.where(t < 1 - _number(fall), _number(value) * up, _between(value, end, down))

    return at


def coslog4(value: Value, *, steps: Steps) -> Schedule:
    """Coslog4: value * (1 - cos(2 * pi * log2(1 + 15 * t))) / 2; t = count / steps.

    Four waves, each twice as long as the one before; it begins and ends at 0.
    Source: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", section 3.
    """
    return lambda count: _number(value) * (1 - jnp.cos(2 * jnp.pi * jnp.log2(1 + 15 * _progress(count, steps)))) / 2


def flat_cosine(value: Value, *, steps: Steps, flat: Share = 0.5, end: Value = 0.0) -> Schedule:
    """Flat, then cosine: value, and after the share `flat` of the steps down to end along half a cosine.

    Source: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", section 3.
    """

    def at(count: ArrayLike) -> Array:
        fallen = (_progress(count, steps) - _number(flat)) / jnp.maximum(1 - _number(flat), 1e-9)
        return _between(value, end, _half_cosine(jnp.clip(fallen, 0, 1)))

    return at


class PlateauState(NamedTuple):
    scale: Array  # (), what the updates are multiplied by
    best: Array  # (), least loss so far
    since: Array  # (), steps since then
    rest: Array  # (), steps in which nothing is counted after a fall


def reduce_on_plateau(
    factor: Share = 0.5,
    *,
    patience: Annotated[int | Array, Ge(0)] = 10,
    least_progress: Annotated[float | Array, Ge(0)] = 1e-4,
    cooldown: Annotated[int | Array, Ge(0)] = 0,
    smallest: Annotated[float | Array, Ge(0)] = 0.0,
) -> optax.GradientTransformationExtraArgs:
    """Reduce on plateau: scale * factor each time the loss has not fallen for more than `patience` steps.

    No function of the count, as it needs the loss: chain it after an optimizer, and hand `value=loss` to `update`.

    patience        steps without progress that are borne
    least_progress  share of the best loss by which a better one must be below it
    cooldown        steps after a fall in which none is counted
    smallest        scale below which it does not fall
    Agrees with: torch.optim.lr_scheduler.ReduceLROnPlateau (mode min, threshold_mode rel), a step for its epoch.
    Source: Goodfellow, Bengio & Courville 2016, "Deep learning", section 8.3.1, for rates lowered by watching the loss.
    """

    def init(params):
        return PlateauState(_number(1.0), _number(jnp.inf), jnp.int32(0), jnp.int32(0))

    def update(updates, state, params=None, **extra_args):
        loss = _number(extra_args["value"])
        threshold = jnp.where(jnp.isinf(state.best), state.best, state.best - least_progress * jnp.abs(state.best))
        better = loss < threshold
        since = jnp.where(better | (state.rest > 0), 0, state.since + 1)
        rest = jnp.maximum(state.rest - 1, 0)
        falls = since > patience
        scale = jnp.where(falls, jnp.maximum(state.scale * _number(factor), smallest), state.scale)
        new = PlateauState(
            scale=scale,
            best=jnp.where(better, loss, state.best),
            since=jnp.where(falls, 0, since).astype(jnp.int32),
            rest=jnp.where(falls, jnp.asarray(cooldown, jnp.int32), rest),
        )
        return jax.tree.map(lambda u: u * scale.astype(u.dtype), updates), new

    return optax.GradientTransformationExtraArgs(init, update)


def _number(value: ArrayLike) -> Array:
    """In the widest float that JAX is set to, so that counts and rates of any type mix."""
    return jnp.asarray(value).astype(jnp.result_type(float))


def _progress(count: ArrayLike, steps: ArrayLike) -> Array:
    """The share of the run that is over, from 0 to 1."""
    return jnp.clip(_number(count) / _number(steps), 0, 1)


def _between(value: ArrayLike, end: ArrayLike, share: Array) -> Array:
    return _number(end) + (_number(value) - _number(end)) * share


def _half_cosine(t: Array) -> Array:
    """From 1 at t = 0 down to 0 at t = 1."""
    return (1 + jnp.cos(jnp.pi * t)) / 2
