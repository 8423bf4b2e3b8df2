"""A JAX function of rows as nodes of an ONNX graph, primitive by primitive."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import jax
import numpy as np
from jax.extend import core

from trivium.export import bits, idioms, primitives
from trivium.export.graph import ExportError, Graph, Tensor

INLINED = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Where a primitive that only calls holds what it calls; rules for derivatives count for nothing here."""

CALLS = (
    "jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr",
    "remat", "remat2", "checkpoint",
)  # fmt: skip


@cache
def symbol() -> Any:
    """The number of rows, not known yet: one symbol for all graphs."""
    return jax.export.symbolic_shape("rows")[0]


def add_function(graph: Graph, function: Callable, rows: Tensor) -> list[Tensor]:
    """Add what a JAX function makes of an array (rows, n_inputs), one tensor for each of its results.

    Raises ExportError for a primitive that has no translation, naming it.
    """
    try:
        traced = jax.make_jaxpr(function)(jax.ShapeDtypeStruct(rows.shape, rows.dtype))
    except (TypeError, jax.errors.InconclusiveDimensionOperation) as error:
        if isinstance(error, TypeError) and "_DimExpr" not in str(error):
            raise
        raise ExportError(
            f"a network must be written for any number of rows to be exported, got one that is not ({error}). "
            "Write rows.shape[0] for len(rows), and let nothing hang on that number."
        ) from error
    results = _run(graph, traced.jaxpr, _constants(graph, traced.consts), [rows])
    return [
        graph.whole(tensor, variable.aval.shape) for tensor, variable in zip(results, traced.jaxpr.outvars, strict=True)
    ]


def _constants(graph: Graph, values: Sequence[Any]) -> list[Tensor]:
    if any(jax.dtypes.issubdtype(value.dtype, jax.dtypes.extended) for value in values):
        raise ExportError("a prediction must not draw random numbers to be exported, got one that does.")
    return [graph.constant(value) for value in values]


def _run(graph: Graph, program: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[Any]:
    known: dict[Any, Any] = dict(zip(program.constvars, constants, strict=True))
    known |= dict(zip(program.invars, arguments, strict=True))

    def read(variable: Any) -> Any:
        if isinstance(variable, core.Literal):
            return graph.constant(variable.val, cast(Any, variable.aval).dtype)
        return known[variable]

    for equation in program.eqns:
        outputs = _node(graph, equation, [read(variable) for variable in equation.invars])
        known |= dict(zip(equation.outvars, outputs, strict=True))
    return [read(variable) for variable in program.outvars]


def _node(graph: Graph, equation: Any, inputs: list[Any]) -> list[Any]:
    name = equation.primitive.name
    if name in CALLS:
        inner = next(equation.params[key] for key in INLINED if key in equation.params)
        words = idioms.idiom(equation, inner)
        if words is not None and all(isinstance(value, Tensor) for value in inputs):
            return [words(graph, *inputs)]
        if isinstance(inner, core.ClosedJaxpr):
            return _run(graph, inner.jaxpr, _constants(graph, inner.consts), inputs)
        return _run(graph, inner, [], inputs)
    folded = _folded(graph, equation, inputs)
    if folded is not None:
        return folded
    if name in bits.HANDLERS:
        output = bits.HANDLERS[name](graph, equation, *inputs)
        if output is not None:
            return [output]
    if any(isinstance(value, bits.Bits | bits.Shifted) for value in inputs):
        raise ExportError(f"a network must be exported without arithmetic on bits, got {name} of them. {_ADVICE}")
    handler = primitives.HANDLERS.get(name)
    if handler is None:
        raise ExportError(f"a network must be made of what ONNX knows, got the primitive {name!r}. {_ADVICE}")
    outputs = handler(graph, equation, *inputs)
    return outputs if isinstance(outputs, list) else [outputs]


_ADVICE = "Choose another activation or output activation, or keep the model in its own format: `save`."


def _folded(graph: Graph, equation: Any, inputs: list[Any]) -> list[Tensor] | None:
    """What depends on no input, computed now; None where something does, or where there are as many as rows."""
    values: list[Any] = [value.known if isinstance(value, Tensor) else None for value in inputs]
    sizes = [size for variable in equation.outvars for size in variable.aval.shape]
    if any(jax.dtypes.issubdtype(variable.aval.dtype, jax.dtypes.extended) for variable in equation.outvars):
        return None
    if any(value is None for value in values) or not all(isinstance(size, int) for size in sizes):
        return None
    whole = [
        np.broadcast_to(value, variable.aval.shape) for value, variable in zip(values, equation.invars, strict=True)
    ]
    results = equation.primitive.bind(*map(jax.numpy.asarray, whole), **equation.params)
    results = results if equation.primitive.multiple_results else [results]
    return [graph.constant(np.asarray(result)) for result in results]
