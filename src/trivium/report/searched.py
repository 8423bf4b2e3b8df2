"""A search as a part of a run's page: why the winner won, the picture, and the best networks."""

from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go

from trivium.report import sweep
from trivium.report.parts import card_of, table_of
from trivium.report.scores import in_digits
from trivium.report.search import Search, shown
from trivium.report.summary import Summary
from trivium.report.sweep import Series
from trivium.translations import phrase

MOST_ROWS = 10
"""Networks in the table of the best."""

SEEN = 0.9
"""Share of the networks whose losses are within the frame of the picture, should they be worse than a constant."""


def sections(summary: Summary, lang: str) -> list[str]:
    """The parts of the page, headings in a language."""
    search = summary.search
    assert search is not None
    parts = [f"<h2>{escape(phrase('What the search found', lang))}</h2>", f"<p>{escape(' '.join(search.words))}</p>"]
    choices = {choice.name: choice.value for choice in summary.choices}
    picture = figure(search, choices, summary.history.baseline_loss)
    if picture is not None:
        notes = {
            "overtaken": " Open circles left the race early, and had less time.",
            "not finite": " Crosses at the top mark those that diverged.",
        }
        told = "".join(said for ending, said in notes.items() if ending in search.table["ending"])
        about = f"Each point is a network at its best epoch; the worst may lie beyond the frame.{told}"
        parts += [card_of(picture), f'<p class="soft">{about}</p>']
    head, rows = best(search)
    parts += [f"<h2>{escape(phrase(f'The best of {len(search.scores)} networks', lang))}</h2>"]
    return [*parts, table_of(head, rows, numbers=range(head.index("learning rate"), len(head) - 1))]


def figure(search: Search, choices: dict[str, str], baseline_loss: float) -> go.Figure | None:
    """Loss against learning rate, a line or a colour per activation, or else per optimizer; None for a single rate.

    choices        of the winner, in words: they name what was not left open
    baseline_loss  of the best constant prediction; networks of several losses are compared by their scores, without it
    """
    table = search.table
    rates = np.array(table["learning_rate"], float)
    if len(np.unique(rates[np.isfinite(rates)])) < 2:
        return None
    by = next((name for name in ("activation", "optimizer") if name in search.open), None)
    names = [shown(value) for value in table[by]] if by else [choices.get("activation", "linear")] * len(rates)
    losses = np.array(table["score" if "loss" in search.open else "validation_loss"], float)
    losses = np.where(np.isfinite(losses), losses, np.nan)
    endings, order = np.array(table["ending"]), np.argsort(rates, kind="stable")
    order = order[np.isfinite(rates[order])]
    series = []
    for name in dict.fromkeys(names):
        of = order[np.array([names[place] == name for place in order])]
        final = np.array([np.nan if table["final_train_loss"][place] is None else table["final_train_loss"][place]
                          for place in of], float)  # fmt: skip
        series.append(Series(name, rates[of], losses[of], final, np.array(table["best_epoch"])[of], endings[of]))
    comparable = "loss" not in search.open and np.isfinite(baseline_loss)
    top = losses[np.isfinite(losses)]
    level = baseline_loss if comparable else float(top.max()) if len(top) else 1.0
    own = None if "optimizer" in search.open or np.isnan(rates[search.default]) else float(rates[search.default])
    seen = float(np.quantile(top, SEEN)) if len(top) else None
    picture = sweep.figure(series, choices.get("optimizer", "the optimizer"), own, level, shown=seen)
    if not comparable:
        picture.update_traces(visible=False, selector={"name": "constant prediction"})
        picture.update_yaxes(title="best validation score")
    early = "overtaken" in table["ending"]
    traces: Any = picture.select_traces({"mode": "lines+markers"})
    for trace, one in zip(traces, series, strict=True):
        symbols = ["circle-open" if ending == "overtaken" else "circle" for ending in one.endings]
        trace.update(marker={"symbol": symbols, "size": 8})
    if early or not set(search.open) <= {"activation", "learning_rate"}:  # neighbours differ in more than the rate
        picture.update_traces(mode="markers", selector={"mode": "lines+markers"})
    return picture


def best(search: Search) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Head and rows of the table of the best networks, the defaults added where they are not among them."""
    table, scores = search.table, search.scores
    places = search.order()[:MOST_ROWS]
    if search.open and search.default not in places:
        places.append(search.default)
    averaged = sum(weight > 0 for weight in table["weight"]) > 1
    names = [name for name in search.open if name != "learning_rate"]
    head = ("", *names, "learning rate", search.measure, "epoch kept", "epochs", *["weight"] * averaged, "ending")
    rows = []
    for place in places:
        what = "defaults" if search.open and place == search.default else ""
        what = f"winner{', defaults' * bool(what)}" if place == search.winner else what
        score = in_digits(float(scores[place])) if np.isfinite(scores[place]) else "none"
        kept = str(table["best_epoch"][place] + 1) if table["best_epoch"][place] >= 0 else "none"
        numbers = (shown(table["learning_rate"][place]), score, kept)
        weight = [f"{table['weight'][place]:.2f}"] * averaged
        chosen = [shown(table[name][place]) for name in names]
        rows.append((what, *chosen, *numbers, str(table["epochs"][place]), *weight, table["ending"][place]))
    return head, rows
