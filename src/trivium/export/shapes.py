"""JAX's primitives that move, cut, repeat, sort and look up, as ONNX nodes."""

from typing import Any, cast

import numpy as np

from trivium.export.graph import ExportError, Graph, Tensor, same


def whole(graph: Graph, equation: Any, place: int, value: Tensor) -> Tensor:
    """An input as long as the program has it."""
    return graph.whole(value, equation.invars[place].aval.shape)


def broadcast_in_dim(graph: Graph, equation: Any, value: Tensor, *_: Tensor) -> Tensor:
    """Only the axes that are new: what is repeated stays 1 long."""
    shape: list[Any] = [1] * len(equation.params["shape"])
    for place, axis in enumerate(equation.params["broadcast_dimensions"]):
        shape[axis] = value.shape[place]
    return _reshaped(graph, value, shape)


def reshape(graph: Graph, equation: Any, value: Tensor, *_: Tensor) -> Tensor:
    return _reshaped(graph, whole(graph, equation, 0, value), equation.outvars[0].aval.shape)


def squeeze(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    left = [axis for axis in range(len(value.shape)) if axis not in equation.params["dimensions"]]
    return _reshaped(graph, value, [value.shape[axis] for axis in left])


def expand_dims(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    shape = list(value.shape)
    for axis in sorted(equation.params["dimensions"]):
        shape.insert(axis, 1)
    return _reshaped(graph, value, shape)


def _reshaped(graph: Graph, value: Tensor, shape: Any) -> Tensor:
    shape = tuple(shape)
    if value.known is not None and all(isinstance(size, int) for size in shape):
        return graph.constant(value.known.reshape(shape))
    if same(value.shape, shape):
        return value
    free = [size if isinstance(size, int) else -1 for size in shape]
    if free.count(-1) > 1:
        raise ExportError("an array must have one axis of rows to be exported, got two. Keep rows apart.")
    return graph.op("Reshape", [value, graph.constant(free, np.int64)], shape)


def transpose(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    order = equation.params["permutation"]
    shape = tuple(value.shape[axis] for axis in order)
    if value.known is not None:
        return graph.constant(value.known.transpose(order))
    return graph.op("Transpose", [value], shape, perm=list(order))


def concatenate(graph: Graph, equation: Any, *inputs: Tensor) -> Tensor:
    parts = [whole(graph, equation, place, value) for place, value in enumerate(inputs)]
    return graph.op("Concat", parts, equation.outvars[0].aval.shape, axis=equation.params["dimension"])


def stack(graph: Graph, equation: Any, *inputs: Tensor) -> Tensor:
    axis, shape = equation.params["axis"], equation.outvars[0].aval.shape
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    parts = [_reshaped(graph, whole(graph, equation, place, value), one) for place, value in enumerate(inputs)]
    return graph.op("Concat", parts, shape, axis=axis)


def unstack(graph: Graph, equation: Any, value: Tensor) -> list[Tensor]:
    axis, value = equation.params["axis"], whole(graph, equation, 0, value)
    one = (*value.shape[:axis], 1, *value.shape[axis + 1 :])
    sizes = graph.constant([1] * value.shape[axis], np.int64)
    parts = graph.ops("Split", [value, sizes], [(one, value.dtype)] * value.shape[axis], axis=axis)
    return [_reshaped(graph, part, equation.outvars[0].aval.shape) for part in parts]


def tile(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    value = whole(graph, equation, 0, value)
    repeats = graph.constant(equation.params["reps"], np.int64)
    return graph.op("Tile", [value, repeats], equation.outvars[0].aval.shape)


def split(graph: Graph, equation: Any, value: Tensor) -> list[Tensor]:
    value = whole(graph, equation, 0, value)
    sizes = graph.constant([int(size) for size in equation.params["sizes"]], np.int64)
    outputs = [(variable.aval.shape, value.dtype) for variable in equation.outvars]
    return graph.ops("Split", [value, sizes], outputs, axis=equation.params["axis"])


def slice_(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    strides = equation.params["strides"] or (1,) * len(value.shape)
    value = whole(graph, equation, 0, value)
    given = equation.params
    out = equation.outvars[0].aval.shape
    return _cut(graph, value, given["start_indices"], given["limit_indices"], strides, out)


def dynamic_slice(graph: Graph, equation: Any, value: Tensor, *starts: Tensor) -> Tensor:
    known = [start.known for start in starts]
    if any(start is None for start in known):
        raise ExportError("a network must look at the same places of every row, got 'dynamic_slice'. Fix the places.")
    value = whole(graph, equation, 0, value)
    sizes = equation.params["slice_sizes"]
    first = [
        0 if not isinstance(size, int) else min(max(int(cast(Any, start)), 0), length - size)
        for start, size, length in zip(known, sizes, value.shape, strict=True)
    ]
    last = [size if not isinstance(size, int) else begin + size for begin, size in zip(first, sizes, strict=True)]
    return _cut(graph, value, first, last, (1,) * len(sizes), sizes)


def _cut(graph: Graph, value: Tensor, first: Any, last: Any, strides: Any, shape: Any) -> Tensor:
    """From the first places to before the last ones; `shape` is that of the result."""
    axes = [
        axis
        for axis, size in enumerate(value.shape)
        if isinstance(size, int) and (first[axis], last[axis], strides[axis]) != (0, size, 1)
    ]
    if any(not isinstance(size, int) and not same([last[axis]], [size]) for axis, size in enumerate(value.shape)):
        raise ExportError("a network must take every row, got one that cuts rows off. Take the cut out.")
    if not axes:
        return value
    numbers = [[given[axis] for axis in axes] for given in (first, last)]
    steps = [strides[axis] for axis in axes]
    arguments = [graph.constant(given, np.int64) for given in (*numbers, axes, steps)]
    return graph.op("Slice", [value, *arguments], shape)


def reverse(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    value = whole(graph, equation, 0, value)
    axes = equation.params["dimensions"]
    given = ([-1] * len(axes), [np.iinfo(np.int64).min] * len(axes), axes, [-1] * len(axes))
    return graph.op("Slice", [value, *(graph.constant(part, np.int64) for part in given)], value.shape)


def pad(graph: Graph, equation: Any, value: Tensor, filler: Tensor) -> Tensor:
    value = whole(graph, equation, 0, value)
    low, high, inner = zip(*equation.params["padding_config"], strict=True)
    if any(inner):
        raise ExportError("padding must stand at the ends of an axis, got 'pad' between numbers. Pad otherwise.")
    return graph.op("Pad", [value, graph.constant([*low, *high], np.int64), filler], equation.outvars[0].aval.shape)


def iota(graph: Graph, equation: Any, *_: Tensor) -> Tensor:
    axis, shape = equation.params["dimension"], equation.params["shape"]
    if not isinstance(shape[axis], int):
        raise ExportError("a network must not count rows, got 'iota' along them. Take the count out.")
    view = [shape[place] if place == axis else 1 for place in range(len(shape))]
    return graph.constant(np.arange(shape[axis]).astype(equation.params["dtype"]).reshape(view))


def sort(graph: Graph, equation: Any, *inputs: Tensor) -> list[Tensor]:
    """The first input in rising order, the others in the order of the first."""
    axis = equation.params["dimension"]
    if equation.params["num_keys"] != 1:
        raise ExportError("'sort' must have one key to be exported, got several. Sort by one.")
    keys, *others = (whole(graph, equation, place, value) for place, value in enumerate(inputs))
    shape = equation.outvars[0].aval.shape
    length = graph.constant([shape[axis]], np.int64)
    outputs = [(shape, keys.dtype), (shape, np.int64)]
    ordered, places = graph.ops("TopK", [keys, length], outputs, axis=axis, largest=0, sorted=1)
    return [ordered, *(graph.op("GatherElements", [value, places], shape, axis=axis) for value in others)]


def top_k(graph: Graph, equation: Any, value: Tensor) -> list[Tensor]:
    value = whole(graph, equation, 0, value)
    shape = equation.outvars[0].aval.shape
    count = graph.constant([equation.params["k"]], np.int64)
    largest, places = graph.ops("TopK", [value, count], [(shape, value.dtype), (shape, np.int64)], axis=-1)
    return [largest, graph.cast(places, equation.outvars[1].aval.dtype)]


def cumsum(graph: Graph, equation: Any, value: Tensor) -> Tensor:
    value = whole(graph, equation, 0, value)
    axis = graph.constant(equation.params["axis"], np.int64)
    return graph.op("CumSum", [value, axis], value.shape, reverse=int(equation.params["reverse"]))


def _running(kind: str) -> Any:
    """A running product, largest or least: one node per place, which is what short rows of classes need."""

    def add(graph: Graph, equation: Any, value: Tensor) -> Tensor:
        value = whole(graph, equation, 0, value)
        axis, shape = equation.params["axis"], value.shape
        if not isinstance(shape[axis], int) or shape[axis] > 256:
            raise ExportError(f"'cum' must run over at most 256 places, got {shape[axis]}. Take fewer classes.")
        one = (*shape[:axis], 1, *shape[axis + 1 :])
        parts = graph.ops(
            "Split", [value, graph.constant([1] * shape[axis], np.int64)], [(one, value.dtype)] * shape[axis], axis=axis
        )
        parts = parts[::-1] if equation.params["reverse"] else parts
        for place in range(1, len(parts)):
            parts[place] = graph.op(kind, [parts[place - 1], parts[place]], one)
        return graph.op("Concat", parts[::-1] if equation.params["reverse"] else parts, shape, axis=axis)

    return add


def gather(graph: Graph, equation: Any, value: Tensor, indices: Tensor) -> Tensor:
    """One number per place of an axis (take_along_axis), or whole slices by their place (array[places])."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    shape, out = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    value, indices = whole(graph, equation, 0, value), whole(graph, equation, 1, indices)
    axes = tuple(numbers.start_index_map)
    if indices.known is not None and indices.known.ndim == 1 and not numbers.operand_batching_dims:
        return _window(graph, equation, value, dict(zip(axes, indices.known.tolist(), strict=True)))
    if len(axes) != 1 or tuple(numbers.collapsed_slice_dims) != axes:
        raise ExportError("places must be given along one axis, got 'gather' along several. Look up one at a time.")
    (axis,) = axes
    places = _reshaped(graph, indices, equation.invars[1].aval.shape[:-1])
    batch = tuple(numbers.operand_batching_dims)
    if batch:
        others = tuple(place for place in range(len(shape)) if place != axis)
        if batch != others or batch != tuple(numbers.start_indices_batching_dims) or len(places.shape) != len(shape):
            raise ExportError("places must be given for every row, got another 'gather'. Use take_along_axis.")
        return graph.op("GatherElements", [value, places], out, axis=axis)
    cut = tuple(1 if place == axis else size for place, size in enumerate(shape))
    kept = tuple(range(axis)) + tuple(range(axis + len(places.shape), len(out)))
    if any(a != b for a, b in zip(sizes, cut, strict=True)) or tuple(numbers.offset_dims) != kept:
        raise ExportError("places must be of whole slices, got another 'gather'. Use array[places].")
    return graph.op("Gather", [value, places], out, axis=axis)


def _window(graph: Graph, equation: Any, value: Tensor, starts: dict[int, int]) -> Tensor:
    """A part of an array, cut out by its first places."""
    sizes = equation.params["slice_sizes"]
    first = [starts.get(axis, 0) for axis in range(len(sizes))]
    last = [size if not isinstance(size, int) else begin + size for begin, size in zip(first, sizes, strict=True)]
    cut = _cut(graph, value, first, last, (1,) * len(sizes), sizes)
    dropped = equation.params["dimension_numbers"].collapsed_slice_dims
    return _reshaped(graph, cut, [size for axis, size in enumerate(sizes) if axis not in dropped])


def convolution(graph: Graph, equation: Any, images: Tensor, kernels: Tensor) -> Tensor:
    """Images against kernels, of any number of axes."""
    given = equation.params
    layout = given["dimension_numbers"]
    if any(step != 1 for step in given["lhs_dilation"]) or given["batch_group_count"] != 1:
        raise ExportError("a convolution must not be transposed to be exported, got one that is. Use a plain one.")
    images = _ordered(graph, whole(graph, equation, 0, images), layout.lhs_spec)
    kernels = _ordered(graph, whole(graph, equation, 1, kernels), layout.rhs_spec)
    out = equation.outvars[0].aval.shape
    low, high = zip(*given["padding"], strict=True)
    made = graph.op(
        "Conv", [images, kernels], tuple(out[axis] for axis in layout.out_spec), strides=list(given["window_strides"]),
        pads=[*low, *high], dilations=list(given["rhs_dilation"]), group=given["feature_group_count"],
    )  # fmt: skip
    return _ordered(graph, made, np.argsort(layout.out_spec))


def _pool(kind: str) -> Any:
    """The largest or the mean of each window, over the axes between the first and the last."""

    def add(graph: Graph, equation: Any, images: Tensor, *_: Tensor) -> Tensor:
        given = equation.params
        window, strides, padding = given["window_dimensions"], given["window_strides"], given["padding"]
        dilated = any(step != 1 for key in ("base_dilation", "window_dilation") for step in given[key])
        images = whole(graph, equation, 0, images)
        fixed = (0, len(window) - 1)
        if len(window) < 3 or dilated or any(window[a] != 1 or strides[a] != 1 or any(padding[a]) for a in fixed):
            raise ExportError(
                f"a window must lie within an image, got another {equation.primitive.name!r}. Pool images."
            )
        last_first = (0, len(window) - 1, *range(1, len(window) - 1))
        low, high = zip(*padding[1:-1], strict=True)
        out = equation.outvars[0].aval.shape
        extra: dict[str, Any] = {"count_include_pad": 1} if kind == "AveragePool" else {}
        made = graph.op(
            kind, [_ordered(graph, images, last_first)], tuple(out[axis] for axis in last_first),
            kernel_shape=list(window[1:-1]), strides=list(strides[1:-1]), pads=[*low, *high], **extra,
        )  # fmt: skip
        made = _ordered(graph, made, np.argsort(last_first))
        if kind == "AveragePool":  # the sum is the mean of so many
            return graph.op("Mul", [made, graph.constant(np.prod(window), made.dtype)], made.shape)
        return made

    return add


def _ordered(graph: Graph, value: Tensor, order: Any) -> Tensor:
    order = [int(axis) for axis in order]
    if value.known is not None:
        return graph.constant(value.known.transpose(order))
    return graph.op("Transpose", [value], tuple(value.shape[axis] for axis in order), perm=order)


HANDLERS = {
    "broadcast_in_dim": broadcast_in_dim,
    "reshape": reshape,
    "squeeze": squeeze,
    "expand_dims": expand_dims,
    "transpose": transpose,
    "concatenate": concatenate,
    "tile": tile,
    "stack": stack,
    "unstack": unstack,
    "split": split,
    "slice": slice_,
    "dynamic_slice": dynamic_slice,
    "rev": reverse,
    "pad": pad,
    "iota": iota,
    "sort": sort,
    "top_k": top_k,
    "cumsum": cumsum,
    "cumprod": _running("Mul"),
    "cummax": _running("Max"),
    "cummin": _running("Min"),
    "gather": gather,
    "conv_general_dilated": convolution,
    "reduce_window_max": _pool("MaxPool"),
    "reduce_window_sum": _pool("AveragePool"),
}
"""By the primitive's name."""
