"""Pictures of findings in the terminal: each line in a colour of its own, bounds as a dashed one."""

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from trivium.diagnosis.texts import said
from trivium.report.evidence import BOUND, Picture
from trivium.report.plot import DOTS

COLOURS = ("cyan", "magenta", "green", "blue", "yellow", "white")
RED, GREY = "red", "bright_black"


def draw(picture: Picture, lang: str, *, width: int = 64, height: int = 7) -> Text:
    """The picture in `width` columns and `height` + 3 rows: what the lines are, they themselves, and the axis."""
    layers = [(name, values, False) for name, values in picture.lines.items()]
    layers = layers if len(layers) <= 3 else [layers[0], layers[len(layers) // 2], layers[-1]]
    layers += [(name, values, True) for name, values in reversed(list(picture.levels.items()))]
    scaled = [_scaled(values, picture.logarithmic) for _, values, _ in layers]
    known = np.concatenate([values[np.isfinite(values)] for values in scaled])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    ends = [f"{10**end if picture.logarithmic else end:.3g}" for end in (high, low)]
    margin = max(map(len, ends))
    columns = width - margin - 1
    cells = np.zeros((height, columns), int)
    owner = np.full((height, columns), -1)
    for index, values in reversed(list(enumerate(scaled))):  # the first line lies on top
        dots = _dots(picture.places, values, (low, high), (height * 4, columns * 2), dashed=layers[index][2])
        mine = (dots.reshape(height, 4, columns, 2).transpose(0, 2, 1, 3) * DOTS).sum(axis=(2, 3))
        cells |= mine
        owner[mine > 0] = index
    styles = _styles(layers)
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(f"{'':{margin + 1}}{said(picture.height, lang)}", style="bold")
    if picture.logarithmic:
        text.append("，对数刻度" if lang == "zh" else ", log scale", style="dim")
    text.append("\n")
    if len(layers) > 1:
        names = [said(name, lang) for name, _, _ in layers]
        wide = sum(cell_len(name) + 4 for name in names) > columns
        for place, (name, (_, _, dashed), style) in enumerate(zip(names, layers, styles, strict=True)):
            text.append(" " * (margin + 1) if wide or not place else "")
            text.append("╌ " if dashed else "━ ", style=style).append(f"{name}  ", style="dim")
            text.append("\n" if wide and place < len(names) - 1 else "")
        text.append("\n")
    for row in range(height):
        name = ends[0] if row == 0 else ends[1] if row == height - 1 else ""
        text.append(name.rjust(margin) + ("┤" if name else "│"), style="dim")
        for code, which in zip(cells[row], owner[row], strict=True):
            text.append(chr(0x2800 + code) if code else " ", style=styles[which] if code else "")
        text.append("\n")
    first, last = f"{picture.places[0]:.6g}", f"{picture.places[-1]:.6g}"
    middle = Text(said(picture.across, lang))
    room = columns - len(first) - len(last)
    middle.pad_left(max(1, (room - middle.cell_len) // 2))
    middle.pad_right(max(1, room - middle.cell_len))
    text.append(" " * (margin + 1) + first, style="dim").append(middle.plain, style="dim").append(last, style="dim")
    return text


def _scaled(values: np.ndarray, logarithmic: bool) -> np.ndarray:
    """Values, or their logarithms, for which zero lies a tenth below the smallest."""
    values = np.asarray(values, dtype=float)
    if not logarithmic:
        return values
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return np.full(len(values), np.nan)
    return np.log10(np.maximum(values, positive.min() / 10))


def _styles(layers: list[tuple[str, np.ndarray, bool]]) -> list[str]:
    """A colour for each line; levels are grey, but for the bound of the rule."""
    colours = iter(COLOURS)
    return [(RED if name is BOUND else GREY) if dashed else next(colours) for name, _, dashed in layers]


def _dots(
    places: np.ndarray, values: np.ndarray, ends: tuple[float, float], size: tuple[int, int], *, dashed: bool
) -> np.ndarray:
    """Which dots a line sets, rows from above; several values of one column make an upright stroke, one alone a dot."""
    dots = np.zeros(size, bool)
    low, high = ends
    at = np.linspace(places[0], places[-1], size[1])
    known = np.isfinite(values)
    if not known.any():
        return dots
    first, last = places[known][0], places[known][-1]
    inside = (at >= first) & (at <= last)
    inside[np.abs(at - first).argmin()] = True  # of one value alone, the column that is nearest
    rows = np.rint((high - np.interp(at, places[known], values[known])) / (high - low) * (size[0] - 1)).astype(int)
    if dashed:
        for column in np.flatnonzero(inside):
            dots[rows[column], column] |= column % 6 < 3
        return dots
    spread = np.searchsorted((at[1:] + at[:-1]) / 2, places[known])  # the column of each value
    upright = np.rint((high - values[known]) / (high - low) * (size[0] - 1)).astype(int)
    top, bottom = rows.copy(), rows.copy()
    np.minimum.at(top, spread, upright)
    np.maximum.at(bottom, spread, upright)
    before = -1
    for column in np.flatnonzero(inside):
        here = rows[column]
        start = here if before < 0 else before + np.sign(here - before)
        dots[min(start, here, top[column]) : max(start, here, bottom[column]) + 1, column] = True
        before = here
    return dots
