"""Rows nearby, asked by what networks lacked: those of folds, or of a fit that kept rows aside."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trivium import losses, nearby
from trivium.estimators.members import Found, Part, Task
from trivium.estimators.models import average
from trivium.nearby import FEWEST, MOST, Nearby, Panel


def of_folds(
    task: Task, found: Found, whole: Part, fold: Any, each: Sequence[np.ndarray], out_of_fold: np.ndarray
) -> tuple[Nearby | None, np.ndarray]:
    """What rows nearby tell, None where they do not surely help; and predictions out of fold with what they add.

    each  what the network of each fold that has one says of all rows
    """
    if not _suits(task, found):
        return None, out_of_fold
    places = np.unique(fold[np.isfinite(out_of_fold).reshape(len(fold), -1).all(axis=1)])
    if len(places) != len(each):
        return None, out_of_fold
    panels = [
        Panel(said, np.flatnonzero(fold == place), fold != place) for place, said in zip(places, each, strict=True)
    ]
    told = _find(task, whole, np.mean(each, axis=0), panels)
    if told is None:
        return None, out_of_fold
    out_of_fold = out_of_fold.copy()
    for panel, said in zip(panels, told.of_unseen, strict=True):
        out_of_fold[panel.unseen] = said
    return told.nearby, out_of_fold


def of_rows_aside(
    task: Task, found: Found, first: Part, aside: Part, said: np.ndarray
) -> tuple[Nearby | None, np.ndarray]:
    """The same by rows kept aside, of which `said` are the predictions: they stand first among the points."""
    n, n_aside = len(first.y), len(said)
    if not _suits(task, found) or n_aside < FEWEST or n_aside + n > MOST:
        return None, said  # before anything is copied
    inputs = np.concatenate([aside.inputs, first.inputs[:n]])
    both = Part(inputs, np.concatenate([aside.y, first.y]), np.concatenate([aside.weights, first.weights]))
    of_all = np.concatenate([said, average(found.models, first.inputs[:n])])
    told = _find(task, both, of_all, [Panel(of_all, np.arange(n_aside), np.ones(n_aside + n, bool))])
    return (None, said) if told is None else (told.nearby, told.of_unseen[0])


def _find(task: Task, rows: Part, said: np.ndarray, panels: Sequence[Panel]) -> nearby.Found | None:
    inputs = np.asarray(rows.inputs)
    return nearby.find(inputs, rows.y, rows.weights, said, panels, classes=task.classes, cardinalities=task.apart)


def _suits(task: Task, found: Found) -> bool:
    """Whether predictions are probabilities of classes, or the means of numbers."""
    head, loss = found.frame.head, found.frame.loss
    if task.classes is None:
        return loss is losses.squared_error and head.output_activation is None and found.frame.low is None
    return head.probabilistic and not task.labels
