"""Before a fit: columns that tell nothing of the target leave the table, and levels that tell much get their own."""

from typing import Any

import numpy as np

from trivium import relevance
from trivium.estimators import inputs
from trivium.estimators.members import Part
from trivium.estimators.order import in_order
from trivium.tables.schema import MOST_LEVELS
from trivium.tables.streamed import Streamed

REASON = "tells nothing of the target, by trees and a linear model"

FEWEST_SECONDS = 60.0
"""A time limit below which every second is for the network."""


def with_levels(estimator: Any, X: Any, y: Any, rows: Any, numbers: np.ndarray) -> Any:
    """Encoded rows, in which categories of many levels are codes where their own levels tell more than shared columns.

    X, y  as the user gave them; `numbers` are the targets
    """
    schema = estimator.schema_
    many = [column.name for column in schema.categories if len(column.levels) > MOST_LEVELS]
    if estimator._given["embed_above"] != "adaptive" or not many or isinstance(rows, Streamed):
        return rows
    estimator._coded_ = many
    coded = estimator._known_table(X, y)[0]
    order = in_order(Part(rows, numbers, np.ones(len(rows), np.float32)))[1]
    order = np.arange(len(rows)) if order is None else order
    classes = len(estimator.classes_) if numbers.ndim == 1 and hasattr(estimator, "classes_") else None
    tells = relevance.own_levels_tell(rows[order], numbers[order], coded[order, -len(many) :], classes)
    estimator._coded_ = [name for name, own in zip(many, tells, strict=True) if own]
    if tells.all():
        return coded
    return estimator._known_table(X, y)[0] if tells.any() else rows


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
