"""Tables from files and from other libraries' data frames, and back to files."""

import csv
import gzip
import io
import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from sklearn.utils.validation import check_consistent_length

from trivium.files import write_whole

ENDINGS = (".csv", ".csv.gz", ".parquet", ".pq")


class TableError(ValueError):
    """A table that cannot be read, learned from or written; the message says why and what to do."""


class ValueTypeError(TableError, TypeError):
    """A value of a type that no column can hold; scikit-learn asks for a TypeError there."""


def read_table(path: str | os.PathLike) -> nw.DataFrame:
    """Read a CSV file (also gzipped) or a Parquet file, by its ending; a row or more, a column or more.

    Raises TableError for a file that is missing, empty, of another kind, or whose columns share a name.
    """
    path = Path(path)
    ending = known_ending(path)
    if path.is_dir():
        raise TableError(f"the table must be a file, got the folder {str(path)!r}. Name a file in it.")
    if not path.exists():
        raise TableError(f"the table must exist, got {str(path)!r}. {_nearest_file(path)}")
    if path.stat().st_size == 0:
        raise TableError(f"the table must have a header and rows, got the empty file {str(path)!r}. Check the export.")
    try:
        table = pyarrow.parquet.read_table(path) if ending in (".parquet", ".pq") else _read_csv(path)
        names = table.column_names
    except UnicodeDecodeError as error:
        raise _not_utf8(path, "its header") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise TableError(f"{str(path)!r} could not be read as {ending}: {reason}. Check the file.") from error
    check_unique(names)
    if table.num_rows == 0:
        raise TableError(f"the table must have rows, got only the header in {str(path)!r}. Check the export.")
    return nw.from_native(table, eager_only=True)


def write_csv(table: pa.Table, file: Any) -> None:
    """Into a file of bytes; names of columns are in quotes only where they must be."""
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(table.column_names)
    file.write(header.getvalue().encode())
    pyarrow.csv.write_csv(table, file, pyarrow.csv.WriteOptions(include_header=False))


def write_table(frame: nw.DataFrame, path: str | os.PathLike) -> None:
    """Write CSV or Parquet by the file's ending: whole or not at all. Raises TableError where that fails."""
    ending = known_ending(path)
    table = frame.to_arrow()

    def write(file: Any) -> None:
        if ending in (".parquet", ".pq"):
            pyarrow.parquet.write_table(table, file)
        elif ending == ".csv.gz":
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
                write_csv(table, packed)
        else:
            write_csv(table, file)

    try:
        write_whole(path, write, TableError)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise TableError(
            f"{str(path)!r} could not be written as {ending}: {reason}. Expand or drop the column, or write Parquet."
        ) from error


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file in UTF-8: whole or not at all. Raises TableError where that fails."""
    write_whole(path, lambda file: file.write(text.encode()), TableError)


def as_frame(X: Any) -> nw.DataFrame | None:
    """A data frame of any library (pandas, polars, pyarrow, ...) under one interface; None for what is none.

    A frame whose column names are no strings counts as an array; anything that offers Arrow's stream of record batches
    counts as a frame. Raises TableError where columns share a name, and for a structured array of NumPy.
    """
    if isinstance(X, np.ndarray):
        if X.dtype.names is not None:
            raise TableError(
                f"X must be an array of one type or a data frame, got a structured array with the fields "
                f"{', '.join(X.dtype.names[:5])}. Make it a data frame: pandas.DataFrame(X)."
            )
        return None
    X = nw.to_native(X, pass_through=True)
    if isinstance(X, pa.RecordBatch):
        X = pa.Table.from_batches([X])
    if nw.dependencies.is_pandas_dataframe(X):
        if not all(isinstance(name, str) for name in X.columns):
            return None
        check_unique(X.columns)
    wrapped = nw.from_native(X, pass_through=True)
    if isinstance(wrapped, nw.LazyFrame):
        wrapped = wrapped.collect()
    if not isinstance(wrapped, nw.DataFrame) and _streams_rows(X):
        wrapped = nw.from_native(pa.table(X), eager_only=True)
    if not isinstance(wrapped, nw.DataFrame):
        return None
    check_unique(wrapped.columns)
    return wrapped


def _streams_rows(X: Any) -> bool:
    """Whether X hands out Arrow record batches, as a series does not."""
    if not hasattr(X, "__arrow_c_stream__"):
        return False
    return not isinstance(nw.from_native(X, pass_through=True, allow_series=True), nw.Series | pa.ChunkedArray)


def as_array(X: Any) -> Any:
    """Arrays of the small floating-point types of JAX, which NumPy does not know, as float32; all else as it is."""
    kind = getattr(X, "dtype", None)
    return np.asarray(X, np.float32) if str(kind).startswith(("bfloat", "float8", "float4")) else X


def check_unique(names: Iterable[str]) -> None:
    """Raises TableError where a name occurs twice."""
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise TableError(f"column names must differ, got {twice} more than once. Rename or drop the second of each.")


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    known = list(known)
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    shown = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
    return f"There are {shown}."


def _read_csv(path: Path) -> pa.Table:
    try:
        table = pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True),
        )
    except pa.ArrowInvalid as error:
        if "no columns" in str(error).lower() or "empty csv" in str(error).lower():
            raise TableError(f"the table must have a header and rows, got none in {str(path)!r}.") from error
        raise
    for field in table.schema:
        if pa.types.is_binary(field.type):  # what Arrow makes of a text that is no UTF-8
            raise _not_utf8(path, f"column {field.name!r}")
    return table


def _not_utf8(path: Path, where: str) -> TableError:
    return TableError(
        f"{str(path)!r} must be text in UTF-8, got other bytes in {where}. Convert it, for example from Latin-1: "
        f"iconv -f latin1 -t utf8 {path.name} > utf8-{path.name}."
    )


def known_ending(path: str | os.PathLike) -> str:
    """The ending of a table's file. Raises TableError for one of no known kind."""
    path = Path(path)
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return ending
    raise TableError(f"the table's name must end in one of {', '.join(ENDINGS)}, got {str(path)!r}. Convert the file.")


def _nearest_file(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {str(folder)!r} either."
    near = get_close_matches(path.name, [entry.name for entry in folder.iterdir()], n=1)
    return f"Did you mean {str(folder / near[0])!r}?" if near else "Check the path."


def rows(X: Any, y: np.ndarray, *, known: bool = False) -> tuple[Any, np.ndarray]:
    """X and y, which must have as many rows as each other: two at least, or one where the columns are `known`."""
    frame = as_frame(X)
    X = X if frame is None else frame
    check_consistent_length(X, y)
    if len(y) < 2 and not (known and len(y)):
        raise ValueError(f"X must have at least two rows, got n_samples = {len(y)}. One sample teaches nothing.")
    return X, y
