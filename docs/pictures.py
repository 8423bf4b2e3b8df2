"""The pictures of the pages: small drawings, the same bytes whenever the code is the same."""

import re
from pathlib import Path

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from trivium import cards
from trivium.report.curves import START, Curves, curves, path, valley

BLUE, ORANGE, GREY = "#3b7dd8", "#e07b39", "#8a8f98"  # to be seen on white and on black
STYLE = {
    "svg.hashsalt": "trivium",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # Matplotlib's own; a reader without it gets the next sans-serif
    "font.size": 8,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlecolor": GREY,
    "axes.titlesize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "path.simplify_threshold": 0.3,
}


def draw_all(folder: Path) -> None:
    """Draw every entry that has a picture, and take away the pictures of entries that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = set()
    for catalog in ("activations", "losses", "schedules", "optimizers"):
        for name in cards.entries(catalog):
            with plt.rc_context(STYLE):
                figure = _path(name) if catalog == "optimizers" else _curves(curves(catalog, name))
                if figure is None:
                    continue
                target = folder / f"{catalog}-{name}.svg"
                figure.savefig(target, transparent=True, metadata={"Date": None, "Creator": None})
                plt.close(figure)
            target.write_text(_small(target.read_text()))
            drawn.add(target)
    for old in set(folder.glob("*.svg")) - drawn:
        old.unlink()


def _small(svg: str) -> str:
    """The same picture in fewer bytes: hundredths of a point, no indentation, no description of itself."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-0 [^)]*\)"|<path d="[^"]*" style="fill: none"/>', "", svg)
    svg = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found.group()):.2f}", svg)
    return "\n".join(line.strip() for line in svg.splitlines() if line.strip()) + "\n"


def _curves(drawn: Curves | None) -> plt.Figure | None:
    """A panel for each line, side by side."""
    if drawn is None:
        return None
    count = len(drawn.lines)
    figure, panels = plt.subplots(1, count, figsize=(2.7 * count, 1.9), layout="constrained", squeeze=False)
    for panel, (name, values), colour in zip(panels[0], drawn.lines.items(), (BLUE, ORANGE), strict=False):
        every = 2 if len(values) > 201 else 1
        panel.plot(drawn.places[::every], values[::every], color=colour, linewidth=1.6)
        panel.set_title(name)
        panel.set_xlabel(drawn.across)
        panel.locator_params(nbins=5)
        panel.grid(linewidth=0.5)
        low, high = np.nanmin(values), np.nanmax(values)
        if high - low < 1e-6 * max(1, abs(high)):
            panel.set_ylim(low - 0.5, high + 0.5)
    return figure


def _path(name: str) -> plt.Figure | None:
    """The way down the valley over its lines of equal height."""
    way = path(name)
    if way is None:
        return None
    figure, panel = plt.subplots(figsize=(2.9, 2.1), layout="constrained")
    x, y = np.meshgrid(np.linspace(-3.2, 2.6, 41), np.linspace(-0.4, 3.4, 31))
    heights = valley(np.stack([x, y], axis=-1))
    panel.contour(x, y, heights, levels=[0.1, 0.6, 2, 5, 9], colors=GREY, linewidths=0.5, alpha=0.6)
    panel.plot(way.steps[:, 0], way.steps[:, 1], color=BLUE, linewidth=1.1)
    panel.plot(way.steps[::5, 0], way.steps[::5, 1], linestyle="none", marker="o", markersize=2, color=BLUE)
    panel.plot(*START, marker="o", markersize=4, color=ORANGE)
    panel.plot(1, 1, marker="x", markersize=5, color=ORANGE)
    panel.locator_params(nbins=4)
    panel.set(xlim=(-3.2, 2.6), ylim=(-0.4, 3.4))
    rate = "" if way.learning_rate is None else f"learning rate {way.learning_rate:.2g}, "
    panel.set_title(f"{rate}loss {way.losses[0]:.2g} to {way.losses[-1]:.1g}")
    return figure
