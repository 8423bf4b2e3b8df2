"""Before a fit: columns that tell nothing of the target leave the table, with their reason."""

from typing import Any

import numpy as np

from trivium import relevance
from trivium.estimators import inputs
from trivium.estimators.members import Part
from trivium.tables.streamed import Streamed

REASON = "tells nothing of the target, by trees and a linear model"

FEWEST_SECONDS = 60.0
"""A time limit below which every second is for the network."""


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
    estimator._coded_ = coded
    kept = sorted(place for name, own in where.items() if name not in left_out for place in own)
    return part._replace(inputs=np.ascontiguousarray(part.inputs[:, kept]))
