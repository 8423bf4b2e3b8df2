"""Running text in the terminal, wrapped as its language is: Chinese between any two characters, English at blanks."""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

_PIECES = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]|[^\s\u2e80-\u9fff\uf900-\uffef]+|\s+")
_CLOSING = frozenset("，。；：、！？）》”’」』】,.;:!?)")
"""No line begins with one of these."""


class Prose:
    """Text that is wrapped to the room that it gets."""

    def __init__(self, text: Text | str, style: str = "") -> None:
        self.text = text if isinstance(text, Text) else Text(text, style=style)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.text.split("\n", allow_blank=True):
            places = list(_breaks(line.plain, options.max_width))
            for part in line.divide(places):
                part.rstrip()
                yield part

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max((cell_len(line) for line in self.text.plain.split("\n")), default=1)
        return Measurement(min(16, longest, options.max_width), min(longest, options.max_width))


def _breaks(text: str, width: int) -> Iterator[int]:
    """Where new lines begin."""
    used, place = 0, 0
    for piece in _pieces(text):
        if used and used + cell_len(piece.rstrip()) > width:
            yield place
            used = 0
        used, place = used + cell_len(piece), place + len(piece)


def _pieces(text: str) -> list[str]:
    """What must not be parted: a word with the blanks after it, a character with the closing marks after it."""
    found: list[str] = []
    for piece in _PIECES.findall(text):
        if found and (piece.isspace() or piece[0] in _CLOSING):
            found[-1] += piece
        else:
            found.append(piece)
    return found
