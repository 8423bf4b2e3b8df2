"""What was learned of a table's columns: enough to encode any later table, and to say what is wrong with it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from trivium.tables.columns import Kind, are_times, arrow_columns, kind_of, levels, numbers, times
from trivium.tables.read import TableError

MOST_LEVELS = 64
"""Most columns that one category may take; the rarer levels share one more."""

BLOCK = 1 << 22
"""Numbers handled at once, so that memory does not grow with the table."""


@dataclass(frozen=True)
class Column:
    """A column that the network sees.

    kind     "number", "boolean" or "time" (one standardised column each), or "category"
    centre   mean of the present numbers; scale is their standard deviation
    missing  whether a value was missing, so that a column says where
    levels   of a category: texts, most frequent first
    other    whether rarer levels share a column
    """

    name: str
    kind: Kind
    centre: float = 0.0
    scale: float = 1.0
    missing: bool = False
    levels: tuple[str, ...] = ()
    other: bool = False

    @property
    def names_out(self) -> list[str]:
        """Names of the columns that a category becomes; two levels share one, 1 for the first and -1 for the second."""
        if len(self.levels) == 2 and not self.other:
            return [f"{self.name}={self.levels[0]}"]
        return [f"{self.name}={level}" for level in self.levels] + ([f"{self.name}=other"] if self.other else [])


@dataclass(frozen=True)
class Dropped:
    """A column that the network does not see, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in its order."""

    columns: tuple[Column, ...]
    dropped: tuple[Dropped, ...]

    @property
    def numeric(self) -> tuple[Column, ...]:
        """Columns that become one standardised column each."""
        return tuple(column for column in self.columns if column.kind != "category")

    @property
    def categories(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == "category")

    @property
    def feature_names_out(self) -> list[str]:
        """What the network sees, in order: numbers, where they are missing, categories."""
        names = [column.name for column in self.numeric]
        names += [f"{column.name} is missing" for column in self.numeric if column.missing]
        return names + [name for column in self.categories for name in column.names_out]

    def counts(self) -> dict[str, int]:
        """Columns by kind, dropped ones last."""
        kinds = Counter(column.kind for column in self.columns)
        return dict(kinds) | ({"dropped": len(self.dropped)} if self.dropped else {})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Schema":
        columns = (Column(**column | {"levels": tuple(column["levels"])}) for column in content["columns"])
        return cls(tuple(columns), tuple(Dropped(**dropped) for dropped in content["dropped"]))


def learn_schema(X: nw.DataFrame | np.ndarray) -> Schema:
    """Learn the columns of a table: a data frame, or an array (n_samples, n_features) of numbers or of anything.

    Raises TableError for a column that mixes types, holds infinite values or a type that no network can take, and
    where no column is left that varies.
    """
    if isinstance(X, np.ndarray) and X.dtype.kind in "biuf":
        learned = _learn_array(X)
    else:
        learned = [_learn_column(name, column) for name, column in arrow_columns(X).items()]
    columns = tuple(entry for entry in learned if isinstance(entry, Column))
    dropped = tuple(entry for entry in learned if isinstance(entry, Dropped))
    if not columns:
        reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in dropped[:5])
        raise TableError(f"X must have a column that varies, got none ({reasons}). Add features.")
    return Schema(columns, dropped)


def _learn_column(name: str, column: pa.Array) -> Column | Dropped:
    kind = kind_of(name, column)
    if kind == "empty":
        return Dropped(name, "every value is missing")
    if kind == "category" and are_times(column):
        kind, column = "time", times(name, column)
    if kind == "category":
        return _learn_category(name, column)
    values = numbers(name, column)
    return _learn_numbers(name, kind, values[:, None])[0]


def _learn_array(X: np.ndarray) -> list[Column | Dropped]:
    width = max(1, BLOCK // max(1, len(X)))
    kind: Kind = "boolean" if X.dtype.kind == "b" else "number"
    learned = []
    for first in range(0, X.shape[1], width):
        block = X[:, first : first + width].astype(np.float64)
        if np.isinf(block).any():
            row, place = np.argwhere(np.isinf(block))[0]
            raise TableError(
                f"column x{first + place} must be finite, got {block[row, place]} in row {row}. Replace infinity by a "
                "number, or by NaN where it stands for a missing one."
            )
        learned += _learn_numbers(f"x{first}", kind, block, first)
    return learned


def _learn_numbers(name: str, kind: Kind, block: np.ndarray, first: int | None = None) -> list[Column | Dropped]:
    """Centre and scale of every column of a block (n, columns) of float64, NaN where missing."""
    present = ~np.isnan(block)
    count = present.sum(axis=0)
    counted = np.maximum(count, 1)
    largest = np.maximum(np.abs(block, where=present, out=np.zeros_like(block)).max(axis=0), 1e-300)
    largest = np.ldexp(0.5, np.frexp(largest)[1])  # a power of two: dividing by it loses no digit
    scaled = np.where(present, block, 0.0) / largest  # so that no square overflows
    low = scaled.min(axis=0, where=present, initial=np.inf)
    varies = scaled.max(axis=0, where=present, initial=-np.inf) > low
    scaled -= np.where(count > 0, low, 0.0)  # so that a small spread far from zero keeps its digits
    rise = np.where(present, scaled, 0.0).sum(axis=0) / counted
    scaled -= rise
    scaled[~present] = 0.0
    spread = np.sqrt((scaled * scaled).sum(axis=0) / counted)
    mean = np.where(count > 0, low, 0.0) + rise
    learned: list[Column | Dropped] = []
    for place in range(block.shape[1]):
        label = name if first is None else f"x{first + place}"
        missing = bool(count[place] < len(block))
        if count[place] == 0:
            learned.append(Dropped(label, "every value is missing"))
        elif not varies[place] and not missing:
            learned.append(Dropped(label, "every value is the same"))
        else:
            scale = float(spread[place] * largest[place]) if varies[place] else 1.0
            learned.append(Column(label, kind, float(mean[place] * largest[place]), scale or 1.0, missing))
    return learned


def _learn_category(name: str, column: pa.Array) -> Column | Dropped:
    codes, names = levels(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    missing = bool((codes < 0).any())
    seen = int((counts > 0).sum())
    if seen == 1 and not missing:
        return Dropped(name, "every value is the same")
    order = sorted(np.flatnonzero(counts >= 2), key=lambda code: (-counts[code], names[code]))
    if not order:
        return Dropped(name, "no value occurs twice")
    kept = order[:MOST_LEVELS]
    return Column(name, "category", missing=missing, levels=tuple(names[code] for code in kept), other=seen > len(kept))
