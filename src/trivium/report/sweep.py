"""The picture and the page of a sweep of learning rates."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import plotly.graph_objects as go

from trivium.report.parts import BLUE, GREY, ORANGE, RED, card_of, document, logarithmic_ticks, table_of
from trivium.report.scores import in_digits

COLOURS = (BLUE, ORANGE, "#3f9d63", "#a45cc8", "#c9a227", "#d0497a", "#2fa7a7", "#8c6d4f")


@dataclass(frozen=True, eq=False)
class Series:
    """The members of one activation, from the lowest learning rate to the highest; every array is (n,)."""

    name: str
    rates: np.ndarray
    losses: np.ndarray  # the best validation loss, NaN for none
    final: np.ndarray  # the last training loss
    best_epochs: np.ndarray
    endings: np.ndarray

    @property
    def diverged(self) -> np.ndarray:
        return self.endings == "not finite"

    @property
    def best(self) -> int | None:
        """The place of the lowest validation loss."""
        return None if np.isnan(self.losses).all() else int(np.nanargmin(self.losses))

    def highest_stable(self, baseline_loss: float) -> float | None:
        """The highest rate that can be reached from the best one without a member that is worse than a constant."""
        stable = ~self.diverged & (self.final < baseline_loss)
        if self.best is None or not stable[self.best]:
            return None
        above = stable[self.best :]
        length = len(above) if above.all() else int(np.argmin(above))
        return float(self.rates[self.best + length - 1])


def figure(
    series: Sequence[Series],
    optimizer: str,
    default_rate: float | None,
    baseline_loss: float,
    *,
    shown: float | None = None,
    own_rate: float | None = None,
) -> go.Figure:
    """Validation loss against learning rate, a line per activation.

    shown     a loss that is to be seen
    own_rate  the learning rate of a run beside which the picture stands
    Losses far above that of a constant prediction leave the frame at its top, where crosses mark members that diverged.
    """
    drawn = [np.where(one.diverged, np.nan, one.losses) for one in series]
    finite = np.concatenate(drawn)
    finite = finite[np.isfinite(finite)]
    logarithmic = baseline_loss > 0 and bool((finite > 0).all())
    low, high = _frame(finite, baseline_loss, logarithmic)
    if shown is not None:
        top = float(np.log10(shown)) if logarithmic else shown
        high = max(high, top + 0.12 * (top - low))  # below the crosses
    picture = go.Figure()
    for place, (one, losses) in enumerate(zip(series, drawn, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        picture.add_scatter(
            x=one.rates,
            y=losses,
            name=one.name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 5},
            customdata=np.stack([one.best_epochs + 1, one.endings], axis=-1).tolist(),
            hovertemplate="rate %{x:.3g}: loss %{y:.4g} in epoch %{customdata[0]}, %{customdata[1]}",
        )
        if one.diverged.any():
            level = high - (high - low) * (0.03 + 0.04 * place)
            picture.add_scatter(
                x=one.rates[one.diverged],
                y=np.full(int(one.diverged.sum()), 10**level if logarithmic else level),
                name=f"{one.name} diverged",
                mode="markers",
                marker={"color": colour, "symbol": "x", "size": 8},
                showlegend=False,
                hovertemplate="rate %{x:.3g}: no longer finite",
            )
    if any(one.diverged.any() for one in series):
        cross = {"color": GREY, "symbol": "x", "size": 8}
        picture.add_scatter(x=[None], y=[None], name="diverged", mode="markers", marker=cross)
    _mark_best(picture, series, drawn)
    rates = np.concatenate([one.rates for one in series])
    ends = [float(rates.min()), float(rates.max())]
    level = [baseline_loss] * 2
    picture.add_scatter(
        x=ends,
        y=level,
        name="constant prediction",
        mode="lines",
        line={"color": GREY, "dash": "dash"},
        hoverinfo="skip",
    )
    heights = [10**low, 10**high] if logarithmic else [low, high]
    for rate, whose, line in (
        (default_rate, f"default of {optimizer}", {"color": GREY, "dash": "dot"}),
        (own_rate, "this run", {"color": RED, "width": 1.5}),
    ):
        if rate is not None:
            picture.add_scatter(x=[rate] * 2, y=heights, name=f"{whose}, {rate:.3g}", mode="lines", line=line)
    picture.update_layout(height=460, template="plotly_white")
    picture.update_xaxes(title="learning rate", type="log", exponentformat="power", dtick=1)
    picture.update_yaxes(title="best validation loss", type="log" if logarithmic else "linear", range=[low, high])
    if logarithmic:
        picture.update_yaxes(**logarithmic_ticks(low, high))
    return picture


def page(text: str, picture: go.Figure, series: Sequence[Series], baseline_loss: float) -> str:
    """The whole page as text: no address in it is ever fetched."""
    rows = []
    for one in sorted(series, key=lambda one: np.inf if one.best is None else one.losses[one.best]):
        stable, best = one.highest_stable(baseline_loss), one.best
        found = ("none", "none") if best is None else (f"{one.rates[best]:.3g}", in_digits(float(one.losses[best])))
        rows.append((one.name, *found, "none" if stable is None else f"{stable:.3g}", str(int(one.diverged.sum()))))
    head = ("activation", "best rate", "validation loss", "stable up to", "diverged")
    title = "Learning rates"
    sections = [
        f"<h1>{title}</h1>",
        f'<p class="soft">{escape(text)}</p>',
        card_of(picture),
        '<p class="soft">Each point is a network: its lowest validation loss over the epochs. Crosses at the top mark '
        "those whose loss was no longer finite; losses far above a constant prediction's lie beyond the frame.</p>",
        "<h2>By activation</h2>",
        table_of(head, rows, numbers=(1, 2, 3, 4)),
    ]
    return document(title, sections)


def _frame(losses: np.ndarray, baseline_loss: float, logarithmic: bool) -> tuple[float, float]:
    """Least and greatest loss of the picture, as the axis takes them."""
    values = np.append(losses, baseline_loss)
    values, baseline = (np.log10(values), np.log10(baseline_loss)) if logarithmic else (values, baseline_loss)
    low = float(values.min())
    span = float(baseline) - low
    if span < 1e-3:  # nothing is better than a constant: show what is worse
        span = max(float(values.max()) - low, 0.1)
        return low - 0.06 * span, low + 1.25 * span
    return low - 0.06 * span, float(baseline) + 0.3 * span


def _mark_best(picture: go.Figure, series: Sequence[Series], drawn: Sequence[np.ndarray]) -> None:
    lowest = [np.inf if np.isnan(losses).all() else np.nanmin(losses) for losses in drawn]
    first = int(np.argmin(lowest))
    if not np.isfinite(lowest[first]):
        return
    place = int(np.nanargmin(drawn[first]))
    marker = {"color": COLOURS[first % len(COLOURS)], "size": 14, "symbol": "star"}
    picture.add_scatter(
        x=[series[first].rates[place]], y=[lowest[first]], name="best", mode="markers", marker=marker, hoverinfo="skip"
    )
