"""What a rule says: the verdict, its numbers, the cause, and what to change."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from trivium.diagnosis.record import plain
from trivium.diagnosis.texts import said

Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True)
class Evidence:
    """A number that was measured, beside the bound that it broke.

    what       in words, with the layer or step that it belongs to
    threshold  None where the fact itself is the evidence
    source     where the threshold comes from
    signal     the field of the record that shows it, for a picture
    """

    what: str
    value: float | str | None
    threshold: float | str | None = None
    source: str = ""
    signal: str | None = None

    @property
    def measured(self) -> bool:
        """Whether there is anything to show: what was not measured proves nothing."""
        return self.value is not None and not (isinstance(self.value, float) and math.isnan(self.value))

    @property
    def exceeds(self) -> bool:
        """Whether it is a number above its bound."""
        return isinstance(self.value, float) and isinstance(self.threshold, float) and self.value > self.threshold


@dataclass(frozen=True)
class Remedy:
    """One thing to do.

    changes  parameters of our estimators that do it ({"learning_rate": 0.01}); empty where a person has to act.
             A value {"times": 0.1} multiplies what the run used.
    """

    text: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One fault.

    name         of the rule, such as "vanishing_gradient"
    family       the file of the rule: "activation", "loss", ...
    symptom      what a person sees, one sentence
    evidence     how we know
    cause        why it happens
    remedies     in order of promise
    confidence   0 to 1: how sure, and so how it ranks among findings of the same depth
    depth        how near to the root: 0 data, 1 loss, 2 start, 3 step size, 4 structure, 5 outcome
    because_of   the name of the finding of which this one is a consequence, None for a root
    """

    name: str
    family: str
    severity: Severity
    symptom: str
    cause: str
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = ()
    confidence: float = 0.8
    depth: int = 5
    because_of: str | None = None

    def consequence_of(self, root: str) -> "Finding":
        return replace(self, because_of=root)

    def to_json(self, lang: str = "en") -> dict[str, Any]:
        """Strict JSON, its sentences in a language."""
        return plain(_in(asdict(self), lang))


def _in(value: Any, lang: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _in(entry, lang) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_in(entry, lang) for entry in value]
    return said(value, lang) if isinstance(value, str) else value
