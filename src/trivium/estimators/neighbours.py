"""Rows nearby, asked by what networks lacked: on every row out of fold, or on the rows kept aside."""

import numpy as np

from trivium import losses, nearby
from trivium.estimators.members import Found, Part, Task
from trivium.estimators.models import average
from trivium.nearby import FEWEST, MOST, Nearby


def of_folds(task: Task, found: Found, whole: Part, said: np.ndarray) -> Nearby | None:
    """By predictions out of fold, `said`, of all rows; None where neighbours do not surely help."""
    return _find(task, whole, said, np.arange(len(said))) if _suits(task, found) else None


def of_rows_aside(task: Task, found: Found, first: Part, aside: Part, said: np.ndarray) -> Nearby | None:
    """By predictions of the rows kept aside, `said`, which stand first among the points.

    Those trained on join in by what was lacking even so.
    """
    if not _suits(task, found) or len(said) < FEWEST or len(said) + len(first.y) > MOST:
        return None  # before anything is copied
    n_known = len(first.y)
    inputs = np.concatenate([aside.inputs, first.inputs[:n_known]])
    both = Part(inputs, np.concatenate([aside.y, first.y]), np.concatenate([aside.weights, first.weights]))
    return _find(
        task, both, np.concatenate([said, average(found.models, first.inputs[:n_known])]), np.arange(len(said))
    )


def _find(task: Task, rows: Part, said: np.ndarray, asked: np.ndarray) -> Nearby | None:
    codes = task.layout.cardinalities
    return nearby.find(rows.inputs, rows.y, rows.weights, said, asked, classes=task.classes, cardinalities=codes)


def _suits(task: Task, found: Found) -> bool:
    """Whether predictions are probabilities of classes, or the means of numbers."""
    head, loss = found.frame.head, found.frame.loss
    if task.classes is None:
        return loss is losses.squared_error and head.output_activation is None and found.frame.low is None
    return head.probabilistic and not task.labels
