"""The record of a run: what the terminal, the page and `--json` show. They cannot disagree, for they render this."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from trivium.diagnosis.ranking import Diagnosis
from trivium.report.scores import Score
from trivium.report.search import Search
from trivium.training.history import History
from trivium.translations import phrase

MOST_POINTS = 2000
"""Most points of the picture of predictions against truth."""

MOST_CLASSES_SHOWN = 30
"""Classes beyond which a confusion matrix is no picture any more."""


@dataclass(frozen=True)
class Choice:
    """One choice of a run, and who made it: "you", "demo", "search", "mend", "preset" or "default"."""

    name: str
    value: str
    by: str


@dataclass(frozen=True)
class Confusion:
    """How often each class (rows) was taken for each (columns)."""

    classes: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Points:
    """True and predicted numbers of some held-out rows."""

    actual: list[float]
    predicted: list[float]


@dataclass(frozen=True)
class Summary:
    """A run, in plain data.

    rows     by use: train, validation, test
    columns  by kind: number, category, ..., dropped
    dropped  column -> why the network does not see it
    scores   on the test rows, beside the baseline's; empty where none were held out
    seconds  wall time of the whole
    search   what was tried, where choices were left open or a population trained
    diagnosis  what the rules say of the run, where it was watched
    sweep    the picture of losses by learning rate, where the diagnosis is about that and a page is written
    """

    table: str
    target: str
    task: str
    task_reason: str
    rows: Mapping[str, int]
    columns: Mapping[str, int]
    dropped: Mapping[str, str]
    choices: list[Choice]
    history: History
    scores: list[Score]
    baseline: str
    seconds: float
    notes: list[str] = field(default_factory=list)
    model: str | None = None
    report: str | None = None
    picture: Confusion | Points | None = None
    search: Search | None = None
    diagnosis: Diagnosis | None = None
    sweep: Any = None

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it: a number that is not finite becomes None."""
        verdict = None if self.diagnosis is None else self.diagnosis.to_json()
        return _plain(
            asdict(replace(self, diagnosis=None, sweep=None))
            | {"history": self.history.to_json(), "diagnosis": verdict}
        )


def confusion(y: np.ndarray, guess: np.ndarray, classes: np.ndarray) -> Confusion | None:
    """The confusion matrix, None for more classes than a picture holds."""
    if len(classes) > MOST_CLASSES_SHOWN:
        return None
    counts = np.zeros((len(classes), len(classes)), int)
    np.add.at(counts, (np.searchsorted(classes, y), np.searchsorted(classes, guess)), 1)
    return Confusion([str(name) for name in classes], counts.tolist())


def points(y: np.ndarray, predictions: np.ndarray) -> Points:
    """Evenly chosen rows, sorted by truth, few enough for a picture."""
    order = np.argsort(y, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(y) - 1, min(len(y), MOST_POINTS)).astype(int))]
    return Points(y[chosen].tolist(), predictions[chosen].tolist())


def counted(count: str, what: str, lang: str) -> str:
    """ "1,000 train", the way the language puts it."""
    return phrase("{count} {what}", lang).format(count=count, what=phrase(what, lang))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
