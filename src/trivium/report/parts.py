"""What pages are made of: a document, its style, tables and figures."""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

BLUE, ORANGE, GREY, RED = "#3b7dd8", "#e07b39", "#8a8f98", "#c8443c"

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


def document(title: str, sections: Iterable[str], lang: str = "en") -> str:
    """A page of these sections, with the style and what draws the figures."""
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style><script>{get_plotlyjs()}</script></head>"
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


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


DIGITS = ((4, (1,)), (2, (1, 3)), (1, (1, 2, 5)), (0, (1, 1.5, 2, 3, 5, 7)))
"""On a logarithmic axis, those that are named where it spans more than so many decades."""

FEWEST_TICKS = 3
"""Named numbers below which a logarithmic axis names numbers that are evenly apart."""

MOST_DECADES = 8
"""Of a logarithmic axis that are named, about; of a longer one every second, or third."""


def logarithmic_ticks(low: float, high: float) -> dict[str, Any]:
    """Which numbers a logarithmic axis names, for plotly, between these logarithms to base 10.

    Empty where both are one: plotly then names its own.
    """
    span = high - low
    if span <= 0:
        return {}
    digits = next(digits for decades, digits in DIGITS if span > decades)
    apart = max(1, round(span / MOST_DECADES))
    powers = range(math.floor(low) - 1, math.ceil(high) + 2)
    ticks = [digit * 10.0**power for power in powers if power % apart == 0 for digit in digits]
    inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
    if len(inside) < FEWEST_TICKS:
        return _even_ticks(10.0**low, 10.0**high)
    return {"tickvals": ticks, "ticktext": [f"{tick:.3g}" for tick in ticks]}


def _even_ticks(low: float, high: float) -> dict[str, Any]:
    """Round numbers, evenly apart: on an axis so short that logarithms are nearly straight."""
    least = (high - low) / (3 * FEWEST_TICKS)
    power = math.floor(math.log10(least))
    step = next(digit * 10.0**power for digit in (1, 2, 5, 10) if digit * 10.0**power >= least)
    ticks = [step * place for place in range(math.ceil(low / step), math.floor(high / step) + 1)]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return {"tickvals": ticks, "ticktext": [f"{tick:.{decimals}f}" for tick in ticks]}
