"""Convolutions as XLA's CPU compiler has them fast, wherever they stand in a program.

It brings a convolution into the one order of axes that its library knows only outside of loops. Within an epoch, which
is a loop, the gradient of a kernel is left in another order and takes up to 60 times as long (measured). Here the
traced program is gone through, and each convolution brought into that order; its numbers stay the same to the bit.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import Array, lax
from jax.extend import core

CALLS = {
    **dict.fromkeys(("jit", "pjit"), "jaxpr"),
    **dict.fromkeys(("closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"), "call_jaxpr"),
}
"""Primitives that only call, and where each holds what it calls; a rule for derivatives has done its work by now."""


def ordered(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function of one tree with its convolutions reordered, where that helps: on a CPU. It is not for gradients."""
    if jax.default_backend() != "cpu":
        return function

    def run(tree: Any) -> Any:
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(tree)
        results = _run(traced.jaxpr, traced.consts, jax.tree.leaves(tree))
        return jax.tree.unflatten(jax.tree.structure(shapes), results)

    return run


def _run(program: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    known = dict(zip(program.constvars, constants, strict=True)) | dict(zip(program.invars, arguments, strict=True))
    for equation in program.eqns:
        values = [
            variable.val if isinstance(variable, core.Literal) else known[variable] for variable in equation.invars
        ]
        known |= dict(zip(equation.outvars, _outputs(equation, values), strict=True))
    return [variable.val if isinstance(variable, core.Literal) else known[variable] for variable in program.outvars]


def _outputs(equation: Any, values: list[Any]) -> list[Any]:
    primitive, inner = equation.primitive, equation.params.get(CALLS.get(equation.primitive.name, ""))
    if primitive.name == "conv_general_dilated":
        return [_convolved(equation, *values)]
    if isinstance(inner, core.ClosedJaxpr):
        return _run(inner.jaxpr, inner.consts, values)
    results = primitive.bind(*values, **equation.params)
    return list(results) if primitive.multiple_results else [results]


def _convolved(equation: Any, rows: Array, kernel: Array) -> Array:
    """Rows (n, ..., channels) by a kernel (..., channels, units) to (n, ..., units), whatever their axes were."""
    of_rows, of_kernel, of_result = equation.params["dimension_numbers"]
    last = rows.ndim - 1
    inner = tuple(range(1, last))
    numbers = lax.ConvDimensionNumbers((0, last, *inner), (last, last - 1, *range(last - 1)), (0, last, *inner))
    result: Any = equation.primitive.bind(
        rows.transpose((of_rows[0], *of_rows[2:], of_rows[1])),
        kernel.transpose((*of_kernel[2:], of_kernel[1], of_kernel[0])),
        **{**equation.params, "dimension_numbers": numbers},
    )
    places = (of_result[0], *of_result[2:], of_result[1])  # where each axis of the result belongs
    return result.transpose([places.index(axis) for axis in range(rows.ndim)])
