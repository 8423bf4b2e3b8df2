"""What was learned of a table's columns: enough to encode any later table, and to say what is wrong with it."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from trivium.tables.columns import Kind
from trivium.tables.dates import Form
from trivium.tables.free_texts import place_and_sign
from trivium.tables.scaling import Scaler, Scaling


@dataclass(frozen=True)
class Column:
    """A column that the network sees.

    kind     "number", "boolean" or "time" (one scaled column each), "category", or "text"
    centre   mean of the present numbers, of times their median; scale is the standard deviation, see `scaling.learn`
    missing  whether a value was missing, so that a column says where
    levels   of a category: texts, most frequent first
    other    whether rarer levels share a column
    shown    how many of the levels have a column of their own; None: all
    hashed   columns that the levels not shown are hashed into, or the words of a text
    values   of a category that stands in the table as a number as well: the number of each level
    ranks    of an ordered category: the standardised place of each level in the order
    facts    of a text: what is measured, with mean and standard deviation, as ("length", 3.2, 0.4)
    form     of a time: a moment, a time of day or a duration
    zone     of moments: the time zone in which their hour is read; "" for those without, None where not known
    cycles   of a time: those in which it varies, a sine and a cosine each
    """

    name: str
    kind: Kind
    centre: float = 0.0
    scale: float = 1.0
    missing: bool = False
    levels: tuple[str, ...] = ()
    other: bool = False
    shown: int | None = None
    hashed: int = 0
    ranks: tuple[float, ...] = ()
    facts: tuple[tuple[str, float, float], ...] = ()
    form: Form = ""
    zone: str | None = None
    cycles: tuple[str, ...] = ()
    scaling: Scaling = "standard"
    knots: tuple[float, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def called(self) -> str:
        """What people are told it is: its kind, or "code" of a category that stands there as a number as well."""
        return "code" if self.values else self.kind

    @property
    def names_out(self) -> list[str]:
        """Names of the columns that a category or a text becomes, or that the cycles of a time do.

        Two levels share one column, 1 for the first and -1 for the second.
        """
        if self.kind == "text":
            return [f"{self.name} {fact}" for fact, _, _ in self.facts] + self._hashed_names
        if self.kind != "category":
            return [f"{self.name} {cycle} {wave}" for cycle in self.cycles for wave in ("sine", "cosine")]
        names = [f"{self.name} in order"] if self.ranks else []
        if self._two:
            return [*names, f"{self.name}={self.levels[0]}"]
        names += [f"{self.name}={level}" for level in self.levels[: self.shown]]
        return names + ([f"{self.name}=other"] if self.other else []) + self._hashed_names

    @property
    def table(self) -> np.ndarray:
        """What a category becomes: a row of float32 per level, then one for a level that is not known, last zeros, for
        a missing one. `encode.places` are its rows."""
        out = np.zeros((len(self.levels) + 2, len(self.names_out)), np.float32)
        known = slice(0, len(self.levels))
        if self.ranks:
            out[known, 0] = self.ranks
        wide = out[:, 1:] if self.ranks else out
        if self._two:
            wide[known, 0] = 1, -1
            return out
        shown = len(self.levels) if self.shown is None else self.shown
        wide[np.arange(shown), np.arange(shown)] = 1
        if self.other:
            wide[shown:-1, shown] = 1
        if self.hashed:
            for row, level in enumerate(self.levels[shown:], shown):
                column, sign = place_and_sign(level, self.hashed)
                wide[row, shown + column] = sign
        return out

    @property
    def _two(self) -> bool:
        return len(self.levels) == 2 and not self.other and self.shown is None

    @property
    def _hashed_names(self) -> list[str]:
        return [f"{self.name}#{place}" for place in range(self.hashed)]

    def to_json(self) -> dict[str, Any]:
        """Without what stands at its default, which keeps files small and readable by versions that knew less."""
        defaults = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != defaults[name] or name in _ALWAYS}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Column":
        made = {name: _as_tuple(value) for name, value in content.items()}
        return cls(**made)


_ALWAYS = ("name", "kind", "centre", "scale", "missing", "levels", "other")
"""What the first version wrote of every column."""


@dataclass(frozen=True)
class Dropped:
    """A column that the network does not see, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Schema:
    """The columns of a table, in its order; behind them, under the same name, numbers that are categories as well."""

    columns: tuple[Column, ...]
    dropped: tuple[Dropped, ...]

    @property
    def numeric(self) -> tuple[Column, ...]:
        """Columns that become one scaled column each, times among them."""
        return tuple(column for column in self.columns if column.kind not in ("category", "text"))

    @property
    def distinct(self) -> tuple[Column, ...]:
        """A column per name: of a number that is a category as well, the number."""
        found: dict[str, Column] = {}
        for column in self.columns:
            found.setdefault(column.name, column)
        return tuple(found.values())

    @property
    def categories(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == "category")

    @property
    def wide(self) -> tuple[Column, ...]:
        """Columns with `names_out` behind the numbers, in their order there: cycles of times, categories, texts."""
        times = tuple(column for column in self.columns if column.cycles)
        return times + self.categories + tuple(column for column in self.columns if column.kind == "text")

    @property
    def feature_names_out(self) -> list[str]:
        """What the network sees, in order: numbers, where they are missing, cycles of times, categories, texts."""
        names = [column.name for column in self.numeric]
        names += [f"{column.name} is missing" for column in self.numeric if column.missing]
        return names + [name for column in self.wide for name in column.names_out]

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """`feature_names_out` as scikit-learn's transformers give it; the argument is there for its sake."""
        return np.asarray(self.feature_names_out, dtype=object)

    @property
    def spans(self) -> dict[str, slice]:
        """Where the columns of each category, text and set of cycles stand among `feature_names_out`."""
        first = self.scaler.width
        spans = {}
        for column in self.wide:
            spans[column.name] = slice(first, first + len(column.names_out))
            first = spans[column.name].stop
        return spans

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """How many codes each category has, see `encode.codes`: its levels, one for unknown ones, one for missing."""
        return tuple(len(column.levels) + 2 for column in self.categories)

    @cached_property
    def scaler(self) -> Scaler:
        """Of the numeric columns, together."""
        return scaler_of(self.numeric)

    @property
    def only_numbers(self) -> bool:
        """Whether every column is one of numbers or truths."""
        return not self.wide and all(column.kind in ("number", "boolean") for column in self.columns)

    @cached_property
    def places_in_array(self) -> np.ndarray | None:
        """Where the columns stand in an array of numbers, as learned from one; None where not all are numbers."""
        if not self.only_numbers:
            return None
        if not all(column.name[:1] == "x" and column.name[1:].isdecimal() for column in self.columns):
            return None
        return np.array([int(column.name[1:]) for column in self.columns])

    def __getstate__(self) -> dict[str, Any]:
        return {"columns": self.columns, "dropped": self.dropped}

    def joined_by(self, twins: Iterable[Column]) -> "Schema":
        """The table with columns that stand in it as numbers already, as categories."""
        return Schema((*self.columns, *twins), self.dropped)

    def without(self, reasons: Mapping[str, str]) -> "Schema":
        """The table without these columns, each with why."""
        kept = tuple(column for column in self.columns if column.name not in reasons)
        return Schema(kept, (*self.dropped, *(Dropped(name, reason) for name, reason in reasons.items())))

    def counts(self) -> dict[str, int]:
        """Columns by kind, dropped ones last."""
        kinds = Counter(column.called for column in self.columns)
        return dict(kinds) | ({"dropped": len(self.dropped)} if self.dropped else {})

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [column.to_json() for column in self.columns],
            "dropped": [asdict(dropped) for dropped in self.dropped],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Schema":
        columns = (Column.from_json(column) for column in content["columns"])
        return cls(tuple(columns), tuple(Dropped(**dropped) for dropped in content["dropped"]))


def scaler_of(columns: tuple[Column, ...]) -> Scaler:
    """What brings these columns of numbers to the scale of a network."""
    scaling = columns[0].scaling if columns else "standard"
    return Scaler(
        names=tuple(column.name for column in columns),
        centre=np.array([column.centre for column in columns]),
        scale=np.array([column.scale for column in columns]),
        missing=np.array([column.missing for column in columns], bool),
        scaling=scaling,
        knots=np.array([column.knots for column in columns]) if scaling == "quantile" else None,
    )


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list | tuple) else value
