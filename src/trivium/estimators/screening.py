"""Before a fit: columns that tell nothing of the target leave the table, and levels that tell much get their own."""

from typing import Any

import numpy as np

from trivium import levels, relevance
from trivium.estimators import inputs
from trivium.estimators.members import Part
from trivium.estimators.order import in_order
from trivium.tables import encode
from trivium.tables.arrays import is_sparse
from trivium.tables.record import Schema
from trivium.tables.schema import MOST_CODES, MOST_LEVELS, as_category
from trivium.tables.streamed import Streamed

REASON = "tells nothing of the target, by trees and a linear model"
REASON_OF_LEVELS = "its levels tell nothing of the target, by a linear model and by averages"

FEWEST_SECONDS = 60.0
"""A time limit below which every second is for the network."""

ROWS_PER_KIND, MOST_RECURRING = 3, 32
"""Rows that each kind of a number has on average, where it may be a code; and columns of such numbers: where more are,
they are pixels or answers, and no codes."""

LOOK, MOST_OF_LOOK = 2000, 0.9
"""Rows that are looked at first, and the share of them that may be unlike each other: measurements nearly all are."""


def with_levels(estimator: Any, X: Any, y: Any, rows: Any, numbers: np.ndarray) -> Any:
    """Encoded rows, in which categories of many levels are codes where their own levels tell more than shared columns,
    and are left out where they tell nothing, as free texts are; and with codes of numbers whose levels tell what their
    size does not.

    X, y  as the user gave them; `numbers` are the targets
    """
    if estimator._given["embed_above"] != "adaptive" or isinstance(rows, Streamed):
        return rows
    schema, some = estimator.schema_, _drawn(rows, numbers)
    many = {column.name: place for place, column in enumerate(schema.categories) if len(column.levels) > MOST_LEVELS}
    recurring = {} if is_sparse(X) else _recurring(schema, rows[some])
    screens = estimator._given["screening"]
    texts = [column.name for column in schema.columns if column.kind == "text" and screens]
    if not many and not recurring and not texts:
        return rows
    table, where = inputs.table(estimator, X, first=False), inputs.places(schema, [])
    asked = dict(zip(many, encode.codes(schema, table)[some][:, list(many.values())].T, strict=True)) if many else {}
    asked |= recurring | dict.fromkeys(texts, np.arange(len(some)))  # of a text no level comes again
    classes = len(estimator.classes_) if numbers.ndim == 1 and hasattr(estimator, "classes_") else None
    codes, places = np.stack(list(asked.values()), axis=1), [[] if name in recurring else where[name] for name in asked]
    told = levels.told(rows[some], numbers[some], codes, places, classes)
    telling = [name for name, own in zip(asked, told.tell, strict=True) if own]
    twins = {name: as_category(table, name) for name in telling if name in recurring}
    telling = [name for name in telling if name not in twins or twins[name].values]
    idle = [name for name, nothing in zip(asked, told.nothing, strict=True) if nothing]
    if not screens or len(idle) == len(where):
        idle = []
    if not telling and not idle:
        return rows
    estimator.schema_ = schema.joined_by(twins[name] for name in telling if name in twins).without(
        dict.fromkeys(idle, REASON_OF_LEVELS)
    )
    estimator._coded_ = telling
    return estimator._known_table(X, y)[0]


def _drawn(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Numbers of rows to ask, the same rows in whichever order they came."""
    random = np.random.default_rng(0).permutation(len(rows))[: levels.MOST_ROWS]
    order = in_order(Part(rows, numbers, np.ones(len(rows), np.float32)))[1]
    return random if order is None else order[random]


def _recurring(schema: Schema, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers that come again and again, as codes that rise with them: of more kinds than bins tell apart, each in some
    rows."""
    found = {}
    for place, column in enumerate(schema.numeric):
        values = rows[:, place]
        if column.kind != "number" or len(np.unique(values[:LOOK])) > MOST_OF_LOOK * LOOK:
            continue
        kinds, codes = np.unique(values, return_inverse=True)
        if levels.BINS < len(kinds) <= min(MOST_CODES, len(values) / ROWS_PER_KIND):
            found[column.name] = codes
    return found if len(found) <= MOST_RECURRING else {}


def screened(estimator: Any, part: Part) -> Part:
    """The rows without such columns; the estimator's schema then knows why they were left out.

    Left alone are tables for the user's own network, which may look at places; streamed ones; and several targets.
    """
    asked = estimator._given["screening"] and estimator.network is None
    hurried = estimator.time_limit is not None and estimator.time_limit < FEWEST_SECONDS
    if not asked or hurried or part.y.ndim != 1 or isinstance(part.inputs, Streamed):
        return part
    schema, coded = estimator.schema_, estimator._coded
    where = inputs.places(schema, coded)
    judged = [name for name in where if name not in coded]  # a code says nothing by its size
    classes = len(estimator.classes_) if hasattr(estimator, "classes_") else None
    counted = np.flatnonzero(part.weights > 0)
    places = [where[name] for name in judged]
    if not relevance.is_asked(len(counted), part.inputs.shape[1], len(places), classes):
        return part
    X = part.inputs if len(counted) == len(part.y) else part.inputs[counted]
    nothing = relevance.telling_nothing(X, part.y[counted], places, classes)
    if not nothing.any():
        return part
    left_out = {name: REASON for name, telling in zip(judged, ~nothing, strict=True) if not telling}
    estimator.schema_ = schema.without(left_out)
    kept = sorted(place for name, own in where.items() if name not in left_out for place in own)
    return part._replace(inputs=np.ascontiguousarray(part.inputs[:, kept]))
