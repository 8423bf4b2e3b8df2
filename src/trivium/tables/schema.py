"""A schema learned from a table: what each column holds, and what of it the network sees."""

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa

from trivium.tables import free_texts
from trivium.tables.arrays import is_numeric, reader
from trivium.tables.columns import (
    Kind,
    are_times,
    are_whole,
    arrow_column,
    is_text,
    kind_of,
    levels,
    names_of,
    numbers,
    numbers_as_keys,
    order_of,
    texts,
    times,
)
from trivium.tables.dates import by_the_clock, cycles_that_vary, form_of, zone_of
from trivium.tables.read import TableError
from trivium.tables.record import Column, Dropped, Schema
from trivium.tables.scaling import Learned, Scaling, learn

MOST_LEVELS = 64
"""Most levels of a category that have a column each; all others share some."""

MOST_CODES = 4096
"""Most levels of a category that are told apart at all."""

FEWEST_AGAIN = 0.1
"""Share of the rows that hold a value which comes again, of a declared category."""

BLOCK = 1 << 22
"""Numbers handled at once, so that memory does not grow with the table."""


def learn_schema(
    X: nw.DataFrame | np.ndarray | Any, *, scaling: Scaling = "standard", keeps_constants: bool = False
) -> Schema:
    """Learn the columns of a table: a data frame, an array (n_samples, n_features) of numbers or of anything, or a
    sparse matrix of SciPy.

    scaling  of numbers: "standard", minus the mean over the standard deviation;
             "robust", z / sqrt(1 + (z / 3)^2) of z = minus the median over the range between the quartiles, so that
             nothing is farther than 3 (Holzmüller et al. 2024);
             "quantile", the standard normal number of a value's rank;
             "adaptive", "standard", or "robust" for a table in which a value is so far off that all others of its
             column would be one to the network: more than 250 times the range between the quartiles
    keeps_constants  whether a number that is the same in all rows is a column too, of zeros: pixels have their places
    Raises TableError for a column that mixes types, holds infinite values or a type that no network can take, and
    where no column is left that varies.
    """
    if scaling not in ("standard", "robust", "quantile", "adaptive"):
        raise ValueError(
            f"scaling must be 'standard', 'robust', 'quantile' or 'adaptive', got {scaling!r}. Try 'robust' where a "
            "few values lie far off."
        )
    try:
        learned = _learn_columns(X, scaling, keeps_constants)
    except _WildError:
        learned = _learn_columns(X, "robust", keeps_constants)
    columns = tuple(entry for entry in learned if isinstance(entry, Column))
    dropped = tuple(entry for entry in learned if isinstance(entry, Dropped))
    if not columns:
        reasons = "; ".join(f"{entry.name}: {entry.reason}" for entry in dropped[:5])
        raise TableError(f"X must have a column that varies, got none ({reasons}). Add features.")
    return Schema(columns, dropped)


def as_category(X: nw.DataFrame | np.ndarray, name: str) -> Column:
    """A column of numbers as a category with a level for every number that comes twice.

    Raises TableError as `columns.numbers` does.
    """
    values = numbers(name, arrow_column(X, name))
    whole = are_whole(values)
    keys = numbers_as_keys(values, whole=whole)
    kinds, counts = np.unique(keys[np.isfinite(keys)], return_counts=True)
    again = np.flatnonzero(counts > 1)
    kept = kinds[again[np.argsort(-counts[again], kind="stable")][:MOST_CODES]]
    levels = tuple(f"{kind:.0f}" if whole else str(np.float32(kind)) for kind in kept)
    missing = bool(np.isnan(values).any())
    return Column(name, "category", missing=missing, levels=levels, shown=0, values=tuple(kept.tolist()))


class _WildError(Exception):
    """A column under "adaptive" has values for which it should be "robust"."""


def _learn_columns(X: Any, scaling: Scaling, constants: bool) -> list[Column | Dropped]:
    if is_numeric(X):
        return _learn_array(X, scaling, constants)
    return [_learn_column(name, arrow_column(X, name), scaling, constants) for name in names_of(X)]


def _learn_array(X: Any, scaling: Scaling, constants: bool) -> list[Column | Dropped]:
    names = [f"x{place}" for place in range(X.shape[1])]
    kind: Kind = "boolean" if X.dtype.kind == "b" else "number"
    found = learn(reader(X), X.shape[0], names, scaling)
    return [_of_numbers(name, kind, found, place, X.shape[0], scaling, constants) for place, name in enumerate(names)]


def _learn_column(name: str, column: pa.Array, scaling: Scaling, constants: bool) -> Column | Dropped:
    kind = kind_of(name, column)
    if kind == "empty":
        return Dropped(name, "every value is missing")
    if kind == "category" and are_times(column):
        kind, column = "time", times(name, column)
    if kind == "category":
        return _learn_category(name, column)

    def read(first: int, last: int) -> np.ndarray:
        return numbers(name, column.slice(first, last - first), first)[:, None]

    found = learn(read, len(column), [name], scaling)
    more: dict[str, Any] = {}
    if kind == "time":
        form, zone = form_of(column.type), zone_of(column.type)
        varying = cycles_that_vary(by_the_clock(name, column, zone), form)
        more = {"form": form, "zone": zone, "cycles": varying}
        if scaling in ("standard", "adaptive"):
            found = found._replace(centre=np.array([np.nanmedian(numbers(name, column))]))
    return _of_numbers(name, kind, found, 0, len(column), scaling, constants, **more)


def _of_numbers(
    name: str, kind: Kind, found: Learned, place: int, n: int, scaling: Scaling, constants: bool, **more: Any
) -> Column | Dropped:
    missing = bool(found.n_present[place] < n)
    if found.n_present[place] == 0:
        return Dropped(name, "every value is missing")
    if not found.varies[place] and not missing and not constants:
        return Dropped(name, "every value is the same")
    if found.wild[place] and kind == "number":
        raise _WildError
    scaling = "standard" if scaling == "adaptive" else scaling
    centre, scale = float(found.centre[place]), float(found.scale[place])
    return Column(name, kind, centre, scale, missing, scaling=scaling, knots=found.knots[place], **more)


def _learn_category(name: str, column: pa.Array) -> Column | Dropped:
    """A category; or a free text, where more than half of the values are like no other, or most values are sentences
    that do not come again; or where a column of texts that is declared to be a category is like no other in nearly all
    rows, and so would tell nothing."""
    codes, names = levels(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    missing = bool((codes < 0).any())
    seen, n = int((counts > 0).sum()), int(counts.sum())
    if seen == 1 and not missing:
        return Dropped(name, "every value is the same")
    repeated = sorted(np.flatnonzero(counts >= 2), key=lambda code: (-counts[code], names[code]))
    free = is_text(column.type) and (seen > n / 2 or (seen > MOST_LEVELS and _are_sentences(names)))
    if free or (_declared(column) and counts[repeated].sum() < FEWEST_AGAIN * n):
        text = _learn_text(name, column)
        if text is not None:
            return text
    if not repeated:
        return Dropped(name, "no value occurs twice")
    shown = repeated[:MOST_LEVELS]
    order = order_of(column)
    if order is not None:
        own = set(shown)
        kept = [*shown, *(code for code in range(len(names)) if counts[code] and code not in own)][:MOST_CODES]
    else:
        kept = repeated[:MOST_CODES]
    many = len(repeated) > MOST_LEVELS
    return Column(
        name,
        "category",
        missing=missing,
        levels=tuple(names[code] for code in kept),
        other=seen > len(shown) and not many,
        shown=len(shown) if len(kept) > len(shown) else None,
        hashed=free_texts.LEVEL_COLUMNS if many else 0,
        ranks=_ranks(order, codes, kept),
    )


def _ranks(order: np.ndarray | None, codes: np.ndarray, kept: Sequence[Any]) -> tuple[float, ...]:
    """Of an ordered category, the standardised place of each level; of another, or of two levels, none."""
    if order is None or len(kept) < 3:
        return ()
    ranks = order[codes[codes >= 0]].astype(np.float64)
    return tuple(((order[kept] - ranks.mean()) / (ranks.std() or 1.0)).tolist())


def _learn_text(name: str, column: pa.Array) -> Column | None:
    """None where nothing recurs in it and nothing can be measured."""
    words, facts = free_texts.learn(texts(column.drop_null()).to_pylist())
    if not words and not facts:
        return None
    return Column(
        name,
        "text",
        missing=column.null_count > 0,
        hashed=free_texts.WORD_COLUMNS if words else 0,
        facts=tuple((fact, centre, scale) for fact, (centre, scale) in facts.items()),
    )


def _declared(column: pa.Array) -> bool:
    """Whether it is a category of texts without an order because somebody said so."""
    kind = column.type
    return pa.types.is_dictionary(kind) and is_text(kind.value_type) and not kind.ordered


def _are_sentences(names: list[str]) -> bool:
    """Whether these values have three words or more on average; of many, the first thousand are looked at."""
    looked_at = names[:1000]
    return sum(len(free_texts.words(text)) for text in looked_at) >= 3 * len(looked_at)
