"""A summary as one page that needs nothing but itself."""

import math
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from trivium.diagnosis.texts import language, said
from trivium.report import diagnosis_page, searched
from trivium.report.parts import BLUE, GREY, ORANGE, card_of, document, logarithmic_ticks, table_of
from trivium.report.scores import in_digits
from trivium.report.summary import Confusion, Points, Summary

FEW_EPOCHS = 12
"""Each of which has its number on the axis; of more, plotly chooses."""


def page(summary: Summary) -> str:
    """The whole page as text: no address in it is ever fetched."""
    title = f"{summary.target} from {Path(summary.table).name}"
    sections = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(summary.task.capitalize())}: {escape(summary.task_reason)}.</p>',
        _cards(summary),
        *(f'<p class="note">{escape(note)}</p>' for note in summary.notes),
        "<h2>Learning curves</h2>",
        card_of(_curves(summary)),
    ]
    if summary.diagnosis is not None:
        lang = language()
        sections += [f"<h2>{escape(said(diagnosis_page.HEADING, lang))}</h2>"]
        sections += [diagnosis_page.section(summary.diagnosis, lang, summary.sweep)]
    if isinstance(summary.picture, Confusion):
        sections += ["<h2>What was taken for what</h2>", card_of(_confusion(summary.picture))]
    if isinstance(summary.picture, Points):
        sections += ["<h2>Predicted against actual</h2>", card_of(_points(summary.picture, summary.target))]
    if summary.scores:
        rows = [(score.name, in_digits(score.model), in_digits(score.baseline)) for score in summary.scores]
        head = (f"on {summary.rows['test']:,} held-out rows", "network", summary.baseline)
        sections += ["<h2>Scores</h2>", table_of(head, rows, numbers=(1, 2))]
    if summary.search is not None:
        sections += searched.sections(summary)
    chosen = [(choice.name, choice.value, choice.by) for choice in summary.choices]
    columns = [(kind, f"{count:,}") for kind, count in summary.columns.items()]
    sections += ["<h2>Choices</h2>", table_of(("choice", "value", "made by"), chosen)]
    sections += ["<h2>Columns</h2>", table_of(("kind", "columns"), columns, numbers=(1,))]
    if summary.dropped:
        sections += ["<h2>Columns left out</h2>", table_of(("column", "why"), summary.dropped.items())]
    return document(title, sections)


def _cards(summary: Summary) -> str:
    history = summary.history
    cards = [
        (score.name, in_digits(score.model), f"{summary.baseline}: {in_digits(score.baseline)}")
        for score in summary.scores
    ]
    cards = cards[:3]
    cards.append(
        ("rows", f"{sum(summary.rows.values()):,}", ", ".join(f"{n:,} {use}" for use, n in summary.rows.items() if n))
    )
    cards.append(("time", f"{summary.seconds:.1f} s", f"{len(history)} epochs, {history.ending}"))
    inner = "".join(
        f'<div class="card"><span class="soft">{escape(name)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(detail)}</span></div>'
        for name, value, detail in cards
    )
    return f'<div class="cards">{inner}</div>'


def _curves(summary: Summary) -> go.Figure:
    history = summary.history
    epochs = list(range(1, len(history) + 1))
    figure = go.Figure()
    figure.add_scatter(x=epochs, y=history.train_loss, name="training loss", line={"color": BLUE})
    if history.validation_loss:
        figure.add_scatter(x=epochs, y=history.validation_loss, name="validation loss", line={"color": ORANGE})
        kept, marker = history.best_epoch, {"color": ORANGE, "size": 9}
        figure.add_scatter(
            x=[kept + 1], y=[history.validation_loss[kept]], name="kept epoch", mode="markers", marker=marker
        )
    ends, level = [epochs[0], epochs[-1]], [history.baseline_loss] * 2
    figure.add_scatter(x=ends, y=level, name="constant prediction", mode="lines", line={"color": GREY, "dash": "dash"})
    figure.update_layout(height=380, xaxis_title="epoch", yaxis_title="loss")
    figure.update_xaxes(dtick=1 if len(epochs) <= FEW_EPOCHS else None)
    drawn = [*history.train_loss, *history.validation_loss, history.baseline_loss]
    drawn = [value for value in drawn if math.isfinite(value)]
    if min(drawn, default=0) > 0:
        figure.update_yaxes(type="log", **logarithmic_ticks(math.log10(min(drawn)), math.log10(max(drawn))))
    return figure


def _confusion(picture: Confusion) -> go.Figure:
    shares = [[count / max(1, sum(row)) for count in row] for row in picture.counts]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=picture.classes,
            y=picture.classes,
            text=[[count or "" for count in row] for row in picture.counts],
            customdata=picture.counts,
            texttemplate="%{text}" if len(picture.classes) <= 12 else None,
            hovertemplate="actual %{y}, predicted %{x}: %{customdata} rows, %{z:.1%}<extra></extra>",
            colorscale=[[0, "rgba(59,125,216,0.04)"], [1, BLUE]],
            zmin=0,
            zmax=1,
            colorbar={"title": "share of row", "tickformat": ".0%"},
        )
    )
    figure.update_xaxes(title="predicted", type="category")
    figure.update_yaxes(title="actual", type="category", autorange="reversed")
    figure.update_layout(height=max(380, 26 * len(picture.classes) + 120))
    return figure


def _points(picture: Points, target: str) -> go.Figure:
    low = min(*picture.actual, *picture.predicted)
    high = max(*picture.actual, *picture.predicted)
    figure = go.Figure()
    figure.add_scattergl(
        x=picture.actual, y=picture.predicted, mode="markers", name="held-out rows",
        marker={"color": BLUE, "size": 5, "opacity": 0.45},
    )  # fmt: skip
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", name="right", line={"color": GREY, "dash": "dash"})
    figure.update_layout(height=460, xaxis_title=f"actual {target}", yaxis_title=f"predicted {target}")
    return figure
