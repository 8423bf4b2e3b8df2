"""Cards and lists of the catalogs in the terminal."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

import numpy as np
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trivium import cards
from trivium.cards import Argument, Card
from trivium.peers import LIBRARIES
from trivium.report.curves import curves, path
from trivium.report.plot import plot
from trivium.translations import label

MOST_COLUMNS = 100
"""Columns that a card takes at most, so that its lines stay readable."""

NAME = 20
"""Columns for a name in a list; a longer one pushes its line to the right."""


def print_list(chosen: Sequence[str], console: Console, language: str) -> None:
    """All entries of the chosen catalogs by family, a line each, and how many there are."""
    for catalog in chosen:
        console.print(Text(f"{label(catalog, language)} ({len(cards.entries(catalog))})", style="bold"))
        of = families(catalog)
        margin = max(map(len, of.values())) if len({*of.values()}) > 1 else -1
        last = catalog
        for name, family in sorted(of.items(), key=lambda pair: pair[1]):
            line = Text("  " + ("" if family == last else family).ljust(margin + 1), style="dim", overflow="ellipsis")
            line.append(name.ljust(NAME) + " ", style="not dim cyan")
            line.append(cards.first_line(catalog, name, language), style="not dim default")
            console.print(line, no_wrap=True, overflow="ellipsis")
            last = family
    total = ", ".join(f"{len(cards.entries(catalog))} {label(catalog, language)}" for catalog in chosen)
    example = next(iter(cards.entries(chosen[0])))
    console.print(f"\n{total}. {label('Show one', language)}: trivium catalog {example}", highlight=False)


def families(catalog: str) -> dict[str, str]:
    """Entry -> the file in which it stands."""
    return {name: entry.__module__.rsplit(".", 1)[-1] for name, entry in cards.entries(catalog).items()}


def list_as_json(chosen: Sequence[str], language: str) -> dict[str, dict[str, dict[str, str]]]:
    """Catalog -> entry -> its family and first line."""
    return {
        catalog: {
            name: {"family": family, "first_line": cards.first_line(catalog, name, language)}
            for name, family in families(catalog).items()
        }
        for catalog in chosen
    }


def print_card(card: Card, console: Console, language: str) -> None:
    """One card with its picture."""
    width = min(console.width, MOST_COLUMNS)
    head = Text(card.name, style="bold cyan").append(f"  {card.title}", style="bold default")
    place = " / ".join(dict.fromkeys((label(card.catalog, language), card.family)))
    console.print(head.append(f"  {place}", style="dim"), width=width)
    console.print(Padding(Text(card.formula), (0, 0, 0, 2)), width=width)
    if card.what:
        console.print(Padding(Text(card.what), (0, 0, 0, 2)), width=width)
    if card.about:
        console.print(Padding(Text(_wrapped(card.about, width - 2), style="dim"), (1, 0, 0, 2)), width=width)
    picture = _picture(card, width - 2, language)
    if picture:
        console.print(Padding(picture, (1, 0, 0, 2)), width=width)
    console.print(Padding(_facts(card, language), (1, 0, 0, 2)), width=width, highlight=False)


def _wrapped(text: str, width: int) -> str:
    """Lines of at most so many columns; what a formula is too long for goes on below it, indented."""
    lines = []
    for line in text.splitlines():
        inner = line.removeprefix("    ")
        kept = inner if len(inner) <= width else inner.replace("  ", " ")
        lines += wrap(kept, width, subsequent_indent="      " if inner != line else "") or [""]
    return "\n".join(lines)


def _facts(card: Card, language: str) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    last = ""
    for name, said in facts_of(card):
        facts.add_row(
            "" if name == last else label(name, language), Text(said, style="yellow" if name == "Trap" else "")
        )
        last = name
    return facts


def facts_of(card: Card) -> Iterator[tuple[str, str]]:
    """What stands on a card below its formula: English label -> text, as the terminal and the pages show it."""
    yield from ((name, said) for name, said in [("Also called", ", ".join(card.aliases))] if said)
    for argument in card.arguments:
        if said := _argument(argument):
            yield "Argument", said
    lines = [("Range", card.range), ("Derivative", card.derivative), *card.facts.items(), ("Link", card.link)]
    lines += [("Returns", card.returns), ("Proper", card.proper)]
    lines += [("Trap", trap) for trap in card.traps]
    lines += [("Memory", card.memory), ("Agrees with", card.agrees), *(("Differs from", said) for said in card.differs)]
    lines += [("Elsewhere", f"{LIBRARIES[library]}: {name}") for library, name in card.peers.items()]
    lines += [("Source", card.source)]
    yield from ((name, said) for name, said in lines if said)


def _argument(argument: Argument) -> str:
    """An argument in one line; empty where there is nothing to say of it."""
    default = f" = {argument.default}" if argument.default is not None else ""
    said = "; ".join(part for part in (argument.bounds, argument.about) if part)
    return f"{argument.name}{default}" + (f": {said}" if said else "") if said or default else ""


def _picture(card: Card, width: int, language: str) -> Table | Group | None:
    if card.catalog == "optimizers":
        way = path(card.name)
        if way is None:
            return None
        rate = "" if way.learning_rate is None else f", learning_rate = {way.learning_rate:.2g}"
        steps = np.arange(len(way.losses))
        log = np.log10(np.maximum(way.losses, 1e-9))
        across = f"{label('step', language)}{rate}"
        return Group(plot(steps, {label("log10 of the loss in a valley", language): log}, across, width=width))
    drawn = curves(card.catalog, card.name)
    if drawn is None:
        return None
    table = Table.grid(padding=(0, 2, 0, 0))
    each = width // len(drawn.lines) - 2 * (len(drawn.lines) > 1)
    across = label(drawn.across, language)
    table.add_row(
        *(
            plot(drawn.places, {label(name, language): values}, across, width=each, colour=colour)
            for colour, (name, values) in enumerate(drawn.lines.items())
        )
    )
    return table
