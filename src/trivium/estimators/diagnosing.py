"""Every fit looked at by the rules, and what they say told."""

import warnings
from typing import Any, NamedTuple

import numpy as np

from trivium.diagnosis.engine import record_of, with_references
from trivium.diagnosis.ranking import Diagnosis, diagnose
from trivium.diagnosis.record import RunRecord
from trivium.diagnosis.texts import both, language, said
from trivium.estimators.members import Found, Part, Task
from trivium.estimators.models import average
from trivium.report.notes import DiagnosisWarning

ON_PROBLEM = ("warn", "fix", "ignore", "raise")

CLEAR = 0.5
"""A run without a finding that went this part of the way from a constant prediction to a perfect one has learned:
simple models, which take their time, need not be asked what the data allow."""

BRIEF = 1.0
"""Seconds of training below which the same goes for a run that learned anything: the asking would take as long."""


class TrainingError(RuntimeError):
    """What `on_problem="raise"` raises; `diagnosis` holds the findings, and the estimator is fitted all the same."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(in_words(diagnosis))
        self.diagnosis = diagnosis


class Verdict(NamedTuple):
    """A run's record, and what the rules say of it."""

    record: RunRecord
    diagnosis: Diagnosis


def look_at(
    found: Found, task: Task, aside: Part | None, said: np.ndarray | None = None, *, thorough: bool = False
) -> Verdict:
    """Record and verdict of the best member; simple models are asked only where a doubt is left, or always.

    said  of the rows kept aside, where they have been predicted already
    """
    recalls = _recalls(found, task, aside, said)
    record = record_of(found.member, recalls)
    verdict = diagnose(record)
    history = found.member.history
    brief = history.learned and history.seconds[-1] < BRIEF
    clear = aside is None or brief or _reached(found, task, aside) >= CLEAR
    if aside is None or (clear and verdict.first is None and not thorough):
        return Verdict(record, verdict)
    record = with_references(record, found.member)
    return Verdict(record, diagnose(record))


def _reached(found: Found, task: Task, aside: Part) -> float:
    """How far the validation score came from that of a constant (0) to a perfect one (1)."""
    history = found.member.history
    if not history.validation_metric or history.best_epoch < 0:
        return 0.0
    score, constant = history.validation_metric[history.best_epoch], 0.0
    if task.classes is not None:
        counts = aside.y.mean(axis=0) if aside.y.ndim == 2 else np.bincount(aside.y) / len(aside.y)
        constant = float(np.maximum(counts, 1 - counts).mean() if aside.y.ndim == 2 else counts.max())
    return (score - constant) / (1 - constant) if constant < 1 else 1.0


def in_words(diagnosis: Diagnosis, lang: str | None = None) -> str:
    """The root of what is wrong, with its numbers and what to do, or why all is well; in the locale's language."""
    lang, root = language(lang), diagnosis.first
    if root is None:
        return said(diagnosis.healthy, lang)
    numbers = "; ".join(f"{said(entry.what, lang)}: {_short(entry.value)}" for entry in root.evidence[:2])
    words = [f"{root.name.replace('_', ' ')}: {said(root.symptom, lang)}", said(root.cause, lang)]
    words += [said(both(f"Measured: {numbers}.", f"测得：{numbers}。"), lang)] if numbers else []
    if root.remedies:
        words.append(said(both("To mend it: ", "改法："), lang) + said(root.remedies[0].text, lang))
    return " ".join(words)


def tell(diagnosis: Diagnosis, on_problem: str) -> None:
    """Warn or raise, as the user chose. Raises TrainingError."""
    if diagnosis.first is None or on_problem == "ignore":
        return
    if on_problem == "raise":
        raise TrainingError(diagnosis)
    warnings.warn(in_words(diagnosis), DiagnosisWarning, stacklevel=4)  # the caller of fit


def _recalls(found: Found, task: Task, aside: Part | None, said: np.ndarray | None) -> np.ndarray | None:
    """Per class, the share of its rows kept aside that are told right."""
    if task.classes is None or task.labels or aside is None:
        return None
    said = average(found.models, aside.inputs) if said is None else said
    guess = (said > 0.5).astype(int) if said.ndim == 1 else said.argmax(axis=1)
    right = [guess[aside.y == place] == place for place in range(task.classes)]
    return np.array([rows.mean() if len(rows) else np.nan for rows in right])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
