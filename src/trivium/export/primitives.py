"""JAX's primitives as ONNX nodes: the arithmetic of networks. What changes shapes stands in `shapes.py`.

A handler takes the graph, the equation and the inputs, and returns one output or a list of them. Numbers that are only
repeated along an axis stay as they are, for ONNX repeats by itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from trivium.export.graph import ExportError, Graph, Tensor
from trivium.export.shapes import HANDLERS as SHAPES

Handler = Callable[..., Any]


def broadcast(*tensors: Tensor) -> tuple:
    """The shape of what ONNX makes of arrays that it repeats against each other."""
    length = max(len(tensor.shape) for tensor in tensors)
    shapes = [(1,) * (length - len(tensor.shape)) + tensor.shape for tensor in tensors]
    return tuple(next((size for size in sizes if not isinstance(size, int) or size != 1), 1) for sizes in zip(*shapes))  # noqa: B905


def _elementwise(kind: str) -> Handler:
    def add(graph: Graph, equation: Any, *inputs: Tensor) -> Tensor:
        return graph.op(kind, inputs, broadcast(*inputs), equation.outvars[0].aval.dtype)

    return add


def _negated(kind: str) -> Handler:
    def add(graph: Graph, equation: Any, *inputs: Tensor) -> Tensor:
        return graph.op("Not", [graph.op(kind, inputs, broadcast(*inputs), bool)], broadcast(*inputs))

    return add


def _then(*kinds: str) -> Handler:
    """One input through several nodes, the first first."""

    def add(graph: Graph, equation: Any, value: Tensor) -> Tensor:
        for kind in kinds:
            value = graph.op(kind, [value], value.shape)
        return value

    return add


def _with_one(kind: str, *, after: str = "", before: str = "") -> Handler:
    """A node with a number 1 added before, or taken away after: log1p and expm1."""

    def add(graph: Graph, equation: Any, value: Tensor) -> Tensor:
        one = graph.constant(1, value.dtype)
        value = graph.op(before, [value, one], value.shape) if before else value
        value = graph.op(kind, [value], value.shape)
        return graph.op(after, [value, one], value.shape) if after else value

    return add


def same(graph: Graph, equation: Any, *inputs: Tensor) -> list[Tensor]:
    return list(inputs)


def erfc(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    one = graph.constant(1, value.dtype)
    return graph.op("Sub", [one, graph.op("Erf", [value], value.shape)], value.shape)


def square(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    return graph.op("Mul", [value, value], value.shape)


def exp2(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    return graph.op("Pow", [graph.constant(2, value.dtype), value], value.shape)


def cbrt(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    size = graph.op("Pow", [graph.op("Abs", [value], value.shape), graph.constant(1 / 3, value.dtype)], value.shape)
    return graph.op("Mul", [graph.op("Sign", [value], value.shape), size], value.shape)


def integer_pow(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    return graph.op("Pow", [value, graph.constant(equation.params["y"], value.dtype)], value.shape)


def rounded(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    if int(equation.params["rounding_method"]) == 1:  # halves to even, as ONNX does
        return graph.op("Round", [value], value.shape)
    size = graph.op("Add", [graph.op("Abs", [value], value.shape), graph.constant(0.5, value.dtype)], value.shape)
    size = graph.op("Floor", [size], value.shape)
    return graph.op("Mul", [graph.op("Sign", [value], value.shape), size], value.shape)


def is_finite(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    infinite = graph.op("IsInf", [value], value.shape, bool)
    nothing = graph.op("IsNaN", [value], value.shape, bool)
    return graph.op("Not", [graph.op("Or", [infinite, nothing], value.shape)], value.shape)


def convert(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    return graph.cast(value, equation.params["new_dtype"])


def clamp(graph: Graph, equation: Any, low: Tensor, value: Tensor, high: Tensor) -> Tensor:
    value = graph.op("Max", [value, low], broadcast(value, low))
    return graph.op("Min", [value, high], broadcast(value, high))


def select(graph: Graph, equation: Any, which: Tensor, *cases: Tensor) -> Tensor:
    """The case that `which` numbers."""
    if which.dtype == bool:
        otherwise, chosen = cases
        return _where(graph, which, chosen, otherwise)
    value = cases[-1]
    for number, case in reversed(list(enumerate(cases[:-1]))):
        here = graph.op("Equal", [which, graph.constant(number, which.dtype)], which.shape, bool)
        value = _where(graph, here, case, value)
    return value


def _where(graph: Graph, condition: Tensor, chosen: Tensor, otherwise: Tensor) -> Tensor:
    shape = broadcast(condition, chosen, otherwise)
    if chosen.dtype != bool:
        return graph.op("Where", [condition, chosen, otherwise], shape, chosen.dtype)
    here = graph.op("And", [condition, chosen], broadcast(condition, chosen))
    there = graph.op("And", [graph.op("Not", [condition], condition.shape), otherwise], broadcast(condition, otherwise))
    return graph.op("Or", [here, there], shape)


def _logical(kind: str) -> Handler:
    def add(graph: Graph, equation: Any, *inputs: Tensor) -> Tensor:
        boolean = inputs[0].dtype == bool
        return graph.op(kind if boolean else f"Bitwise{kind}", inputs, broadcast(*inputs))

    return add


def remainder(graph: Graph, equation: Any, value: Tensor, by: Tensor) -> Tensor:
    return graph.op("Mod", [value, by], broadcast(value, by), fmod=1)


def dot_general(graph: Graph, equation: Any, some: Tensor, others: Tensor) -> Tensor:
    """A product of matrices as one; every other sum of products by its letters."""
    (some_summed, others_summed), (some_batch, others_batch) = equation.params["dimension_numbers"]
    shapes = [variable.aval.shape for variable in equation.invars]
    some, others = graph.whole(some, shapes[0]), graph.whole(others, shapes[1])
    out = equation.outvars[0].aval
    some, others = graph.cast(some, out.dtype), graph.cast(others, out.dtype)
    last = (len(shapes[0]) - 1,)
    if not some_batch and len(shapes[1]) == 2 and tuple(some_summed) == last and len(others_summed) == 1:
        if others_summed[0] == 1 and others.known is not None:
            others = graph.constant(others.known.T)
        elif others_summed[0] == 1:
            others = graph.op("Transpose", [others], shapes[1][::-1], perm=[1, 0])
        return graph.op("MatMul", [some, others], out.shape)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    first = [next(letters) for _ in shapes[0]]
    second = [""] * len(shapes[1])
    pairs = [*zip(some_batch, others_batch, strict=True), *zip(some_summed, others_summed, strict=True)]
    for place, partner in pairs:
        second[partner] = first[place]
    second = [letter or next(letters) for letter in second]
    free = [first[i] for i in range(len(first)) if i not in (*some_batch, *some_summed)]
    free += [second[i] for i in range(len(second)) if i not in (*others_batch, *others_summed)]
    result = "".join([first[i] for i in some_batch] + free)
    equation_text = f"{''.join(first)},{''.join(second)}->{result}"
    return graph.op("Einsum", [some, others], out.shape, equation=equation_text)


def _reduced(kind: str) -> Handler:
    def add(graph: Graph, equation: Any, value: Tensor) -> Tensor:
        axes = equation.params["axes"]
        value = graph.whole(value, equation.invars[0].aval.shape)
        out = equation.outvars[0].aval
        if value.dtype == bool:  # any and all: the largest and the smallest of 0 and 1
            value = graph.cast(value, np.int32)
        reduced = graph.op(kind, [value, graph.constant(axes, np.int64)], out.shape, keepdims=0)
        return graph.cast(reduced, out.dtype)

    return add


def _arg(kind: str) -> Handler:
    def add(graph: Graph, equation: Any, value: Tensor) -> Tensor:
        (axis,) = equation.params["axes"]
        value = graph.whole(value, equation.invars[0].aval.shape)
        out = equation.outvars[0].aval
        return graph.cast(graph.op(kind, [value], out.shape, np.int64, axis=axis, keepdims=0), out.dtype)

    return add


def _random(graph: Graph, equation: Any, *inputs: Tensor) -> Tensor:
    raise ExportError("a prediction must not draw random numbers to be exported, got one that does.")


HANDLERS: dict[str, Handler] = SHAPES | {
    **{name: _elementwise(kind) for name, kind in {
        "add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min",
        "pow": "Pow", "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
    }.items()},
    **{name: _then(*kinds.split()) for name, kinds in {
        "neg": "Neg", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "exp": "Exp", "log": "Log",
        "sqrt": "Sqrt", "rsqrt": "Sqrt Reciprocal", "logistic": "Sigmoid", "tanh": "Tanh", "sin": "Sin", "cos": "Cos",
        "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh",
        "acosh": "Acosh", "atanh": "Atanh", "erf": "Erf",
    }.items()},
    "log1p": _with_one("Log", before="Add"), "expm1": _with_one("Exp", after="Sub"),
    "ne": _negated("Equal"), "not": _then("Not"), "and": _logical("And"), "or": _logical("Or"), "xor": _logical("Xor"),
    "erfc": erfc, "square": square, "exp2": exp2, "cbrt": cbrt, "integer_pow": integer_pow, "round": rounded,
    "is_finite": is_finite, "convert_element_type": convert, "clamp": clamp, "select_n": select, "rem": remainder,
    "dot_general": dot_general,
    "stop_gradient": same, "copy": same, "copy_p": same, "optimization_barrier": same, "reduce_precision": same,
    "reduce_sum": _reduced("ReduceSum"), "reduce_prod": _reduced("ReduceProd"), "reduce_max": _reduced("ReduceMax"),
    "reduce_min": _reduced("ReduceMin"), "reduce_or": _reduced("ReduceMax"), "reduce_and": _reduced("ReduceMin"),
    "argmax": _arg("ArgMax"), "argmin": _arg("ArgMin"),
    "random_bits": _random, "random_seed": _random, "random_wrap": _random, "threefry2x32": _random,
}  # fmt: skip
"""By the primitive's name."""
