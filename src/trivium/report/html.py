"""A summary as one page that needs nothing but itself."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from trivium.report.scores import in_digits
from trivium.report.summary import Confusion, Points, Summary

BLUE, ORANGE, GREY = "#3b7dd8", "#e07b39", "#8a8f98"

STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #667080; --paper: #fbfbfa; --card: #fff; --line: #e3e5e8; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #98a1ad; --paper: #14171c; --card: #1b1f26; --line: #2c323b; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "Noto Sans", sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 48px 20px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 44px 0 12px; }
.soft { color: var(--soft); }
.cards { display: flex; flex-wrap: wrap; gap: 12px; margin-top: 28px; }
.card { flex: 1 1 160px; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; }
.card b { display: block; font-size: 26px; font-variant-numeric: tabular-nums; }
.note { border-left: 3px solid #e0a339; background: var(--card); padding: 10px 14px; margin-top: 16px; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
td.number, th.number { text-align: right; }
"""


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
    if isinstance(summary.picture, Confusion):
        sections += ["<h2>What was taken for what</h2>", card_of(_confusion(summary.picture))]
    if isinstance(summary.picture, Points):
        sections += ["<h2>Predicted against actual</h2>", card_of(_points(summary.picture, summary.target))]
    if summary.scores:
        rows = [(score.name, in_digits(score.model), in_digits(score.baseline)) for score in summary.scores]
        head = (f"on {summary.rows['test']:,} held-out rows", "network", summary.baseline)
        sections += ["<h2>Scores</h2>", table_of(head, rows, numbers=(1, 2))]
    chosen = [(choice.name, choice.value, choice.by) for choice in summary.choices]
    columns = [(kind, f"{count:,}") for kind, count in summary.columns.items()]
    sections += ["<h2>Choices</h2>", table_of(("choice", "value", "made by"), chosen)]
    sections += ["<h2>Columns</h2>", table_of(("kind", "columns"), columns, numbers=(1,))]
    if summary.dropped:
        sections += ["<h2>Columns left out</h2>", table_of(("column", "why"), summary.dropped.items())]
    return document(title, sections)


def document(title: str, sections: Iterable[str]) -> str:
    """A page of these sections, with the style and what draws the figures."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _cards(summary: Summary) -> str:
    history = summary.history
    cards = [
        (score.name, in_digits(score.model), f"{summary.baseline}: {in_digits(score.baseline)}")
        for score in summary.scores
    ]
    cards = cards[:3]
    cards.append(
        ("rows", f"{sum(summary.rows.values()):,}", ", ".join(f"{n:,} {use}" for use, n in summary.rows.items()))
    )
    cards.append(("time", f"{summary.seconds:.1f} s", f"{len(history)} epochs, {history.ending}"))
    inner = "".join(
        f'<div class="card"><span class="soft">{escape(name)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(detail)}</span></div>'
        for name, value, detail in cards
    )
    return f'<div class="cards">{inner}</div>'


def table_of(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """A table as a part of a page; the columns at the places `numbers` stand to the right."""

    def line(cells: Sequence[str], tag: str) -> str:
        marks = [f'<{tag} class="number">' if place in numbers else f"<{tag}>" for place in range(len(cells))]
        return "<tr>" + "".join(f"{m}{escape(str(c))}</{tag}>" for m, c in zip(marks, cells, strict=True)) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(tuple(row), 'td') for row in rows)}</table>"


def card_of(figure: go.Figure) -> str:
    """A figure as a part of a page, in the page's colours."""
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": GREY, "size": 13},
        margin={"l": 60, "r": 20, "t": 30, "b": 50},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
    )
    figure.update_xaxes(gridcolor="rgba(138,143,152,0.2)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(138,143,152,0.2)", zeroline=False)
    inner = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return f'<div class="figure">{inner}</div>'


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
    positive = all(value > 0 for value in [*history.train_loss, *history.validation_loss, history.baseline_loss])
    figure.update_layout(
        height=380, xaxis_title="epoch", yaxis_title="loss", yaxis_type="log" if positive else "linear"
    )
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
