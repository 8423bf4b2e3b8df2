"""What the findings of a run propose is tried, side by side, and what helps is kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from trivium import choices
from trivium.candidates import Candidate
from trivium.diagnosis.ranking import Diagnosis
from trivium.estimators.diagnosing import Verdict, look_at
from trivium.estimators.members import Found, Part, Task
from trivium.estimators.models import average

SIDE_BY_SIDE = 4
"""Most mends that are tried at once."""

ROUNDS = 3
"""Most times that a mended run is mended again."""

HELPS = 1e-3
"""Least part of the score by which a mend has to lower it."""


@dataclass(frozen=True)
class Repair:
    """A mend that was tried.

    finding        what it was to mend; two names joined by " + " where two changes were made at once
    change         parameters and their new values
    before, after  score on the rows kept aside (log-loss or squared error), lower is better; None where not finite.
                   Where a rare class was lost, every class weighs the same in it
    kept           whether the mended network took the place of the one before
    """

    finding: str
    change: Mapping[str, Any]
    before: float | None
    after: float | None
    kept: bool


class Proposal(NamedTuple):
    """A change, and what it is to mend."""

    finding: str
    change: Mapping[str, Any]
    candidate: Candidate


class Mended(NamedTuple):
    """What the mends came to; `aside` as the last round weighed it."""

    found: Found
    verdict: Verdict
    repairs: list[Repair]
    aside: Part | None


Train = Callable[[Sequence[Candidate], Part | None], Found]
"""(candidates that train for as long and by the same weights of classes, rows kept aside) -> the best of them."""


def mended(
    found: Found, verdict: Verdict, task: Task, aside: Part | None, used: Callable[[Found], Mapping[str, Any]],
    train: Train,
) -> Mended:  # fmt: skip
    """Apply what the findings propose until nothing helps; where no mend does on its own, two at once are tried.

    used  by name, the choices of a result
    """
    repairs: list[Repair] = []
    for _ in range(ROUNDS):
        first = verdict.diagnosis.first
        if first is not None and first.name == "class_imbalance":
            aside = balanced(aside)
        single = proposals(verdict.diagnosis, found.candidate, used(found))
        before, kept = _score(found, task, aside), False
        for proposed in (single[:SIDE_BY_SIDE], pairs(single, found.candidate)[:SIDE_BY_SIDE]):
            if not proposed:
                break
            best, after, scores = _side_by_side([one.candidate for one in proposed], task, aside, train)
            kept = after < before - HELPS * abs(before) if np.isfinite(before) else bool(np.isfinite(after))
            repairs += [
                Repair(one.finding, one.change, _finite(before), score, kept and one.candidate is best.candidate)
                for one, score in zip(proposed, scores, strict=True)
            ]
            if kept:
                found = best._replace(search=found.search)
                verdict = look_at(found, task, aside, thorough=True)
                break
        if not kept:
            break
    return Mended(found, verdict, repairs, aside)


def proposals(diagnosis: Diagnosis, candidate: Candidate, used: Mapping[str, Any]) -> list[Proposal]:
    """The changes that the findings propose, the most promising first: of roots, then of what followed.

    used  by name, the numbers that the run used: a proposal may be a multiple of one
    """
    made: list[Proposal] = []
    for finding in sorted(diagnosis.findings, key=lambda finding: finding.because_of is not None):
        for remedy in () if finding.severity == "info" else finding.remedies:
            change = _resolved(remedy.changes, {**candidate.given, **used})
            if change and change not in [one.change for one in made]:
                made += _proposed(finding.name, change, candidate)
    return made


def pairs(single: Sequence[Proposal], candidate: Candidate) -> list[Proposal]:
    """Two changes at once, of different parameters."""
    found: list[Proposal] = []
    for one, other in combinations(single, 2):
        if one.change.keys().isdisjoint(other.change):
            names = dict.fromkeys((one.finding, other.finding))
            found += _proposed(" + ".join(names), {**one.change, **other.change}, candidate)
    return found


def _side_by_side(
    candidates: Sequence[Candidate], task: Task, aside: Part | None, train: Train
) -> tuple[Found, float, list[float | None]]:
    """The best of the candidates with its score, and the score of each."""
    kinds: dict[str, list[int]] = {}
    for place, candidate in enumerate(candidates):
        shared = {name: candidate.given.get(name) for name in ("epochs", "patience", "class_weight")}
        kinds.setdefault(repr(shared), []).append(place)
    results: list[tuple[Found, float]] = []
    scores: list[float | None] = [None] * len(candidates)
    for places in kinds.values():
        found = train([candidates[place] for place in places], aside)
        results.append((found, _score(found, task, aside)))
        for place, score in zip(
            places, [results[-1][1]] if found.search is None else found.search["score"], strict=True
        ):
            scores[place] = _finite(np.inf if score is None else score)
    best, after = min(results, key=lambda result: result[1])
    return best, after, scores


def balanced(aside: Part | None) -> Part | None:
    """The rows kept aside with weights by which every class counts the same."""
    if aside is None:
        return None
    counts = np.bincount(aside.y, weights=aside.weights)
    share = np.divide(1, counts, out=np.zeros_like(counts), where=counts > 0)[aside.y]
    weights = aside.weights * share
    return aside._replace(weights=(weights * len(weights) / weights.sum()).astype(np.float32))


def _proposed(finding: str, change: dict[str, Any], candidate: Candidate) -> list[Proposal]:
    """The candidate with the change made; none where that does not go with the user's other choices."""
    given = {**candidate.given, **change}
    if "optimizer" in change and "learning_rate" not in change:
        given["learning_rate"] = None
    if "loss" in change and "output_activation" not in change:
        given["output_activation"] = None  # each loss has its own link
    try:
        made = choices.resolve(given)
    except ValueError:
        return []
    change = {name: value for name, value in given.items() if value is not candidate.given[name]}
    return [Proposal(finding, change, Candidate(given, made, candidate.seed))]


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


def _finite(score: float) -> float | None:
    return float(score) if np.isfinite(score) else None
