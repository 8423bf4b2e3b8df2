"""A diagnosis in the terminal: one line for a healthy run; else the root with its proof, and what follows from it."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trivium.diagnosis.finding import Evidence, Finding
from trivium.diagnosis.ranking import Diagnosis
from trivium.diagnosis.texts import both, language, said
from trivium.lessons import title
from trivium.report.evidence import picture_of
from trivium.report.lines import draw
from trivium.report.prose import Prose

STYLES = {"error": "bold red", "warning": "bold yellow", "info": "bold blue"}
SEVERITIES = {"error": both("error", "错误"), "warning": both("warning", "警告"), "info": both("note", "提示")}
HOW, WHY, DO = both("how we know", "依据"), both("why", "原因"), both("what to do", "怎么办")
FOLLOWS = both("These follow from it and should go with it:", "以下问题由它引起，应会随之消失：")
MORE = both("the lesson", "讲解")
SKIPPED = both("not measured", "未测量")
SURE = both("sure to", "把握")
BOUND, RIGHT = both("bound", "界限"), both("compare", "对照")
COMMA, COLON = both(", ", "，"), both(": ", "：")
MOST_COLUMNS = 100


def render(diagnosis: Diagnosis, lang: str | None = None, *, width: int = MOST_COLUMNS) -> RenderableType:
    """The verdict for a terminal of so many columns; `lang` "en" or "zh", that of the locale where left out."""
    lang = language(lang)
    width = min(width, MOST_COLUMNS) - 6
    parts: list[RenderableType] = []
    if diagnosis.healthy:
        parts.append(
            Prose(Text().append("✓ ", style="bold green").append(said(diagnosis.healthy, lang), style="default"))
        )
    for place, (root, consequences) in enumerate(grouped(diagnosis.findings)):
        if place or diagnosis.healthy:
            parts.append(Text())
        parts.append(_finding(root, diagnosis, lang, width))
        if consequences:
            parts += [Text(), Padding(Text(said(FOLLOWS, lang), style="dim"), (0, 0, 0, 2))]
            parts += [Padding(_consequence(finding, lang), (0, 0, 0, 4)) for finding in consequences]
    if diagnosis.skipped:
        parts.append(Text())
        parts += [
            Text(f"{said(SKIPPED, lang)}: {entry['what']} ({entry['why']})", style="dim") for entry in diagnosis.skipped
        ]
    if diagnosis.healthy and len(parts) == 1:
        return parts[0]
    name = said(both("diagnosis", "诊断"), lang)
    return Panel(Group(*parts), title=f"[bold]Trivium[/] {name}", title_align="left", expand=False, padding=(1, 2))


def print_diagnosis(diagnosis: Diagnosis, console: Console | None = None, lang: str | None = None) -> None:
    """Print the verdict, as wide as the terminal allows and a reader likes."""
    console = console or Console()
    console.print(render(diagnosis, lang, width=console.width), highlight=False)


def grouped(findings: list[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Each finding that stands for itself, with those that follow from it; the order of the ranking is kept."""
    roots = [finding for finding in findings if finding.because_of is None]
    names = {finding.name for finding in roots}
    lost = [finding for finding in findings if finding.because_of is not None and finding.because_of not in names]
    return [(root, [f for f in findings if f.because_of == root.name]) for root in roots] + [(f, []) for f in lost]


def _finding(finding: Finding, diagnosis: Diagnosis, lang: str, width: int) -> RenderableType:
    head = Text().append("● ", style=STYLES[finding.severity])
    head.append(title(finding.name, lang), style="bold default")
    head.append(f"  {said(SEVERITIES[finding.severity], lang)}", style=STYLES[finding.severity])
    head.append(f"{said(COMMA, lang)}{said(SURE, lang)} {finding.confidence:.0%}  ", style="dim").append(
        finding.name, style="dim cyan"
    )
    body = Table.grid(padding=(0, 2))
    body.add_column(style="dim", no_wrap=True)
    body.add_column(overflow="fold")
    shown = [_evidence(one, lang) for one in finding.evidence if one.measured]
    for place, line in enumerate(shown):
        body.add_row("" if place else said(HOW, lang), Prose(line))
    picture = picture_of(finding, diagnosis.signals) if diagnosis.signals is not None else None
    if picture is not None:
        body.add_row("", Padding(draw(picture, lang, width=max(40, min(72, width - 16))), (1, 0, 1, 0)))
    body.add_row(said(WHY, lang), Prose(said(finding.cause, lang)))
    for place, remedy in enumerate(finding.remedies, 1):
        line = Text(f"{place}. {said(remedy.text, lang)}")
        if remedy.changes:
            line.append(f"  {changes(remedy.changes)}", style="dim cyan")
        body.add_row(said(DO, lang) if place == 1 else "", Prose(line))
    body.add_row(said(MORE, lang), Text(f"trivium explain {finding.name}", style="cyan"))
    symptom = Padding(Prose(said(finding.symptom, lang)), (0, 0, 1, 2))
    return Group(head, symptom, Padding(body, (0, 0, 0, 2)))


def _evidence(evidence: Evidence, lang: str) -> Text:
    value, bound = numbers(evidence, lang)
    line = Text(f"{said(evidence.what, lang)}{said(COLON, lang)}").append(value, style="bold")
    return line.append(f"  {bound}", style="dim") if bound else line


def _consequence(finding: Finding, lang: str) -> Prose:
    line = Text().append("↳ ", style=STYLES[finding.severity])
    line.append(f"{title(finding.name, lang)}{said(COLON, lang)}", style="default")
    return Prose(line.append(said(finding.symptom, lang), style="dim"))


def numbers(evidence: Evidence, lang: str) -> tuple[str, str]:
    """(what was measured, what it is held against and who says so) as texts."""
    value, bound = _number(evidence.value, lang), evidence.threshold
    parts = (
        [] if bound is None else [f"{said(BOUND if isinstance(bound, float) else RIGHT, lang)} {_number(bound, lang)}"]
    )
    parts += [said(evidence.source, lang)] if evidence.source else []
    return value, said(COMMA, lang).join(parts)


def _number(value: Any, lang: str) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.3g}"
    return said(value, lang) if isinstance(value, str) else str(value)


def changes(of: Mapping[str, Any]) -> str:
    """A remedy's change as one would write it: `learning_rate × 0.1`, `activation='relu'`."""
    return ", ".join(
        f"{name} × {value['times']:g}" if isinstance(value, Mapping) else f"{name}={value!r}"
        for name, value in of.items()
    )
