"""What the optimizers of several files share: one working type, numbers that may be traced, averages to evaluate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array


class Averaged(NamedTuple):
    """Marks, inside a state, the parameters to evaluate in the place of those that are trained."""

    parameters: optax.Params


def evaluation_parameters(state: optax.OptState, params: optax.Params) -> optax.Params:
    """The parameters to validate and predict with: an average where the state keeps one, else those handed in.

    state   of any optimizer, wrapped or not
    params  that are trained
    Schedule-free optimizers, `parameter_average` and `lookahead` keep one; of several the outermost counts.
    """
    nodes = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, Averaged))
    averages = [node.parameters for node in nodes if isinstance(node, Averaged)]
    return like(averages[0], params) if averages else params


def transformation(
    init: Callable[[Any], Any], update: Callable[..., tuple[Any, Any]], *, needs_params: bool = True
) -> optax.GradientTransformationExtraArgs:
    """A transformation that works in one type, at least float32, whatever the types of the parameters.

    update  (gradients, state, params, **extra_args) in that type; params are None only where they are not needed
    A step of bfloat16 parameters keeps its digits in the state; only what is added to them is rounded.
    """

    def wide_init(params):
        return init(wide(params))

    def wide_update(updates, state, params=None, **extra_args):
        if params is None and needs_params:
            raise ValueError(
                "params must be the current parameters, got None. Call update(gradients, state, params=parameters)."
            )
        steps, state = update(wide(updates), state, wide(params), **_wide_functions(params, extra_args))
        return like(steps, updates), state

    return optax.GradientTransformationExtraArgs(wide_init, wide_update)


def wide(tree: Any) -> Any:
    """A tree of floats, all in the widest type that it holds, at least float32."""
    dtype = working_type(tree)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(dtype), tree)


def working_type(tree: Any) -> jnp.dtype:
    types = [jnp.asarray(leaf).dtype for leaf in jax.tree.leaves(tree)]
    return max([*types, jnp.dtype(jnp.float32)], key=lambda dtype: jnp.finfo(dtype).bits)


def like(tree: Any, reference: Any) -> Any:
    """A tree in the types of another."""
    return jax.tree.map(lambda leaf, other: leaf.astype(jnp.asarray(other).dtype), tree, reference)


def numbers(tree: Any, *values: Any) -> tuple[Array, ...]:
    """Numbers, traced or not, in the type of a tree that `wide` made."""
    dtype = working_type(tree)
    return tuple(jnp.asarray(value).astype(dtype) for value in values)


def numbers_at(count: Array, tree: Any, *values: Any) -> tuple[Array, ...]:
    """The same in one step: each a number, or a schedule of the steps taken before, which start at 0."""
    return numbers(tree, *(value(count) if callable(value) else value for value in values))


def rate_at(learning_rate: Any, count: Array, tree: Any) -> Array:
    """The learning rate of a step."""
    return numbers_at(count, tree, learning_rate)[0]


def power(base: Array, count: Array) -> Array:
    """base^count for a count of steps."""
    return base ** count.astype(base.dtype)


def zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def scaled(factor: Array, tree: Any) -> Any:
    return jax.tree.map(lambda leaf: factor * leaf, tree)


def added(tree: Any, other: Any) -> Any:
    return jax.tree.map(jnp.add, tree, other)


def less(tree: Any, other: Any) -> Any:
    return jax.tree.map(jnp.subtract, tree, other)


def mixed(share: Array, tree: Any, other: Any) -> Any:
    """share * tree + (1 - share) * other."""
    return jax.tree.map(lambda old, new: share * old + (1 - share) * new, tree, other)


def chosen(condition: Array, tree: Any, other: Any) -> Any:
    return jax.tree.map(lambda yes, no: jnp.where(condition, yes, no), tree, other)


def dot(tree: Any, other: Any) -> Array:
    products = jax.tree.map(lambda a, b: jnp.sum(a * b), tree, other)
    return jax.tree.reduce(jnp.add, products)


def norm(tree: Any) -> Array:
    return jnp.sqrt(dot(tree, tree))


def needed(name: str, value: Any, advice: str) -> Any:
    """An extra argument of `update` that this optimizer cannot go without."""
    if value is None:
        raise ValueError(f"{name} must be handed to update, got None. {advice}")
    return value


def _wide_functions(params: Any, extra_args: dict[str, Any]) -> dict[str, Any]:
    """Extra arguments that are functions of parameters take them in the working type, too."""

    def of_wide(function: Callable) -> Callable:
        return lambda point: function(like(point, params))

    functions = ("value_fn", "outputs_fn", "residual_fn")
    return {
        name: of_wide(value) if name in functions and value is not None else value for name, value in extra_args.items()
    }
