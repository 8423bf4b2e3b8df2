"""A table becomes what a network takes: float32, standardised numbers and one column per level."""

import warnings
from collections.abc import Iterable

import narwhals as nw
import numpy as np
import pyarrow as pa

from trivium.tables.columns import arrow_columns, kind_of, levels, numbers, times
from trivium.tables.read import TableError, suggestion
from trivium.tables.schema import BLOCK, Column, Schema

FARTHEST = 1e6
"""Standard deviations from the mean beyond which an encoded number is cut off, so that float32 can square it."""


def check_frame(schema: Schema, frame: nw.DataFrame) -> nw.DataFrame:
    """The frame's columns that the schema knows, in its order; further ones are left out with a warning.

    Raises TableError that names every missing column.
    """
    known = [entry.name for entry in (*schema.columns, *schema.dropped)]
    missing = [column.name for column in schema.columns if column.name not in frame.columns]
    if missing:
        others = [name for name in frame.columns if name not in known]
        problems = [f"column {name!r} must be there as at fit, got none. {suggestion(name, others)}" if others else
                    f"column {name!r} must be there as at fit, got none. Add it." for name in missing]  # fmt: skip
        raise TableError("\n".join(problems))
    extra = [name for name in frame.columns if name not in known]
    if extra:
        warnings.warn(f"columns that were not there at fit are ignored: {', '.join(extra)}.", stacklevel=5)
    return frame.select([column.name for column in schema.columns])


def named(names: Iterable[str], X: np.ndarray) -> nw.DataFrame:
    """The columns of an array under the names that the fit saw."""
    columns = arrow_columns(X).values()
    return nw.from_native(pa.table(dict(zip(names, columns, strict=True))), eager_only=True)


def encode(schema: Schema, X: nw.DataFrame | np.ndarray) -> np.ndarray:
    """(n_samples, n_inputs) float32, the columns named by `schema.feature_names_out`.

    A missing number is at its mean, with a column that says so where the fit saw one missing; a missing category is
    zero everywhere, and so is one never seen, where rare levels have no column together.
    Raises TableError for a value that the column cannot hold, naming column, row and value.
    """
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf" and not schema.categories:
        return _encode_array(schema, X)
    columns = arrow_columns(X)
    n = len(X)
    out = np.zeros((n, len(schema.feature_names_out)), np.float32)
    place, problems = 0, []
    indicators = len(schema.numeric)
    for column in schema.numeric:
        try:
            values = _as_numbers(column, columns[column.name])
        except TableError as error:
            problems.append(str(error))
            continue
        absent = np.isnan(values)
        out[:, place] = _standardised(values, absent, column.centre, column.scale)
        place += 1
        if column.missing:
            out[:, indicators] = absent
            indicators += 1
    if problems:
        raise TableError("\n".join(problems))
    place = indicators
    for column in schema.categories:
        width = len(column.names_out)
        _one_hot(column, columns[column.name], out[:, place : place + width])
        place += width
    return out


def _as_numbers(column: Column, given: pa.Array) -> np.ndarray:
    kind = kind_of(column.name, given)
    if kind == "empty":
        return np.full(len(given), np.nan)
    if kind == "category" and column.kind == "time":
        kind, given = "time", times(column.name, given)
    if (kind == "time") != (column.kind == "time"):
        raise TableError(
            f"column {column.name!r} must hold {column.kind}s as at fit, got {given.type}. "
            "Convert it to what the fit saw."
        )
    return numbers(column.name, given)


def _standardised(values: np.ndarray, absent: np.ndarray, centre, scale) -> np.ndarray:
    with np.errstate(over="ignore"):
        scaled = values - np.asarray(centre, np.float64)
        scaled /= scale
        np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)
    if absent.any():
        scaled[absent] = 0.0
    return scaled


def _one_hot(column: Column, given: pa.Array, out: np.ndarray) -> None:
    """Fill out (n, width), which is zero."""
    kind = kind_of(column.name, given)
    if kind == "empty":
        return
    codes, names = levels(given)
    two = len(column.levels) == 2 and not column.other
    place_of = {name: place for place, name in enumerate(column.levels)}
    if kind == "boolean" and not place_of.keys().isdisjoint(("true", "false")):
        names = [name.lower() for name in names]
    otherwise = len(column.levels) if column.other else -1
    places = np.array([*(place_of.get(name, otherwise) for name in names), -1])[codes]
    present = {names[code] for code in np.unique(codes) if code >= 0}
    if len(given) > 1 and present and not column.other and present.isdisjoint(place_of):
        warnings.warn(
            f"column {column.name!r} holds no value that the fit saw: {min(present)!r} and the like, where the fit saw "
            f"{column.levels[0]!r}. It counts as missing in every row.",
            stacklevel=2,
        )
    rows = np.flatnonzero(places >= 0)
    if two:
        out[rows, 0] = np.where(places[rows] == 0, 1, -1)
    else:
        out[rows, places[rows]] = 1


def _encode_array(schema: Schema, X: np.ndarray) -> np.ndarray:
    """The same for an array of numbers, in blocks of rows."""
    places = np.array([int(column.name[1:]) for column in schema.columns])
    centre = np.array([column.centre for column in schema.columns])
    scale = np.array([column.scale for column in schema.columns])
    missing = np.array([column.missing for column in schema.columns])
    out = np.empty((len(X), len(places) + int(missing.sum())), np.float32)
    whole = len(places) == X.shape[1]
    length = max(1, BLOCK // X.shape[1])
    for first in range(0, len(X), length):
        rows = slice(first, first + length)
        block = (X[rows] if whole else X[rows][:, places]).astype(np.float64)
        if np.isinf(block).any():
            row, place = np.argwhere(np.isinf(block))[0]
            raise TableError(
                f"column x{places[place]} must be finite, got {block[row, place]} in row {first + row}. Replace "
                "infinity by a number, or by NaN where it stands for a missing one."
            )
        absent = np.isnan(block)
        out[rows, : len(places)] = _standardised(block, absent, centre, scale)
        out[rows, len(places) :] = absent[:, missing]
    return out
