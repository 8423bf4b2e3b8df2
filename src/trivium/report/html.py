"""A summary as one page that needs nothing but itself."""

import math
from functools import partial
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from trivium.diagnosis.texts import language, said
from trivium.report import diagnosis_page, searched
from trivium.report.parts import BLUE, GREY, ORANGE, card_of, document, logarithmic_ticks, table_of
from trivium.report.scores import in_digits
from trivium.report.summary import Confusion, Points, Summary, counted
from trivium.translations import phrase

FEW_EPOCHS = 12
"""Each of which has its number on the axis; of more, plotly chooses."""


def page(summary: Summary, lang: str | None = None) -> str:
    """The whole page as text: no address in it is ever fetched. `lang` "en" or "zh", that of the locale if left out."""
    lang = language(lang)
    tell = partial(phrase, language=lang)
    title = tell("{target} from {table}").format(target=summary.target, table=Path(summary.table).name)
    task = tell(summary.task).capitalize()
    question = tell("{task}: {reason}.").format(task=task, reason=tell(summary.task_reason))

    def heading(english: str) -> str:
        return f"<h2>{escape(tell(english))}</h2>"

    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(question)}</p>',
        _cards(summary, lang),
        *(f'<p class="note">{escape(note)}</p>' for note in summary.notes),
        heading("Learning curves"),
        card_of(_curves(summary, lang)),
    ]
    if summary.diagnosis is not None:
        sections += [f"<h2>{escape(said(diagnosis_page.HEADING, lang))}</h2>"]
        sections += [diagnosis_page.section(summary.diagnosis, lang, summary.sweep)]
    if isinstance(summary.picture, Confusion):
        sections += [heading("What was taken for what"), card_of(_confusion(summary.picture, lang))]
    if isinstance(summary.picture, Points):
        sections += [heading("Predicted against actual"), card_of(_points(summary.picture, summary.target, lang))]
    if summary.scores:
        rows = [(tell(score.name), in_digits(score.model), in_digits(score.baseline)) for score in summary.scores]
        head = (tell(f"on {summary.rows['test']:,} held-out rows"), tell("network"), tell(summary.baseline))
        sections += [heading("Scores"), table_of(head, rows, numbers=(1, 2))]
    if summary.search is not None:
        sections += searched.sections(summary, lang)
    chosen = [(choice.name, choice.value, tell(choice.by)) for choice in summary.choices]
    columns = [(tell(kind), f"{count:,}") for kind, count in summary.columns.items()]
    sections += [heading("Choices"), table_of(tuple(map(tell, ("choice", "value", "made by"))), chosen)]
    sections += [heading("Columns"), table_of((tell("kind"), tell("columns")), columns, numbers=(1,))]
    if summary.dropped:
        reasons = [(name, tell(reason)) for name, reason in summary.dropped.items()]
        sections += [heading("Columns left out"), table_of((tell("column"), tell("why")), reasons)]
    return document(title, sections, lang)


def _cards(summary: Summary, lang: str) -> str:
    tell = partial(phrase, language=lang)
    history = summary.history
    cards = [
        (tell(score.name), in_digits(score.model), f"{tell(summary.baseline)}: {in_digits(score.baseline)}")
        for score in summary.scores
    ]
    cards = cards[:3]
    uses = [counted(f"{n:,}", use, lang) for use, n in summary.rows.items() if n]
    cards.append((tell("rows"), f"{sum(summary.rows.values()):,}", tell(", ").join(uses)))
    length = tell(f"{len(history)} epochs") + tell(", ") + tell(history.ending)
    cards.append((tell("time"), tell(f"{summary.seconds:.1f} s"), length))
    inner = "".join(
        f'<div class="card"><span class="soft">{escape(name)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(detail)}</span></div>'
        for name, value, detail in cards
    )
    return f'<div class="cards">{inner}</div>'


def _curves(summary: Summary, lang: str) -> go.Figure:
    tell, history = partial(phrase, language=lang), summary.history
    epochs = list(range(1, len(history) + 1))
    figure = go.Figure()
    figure.add_scatter(x=epochs, y=history.train_loss, name=tell("training loss"), line={"color": BLUE})
    if history.validation_loss:
        figure.add_scatter(x=epochs, y=history.validation_loss, name=tell("validation loss"), line={"color": ORANGE})
        kept, marker = history.best_epoch, {"color": ORANGE, "size": 9}
        figure.add_scatter(
            x=[kept + 1], y=[history.validation_loss[kept]], name=tell("kept epoch"), mode="markers", marker=marker
        )
    ends, level, dashed = [epochs[0], epochs[-1]], [history.baseline_loss] * 2, {"color": GREY, "dash": "dash"}
    figure.add_scatter(x=ends, y=level, name=tell("constant prediction"), mode="lines", line=dashed)
    figure.update_layout(height=380, xaxis_title=tell("epoch"), yaxis_title=tell("loss"))
    figure.update_xaxes(dtick=1 if len(epochs) <= FEW_EPOCHS else None)
    drawn = [*history.train_loss, *history.validation_loss, history.baseline_loss]
    drawn = [value for value in drawn if math.isfinite(value)]
    if min(drawn, default=0) > 0:
        figure.update_yaxes(type="log", **logarithmic_ticks(math.log10(min(drawn)), math.log10(max(drawn))))
    return figure


def _confusion(picture: Confusion, lang: str) -> go.Figure:
    tell = partial(phrase, language=lang)
    actual, predicted, rows = map(tell, ("actual", "predicted", "rows"))
    shares = [[count / max(1, sum(row)) for count in row] for row in picture.counts]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=picture.classes,
            y=picture.classes,
            text=[[count or "" for count in row] for row in picture.counts],
            customdata=picture.counts,
            texttemplate="%{text}" if len(picture.classes) <= 12 else None,
            hovertemplate=f"{actual} %{{y}}, {predicted} %{{x}}: %{{customdata}} {rows}, %{{z:.1%}}<extra></extra>",
            colorscale=[[0, "rgba(59,125,216,0.04)"], [1, BLUE]],
            zmin=0,
            zmax=1,
            colorbar={"title": tell("share of row"), "tickformat": ".0%"},
        )
    )
    figure.update_xaxes(title=predicted, type="category")
    figure.update_yaxes(title=actual, type="category", autorange="reversed")
    figure.update_layout(height=max(380, 26 * len(picture.classes) + 120))
    return figure


def _points(picture: Points, target: str, lang: str) -> go.Figure:
    tell = partial(phrase, language=lang)
    low = min(*picture.actual, *picture.predicted)
    high = max(*picture.actual, *picture.predicted)
    figure = go.Figure()
    figure.add_scattergl(
        x=picture.actual, y=picture.predicted, mode="markers", name=tell("held-out rows"),
        marker={"color": BLUE, "size": 5, "opacity": 0.45},
    )  # fmt: skip
    figure.add_scatter(
        x=[low, high], y=[low, high], mode="lines", name=tell("right"), line={"color": GREY, "dash": "dash"}
    )
    across, up = (tell(f"{what} {{target}}").format(target=target) for what in ("actual", "predicted"))
    figure.update_layout(height=460, xaxis_title=across, yaxis_title=up)
    return figure
