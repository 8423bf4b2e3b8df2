"""Every fit looked at by the rules, and mended where that was asked for."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trivium import choices
from trivium.candidates import Candidate, Plan
from trivium.diagnosis.engine import record_of
from trivium.diagnosis.finding import Finding
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

SIDE_BY_SIDE = 4
"""Most mends that are tried at once."""

ROUNDS = 3
"""Most times that a mended run is mended again."""


class TrainingError(RuntimeError):
    """What `on_problem="raise"` raises; `diagnosis` holds the findings, and the estimator is fitted all the same."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(in_words(diagnosis))
        self.diagnosis = diagnosis


class Verdict(NamedTuple):
    """A run's record, and what the rules say of it."""

    record: RunRecord
    diagnosis: Diagnosis


@dataclass(frozen=True)
class Repair:
    """A mend that was tried.

    finding        what it was to mend
    change         parameters and their new values
    before, after  score on the rows kept aside (log-loss or squared error), lower is better; None where not finite
    kept           whether the mended network took the place of the one before
    """

    finding: str
    change: Mapping[str, Any]
    before: float | None
    after: float | None
    kept: bool


def look_at(found: Found, task: Task, aside: Part | None, *, thorough: bool = False) -> Verdict:
    """Record and verdict of the best member; simple models are asked only where a doubt is left, or always."""
    recalls = _recalls(found, task, aside)
    record = record_of(found.member, recalls, references=False)
    verdict = diagnose(record)
    history = found.member.history
    brief = history.learned and history.seconds[-1] < BRIEF
    clear = aside is None or brief or _reached(found, task, aside) >= CLEAR
    if aside is None or (clear and verdict.first is None and not thorough):
        return Verdict(record, verdict)
    record = record_of(found.member, recalls, references=True)
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


def mends(diagnosis: Diagnosis, candidate: Candidate, used: Mapping[str, Any]) -> list[tuple[Finding, Candidate]]:
    """Candidates with the changes that the findings propose, the most promising first: of roots, then of what followed.

    used  by name, the numbers that the run used: a proposal may be a multiple of one
    """
    tried: list[tuple[Finding, Candidate]] = []
    seen: list[dict[str, Any]] = []
    for finding in sorted(diagnosis.findings, key=lambda finding: finding.because_of is not None):
        if finding.severity == "info":
            continue
        for remedy in finding.remedies:
            change = _resolved(remedy.changes, {**candidate.given, **used})
            if not change or change in seen:
                continue
            seen.append(change)
            given = {**candidate.given, **change}
            if "optimizer" in change and "learning_rate" not in change:
                given["learning_rate"] = None
            if "loss" in change and "output_activation" not in change:
                given["output_activation"] = None  # each loss has its own link
            try:
                made = choices.resolve(given)
            except ValueError:
                continue  # a change that does not go with the user's other choices
            tried.append((finding, Candidate(given, made, candidate.seed)))
    return tried[:SIDE_BY_SIDE]


def mended(
    found: Found,
    verdict: Verdict,
    task: Task,
    aside: Part | None,
    used: Callable[[Found], Mapping[str, Any]],
    train: Callable[[Plan], Found],
) -> tuple[Found, Verdict, list[Repair]]:
    """Apply what the findings propose, several mends side by side, and keep what helps, until nothing does.

    used   by name, the choices of a result
    train  from candidates to the best of them
    """
    repairs: list[Repair] = []
    for _ in range(ROUNDS):
        proposed = mends(verdict.diagnosis, found.candidate, used(found))
        if not proposed:
            break
        before = _score(found, task, aside)
        best = train(Plan([candidate for _, candidate in proposed], ()))
        after = _score(best, task, aside)
        better = after < before - 1e-3 * abs(before) if np.isfinite(before) else np.isfinite(after)
        scores = [_score_of(place, best) for place in range(len(proposed))]
        for (finding, candidate), score in zip(proposed, scores, strict=True):
            change = {name: value for name, value in candidate.given.items() if value != found.candidate.given[name]}
            kept = better and candidate is best.candidate
            repairs.append(Repair(finding.name, change, _finite(before), score, kept))
        if not better:
            break
        found = best._replace(search=found.search)
        verdict = look_at(found, task, aside, thorough=True)
    return found, verdict, repairs


def _resolved(changes: Mapping[str, Any], used: Mapping[str, Any]) -> dict[str, Any]:
    """Changes in the units of the run: {"times": 0.1} of what it used; those of parameters we have not are left out."""
    found: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in used:
            return {}
        if isinstance(value, Mapping) and "times" in value:
            number = used[name]
            if not isinstance(number, int | float) or not number:
                return {}
            value = type(number)(number * value["times"]) if isinstance(number, float) else int(number * value["times"])
        if value != used[name]:
            found[name] = value
    return found


def _score(found: Found, task: Task, aside: Part | None) -> float:
    """Of the average on the rows kept aside, or the training loss over that of a constant without such rows."""
    if aside is None:
        losses = np.asarray(found.member.history.train_loss, float)
        base = found.member.history.baseline_loss or 1.0
        return float(np.nanmin(losses)) / base if np.isfinite(losses).any() else np.inf
    said = average(found.models, aside.inputs)
    if not np.isfinite(said).all():
        return np.inf
    return task.yardstick(aside, [model.head for model in found.models])(said)


def _score_of(place: int, found: Found) -> float | None:
    """Of one of several that were tried together."""
    return None if found.search is None else found.search["score"][place]


def _recalls(found: Found, task: Task, aside: Part | None) -> np.ndarray | None:
    """Per class, the share of its rows kept aside that are told right."""
    if task.classes is None or task.labels or aside is None:
        return None
    said = average(found.models, aside.inputs)
    guess = (said > 0.5).astype(int) if said.ndim == 1 else said.argmax(axis=1)
    right = [guess[aside.y == place] == place for place in range(task.classes)]
    return np.array([rows.mean() if len(rows) else np.nan for rows in right])


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _finite(score: float) -> float | None:
    return float(score) if np.isfinite(score) else None
