"""A diagnosis as a part of a page, and as a page: each finding beside the picture that proves it."""

from html import escape

import numpy as np
import plotly.graph_objects as go

from trivium.diagnosis.finding import Finding
from trivium.diagnosis.ranking import Diagnosis
from trivium.diagnosis.texts import Text, both, language, said
from trivium.lessons import lesson, lessons, title
from trivium.report.diagnosis import (
    COLON,
    COMMA,
    DO,
    FOLLOWS,
    HOW,
    SEVERITIES,
    SKIPPED,
    SURE,
    WHY,
    changes,
    grouped,
    numbers,
)
from trivium.report.evidence import BOUND, Picture, picture_of
from trivium.report.parts import BLUE, GREY, ORANGE, card_of, document, logarithmic_ticks, table_of

RED = "#d6453d"
MORE, READ = both("What this is, and what to read", "这是什么，以及延伸阅读"), both("Further reading", "延伸阅读")
HEADING = both("Diagnosis", "诊断")
SWEEP = both("the same network at other learning rates, trained briefly", "同样的网络在其他学习率下的短暂训练")
SWEPT = "learning_rate"
"""The family of findings beside which such a picture stands."""

MEASURED, VALUE, AGAINST = both("measured", "测量项"), both("value", "数值"), both("held against", "对照与出处")

STYLE = """<style>
.finding { background: var(--card); border: 1px solid var(--line); border-left: 4px solid #e0a339; border-radius: 10px;
  padding: 18px 20px; margin-top: 20px; }
.finding.error { border-left-color: #d6453d; } .finding.info { border-left-color: #3b7dd8; }
.finding h3 { margin: 0; font-size: 18px; } .finding h4 { margin: 18px 0 4px; font-size: 14px; color: var(--soft);
  font-weight: 500; }
.finding .figure { border: 0; padding: 0; margin-top: 12px; } .finding p { margin: 6px 0; }
.finding ol { margin: 4px 0; padding-left: 22px; } .finding details { margin-top: 14px; }
.finding summary { cursor: pointer; color: var(--soft); } .finding code { font-size: 13px; color: var(--soft); }
.badge { display: inline-block; border-radius: 20px; padding: 1px 10px; font-size: 12px; color: #fff; margin-left: 8px;
  background: #b67c10; vertical-align: 2px; } .badge.error { background: #c23b33; } .badge.info { background: #2f6dc2; }
.follows { border-left: 2px solid var(--line); padding-left: 14px; margin-top: 16px; }
.healthy { background: var(--card); border: 1px solid var(--line); border-left: 4px solid #2f9e63; border-radius: 10px;
  padding: 14px 18px; margin-top: 16px; }
</style>"""


def page(diagnosis: Diagnosis, lang: str | None = None) -> str:
    """A whole page that needs nothing but itself; `lang` "en" or "zh", that of the locale where left out."""
    lang = language(lang)
    heading = said(HEADING, lang)
    sections = [f"<h1>{escape(heading)}</h1>", _facts(diagnosis, lang), section(diagnosis, lang)]
    return document(f"Trivium: {heading}", sections, lang)


def section(diagnosis: Diagnosis, lang: str | None = None, sweep: go.Figure | None = None) -> str:
    """The findings as a part of any page that `document` makes.

    sweep  losses by learning rate, which stand beside a finding on that; None where none were measured
    """
    lang = language(lang)
    parts = [STYLE, f'<div lang="{lang}">']
    if diagnosis.healthy:
        parts.append(f'<p class="healthy">✓ {escape(said(diagnosis.healthy, lang))}</p>')
    for root, consequences in grouped(diagnosis.findings):
        beside = sweep if root.family == SWEPT else None
        parts.append(_finding(root, consequences, diagnosis, lang, beside))
    if diagnosis.skipped:
        items = "".join(f"<li>{escape(entry['what'])}: {escape(entry['why'])}</li>" for entry in diagnosis.skipped)
        parts.append(f'<h2>{escape(said(SKIPPED, lang))}</h2><ul class="soft">{items}</ul>')
    return "".join([*parts, "</div>"])


def _facts(diagnosis: Diagnosis, lang: str) -> str:
    """One line on what ran."""
    if diagnosis.signals is None:
        return ""
    run = diagnosis.signals
    facts = [
        (both("layers", "层数"), len(run.record.layers) or None),
        (both("updates", "更新次数"), run.steps or None),
        (both("batch size", "批大小"), run.batch or None),
        (both("training rows", "训练样本"), run.run.get("rows")),
        (both("optimizer", "优化器"), run.optimizer.get("name")),
        (both("loss", "损失函数"), run.loss.get("kind")),
    ]
    shown = said(COMMA, lang).join(
        f"{said(name, lang)} {value:,}" if isinstance(value, int) else f"{said(name, lang)} {value}"
        for name, value in facts
        if value is not None
    )
    return f'<p class="soft">{escape(shown)}</p>'


def _finding(
    finding: Finding, consequences: list[Finding], diagnosis: Diagnosis, lang: str, sweep: go.Figure | None = None
) -> str:
    parts = [
        f'<div class="finding {finding.severity}"><h3>{escape(title(finding.name, lang))}'
        f'<span class="badge {finding.severity}">{escape(said(SEVERITIES[finding.severity], lang))}</span></h3>',
        f'<p class="soft"><code>{finding.name}</code> · {escape(said(SURE, lang))} {finding.confidence:.0%}</p>',
        f"<p>{escape(said(finding.symptom, lang))}</p>",
    ]
    picture = picture_of(finding, diagnosis.signals) if diagnosis.signals is not None else None
    if picture is not None:
        parts.append(card_of(figure_of(picture, lang)))
    if sweep is not None:
        parts.append(f"{_heading(SWEEP, lang)}{card_of(sweep)}")
    rows = [(said(one.what, lang), *numbers(one, lang)) for one in finding.evidence if one.measured]
    if rows:
        head = tuple(said(text, lang) for text in (MEASURED, VALUE, AGAINST))
        parts.append(f"{_heading(HOW, lang)}{table_of(head, rows, numbers=(1,))}")
    parts.append(f"{_heading(WHY, lang)}<p>{escape(said(finding.cause, lang))}</p>")
    if finding.remedies:
        parts.append(_heading(DO, lang) + "<ol>")
        for remedy in finding.remedies:
            code = f" <code>{escape(changes(remedy.changes))}</code>" if remedy.changes else ""
            parts.append(f"<li>{escape(said(remedy.text, lang))}{code}</li>")
        parts.append("</ol>")
    if consequences:
        items = "".join(
            f"<li>{escape(title(one.name, lang))}{said(COLON, lang)}{escape(said(one.symptom, lang))}</li>"
            for one in consequences
        )
        parts.append(f'<div class="follows"><p class="soft">{escape(said(FOLLOWS, lang))}</p><ul>{items}</ul></div>')
    return "".join([*parts, _lesson(finding.name, lang), "</div>"])


def _heading(text: Text, lang: str) -> str:
    words = said(text, lang)
    return f"<h4>{escape(words[:1].upper() + words[1:])}</h4>"


def _lesson(name: str, lang: str) -> str:
    """The lesson, folded away."""
    if name not in lessons():
        return ""
    found = lesson(name)
    reading = "".join(f"<li>{escape(work)}</li>" for work in found.reading)
    return (
        f"<details><summary>{escape(said(MORE, lang))}</summary><p>{escape(said(found.what, lang))}</p>"
        f"<p>{escape(said(found.why, lang))}</p><p>{escape(said(found.mend, lang))}</p>"
        f'<p class="soft">{escape(said(READ, lang))}</p><ul>{reading}</ul></details>'
    )


def figure_of(picture: Picture, lang: str) -> go.Figure:
    """The picture for a page; layers go from blue at the input to orange at the output."""
    figure = go.Figure()
    count = max(1, len(picture.lines) - 1)
    for place, (name, values) in enumerate(picture.lines.items()):
        kept = np.isfinite(values) & ((values > 0) | (not picture.logarithmic))
        figure.add_scatter(
            x=picture.places[kept].tolist(), y=values[kept].tolist(), name=said(name, lang),
            mode="lines" if kept.sum() > 1 else "markers",  # a line of one place has no length
            line={"color": _between(BLUE, ORANGE, place / count), "width": 2}, showlegend=True,
        )  # fmt: skip
    dashes = iter(("dot", "dashdot"))
    for name, values in reversed(list(picture.levels.items())):
        style = {"color": RED, "dash": "dash"} if name is BOUND else {"color": GREY, "dash": next(dashes)}
        places, levels, words = picture.places.tolist(), values.tolist(), said(name, lang)
        figure.add_scatter(x=places, y=levels, name=words, mode="lines", line=style, showlegend=True)
    figure.update_layout(
        height=340,
        xaxis_title=said(picture.across, lang),
        yaxis_title=said(picture.height, lang),
        yaxis_type="log" if picture.logarithmic else "linear",
    )
    seen = np.concatenate([*picture.lines.values(), *picture.levels.values()]) if picture.logarithmic else np.zeros(0)
    seen = np.log10(seen[np.isfinite(seen) & (seen > 0)])
    if seen.size:
        figure.update_yaxes(**logarithmic_ticks(float(seen.min()), float(seen.max())))
    else:
        figure.update_yaxes(exponentformat="power")
    return figure


def _between(first: str, last: str, share: float) -> str:
    ends = [[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in (first, last)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(*ends, strict=True))
