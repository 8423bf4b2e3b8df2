"""From signals to a verdict: every rule is asked, the root comes first, and what follows from it is marked."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from trivium.catalog import members
from trivium.diagnosis import rules
from trivium.diagnosis.finding import Evidence, Finding
from trivium.diagnosis.record import RunRecord
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import Text, both, language, said

HOW, WHY, SHOULD = both("how we know", "依据"), both("why", "原因"), both("should be", "应为")
SKIPPED = both("skipped", "未测量")

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

    def to_json(self, lang: str = "en") -> dict[str, Any]:
        """Strict JSON, its sentences in a language; what was not measured is null."""
        return {
            "findings": [finding.to_json(lang) for finding in self.findings],
            "skipped": self.skipped,
            "healthy": said(self.healthy, lang),
        }

    def text(self, lang: str | None = None) -> str:
        """The verdict in plain words; `lang` "en" or "zh", that of the locale where left out."""
        lang = language(lang)
        lines = [said(self.healthy, lang)] if self.healthy else []
        for finding in self.findings if not self.healthy else ():
            title = f"{finding.severity.upper()} {finding.name.replace('_', ' ')}: {said(finding.symptom, lang)}"
            root = both(f" (follows from {finding.because_of})", f"（由 {finding.because_of} 引起）")
            lines.append(title + (said(root, lang) if finding.because_of else ""))
            if finding.because_of:
                continue
            lines += [f"  {said(HOW, lang)}: {_say(one, lang)}" for one in finding.evidence if one.measured]
            lines.append(f"  {said(WHY, lang)}: {said(finding.cause, lang)}")
            lines += [f"  {place}. {said(remedy.text, lang)}" for place, remedy in enumerate(finding.remedies, 1)]
        lines += [f"{said(SKIPPED, lang)} {entry['what']}: {entry['why']}" for entry in self.skipped]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


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


def _healthy(run: Signals) -> Text:
    """What a run without fault has reached, in words."""
    score, reference = run.score, run.reference
    if math.isnan(score):
        return both("No fault was found in what was measured.", "在所测量的范围内没有发现问题。")
    line = both(f"Healthy: {run.score_name} {score:.3f}", f"健康：{run.score_name.zh} {score:.3f}")
    if run.learnable:
        line += both(
            f", where simple models reach {reference:.3f} and a constant {run.majority:.3f}",
            f"，简单模型能达到 {reference:.3f}，常数预测 {run.majority:.3f}",
        )
    if run.learned:
        return line + both(". The run has learned what the data allow.", "。训练已经学到了数据所能提供的东西。")
    return line + both(". No fault was found; the run is short of the reference.", "。没有发现问题；但还不如参考模型。")


def _say(evidence: Evidence, lang: str) -> str:
    value = said(evidence.value, lang) if isinstance(evidence.value, str) else f"{evidence.value:.3g}"
    bound = evidence.threshold
    text = f"{said(evidence.what, lang)}: {value}"
    if isinstance(bound, float):
        text += said(both(f" (threshold {bound:.3g})", f"（界限 {bound:.3g}）"), lang)
    elif bound is not None:
        text += f" ({said(SHOULD, lang)} {said(str(bound) if isinstance(bound, int) else bound, lang)})"
    return text + (f" [{said(evidence.source, lang)}]" if evidence.source else "")
