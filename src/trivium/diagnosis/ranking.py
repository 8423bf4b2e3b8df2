"""From signals to a verdict: every rule is asked, the root comes first, and what follows from it is marked."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from trivium.catalog import members
from trivium.diagnosis import rules
from trivium.diagnosis.finding import Finding
from trivium.diagnosis.record import RunRecord
from trivium.diagnosis.signals import Signals

_SEVERITIES = ("error", "warning", "info")
INDEPENDENT = ("data_leakage", "class_imbalance", "unsafe_logarithm", "data_outliers", "label_noise")
"""Faults that stand for themselves: no other fault makes them."""

EXPLAINS: dict[str, tuple[str, ...]] = {
    "nan_in_input": ("nan_or_inf", "exploding_activation"),
}


@dataclass(frozen=True)
class Diagnosis:
    """The verdict on one run.

    findings  root first; a consequence names its root in `because_of`
    skipped   rules and measurements that could not be made, with the reason
    healthy   one sentence where nothing is wrong, empty otherwise
    signals   what the rules saw
    """

    findings: list[Finding] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    healthy: str = ""
    signals: Signals | None = None

    @property
    def first(self) -> Finding | None:
        """The root, None for a run without fault."""
        return next((finding for finding in self.findings if finding.severity != "info"), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "skipped": self.skipped,
            "healthy": self.healthy,
        }

    def __str__(self) -> str:
        if self.healthy:
            lines = [self.healthy]
        else:
            lines = []
            for finding in self.findings:
                title = f"{finding.severity.upper()} {finding.name.replace('_', ' ')}: {finding.symptom}"
                lines.append(title + (f" (follows from {finding.because_of})" if finding.because_of else ""))
                if finding.because_of:
                    continue
                lines += [f"  how we know: {_say(evidence)}" for evidence in finding.evidence]
                lines.append(f"  why: {finding.cause}")
                lines += [f"  {place}. {remedy.text}" for place, remedy in enumerate(finding.remedies, 1)]
        lines += [f"skipped {entry['what']}: {entry['why']}" for entry in self.skipped]
        return "\n".join(lines)


def diagnose(record: RunRecord, asked: Iterable[Callable[[Signals], Finding | None]] | None = None) -> Diagnosis:
    """The verdict of all rules (or of those `asked`) on a record. A rule that fails is listed as skipped."""
    run = Signals(record)
    found, skipped = [], [dict(entry) for entry in record.facts.get("skipped") or ()]
    for rule in asked if asked is not None else members(cast(Any, rules)).values():
        try:
            finding = rule(run)
        except Exception as error:
            skipped.append({"what": f"rule {rule.__name__}", "why": f"{type(error).__name__}: {error}"})
            continue
        if finding is not None:
            found.append(finding)
    found = ranked(found)
    loud = [finding for finding in found if finding.severity != "info"]
    return Diagnosis(found, skipped, "" if loud else _healthy(run), run)


def ranked(findings: list[Finding]) -> list[Finding]:
    """Loud before quiet, near the root before far from it, sure before unsure; consequences marked."""
    order = sorted(
        findings, key=lambda f: (f.severity == "info", f.depth, -f.confidence, _SEVERITIES.index(f.severity))
    )
    if not order or order[0].severity == "info":
        return order
    root, rest = order[0], order[1:]
    marked = [root]
    for finding in rest:
        follows = finding.depth > root.depth or finding.name in EXPLAINS.get(root.name, ())
        alone = finding.name in INDEPENDENT or finding.severity == "info" or root.name in ("data_leakage",)
        marked.append(finding.consequence_of(root.name) if follows and not alone else finding)
    return marked


def _healthy(run: Signals) -> str:
    """What a run without fault has reached, in words."""
    score, reference = run.score, run.reference
    if math.isnan(score):
        return "No fault was found in what was measured."
    name = run.score_name
    line = f"Healthy: {name} {score:.3f}"
    if run.learnable:
        line += f", where simple models reach {reference:.3f} and a constant {run.majority:.3f}"
    if run.learned:
        return line + ". The run has learned what the data allow."
    return line + ". No fault was found; the run is short of the reference."


def _say(evidence: Any) -> str:
    value = f"{evidence.value:.3g}" if isinstance(evidence.value, float) else str(evidence.value)
    bound = evidence.threshold
    text = f"{evidence.what}: {value}"
    if bound is not None:
        text += f" (threshold {bound:.3g})" if isinstance(bound, float) else f" (should be {bound})"
    return text + (f" [{evidence.source}]" if evidence.source else "")
