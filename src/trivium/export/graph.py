"""An ONNX graph as it grows: its nodes, its constants, and what is known of the shapes of its arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OPSET, ML_OPSET, IR_VERSION = 18, 3, 8
"""Of December 2022: what ONNX Runtime 1.14 and later run."""


class ExportError(ValueError):
    """A model that has no equivalent in the other format; the message says what stands in the way."""


@dataclass(frozen=True)
class Tensor:
    """An array of the graph.

    shape  as the graph has it: an axis may be 1 here where the program has more, for ONNX repeats by itself
    known  the value, where it does not depend on the inputs
    """

    name: str
    shape: tuple[Any, ...]
    dtype: np.dtype
    known: np.ndarray | None = None


class Graph:
    """Nodes in the order in which they compute; every method that adds one returns its output."""

    def __init__(self, batch: Any):
        self.onnx = import_onnx()
        self.batch = batch  # the size of an axis of rows, a symbol that only equals itself
        self.nodes: list[Any] = []
        self.initializers: dict[tuple, Any] = {}
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._rows: Tensor | None = None  # the first input, which tells the number of rows
        self._shapes: dict[Any, Tensor] = {}

    def input(self, name: str, shape: Sequence[Any], dtype: Any, doc: str = "") -> Tensor:
        """An input; an axis of rows is called `N`."""
        tensor = Tensor(name, tuple(shape), np.dtype(dtype))
        sizes = [size if isinstance(size, int) else "N" for size in shape]
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, self.type_of(tensor.dtype), sizes, doc))
        self._rows = self._rows or tensor
        return tensor

    def output(self, tensor: Tensor, name: str, shape: Sequence[Any]) -> None:
        """Name an array as an output; an underscore more where an input has that name."""
        name = f"{name}_" if any(name == given.name for given in self.inputs) else name
        tensor = self.whole(tensor, shape)
        self.nodes.append(self.onnx.helper.make_node("Identity", [self.named(tensor)], [name], name=f"/{name}"))
        sizes = [size if isinstance(size, int) else "N" for size in shape]
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, self.type_of(tensor.dtype), sizes))

    def constant(self, value: Any, dtype: Any = None) -> Tensor:
        """An array that does not depend on the inputs; it enters the file once somebody needs it."""
        value = np.asarray(value, dtype)
        return Tensor("", value.shape, value.dtype, value)

    def op(
        self, kind: str, inputs: Sequence[Tensor], shape: Sequence[Any], dtype: Any = None, *, domain: str = "", **given
    ) -> Tensor:
        """Add a node of one output.

        dtype  of the output; None: that of the first input
        """
        dtype = inputs[0].dtype if dtype is None else np.dtype(dtype)
        return self.ops(kind, inputs, [(tuple(shape), dtype)], domain=domain, **given)[0]

    def ops(
        self, kind: str, inputs: Sequence[Tensor], outputs: Sequence[tuple], *, domain: str = "", **given
    ) -> list[Tensor]:
        """Add a node of several outputs, each given as (shape, dtype)."""
        place = len(self.nodes)
        made = [Tensor(f"/{kind}_{place}_{k}", shape, np.dtype(dtype)) for k, (shape, dtype) in enumerate(outputs)]
        names = [self.named(tensor) for tensor in inputs]
        node = self.onnx.helper.make_node(
            kind, names, [tensor.name for tensor in made], name=f"/{kind}_{place}", domain=domain, **given
        )
        self.nodes.append(node)
        return made

    def named(self, tensor: Tensor) -> str:
        """The name of an array in the file; a constant is written down at its first use."""
        if tensor.known is None:
            return tensor.name
        value = np.ascontiguousarray(tensor.known).reshape(tensor.known.shape)
        content = tuple(value.ravel().tolist()) if value.dtype.kind == "O" else value.tobytes()
        key = (value.dtype.str, value.shape, content)
        if key not in self.initializers:
            name = f"/constant_{len(self.initializers)}"
            self.initializers[key] = self.onnx.numpy_helper.from_array(value, name)
        return self.initializers[key].name

    def whole(self, tensor: Tensor, shape: Sequence[Any]) -> Tensor:
        """The same array with everything that ONNX would repeat by itself repeated."""
        shape = tuple(shape)
        if tensor.known is not None and all(isinstance(size, int) for size in shape):
            return self.constant(np.broadcast_to(tensor.known, shape))
        if same(tensor.shape, shape):
            return tensor
        return self.op("Expand", [tensor, self.shape_of(shape)], shape)

    def shape_of(self, shape: Sequence[Any]) -> Tensor:
        """A shape as an array that the graph can take."""
        if all(isinstance(size, int) for size in shape):
            return self.constant(shape, np.int64)
        key = tuple(size if isinstance(size, int) else str(size) for size in shape)
        if key not in self._shapes:
            self._shapes[key] = self.op("Concat", [self._size(size) for size in shape], (len(shape),), np.int64, axis=0)
        return self._shapes[key]

    def cast(self, tensor: Tensor, dtype: Any) -> Tensor:
        dtype = np.dtype(dtype)
        if tensor.dtype == dtype:
            return tensor
        if tensor.known is not None and dtype.kind != "O":
            return self.constant(tensor.known.astype(dtype))
        return self.op("Cast", [tensor], tensor.shape, dtype, to=self.type_of(dtype))

    def type_of(self, dtype: np.dtype) -> int:
        """ONNX's number for a type; an array of objects holds texts."""
        if dtype.kind == "O":
            return self.onnx.TensorProto.STRING
        return self.onnx.helper.np_dtype_to_tensor_dtype(dtype)

    def model(self, name: str, doc: str, metadata: dict[str, str]) -> Any:
        """The finished model, checked. Nodes on which no output depends are left out."""
        helper = self.onnx.helper
        wanted = {output.name for output in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                kept.append(node)
                wanted |= set(node.input)
        constants = [tensor for tensor in self.initializers.values() if tensor.name in wanted]
        graph = helper.make_graph(kept[::-1], name, self.inputs, self.outputs, constants, doc)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="trivium")
        helper.set_model_props(model, metadata)
        self.onnx.checker.check_model(model)
        return model

    def _size(self, size: Any) -> Tensor:
        """The length of an axis, (1,)."""
        if isinstance(size, int):
            return self.constant([size], np.int64)
        if self._rows is None:
            raise ExportError(f"a graph must have an input before an array as long as its rows, got length {size}.")
        times, rest = divmod(size, self.batch)
        if times != 1 or rest != 0:
            if not isinstance(times, int) or not isinstance(rest, int):
                raise ExportError(
                    f"an array must be a multiple of the rows long to be exported, got the length {size}."
                )
            length = self.op("Mul", [self._size(self.batch), self.constant([times], np.int64)], (1,))
            return self.op("Add", [length, self.constant([rest], np.int64)], (1,))
        if "N" not in self._shapes:
            place = next(place for place, size in enumerate(self._rows.shape) if not isinstance(size, int))
            self._shapes["N"] = self.op("Shape", [self._rows], (1,), np.int64, start=place, end=place + 1)
        return self._shapes["N"]


def same(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether two shapes agree; a symbol and a number never do."""
    return len(some) == len(others) and all(
        isinstance(a, int) == isinstance(b, int) and bool(a == b) for a, b in zip(some, others, strict=True)
    )


def import_onnx() -> Any:
    """The package onnx with the parts that are used. Raises ModuleNotFoundError that names the extra."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "to_onnx must have the package onnx, got none. Install it: pip install 'trivium[onnx]'.", name="onnx"
        ) from error
    return onnx
