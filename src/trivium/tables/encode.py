"""A table becomes what a network takes: float32, scaled numbers and columns for levels, cycles and words."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from trivium.tables import dates, free_texts
from trivium.tables.arrays import Roomy, check_room, dense, in_rows, is_numeric, is_sparse
from trivium.tables.columns import (
    are_whole,
    arrow_column,
    arrow_columns,
    kind_of,
    levels,
    numbers,
    numbers_as_keys,
    texts,
    times,
)
from trivium.tables.read import TableError, suggestion
from trivium.tables.record import Column, Schema, scaler_of

ROWS = 1 << 15
"""Rows of a column handled at once, so that memory does not grow with the table."""


def check_frame(schema: Schema, frame: nw.DataFrame) -> nw.DataFrame:
    """The frame's columns that the schema knows, in its order; further ones are left out with a warning.

    Raises TableError that names every missing column.
    """
    known, given = {entry.name for entry in (*schema.columns, *schema.dropped)}, frame.columns
    there = set(given)
    names = [column.name for column in schema.distinct]
    missing = [name for name in names if name not in there]
    if missing:
        others = [name for name in given if name not in known]
        problems = [f"column {name!r} must be there as at fit, got none. {suggestion(name, others)}" if others else
                    f"column {name!r} must be there as at fit, got none. Add it." for name in missing]  # fmt: skip
        raise TableError("\n".join(problems))
    extra = [name for name in given if name not in known]
    if extra:
        warnings.warn(f"columns that were not there at fit are ignored: {', '.join(extra)}.", stacklevel=5)
    return frame.select(names)


def named(names: Iterable[str], X: np.ndarray | Any) -> nw.DataFrame:
    """The columns of an array under the names that the fit saw."""
    if is_sparse(X):
        check_room(*X.shape)
        X = dense(X)
    columns = arrow_columns(X).values()
    return nw.from_native(pa.table(dict(zip(names, columns, strict=True))), eager_only=True)


def encode(schema: Schema, X: nw.DataFrame | np.ndarray | Any, *, room: int | None = None) -> np.ndarray:
    """(n_samples, n_inputs) float32, the columns named by `schema.feature_names_out`.

    room  rows to have a place for, so that training needs no copy: copies of rows stand behind, see `arrays.Roomy`
    A missing number is 0, which is at its mean under the standard scaling, with a column that says so where the fit saw
    one missing. A missing category is zero everywhere; so is one never seen, unless rare levels share a column, which
    it joins. The cycles of a missing time and the words of a missing text are zero.
    Raises TableError for a value that the column cannot hold, naming column, row and value, and for a sparse matrix
    that does not fit into memory.
    """
    n, width = X.shape[0], len(schema.feature_names_out)
    streamed = block_encoder(schema, X)
    if streamed is not None:
        if is_sparse(X):
            check_room(n, width)
        X, out = in_rows(X), Roomy.empty(n, room or n, width)
        for first, last in free_texts.chunks(n, ROWS):
            streamed(X[first:last], first, out[first:last])
        out.fill_up()
        return out
    X = dense(in_rows(X)) if is_sparse(X) else X
    out = Roomy.empty(n, room or n, width)
    out[...] = 0
    problems = []
    spans, place, indicator = schema.spans, 0, len(schema.numeric)
    for column in schema.columns:
        try:
            given = arrow_column(X, column.name)
            if column.values:
                continue  # known by its codes alone
            if column.kind == "category":
                _fill_category(column, given, out[:, spans[column.name]])
            elif column.kind == "text":
                _fill_text(column, given, out[:, spans[column.name]])
            else:
                given = _like_the_fit(column, given)
                absent = out[:, indicator : indicator + column.missing]
                _fill_numbers(column, given, out[:, place : place + 1], absent)
                if column.cycles:
                    _fill_cycles(column, given, out[:, spans[column.name]])
        except TableError as error:
            problems.append(str(error))
        if column.kind not in ("category", "text"):
            place += 1
            indicator += column.missing
    if problems:
        raise TableError("\n".join(problems))
    out.fill_up()
    return out


def block_encoder(schema: Schema, X: Any) -> Callable[..., np.ndarray] | None:
    """What encodes a block of rows of X, where X is an array of numbers, dense or sparse; None where it is no such one.

    The function takes a block X[first:last], the number of its first row, and where to write it, (rows, n_inputs)
    float32, which is made where it is not given and is returned. A row comes out the same to the bit in every block.
    """
    places = schema.places_in_array
    if places is None or not is_numeric(X):
        return None
    fill = of_numbers(schema)
    if len(places) == X.shape[1]:
        return fill
    return lambda block, first=0, out=None: fill(dense(block)[:, places], first, out)


def of_numbers(schema: Schema) -> Callable[..., np.ndarray]:
    """The same for blocks that hold the columns of a schema of numbers, and no others."""
    scaler = schema.scaler

    def encoded(block: Any, first: int = 0, out: np.ndarray | None = None) -> np.ndarray:
        values = dense(block)
        out = np.empty((len(values), scaler.width), np.float32) if out is None else out
        scaler.fill(out, values, first)
        return out

    return encoded


def is_plain(X: Any, n_features: int) -> bool:
    """Whether X is an array of float32 or float64 numbers, (n_samples, n_features), that needs no further look."""
    return (
        type(X) is np.ndarray and X.dtype.kind == "f" and X.itemsize in (4, 8) and X.ndim == 2
        and X.shape[1] == n_features and len(X) > 0
    )  # fmt: skip


def codes(schema: Schema, X: nw.DataFrame | np.ndarray | Any) -> np.ndarray:
    """(n_samples, n_categories) int32, a number per category and row, below its entry of `schema.cardinalities`.

    0 where it is missing, 1 where its level is none of the known ones, 2 + i for `levels[i]`.
    """
    out = np.empty((X.shape[0], len(schema.categories)), np.int32)
    for place, column in enumerate(schema.categories):
        found = places(column, arrow_column(X, column.name))
        n = len(column.levels)
        out[:, place] = np.where(found == n + 1, 0, np.where(found == n, 1, found + 2))
    return out


def places(column: Column, given: pa.Array) -> np.ndarray:
    """Of each value of a category, the row of `column.table` that it becomes, (n,)."""
    n = len(column.levels)
    kind = kind_of(column.name, given)
    if kind == "empty":
        return np.full(len(given), n + 1)
    if column.values:
        return _places_of_numbers(column, numbers(column.name, given))
    found, names = levels(given)
    place_of = {name: place for place, name in enumerate(column.levels)}
    if kind == "boolean" and not place_of.keys().isdisjoint(("true", "false")):
        names = [name.lower() for name in names]
    of_names = [place_of.get(name, place_of.get(_other_spelling(name), n)) for name in names]
    return np.array([*of_names, n + 1])[found]


def _places_of_numbers(column: Column, given: np.ndarray) -> np.ndarray:
    """The same of a category whose levels are numbers."""
    known = np.array(column.values)
    keys, order = numbers_as_keys(given, whole=are_whole(known)), np.argsort(known)
    near = order[np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)]
    return np.where(np.isnan(keys), len(known) + 1, np.where(known[near] == keys, near, len(known)))


def _other_spelling(name: str) -> str:
    """Of a whole number, with or without its ".0": one gap in a column of them makes pandas write all with it."""
    return name[:-2] if name.endswith(".0") else f"{name}.0"


def _like_the_fit(column: Column, given: pa.Array) -> pa.Array:
    """Numbers or times as at fit, texts read as such. Raises TableError for what cannot be."""
    kind = kind_of(column.name, given)
    if kind == "empty":
        return pa.nulls(len(given), pa.timestamp("s", column.zone or None) if column.kind == "time" else pa.float64())
    if kind == "category" and column.kind == "time":
        kind, given = "time", times(column.name, given)
    if (kind == "time") != (column.kind == "time"):
        raise TableError(
            f"column {column.name!r} must hold {column.kind}s as at fit, got {given.type}. "
            "Convert it to what the fit saw."
        )
    if kind == "time":
        dates.check_like(column.name, given.type, column.form, column.zone)
    return given


def _fill_numbers(column: Column, given: pa.Array, out: np.ndarray, absent: np.ndarray) -> None:
    """Fill out (n, 1), and absent (n, 1), or (n, 0) where the fit saw none missing."""
    scaler = scaler_of((column,))
    for first, last in free_texts.chunks(len(given), ROWS):
        block = np.empty((last - first, scaler.width), np.float32)
        scaler.fill(block, numbers(column.name, given.slice(first, last - first), first)[:, None], first)
        out[first:last] = block[:, :1]
        absent[first:last] = block[:, 1:]


def _fill_cycles(column: Column, given: pa.Array, out: np.ndarray) -> None:
    for first, last in free_texts.chunks(len(given), ROWS):
        clock = dates.by_the_clock(column.name, given.slice(first, last - first), column.zone)
        dates.fill(out[first:last], clock, column.cycles)


def _fill_category(column: Column, given: pa.Array, out: np.ndarray) -> None:
    found, table = places(column, given), column.table
    present = found <= len(column.levels)
    if len(given) > 1 and not column.other and present.any() and not (found < len(column.levels)).any():
        first = texts(given)[int(np.argmax(present))].as_py()
        warnings.warn(
            f"column {column.name!r} holds no value that the fit saw: {first!r} and the like, where the fit saw "
            f"{column.levels[0]!r}. It counts as missing in every row.",
            stacklevel=2,
        )
    for first, last in free_texts.chunks(len(given), ROWS):
        out[first:last] = table[found[first:last]]


def _fill_text(column: Column, given: pa.Array, out: np.ndarray) -> None:
    """Fill out (n, facts and hashed words), which is zero."""
    n_facts = len(column.facts)
    if kind_of(column.name, given) == "empty":
        return
    for first, last in free_texts.chunks(len(given), ROWS):
        found, different = free_texts.distinct(texts(given.slice(first, last - first)))
        table = np.zeros((len(different) + 1, out.shape[1]), np.float32)  # the last is that of missing texts
        for place, values in enumerate(free_texts.standardised(column.facts, different)):
            table[:-1, place] = values
        if column.hashed:
            free_texts.fill_words(table[:-1, n_facts:], different)
        out[first:last] = table[found]
