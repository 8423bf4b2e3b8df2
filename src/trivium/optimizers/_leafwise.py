"""What first-order optimizers share: the same step for every array of the parameters, in one pass over each.

Numbers may be floats, arrays or schedules. A state is kept in float32 at least: an average in bfloat16 that keeps 0.999
of itself would never move.
"""

import math
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Interval
from jax import Array

Number = float | Array | Callable[[Array], Any]
"""A number, traced or not, or a schedule: a function of the steps taken before, which start at 0."""

Positive = Annotated[Number, Gt(0)]
NotNegative = Annotated[Number, Ge(0)]
Share = Annotated[Number, Interval(ge=0, lt=1)]
WholeShare = Annotated[Number, Interval(ge=0, le=1)]
StartValue = Annotated[float | Array, Ge(0)]


def leafwise(
    state_type: Callable[..., Any],
    step: Callable[..., tuple],
    *,
    needs_params: bool = False,
    start: Mapping[str, Callable[[Array], Any] | None] | None = None,
    **numbers: Number,
) -> optax.GradientTransformationExtraArgs:
    """A transformation that takes the same step for every array of the parameters.

    state_type    a NamedTuple: first `count`, the steps taken, then trees, one entry of each per array
    step          (numbers, gradient, parameter, *entries) -> (update, *new entries), all in one type;
                  parameter is None where it was not given
    needs_params  whether `step` reads the parameter, which a weight_decay other than 0 does anyway
    start         field of the state -> the first entry, from a parameter; None leaves the field out. Zeros otherwise.
    numbers       `step` finds them as attributes, and the number of this step, from 1, as `t`
    """
    fields = [name for name in state_type._fields if name != "count"]  # pyright: ignore[reportFunctionMemberAccess]
    first_entries = {**dict.fromkeys(fields, jnp.zeros_like), **(start or {})}
    kept = [name for name in fields if first_entries[name] is not None]
    needs_params = needs_params or not off(numbers.get("weight_decay", 0.0))

    def init(params):
        leaves, structure = jax.tree.flatten(params)
        wide = [jnp.asarray(leaf).astype(_working_type(leaf)) for leaf in leaves]
        trees = {name: structure.unflatten([first_entries[name](leaf) for leaf in wide]) for name in kept}  # pyright: ignore[reportOptionalCall]
        return state_type(count=jnp.zeros([], jnp.int32), **{**dict.fromkeys(fields), **trees})

    def update(updates, state, params=None, **extra_args):
        if params is None and needs_params:
            raise ValueError(
                "params must be the current parameters, got None. Call update(gradients, state, params=parameters)."
            )
        gradients, structure = jax.tree.flatten(updates)
        parameters = [None] * len(gradients) if params is None else structure.flatten_up_to(params)
        entries = [structure.flatten_up_to(getattr(state, name)) for name in kept]
        columns = [[] for _ in range(1 + len(kept))]
        for gradient, parameter, *old in zip(gradients, parameters, *entries, strict=True):
            dtype = _working_type(gradient, *jax.tree.leaves(old))
            results = step(
                _in_type(numbers, state.count, dtype),
                jnp.asarray(gradient).astype(dtype),
                None if parameter is None else jnp.asarray(parameter).astype(dtype),
                *old,
            )
            columns[0].append(results[0].astype(jnp.asarray(gradient).dtype))
            for column, new in zip(columns[1:], results[1:], strict=True):
                column.append(new)
        trees = [structure.unflatten(column) for column in columns]
        return trees[0], state._replace(count=state.count + 1, **dict(zip(kept, trees[1:], strict=True)))

    return optax.GradientTransformationExtraArgs(init, update)


def off(number: Number) -> bool:
    """Whether a number is 0 for good, so that what it multiplies need not be kept or read."""
    return isinstance(number, int | float) and number == 0


def average(share: Any, old: Array, new: Array) -> Array:
    """share * old + (1 - share) * new."""
    return share * old + (1 - share) * new


def filled(share: Any, t: Array) -> Array:
    """1 - share^t, the weight that an average from a start of zero has gathered in t steps, with all its digits."""
    log_share = (math.log(share) if share else -math.inf) if isinstance(share, float) else jnp.log(share)
    return -jnp.expm1(t * log_share)


def norm(array: Array) -> Array:
    return jnp.sqrt(jnp.sum(array * array))


def root_mean_square(array: Array) -> Array:
    return jnp.sqrt(jnp.mean(array * array))


def ratio(a: Array, b: Array, otherwise: float = 0.0) -> Array:
    """a / b, and `otherwise` where b is 0."""
    return jnp.where(b == 0, otherwise, a / jnp.where(b == 0, 1, b))


def shrunk(update: Array, numbers: Any, parameter: Array | None) -> Array:
    """An update, less learning_rate * weight_decay of the parameter."""
    if off(numbers.weight_decay):
        return update
    return update - numbers.learning_rate * numbers.weight_decay * parameter


def _working_type(*leaves: Any) -> jnp.dtype:
    types = [jnp.asarray(leaf).dtype for leaf in leaves]
    floats = [dtype for dtype in types if jnp.issubdtype(dtype, jnp.floating)]
    return max([jnp.dtype(jnp.float32), *floats], key=lambda dtype: jnp.finfo(dtype).bits)


def _in_type(numbers: Mapping[str, Number], count: Array, dtype: jnp.dtype) -> SimpleNamespace:
    """The numbers of a step; those that are no arrays stay Python's, whose 1 - beta has more digits."""

    def of_this_step(number: Any) -> Any:
        value = number(count) if callable(number) else number
        return float(value) if isinstance(value, int | float) else jnp.asarray(value).astype(dtype)

    values = {name: of_this_step(number) for name, number in numbers.items()}
    return SimpleNamespace(t=(count + 1).astype(dtype), **values)
