"""A table's columns as inputs of an ONNX graph, encoded there as `tables.encode` does it, and a table as those inputs.

What ONNX has no word for: a missing number is NaN, a missing text is "" (or, where "" is a value that the fit saw,
"<missing>"), a time is its seconds since 1970 in UTC.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.export.graph import ExportError, Graph, Tensor
from trivium.tables.columns import arrow_columns, kind_of, levels, numbers, times
from trivium.tables.encode import FARTHEST
from trivium.tables.schema import Column, Schema

TYPES = {"double": float, "float": np.float32, "int64": np.int64, "int32": np.int32, "bool": bool, "string": object}
"""What an input may be: ONNX's names."""

MATRIX = "X"
"""The one input of a model that learned from an array of numbers, (N, n_features)."""


def input_types(schema: Schema, matrix: bool, wanted: Mapping[str, str] | None = None) -> dict[str, np.dtype]:
    """The type of each input, by name.

    matrix  whether one input holds all columns
    wanted  ONNX's names of types for some inputs
    Raises ExportError for an input that is not there or a type that its column cannot be.
    """
    usual = {MATRIX: np.dtype(float)} if matrix else {column.name: _usual(column) for column in schema.columns}
    for name, type_name in (wanted or {}).items():
        if name not in usual:
            raise ExportError(f"input_types must name inputs, got {name!r}. There are {', '.join(list(usual)[:20])}.")
        texts = usual[name].kind == "O"
        allowed = ("string", "int64", "int32", "bool") if texts else ("double", "float", "int64", "int32", "bool")
        if type_name not in allowed:
            raise ExportError(
                f"input_types must hold {', '.join(allowed)} for {name!r}, got {type_name!r}. Choose one of them."
            )
        usual[name] = np.dtype(TYPES[type_name])
    return usual


def _usual(column: Column) -> np.dtype:
    if column.kind == "category":
        return np.dtype(object)
    return np.dtype(bool if column.kind == "boolean" and not column.missing else float)


def add_columns(graph: Graph, schema: Schema, types: Mapping[str, np.dtype], n_features: int) -> Tensor:
    """Inputs for every column and what the network takes of them, (N, n_inputs) float32.

    n_features  columns of the matrix, where one input holds them all
    """
    for column in schema.columns:
        if column.kind not in ("number", "boolean", "time", "category"):
            raise ExportError(
                f"column {column.name!r} must be of numbers, booleans, times or categories to be exported, got one of "
                f"kind {column.kind!r}. Drop it, or keep the model in its own format: `save`."
            )
    if MATRIX in types and len(types) == 1 and [column.name for column in schema.columns] != [MATRIX]:
        given = graph.input(MATRIX, (graph.batch, n_features), types[MATRIX], "numbers, NaN where missing")
        places = [int(column.name[1:]) for column in schema.columns]
        given = graph.cast(given, float)
        if places != list(range(n_features)):
            given = _columns_of(graph, given, places)
        return _joined(graph, _numbers(graph, schema.numeric, given))
    given = {
        column.name: graph.input(column.name, (graph.batch, 1), types[column.name], _doc(column))
        for column in schema.columns
    }
    parts = []
    if schema.numeric:
        values = _joined(graph, [graph.cast(given[column.name], float) for column in schema.numeric])
        parts += _numbers(graph, schema.numeric, values)
    parts += [_category(graph, column, given[column.name]) for column in schema.categories]
    return _joined(graph, parts)


def _numbers(graph: Graph, columns: tuple[Column, ...], values: Tensor) -> list[Tensor]:
    """Standardised numbers, and where they are missing."""
    shape = values.shape
    absent = graph.op("IsNaN", [values], shape, bool)
    centre = graph.constant([[column.centre for column in columns]], float)
    scale = graph.constant([[column.scale for column in columns]], float)
    scaled = graph.op("Div", [graph.op("Sub", [values, centre], shape), scale], shape)
    scaled = graph.op("Clip", [scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST)], shape)
    scaled = graph.cast(graph.op("Where", [absent, graph.constant(0.0), scaled], shape, float), np.float32)
    places = [place for place, column in enumerate(columns) if column.missing]
    return [scaled, graph.cast(_columns_of(graph, absent, places), np.float32)] if places else [scaled]


def _category(graph: Graph, column: Column, given: Tensor) -> Tensor:
    """A row of a table of codes: one for each level, one for the rarer ones together, one for nothing."""
    if given.dtype == bool:
        words = graph.constant("True", object), graph.constant("False", object)
        given = graph.op("Where", [given, *words], given.shape, object)
    given = graph.cast(given, object)
    width, n_levels = len(column.names_out), len(column.levels)
    codes = np.eye(n_levels + column.other, width, dtype=np.float32) if width > 1 or n_levels != 2 else [[1], [-1]]
    codes = np.concatenate([np.asarray(codes, np.float32), np.zeros((1, width), np.float32)])
    nothing = len(codes) - 1
    places = graph.op(
        "LabelEncoder", [given], given.shape, np.int64, domain="ai.onnx.ml",
        keys_strings=[*column.levels, missing_text(column)], values_int64s=[*range(n_levels), nothing],
        default_int64=n_levels if column.other else nothing,
    )  # fmt: skip
    places = graph.op("Reshape", [places, graph.constant([-1], np.int64)], (graph.batch,))
    return graph.op("Gather", [graph.constant(codes), places], (graph.batch, width), np.float32, axis=0)


def _columns_of(graph: Graph, values: Tensor, places: list[int]) -> Tensor:
    return graph.op("Gather", [values, graph.constant(places, np.int64)], (graph.batch, len(places)), axis=1)


def _joined(graph: Graph, parts: list[Tensor]) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    return graph.op("Concat", parts, (graph.batch, sum(part.shape[1] for part in parts)), axis=1)


def missing_text(column: Column) -> str:
    """What stands for a missing text in this column."""
    text = ""
    while text in column.levels:
        text = f"{text}<missing>"
    return text


def _doc(column: Column) -> str:
    if column.kind == "category":
        return f"a text; {missing_text(column)!r} where missing"
    unit = ", in seconds since 1970 UTC" if column.kind == "time" else ""
    return f"a {'number' if column.kind == 'time' else column.kind}{unit}; NaN where missing"


def described(schema: Schema, types: Mapping[str, np.dtype]) -> list[dict[str, Any]]:
    """The columns in JSON, for whoever finds the file."""
    names = {np.dtype(kind): name for name, kind in TYPES.items()}
    return [
        {"name": column.name, "kind": column.kind, "input": column.name if column.name in types else MATRIX,
         "type": names[types.get(column.name, types.get(MATRIX, np.dtype(float)))], "missing": _doc(column)}
        for column in schema.columns
    ]  # fmt: skip


def as_inputs(schema: Schema, types: Mapping[str, np.dtype], table: Any, n_features: int) -> dict[str, np.ndarray]:
    """A table (a frame with the schema's columns, or an array) as what ONNX Runtime takes: an array for each input."""
    arrays = arrow_columns(table)
    if MATRIX in types and len(types) == 1 and MATRIX not in arrays:
        given = np.stack([numbers(f"x{place}", arrays[f"x{place}"]) for place in range(n_features)], axis=1)
        return {MATRIX: given.astype(types[MATRIX])}
    return {
        column.name: _as_input(column, arrays[column.name], types[column.name])[:, None] for column in schema.columns
    }


def _as_input(column: Column, given: pa.Array, dtype: np.dtype) -> np.ndarray:
    kind = kind_of(column.name, given)
    if column.kind == "category":
        if kind == "empty":
            return np.full(len(given), missing_text(column), object)
        codes, names = levels(given)
        if kind == "boolean" and {"true", "false"} & set(column.levels):
            names = [name.lower() for name in names]
        values = np.array([*names, missing_text(column)], object)[codes]
        return values if dtype.kind == "O" else values.astype(dtype)
    if kind == "empty":
        return np.full(len(given), np.nan).astype(dtype)
    if kind == "category" and column.kind == "time":
        given = times(column.name, given)
    values = numbers(column.name, given)
    if dtype.kind in "bi" and np.isnan(values).any():
        raise ExportError(
            f"column {column.name!r} must be there in every row, got a missing value in row "
            f"{int(np.flatnonzero(np.isnan(values))[0])}. Export with input_types={{{column.name!r}: 'double'}}."
        )
    return values.astype(dtype)
