"""Write the pages of the catalogs and of the lessons: `python docs/make.py`; `--text` leaves the pictures as they are.

Pages say what the cards say, `trivium catalog NAME` in Markdown. The same code gives the same bytes.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from trivium import cards
from trivium.cards import Card
from trivium.peers import LIBRARIES, peers
from trivium.report.cards import facts_of, families
from trivium.translations import ENGLISH, label, languages

HERE = Path(__file__).parent
PICTURES = HERE / "catalog" / "pictures"
PRECISION = HERE / "catalog" / "precision.json"
PAGES = ("activations", "losses", "optimizers", "schedules")
AS_CODE = ("Also called", "Range", "Derivative", "Elsewhere")
CAPTIONS = {
    "activations": "Pictures show value and derivative; of one that mixes units, its last output for the row (1, z).",
    "losses": "Pictures show loss and gradient by the first output of the network; further outputs, such as a log "
    "scale, are 0. Losses that compare rows or items have none.",
    "optimizers": "Pictures show 60 steps from (-2.5, 1.5) down a bent valley to (1, 1), ten times as steep across as "
    "along, at the least of a dozen learning rates that arrives, else the one that comes nearest. They compare no "
    "speed: a valley of two parameters without noise is no network.",
    "schedules": "Pictures show the value over a run whose `value` is 1; numbers without a default are those of "
    "`src/trivium/report/curves.py`.",
}


def page_path(catalog: str, language: str) -> Path:
    """Where a page stands; English at the top, other languages in a folder of their own."""
    return (HERE if language == ENGLISH else HERE / language) / "catalog" / f"{catalog}.md"


def page(catalog: str, language: str, *, computed: bool = True) -> str:
    """The page of one catalog: families, and a section for each entry."""
    of = families(catalog)
    by_family: dict[str, list[str]] = {}
    for name, family in sorted(of.items(), key=lambda pair: pair[1]):
        by_family.setdefault(family, []).append(name)
    lines = [f"# {label(catalog, language).capitalize()}", "", label(CAPTIONS[catalog], language), ""]
    for family, names in by_family.items():
        shown = ", ".join(f"[{name}](#{name})" for name in names)
        lines.append(f"- {family}: {shown}" if len(by_family) > 1 else f"- {shown}")
    for names in by_family.values():
        for name in names:
            lines += ["", *section(cards.card(catalog, name, language, computed=computed), language)]
    return "\n".join(lines) + "\n"


def section(card: Card, language: str) -> Iterator[str]:
    """One entry in Markdown."""
    yield f"## {card.name}"
    yield ""
    yield f"**{card.title}**" + (f"  \n{card.what}" if card.what else "")
    yield ""
    yield from ("```text", card.formula, *(["", card.about] if card.about else []), "```")
    picture = PICTURES / f"{card.catalog}-{card.name}.svg"
    if picture.exists():
        up = "" if language == ENGLISH else "../../catalog/"
        yield from ("", f"![{card.name}]({up}pictures/{picture.name})")
    yield ""
    for name, said in facts_of(card):
        yield f"- {label(name, language)}: " + (f"`{said}`" if name in AS_CODE else _escaped(said))


def _escaped(text: str) -> str:
    """Prose in which stars and angle brackets stand for themselves, but not within code."""
    pieces = text.split("`")
    return "`".join(
        piece.replace("*", "\\*").replace("<", "\\<") if i % 2 == 0 else piece for i, piece in enumerate(pieces)
    )


def peers_page() -> str:
    """Who else has each entry, and how many units in the last place each is off at worst, where that was measured."""
    measured = json.loads(PRECISION.read_text()) if PRECISION.exists() else {}
    lines = [
        "# Who else has it",
        "",
        "Names in PyTorch, in jax.nn or Optax, and in Keras; a blank where it has none. Measured errors are the worst "
        "in units in the last place (ulp) of float32, value / derivative, against 50 digits. A star marks waves: near "
        "their zeros float32 cannot tell them from their neighbours, so that errors count in ulp of their height at "
        "least. A loss that is a difference, such as `poisson`, loses digits where its terms cancel.",
    ]
    for catalog in cards.CATALOGS:
        found = measured.get(catalog, {})
        makers = [maker for maker in ("ours", "jax", "torch") if any(entry.get(maker) for entry in found.values())]
        titles = {"ours": "Trivium, ulp", "jax": "JAX, ulp", "torch": "PyTorch, ulp"}
        head = ["entry", *LIBRARIES.values(), *(titles[maker] for maker in makers)]
        lines += ["", f"## {catalog.capitalize()}", "", _row(head), _row("---" for _ in head)]
        for name in cards.entries(catalog):
            elsewhere = peers(catalog, name)
            names = [f"`{elsewhere[library]}`" if library in elsewhere else "" for library in LIBRARIES]
            lines.append(_row([f"`{name}`", *names, *(_ulps(found.get(name, {}).get(maker)) for maker in makers)]))
        alone = [name for name in cards.entries(catalog) if not peers(catalog, name)]
        lines += ["", f"{len(cards.entries(catalog))} entries, {len(alone)} of them in none of the three."]
    return "\n".join(lines) + "\n"


def _row(cells) -> str:
    return f"| {' | '.join(cells)} |"


def _ulps(errors: dict | None) -> str:
    if not errors:
        return ""
    both = (errors.get("value"), errors.get("derivative"))
    shown = " / ".join("" if error is None else "all digits" if error > 1e6 else f"{error:.3g}" for error in both)
    return f"{shown} \\*" if "against" in errors else shown


def texts(*, computed: bool = True) -> dict[Path, str]:
    """Every page by its path."""
    written = {
        page_path(catalog, language): page(catalog, language, computed=computed)
        for language in languages()
        for catalog in PAGES
    }
    return written | {HERE / "catalog" / "peers.md": peers_page()}


def main() -> None:
    """Write pictures, then pages."""
    import diagnosis_pages  # beside this file

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", action="store_true", help="leave the pictures as they are")
    if not parser.parse_args().text:
        from pictures import draw_all

        draw_all(PICTURES)
        diagnosis_pages.draw_all()
    pages = texts() | diagnosis_pages.texts()
    for path, text in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(pages)} pages, {len(list(PICTURES.glob('*.svg')))} pictures")


if __name__ == "__main__":
    main()
