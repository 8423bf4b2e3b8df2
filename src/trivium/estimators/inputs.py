"""From a table to what a network takes: one-hot columns, or codes of the categories that are embedded."""

from typing import Any

import narwhals as nw
import numpy as np
from sklearn.utils.validation import validate_data

from trivium.compiling import in_eighths
from trivium.network import Layout
from trivium.tables import encode, read, streamed
from trivium.tables.arrays import in_rows
from trivium.tables.record import Schema
from trivium.tables.streamed import Encoded, Streamed


def length(y: Any) -> int | None:
    """How many rows there are, of whatever came as targets, not looked at yet; None where it has no length."""
    shape = getattr(y, "shape", None)
    if shape is None:
        return len(y) if hasattr(y, "__len__") else None
    return int(shape[0]) if shape else None


def table(estimator: Any, X: Any, *, first: bool) -> Any:
    """X as a frame, or as an array or sparse matrix; the first time, the estimator learns the columns' names."""
    frame = read.as_frame(X)
    if frame is None:
        X = validate_data(
            estimator, read.as_array(X), reset=first, dtype=None, ensure_all_finite=False, accept_sparse="csr"
        )
        named = not first and hasattr(estimator, "feature_names_in_")
        return encode.named(estimator.feature_names_in_, X) if named else X
    if not first:
        return encode.check_frame(estimator.schema_, frame)
    estimator.n_features_in_ = len(frame.columns)
    estimator.feature_names_in_ = np.asarray(frame.columns, dtype=object)
    return frame


def coded(schema: Schema, embed_above: int | str | None) -> list[str]:
    """The categories with more levels than that, which become codes; None, and "adaptive" at first: none does."""
    if embed_above is None or isinstance(embed_above, str):
        return []
    return [column.name for column in schema.categories if len(column.levels) > embed_above]


def layout(schema: Schema, coded: list[str]) -> Layout:
    """What stands where in rows that `encoded` makes: numbers, all else, codes; with room for some more of these, so
    that folds of a table share a program."""
    cardinalities = zip(schema.categories, schema.cardinalities, strict=True)
    rooms = (in_eighths(codes) for column, codes in cardinalities if column.name in coded)
    return Layout(len(schema.numeric), tuple(rooms))


def apart(schema: Schema, coded: list[str]) -> tuple[int, ...]:
    """Of each code how many levels tell rows apart: of a number that is a category as well none, as the number does."""
    of_codes = zip(schema.categories, schema.cardinalities, strict=True)
    return tuple(0 if column.values else levels for column, levels in of_codes if column.name in coded)


def places(schema: Schema, coded: list[str]) -> dict[str, list[int]]:
    """Where each column of a table stands in rows that `encoded` makes: a number and whether it is missing, levels, a
    code."""
    found = {column.name: [place] for place, column in enumerate(schema.numeric)}
    missing = [column.name for column in schema.numeric if column.missing]
    for place, name in enumerate(missing, len(schema.numeric)):
        found[name].append(place)
    first = schema.scaler.width
    for column in schema.wide:
        width = 0 if column.name in coded else len(column.names_out)
        found.setdefault(column.name, []).extend(range(first, first + width))
        first += width
    for place, name in enumerate((column.name for column in schema.categories if column.name in coded), first):
        found[name].append(place)
    return {column.name: found[column.name] for column in schema.columns}


def encoded(schema: Schema, X: Any, coded: list[str]) -> np.ndarray:
    """(n_samples, n_inputs) float32: `encode.encode` without the columns of coded categories, then their codes."""
    rows = encode.encode(schema, X)
    if not coded:
        return rows
    kept = np.ones(rows.shape[1], bool)
    for name in coded:
        kept[schema.spans[name]] = False
    places = [place for place, column in enumerate(schema.categories) if column.name in coded]
    return np.concatenate([rows[:, kept], encode.codes(schema, X)[:, places].astype(np.float32)], axis=1)


def held_or_streamed(schema: Schema, X: Any, coded: list[str]) -> Encoded:
    """`encoded`, or where that were too large, rows that are encoded part by part."""
    replaced = [schema.spans[name] for name in coded]
    width = len(schema.feature_names_out) - sum(span.stop - span.start - 1 for span in replaced)
    if not streamed.too_large(X.shape[0], width):
        return encoded(schema, X, coded)
    X = in_rows(X)
    by_block = None if coded else encode.block_encoder(schema, X)
    plain = schema.only_numbers and isinstance(X, nw.DataFrame)
    columns = streamed.columns_of(X, [column.name for column in schema.columns]) if plain else None
    if columns is not None:
        X, by_block = columns, encode.of_numbers(schema)

    def some(rows: Any, out: np.ndarray | None = None) -> np.ndarray:
        if by_block is not None:
            return by_block(rows, out=out)
        made = encoded(schema, rows, coded)
        if out is not None:
            out[...] = made
        return made

    return Streamed(some, X, width)
