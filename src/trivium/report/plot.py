"""Lines in the terminal, drawn with the dots of braille: two across and four down in every character."""

from collections.abc import Mapping

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.text import Text

DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
"""What each dot of a character adds to U+2800."""

COLOURS = ("cyan", "magenta")


def plot(
    places: np.ndarray, lines: Mapping[str, np.ndarray], across: str, *, width: int, height: int = 10, colour: int = 0
) -> Text:
    """Lines over one axis, with their ends and what they are called, in `width` columns and `height` + 3 rows.

    Values that are not finite are left out. Zero is marked where it lies within the frame.
    """
    finite = np.concatenate([values[np.isfinite(values)] for values in lines.values()])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if high - low < 1e-9 * max(1, abs(high)):
        low, high = low - 0.5, high + 0.5
    ends = [f"{0 if abs(end) < 1e-9 * (high - low) else end:.3g}" for end in (high, low)]
    margin = max(map(len, ends))
    columns = width - margin - 1
    dots = np.zeros((height * 4, columns * 2), bool)

    def row(values: np.ndarray) -> np.ndarray:
        down = (high - np.nan_to_num(values)) / (high - low) * (height * 4 - 1)
        return np.where(np.isfinite(values), np.rint(down), -1).astype(int)

    for values in lines.values():
        at = np.linspace(places[0], places[-1], columns * 2)
        _draw(dots, row(np.interp(at, places, values)))
    text = Text(no_wrap=True)
    text.append(" " * (margin + 1) + set_cell_size(", ".join(lines), columns) + "\n", style="bold")
    zero = int(row(np.zeros(1))[0]) // 4 if low < 0 < high else None
    for index, characters in enumerate(_characters(dots)):
        name = ends[0] if index == 0 else ends[1] if index == height - 1 else "0" if index == zero else ""
        text.append(name.rjust(margin), style="dim")
        text.append("┤" if name else "│", style="dim")
        text.append(characters + "\n", style=COLOURS[colour % len(COLOURS)])
    first, last = f"{places[0]:.3g}", f"{places[-1]:.3g}"
    text.append(" " * margin + "└" + "─" * columns + "\n", style="dim")
    room = columns - len(first) - len(last)
    across = set_cell_size(across, min(cell_len(across), room - 2))
    before = (room - cell_len(across)) // 2
    middle = " " * before + set_cell_size(across, room - before)
    text.append(" " * (margin + 1) + first + middle + last, style="dim")
    return text


def _draw(dots: np.ndarray, rows: np.ndarray) -> None:
    """Set the dots of one line, a row for each column or -1, with those in between where it is steep."""
    for column, here in enumerate(rows):
        if here < 0:
            continue
        before = rows[column - 1] if column and rows[column - 1] >= 0 else here
        between = np.sign(here - before)
        dots[min(before + between, here) : max(before + between, here) + 1, column] = True


def _characters(dots: np.ndarray) -> list[str]:
    """Rows of braille: a blank where no dot is set."""
    rows, columns = dots.shape
    cells = dots.reshape(rows // 4, 4, columns // 2, 2).transpose(0, 2, 1, 3)
    codes = (cells * DOTS).sum(axis=(2, 3))
    return ["".join(chr(0x2800 + code) if code else " " for code in line) for line in codes]
