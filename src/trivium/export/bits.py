"""Arithmetic on the bits of a number, of which ONNX knows none: what the activations do with bits, done otherwise.

They cut off last digits, read a sign, round to a whole number and make a power of two. The bits themselves never enter
the graph: they are a promise, kept by the operation that follows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trivium.export.graph import Graph, Tensor


@dataclass(frozen=True)
class Bits:
    """The bits of floating numbers, read as whole numbers."""

    of: Tensor


@dataclass(frozen=True)
class Shifted:
    """Whole numbers moved to where a floating number keeps its exponent."""

    exponents: Tensor


_FRACTION = {"float32": 23, "float64": 52}
"""Bits of a number behind its exponent."""


def reinterpret(graph: Graph, equation: Any, value: Any) -> Any:
    """From numbers to their bits, and back."""
    wanted = np.dtype(equation.params["new_dtype"])
    if isinstance(value, Bits) and value.of.dtype == wanted:
        return value.of
    if isinstance(value, Shifted) and wanted.name in _FRACTION:
        return _power(graph, value.exponents, wanted)
    if isinstance(value, Tensor) and value.dtype.name in _FRACTION and wanted.kind in "iu":
        return Bits(value)
    return None


def shift_left(graph: Graph, equation: Any, value: Any, by: Any) -> Any:
    known = getattr(by, "known", None)
    if isinstance(value, Tensor) and known is not None and known.size == 1:
        fraction = {"int32": 23, "int64": 52}.get(value.dtype.name)
        if int(known.reshape(())) == fraction:
            return Shifted(value)
    return None


def shift_right(graph: Graph, equation: Any, value: Any, by: Any) -> Any:
    """All but the sign shifted out: -1 where a number is negative, else 0; a zero counts as positive."""
    known = getattr(by, "known", None)
    if not isinstance(value, Bits) or known is None or int(known.max()) != value.of.dtype.itemsize * 8 - 1:
        return None
    whole = equation.outvars[0].aval.dtype
    negative = graph.op("Less", [value.of, graph.constant(0, value.of.dtype)], value.of.shape, bool)
    return graph.op("Neg", [graph.cast(negative, whole)], value.of.shape)


def conjunction(graph: Graph, equation: Any, value: Any, mask: Any) -> Any:
    """Under a mask that ends in zeros: the number without its last digits, rounded instead of cut.

    Whoever cuts digits off takes the rest as a difference, so that either will do.
    Source: Dekker 1971, "A floating-point technique for extending the available precision", section 5.
    """
    if isinstance(mask, Bits):
        value, mask = mask, value
    known = getattr(mask, "known", None)
    if not isinstance(value, Bits) or known is None:
        return None
    zeros = int(np.log2(-float(known.reshape(-1)[0])))
    if not (known == -(1 << zeros)).all():
        return None
    number, dtype = value.of, value.of.dtype
    lifted = graph.op("Mul", [number, graph.constant(2**zeros + 1, dtype)], number.shape)
    rest = graph.op("Sub", [lifted, number], number.shape)
    head = graph.op("Sub", [lifted, rest], number.shape)
    size = graph.op("Abs", [number], number.shape)
    safe = graph.op("Less", [size, graph.constant(np.finfo(dtype).max / 2 ** (zeros + 2), dtype)], number.shape, bool)
    return Bits(graph.op("Where", [safe, head, number], number.shape, dtype))


def difference(graph: Graph, equation: Any, value: Any, bias: Any) -> Any:
    """The whole number behind 1.5 * 2^23 plus that number, whose last bits are it."""
    known = getattr(bias, "known", None)
    if not isinstance(value, Bits) or known is None:
        return None
    number, dtype = value.of, value.of.dtype
    magic = 1.5 * 2.0 ** _FRACTION[dtype.name]
    if not (known == np.asarray(magic, dtype).view(known.dtype)).all():
        return None
    rest = graph.op("Sub", [number, graph.constant(magic, dtype)], number.shape)
    return graph.cast(rest, equation.outvars[0].aval.dtype)


def _power(graph: Graph, exponents: Tensor, dtype: np.dtype) -> Tensor:
    """2 ** (exponents - bias), 0 for an exponent of 0, from a table."""
    last = 2 ** (dtype.itemsize * 8 - 1 - _FRACTION[dtype.name]) - 1
    table = (np.arange(last + 1, dtype=f"i{dtype.itemsize}") << _FRACTION[dtype.name]).view(dtype)
    inside = graph.op("Max", [exponents, graph.constant(0, exponents.dtype)], exponents.shape)
    inside = graph.op("Min", [inside, graph.constant(last, exponents.dtype)], exponents.shape)
    return graph.op("Gather", [graph.constant(table), inside], exponents.shape, dtype, axis=0)


HANDLERS = {
    "bitcast_convert_type": reinterpret,
    "shift_left": shift_left,
    "shift_right_arithmetic": shift_right,
    "and": conjunction,
    "sub": difference,
}
"""By primitive; each returns None for what is no arithmetic on bits."""
