"""How an activation gets its derivative: by a rule of its own, where differentiating the formula loses digits."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

Elementwise = Callable[..., Array]


def with_derivatives(*slopes: Elementwise) -> Callable[[Elementwise], Elementwise]:
    """Give a function of z and keyword numbers its derivative by each of them, as functions of (z, *numbers).

    Accepts what `elementwise` does. The slopes must be differentiable themselves.
    """

    def decorate(function: Elementwise) -> Elementwise:
        names = _numbers(function)

        def positional(z: Array, *numbers: Array) -> Array:
            return function(z, **dict(zip(names, numbers, strict=True)))

        ruled = jax.custom_jvp(positional)

        def rule(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
            value = ruled(*primals)
            moving = [(slope, t) for slope, t in zip(slopes, tangents, strict=True) if type(t) is not SymbolicZero]
            return value, sum((t * slope(*primals) for slope, t in moving), start=jnp.zeros_like(value))

        ruled.defjvp(rule, symbolic_zeros=True)  # so that a number that is not learned costs nothing
        return _accepting(function, ruled)

    return decorate


def elementwise(function: Elementwise) -> Elementwise:
    """Accept any array and any numbers for a function of arrays of one shape and type.

    The numbers are broadcast to z, so that one per unit will do. bfloat16 and float16 are computed in float32, whole
    numbers in JAX's own float.
    """
    names = _numbers(function)
    return _accepting(function, lambda z, *numbers: function(z, **dict(zip(names, numbers, strict=True))))


def _accepting(function: Elementwise, positional: Callable[..., Array]) -> Elementwise:
    names = _numbers(function)

    @wraps(function)
    def activation(z: Array, **given: Any) -> Array:
        z = jnp.asarray(z)
        if not given.keys() <= names.keys():
            inspect.signature(function).bind(z, **given)  # raises Python's own TypeError, with the wrong name
        narrow = z.dtype if jnp.issubdtype(z.dtype, jnp.floating) else jnp.result_type(float)
        wide = jnp.float32 if jnp.finfo(narrow).bits < 32 else narrow
        numbers = (jnp.asarray(value, wide) for value in {**names, **given}.values())
        return positional(z.astype(wide), *(jnp.broadcast_to(number, z.shape) for number in numbers)).astype(narrow)

    return activation


def _numbers(function: Elementwise) -> dict[str, Any]:
    """The parameters after z, with their defaults."""
    return {name: parameter.default for name, parameter in list(inspect.signature(function).parameters.items())[1:]}
