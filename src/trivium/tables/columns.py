"""One column, whatever library it came from: its kind, and its values as numbers or as levels."""

from typing import Literal

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.tables.dates import seconds
from trivium.tables.read import TableError, ValueTypeError
from trivium.tables.scaling import refuse_infinite

LARGEST_WHOLE = 2.0**63
"""Below it whole numbers are int64."""

Kind = Literal["number", "boolean", "time", "category", "text", "empty"]


def names_of(X: nw.DataFrame | np.ndarray) -> list[str]:
    """The names of the columns; those of an array are x0, x1, ..."""
    return [f"x{place}" for place in range(X.shape[1])] if isinstance(X, np.ndarray) else X.columns


def arrow_column(X: nw.DataFrame | np.ndarray, name: str) -> pa.Array:
    """One column as an Arrow array. Raises TableError for one that mixes types, naming it."""
    if isinstance(X, np.ndarray):
        return _from_values(name, X[:, int(name[1:])])
    return _from_series(name, X[name])


def arrow_columns(X: nw.DataFrame | np.ndarray) -> dict[str, pa.Array]:
    """Every column as an Arrow array, by name. Raises TableError for a column that mixes types, naming it."""
    return {name: arrow_column(X, name) for name in names_of(X)}


def kind_of(name: str, column: pa.Array) -> Kind:
    """What a column holds. Raises TableError for a type that no network can take, naming it."""
    kind = column.type
    if pa.types.is_null(kind) or column.null_count == len(column):
        return "empty"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        return "time"
    if pa.types.is_dictionary(kind) or is_text(kind):
        return "category"
    raise TableError(
        f"column {name!r} must hold numbers, texts, booleans or times, got {kind}. "
        "Expand it into such columns or drop it."
    )


def numbers(name: str, column: pa.Array, first: int = 0) -> np.ndarray:
    """The values as float64 (n,), NaN where missing; times as seconds, booleans as 0 and 1.

    first  the number of the first row, for messages
    Raises TableError for an infinite value or a text, naming column, row and value.
    """
    kind = column.type
    if pa.types.is_temporal(kind):
        return seconds(column)
    if pa.types.is_dictionary(kind) or is_text(kind):
        column = _parsed(name, column, first)
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    refuse_infinite(values[:, None], [name], first)
    return values


def are_whole(values: np.ndarray) -> bool:
    """Whether all numbers present are whole, and may be int64."""
    present = values[~np.isnan(values)]
    return bool((present == np.floor(present)).all() and np.abs(present).max(initial=0) < LARGEST_WHOLE)


def numbers_as_keys(values: np.ndarray, *, whole: bool) -> np.ndarray:
    """Numbers by which rows find each other, float64: whole ones as they are, others with the digits of float32, so
    that a table is read alike in either precision."""
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and no key
        return values if whole else values.astype(np.float32).astype(np.float64)


def times(name: str, column: pa.Array) -> pa.Array:
    """ISO dates and times given as texts, as times; in UTC where the texts name offsets.

    Raises TableError for a text that is none, with its row.
    """
    trimmed = pc.call_function("utf8_trim_whitespace", [texts(column)])
    try:
        return _as_times(trimmed)
    except pa.ArrowInvalid:
        first = next((text for text in trimmed if text.is_valid and _is_time(text)), pa.scalar("2026-01-31"))
        kind = _as_times(pa.array([first.as_py()])).type
        row = next(row for row, text in enumerate(trimmed) if not _is_time(text, kind))
        raise TableError(
            f"column {name!r} must hold dates and times as at fit, got {column[row].as_py()!r} in row {row}. "
            "Write them as 2026-01-31 or 2026-01-31 23:59:59."
        ) from None


def are_times(column: pa.Array) -> bool:
    """Whether every text present is an ISO date or time."""
    first = next((text for text in column if text.is_valid), None)
    if first is None or not _is_time(pa.scalar(str(first.as_py()).strip())):
        return False
    try:
        times("", column)
    except TableError:
        return False
    return True


def texts(column: pa.Array) -> pa.Array:
    """The values as texts; booleans as Python writes them, bytes as UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_boolean(column.type):
        return pc.call_function("if_else", [column, "True", "False"])
    return column.cast(pa.large_string() if pa.types.is_large_string(column.type) else pa.string())


def levels(column: pa.Array) -> tuple[np.ndarray, list[str]]:
    """Codes (n,), -1 where missing, and the text of each code."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    names = texts(column.dictionary).to_pylist()
    codes = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    codes = np.array(codes)  # Arrow's own may not be written to
    if None in names:
        codes[codes == names.index(None)] = -1
    return codes, ["" if name is None else name for name in names]


def order_of(column: pa.Array) -> np.ndarray | None:
    """The place of each level in the order that the column declares, by code; None where it declares none."""
    if pa.types.is_dictionary(column.type) and column.type.ordered:
        return np.arange(len(column.dictionary))
    return None


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _parsed(name: str, column: pa.Array, first: int = 0) -> pa.Array:
    """Texts that are numbers, as numbers; blanks around them do not count."""
    trimmed = pc.call_function("utf8_trim_whitespace", [texts(column)])
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        row = next(row for row, text in enumerate(trimmed) if not _is_number(text))
        raise TableError(
            f"column {name!r} must hold numbers, got {column[row].as_py()!r} in row {first + row}. Mend it, or leave "
            "it empty where the number is missing."
        ) from None


def _is_number(text: pa.Scalar) -> bool:
    """Whether Arrow reads it as a number: there is one parser, so that what it refuses can be found."""
    try:
        text.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _as_times(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return column.cast(pa.timestamp("us", "UTC"))


def _is_time(text: pa.Scalar, kind: pa.DataType | None = None) -> bool:
    """Whether Arrow reads it as a time of that type; of either type where none is given."""
    for known in (pa.timestamp("us"), pa.timestamp("us", "UTC")) if kind is None else (kind,):
        try:
            text.cast(known)
        except pa.ArrowInvalid:
            continue
        return True
    return False


def _from_series(name: str, series: nw.Series) -> pa.Array:
    try:
        column = (series.alias("") if "\0" in name else series).to_arrow()  # Arrow's names end at a zero, polars panics
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        return _mixed(name, series.to_list(), error)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column  # few functions know it


def _from_values(name: str, values: np.ndarray) -> pa.Array:
    if values.dtype.kind == "O":
        try:
            return pa.array(values.tolist(), from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            return _mixed(name, values.tolist(), error)
    if values.dtype.kind in "US":
        try:
            values = np.char.decode(values, "utf-8") if values.dtype.kind == "S" else values
        except UnicodeDecodeError as error:
            raise TableError(f"column {name!r} must hold UTF-8, got {error.object!r}. Decode it.") from error
        column = pa.array(values.tolist())
        try:
            return _parsed(name, column)
        except TableError:
            return column
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise TableError(
            f"column {name!r} must hold numbers, texts, booleans or times, got {values.dtype}. Convert it."
        ) from error


def _mixed(name: str, values: list, error: Exception) -> pa.Array:
    """A column that Arrow refuses: numbers of several types are numbers, all else is an error that shows it."""
    absent = [_is_missing(value) for value in values]
    present = [value for value, gap in zip(values, absent, strict=True) if not gap]
    if all(isinstance(value, (bool, int, float, np.number, np.bool_)) for value in present):
        return pa.array([None if gap else float(value) for value, gap in zip(values, absent, strict=True)])
    examples = {type(value).__name__: value for value in reversed(present)}
    if any(not isinstance(value, (str, bool, int, float, np.number, np.bool_)) for value in present):
        wrong = next(v for v in present if not isinstance(v, (str, bool, int, float, np.number, np.bool_)))
        raise ValueTypeError(
            f"argument must be a string or a number: column {name!r} holds {wrong!r}. Expand it into "
            "columns of numbers and texts, or drop it."
        ) from error
    raise TableError(
        f"column {name!r} must hold one type, got a mixture: "
        + ", ".join(f"{value!r} ({kind})" for kind, value in examples.items())
        + ". Make all of them numbers, or all of them texts."
    ) from error


def _is_missing(value: object) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas.NA, which will not say whether it equals itself
        return True
    except ValueError:  # an array, which is no value at all
        return False
