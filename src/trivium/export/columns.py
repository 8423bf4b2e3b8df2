"""A table's columns as inputs of an ONNX graph, encoded there as `tables.encode` does it, and a table as those inputs.

What ONNX has no word for: a missing number is NaN, a missing text is "" (or, where "" is a value that the fit saw,
"<missing>"), a moment is its seconds since 1970 in UTC, a time of day its seconds since midnight, a duration its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from trivium.export import dates
from trivium.export.graph import ExportError, Graph, Tensor
from trivium.export.quantiles import gaussian_ranks
from trivium.tables.arrays import dense, in_rows, is_numeric
from trivium.tables.columns import are_whole, arrow_column, kind_of, levels, numbers, times
from trivium.tables.encode import encode
from trivium.tables.record import Column, Schema
from trivium.tables.scaling import FARTHEST, Scaler

TYPES = {"double": float, "float": np.float32, "int64": np.int64, "int32": np.int32, "bool": bool, "string": object}
"""What an input may be: ONNX's names."""

MATRIX = "X"
"""The one input of a model that learned from an array of numbers, (N, n_features)."""

ENCODED = " encoded"
"""Behind the name of a free text that enters as the numbers that its words become."""


def input_types(schema: Schema, matrix: bool, wanted: Mapping[str, str] | None = None) -> dict[str, np.dtype]:
    """The type of each input, by name.

    matrix  whether one input holds all columns
    wanted  ONNX's names of types for some inputs
    Raises ExportError for an input that is not there or a type that its column cannot be.
    """
    usual = {MATRIX: np.dtype(float)} if matrix else dict(map(_usual, schema.distinct))
    for name, type_name in (wanted or {}).items():
        if name not in usual:
            raise ExportError(f"types must name inputs, got {name!r}. There are {', '.join(list(usual)[:20])}.")
        texts = usual[name].kind == "O"
        allowed = ("string", "int64", "int32", "bool") if texts else ("double", "float", "int64", "int32", "bool")
        if type_name not in allowed:
            raise ExportError(f"types must hold {', '.join(allowed)} for {name!r}, got {type_name!r}. Choose one.")
        usual[name] = np.dtype(TYPES[type_name])
    return usual


def _usual(column: Column) -> tuple[str, np.dtype]:
    """Name and type of a column's input."""
    if column.kind == "text":
        return f"{column.name}{ENCODED}", np.dtype(np.float32)
    if column.kind == "category":
        return column.name, np.dtype(object)
    return column.name, np.dtype(bool if column.kind == "boolean" and not column.missing else float)


def add_columns(
    graph: Graph, schema: Schema, types: Mapping[str, np.dtype], n_features: int | None, coded: Sequence[str] = ()
) -> Tensor:
    """Inputs for every column and what the network takes of them, (N, n_inputs) float32.

    n_features  columns of the one matrix that is the input; None: an input per column
    coded       categories that the network takes as the number of their level, behind everything else
    """
    if n_features is not None:
        matrix = graph.input(MATRIX, (graph.batch, n_features), types[MATRIX], "numbers, NaN where missing")
        places = [int(column.name[1:]) for column in schema.numeric]
        matrix = graph.cast(matrix, float)
        values = matrix if places == list(range(n_features)) else _columns_of(graph, matrix, places)
        parts = _numbers(graph, schema, values)
        for column in schema.categories:
            parts.append(_code_of_number(graph, column, _columns_of(graph, matrix, [int(column.name[1:])])))
        return _joined(graph, parts)
    given = {column.name: _input(graph, column, types) for column in schema.distinct}
    parts = []
    if schema.numeric:
        values = _joined(graph, [graph.cast(given[column.name], float) for column in schema.numeric])
        parts += _numbers(graph, schema, values)
    for column in schema.wide:
        if column.name in coded:
            continue
        if column.kind == "category":
            parts.append(_category(graph, column, given[column.name], column.table))
        elif column.kind == "text":
            parts.append(given[column.name])
        else:
            seconds = graph.cast(given[column.name], float)
            parts.append(dates.cycles(graph, seconds, column.cycles, column.zone))
    for column in schema.categories:
        if column.values:
            parts.append(_code_of_number(graph, column, graph.cast(given[column.name], float)))
        elif column.name in coded:  # as `encode.codes` numbers them
            codes = np.array([*range(2, len(column.levels) + 2), 1, 0], np.float32)
            parts.append(_category(graph, column, given[column.name], codes[:, None]))
    return _joined(graph, parts)


def _input(graph: Graph, column: Column, types: Mapping[str, np.dtype]) -> Tensor:
    name, _ = _usual(column)
    width = len(column.names_out) if column.kind == "text" else 1
    return graph.input(name, (graph.batch, width), types[name], _doc(column))


def _numbers(graph: Graph, schema: Schema, values: Tensor) -> list[Tensor]:
    """Scaled numbers, and where they are missing."""
    scaler, shape = schema.scaler, values.shape
    absent = graph.op("IsNaN", [values], shape, bool)
    scaled = _scaled(graph, scaler, values)
    scaled = graph.cast(graph.op("Where", [absent, graph.constant(0.0), scaled], shape, float), np.float32)
    places = np.flatnonzero(scaler.missing).tolist()
    return [scaled, graph.cast(_columns_of(graph, absent, places), np.float32)] if places else [scaled]


def _scaled(graph: Graph, scaler: Scaler, values: Tensor) -> Tensor:
    """Numbers at the scale of a network; of a missing one, anything."""
    shape = values.shape
    if scaler.knots is not None:
        return gaussian_ranks(graph, values, scaler.knots)
    scaled = graph.op("Sub", [values, graph.constant(scaler.centre[None], float)], shape)
    scaled = graph.op("Div", [scaled, graph.constant(scaler.scale[None], float)], shape)
    scaled = graph.op("Clip", [scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST)], shape)
    if scaler.scaling == "robust":
        third = graph.op("Div", [scaled, graph.constant(3.0)], shape)
        size = graph.op("Add", [graph.op("Mul", [third, third], shape), graph.constant(1.0)], shape)
        scaled = graph.op("Div", [scaled, graph.op("Sqrt", [size], shape)], shape)
    return scaled


def _category(graph: Graph, column: Column, given: Tensor, table: np.ndarray) -> Tensor:
    """The row of a table that a level has, with one for levels that are not known and one for what is missing."""
    if given.dtype == bool:
        words = graph.constant("True", object), graph.constant("False", object)
        given = graph.op("Where", [given, *words], given.shape, object)
    given = graph.cast(given, object)
    n = len(column.levels)
    place_of = {name: place for place, name in enumerate(column.levels)} | {missing_text(column): n + 1}
    for name, place in list(place_of.items()):
        if name.lstrip("-").isdigit():  # pandas writes a whole number with .0 where one of the column is missing
            place_of.setdefault(f"{name}.0", place)
        elif name.lstrip("-").removesuffix(".0").isdigit():
            place_of.setdefault(name.removesuffix(".0"), place)
    places = graph.op(
        "LabelEncoder", [given], given.shape, np.int64, domain="ai.onnx.ml",
        keys_strings=list(place_of), values_int64s=list(place_of.values()), default_int64=n,
    )  # fmt: skip
    places = graph.op("Reshape", [places, graph.constant([-1], np.int64)], (graph.batch,))
    return graph.op("Gather", [graph.constant(table), places], (graph.batch, table.shape[1]), np.float32, axis=0)


def _code_of_number(graph: Graph, column: Column, given: Tensor) -> Tensor:
    """The code of a number that is a category as well, (N, 1) float32 from (N, 1) float64, as `encode.codes` has it."""
    shape, kinds, codes = given.shape, column.values, range(2, len(column.values) + 2)
    unknown, missing = graph.constant(1.0, np.float32), graph.constant(0.0, np.float32)
    if are_whole(np.array(kinds)):
        whole = graph.cast(given, np.int64)
        found = graph.op(
            "LabelEncoder", [whole], shape, np.float32, domain="ai.onnx.ml",
            keys_int64s=list(map(int, kinds)), values_floats=list(map(float, codes)), default_float=1.0,
        )  # fmt: skip
        is_whole = graph.op("Equal", [graph.cast(whole, float), given], shape, bool)
        found = graph.op("Where", [is_whole, found, unknown], shape, np.float32)
    else:
        found = graph.op(
            "LabelEncoder", [graph.cast(given, np.float32)], shape, np.int64, domain="ai.onnx.ml",
            keys_floats=list(kinds), values_int64s=list(codes), default_int64=1,
        )  # fmt: skip
        found = graph.cast(found, np.float32)
    return graph.op("Where", [graph.op("IsNaN", [given], shape, bool), missing, found], shape, np.float32)


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
    if column.kind == "text":
        return "the numbers that the words become, as trivium.export.model.onnx_inputs makes them"
    if column.kind == "category":
        return f"a text; {missing_text(column)!r} where missing"
    if column.kind == "time":
        since = {"clock": "seconds since midnight", "duration": "seconds"}.get(column.form, "seconds since 1970 in UTC")
        return f"{since}; NaN where missing"
    return f"a {column.kind}; NaN where missing"


def described(schema: Schema, types: Mapping[str, np.dtype]) -> list[dict[str, Any]]:
    """The columns, as JSON can hold them, for whoever finds the file."""
    names = {np.dtype(kind): name for name, kind in TYPES.items()}
    found = []
    for column in schema.distinct:
        name = _usual(column)[0] if MATRIX not in types or len(types) > 1 else MATRIX
        found.append({"name": column.name, "input": name, "type": names[types[name]], "holds": _doc(column)})
    return found


def as_inputs(schema: Schema, types: Mapping[str, np.dtype], table: Any, matrix: bool) -> dict[str, np.ndarray]:
    """A table (a frame with the schema's columns, or an array) as what ONNX Runtime takes: an array for each input."""
    if matrix:
        if is_numeric(table):
            return {MATRIX: dense(in_rows(table)).astype(types[MATRIX])}
        columns = [numbers(f"x{place}", arrow_column(table, f"x{place}")) for place in range(table.shape[1])]
        return {MATRIX: np.stack(columns, axis=1).astype(types[MATRIX])}
    inputs = {}
    for column in schema.distinct:
        name, _ = _usual(column)
        inputs[name] = _as_input(column, arrow_column(table, column.name), types[name])
    return inputs


def _as_input(column: Column, given: pa.Array, dtype: np.dtype) -> np.ndarray:
    """A column (n, 1), or the words of a text (n, width)."""
    kind = kind_of(column.name, given)
    if column.kind == "text":
        return _words(column, given)
    if column.kind == "category":
        codes, names = (np.full(len(given), -1), []) if kind == "empty" else levels(given)
        if kind == "boolean" and {"true", "false"} & set(column.levels):
            names = [name.lower() for name in names]
        if dtype.kind != "O":
            return _as_wholes(column, codes, names).astype(dtype)[:, None]
        return np.array([*names, missing_text(column)], object)[codes][:, None]
    if kind == "empty":
        values = np.full(len(given), np.nan)
    else:
        values = numbers(
            column.name, times(column.name, given) if kind == "category" and column.kind == "time" else given
        )
    if dtype.kind in "bi":
        _refuse_gaps(column, np.isnan(values), "double")
    return values.astype(dtype)[:, None]


def _as_wholes(column: Column, codes: np.ndarray, names: list[str]) -> np.ndarray:
    """The levels of a category as the whole numbers or truths that their texts name, (n,)."""
    _refuse_gaps(column, codes < 0, "string")
    truths = {"False": 0, "True": 1, "false": 0, "true": 1}
    try:
        return np.array([truths[name] if name in truths else int(name) for name in names])[codes]
    except ValueError as error:
        raise ExportError(
            f"column {column.name!r} must hold whole numbers or truths, got a text ({error}). Export with "
            f"types={{{column.name!r}: 'string'}}."
        ) from None


def _refuse_gaps(column: Column, absent: np.ndarray, instead: str) -> None:
    if absent.any():
        raise ExportError(
            f"column {column.name!r} must be there in every row, got a missing value in row "
            f"{int(np.flatnonzero(absent)[0])}. Export with types={{{column.name!r}: {instead!r}}}."
        )


def _words(column: Column, given: pa.Array) -> np.ndarray:
    """The part of the encoded rows that belongs to a free text."""
    alone = Schema((column,), ())
    return encode(alone, nw.from_native(pa.table({column.name: given}), eager_only=True))
