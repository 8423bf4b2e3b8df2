"""Gaussian ranks in an ONNX graph: a value's place among the quantiles of the fit, as a standard normal number."""

import numpy as np

from trivium.export.graph import Graph, Tensor
from trivium.tables.scaling import NEAREST_SHARE


def gaussian_ranks(graph: Graph, values: Tensor, knots: np.ndarray) -> Tensor:
    """(N, columns) double -> the same shape; knots (columns, n_knots) as `tables.scaling` learns them.

    Between equal knots a value takes the middle of their shares.
    """
    upper = _share(graph, values, knots, "LessOrEqual")
    lower = _share(graph, values, knots, "Less")
    share = _by(graph, "Mul", graph.op("Add", [upper, lower], values.shape), 0.5)
    share = graph.op("Clip", [share, graph.constant(NEAREST_SHARE), graph.constant(1 - NEAREST_SHARE)], values.shape)
    return _normal_number(graph, share)


def _share(graph: Graph, values: Tensor, knots: np.ndarray, below: str) -> Tensor:
    """How far a value stands among the knots, from 0 to 1; where several are equal to it, at one end of them."""
    n_columns, n_knots = knots.shape
    shape, wide = values.shape, (graph.batch, n_columns, n_knots)
    apart = graph.op("Unsqueeze", [values, graph.constant([2], np.int64)], (graph.batch, n_columns, 1))
    passed = graph.cast(graph.op(below, [graph.constant(knots[None]), apart], wide, bool), np.float32)
    count = graph.op("ReduceSum", [passed, graph.constant([2], np.int64)], shape, np.float32, keepdims=0)
    count = graph.cast(count, float)
    place = graph.op("Sub", [count, graph.constant(1.0)], shape)
    place = graph.op("Clip", [place, graph.constant(0.0), graph.constant(float(n_knots - 2))], shape)
    offsets = graph.constant(np.arange(n_columns, dtype=np.int64)[None] * n_knots)
    flat = graph.op("Add", [graph.cast(place, np.int64), offsets], shape)
    start = graph.op("Gather", [graph.constant(knots.ravel()), flat], shape, float)
    after = graph.op("Add", [flat, graph.constant(1, np.int64)], shape)
    step = graph.op("Sub", [graph.op("Gather", [graph.constant(knots.ravel()), after], shape, float), start], shape)
    step = graph.op("Max", [step, graph.constant(np.finfo(float).tiny)], shape)
    way = graph.op("Div", [graph.op("Sub", [values, start], shape), step], shape)
    way = graph.op("Clip", [way, graph.constant(0.0), graph.constant(1.0)], shape)
    inside = _by(graph, "Div", graph.op("Add", [place, way], shape), float(n_knots - 1))
    first = graph.op("Equal", [count, graph.constant(0.0)], shape, bool)
    last = graph.op("Equal", [count, graph.constant(float(n_knots))], shape, bool)
    inside = graph.op("Where", [first, graph.constant(0.0), inside], shape, float)
    return graph.op("Where", [last, graph.constant(1.0), inside], shape, float)


def _normal_number(graph: Graph, share: Tensor) -> Tensor:
    """The standard normal number below which that share lies, for shares within 1e-10 of neither end.

    Source: Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution", PPND16.
    """
    shape = share.shape
    q = _by(graph, "Sub", share, 0.5)
    near = graph.op("Sub", [graph.constant(0.180625), graph.op("Mul", [q, q], shape)], shape)
    middle = graph.op("Mul", [q, _ratio(graph, near, _NEAR)], shape)
    other = graph.op("Sub", [graph.constant(1.0), share], shape)
    logarithm = graph.op("Log", [graph.op("Min", [share, other], shape)], shape)
    root = graph.op("Sqrt", [graph.op("Neg", [logarithm], shape)], shape)
    tail = _ratio(graph, _by(graph, "Sub", root, 1.6), _FAR)
    tail = graph.op("Mul", [graph.op("Sign", [q], shape), tail], shape)
    central = graph.op("LessOrEqual", [graph.op("Abs", [q], shape), graph.constant(0.425)], shape, bool)
    return graph.op("Where", [central, middle, tail], shape, float)


def _ratio(graph: Graph, z: Tensor, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    """One polynomial over another, lowest powers first."""
    both = []
    for one in coefficients:
        total = graph.constant(one[-1])
        for coefficient in reversed(one[:-1]):
            total = _by(graph, "Add", graph.op("Mul", [total, z], z.shape), coefficient)
        both.append(total)
    return graph.op("Div", both, z.shape)


def _by(graph: Graph, kind: str, z: Tensor, number: float) -> Tensor:
    return graph.op(kind, [z, graph.constant(number)], z.shape)


_NEAR = (
    (
        3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
        45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
    ),
    (
        1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
        21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610,
    ),
)  # fmt: skip

_FAR = (
    (
        1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
        1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4,
    ),
    (
        1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
        0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
    ),
)  # fmt: skip
