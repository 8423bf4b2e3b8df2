"""Lessons: what each finding means, why it happens and how it is mended, told once for all runs, in both languages.

The texts stand in a TOML file per family, an entry for each rule; the numbers of the pictures in `pictures.json`, which
`python docs/make.py` records from a small program that fails and its mended twin.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from trivium.diagnosis.texts import Text, both, language, said

PARTS = ("title", "what", "why", "mend")


@dataclass(frozen=True)
class Run:
    """One of the two runs of a picture.

    about   what its program is, and what it does differently
    places  numbers of updates
    values  what was measured there
    """

    about: Text
    places: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Lesson:
    """What there is to know of one finding.

    title, what, why, mend   in both languages
    reading                  works to go on with, with their addresses
    signal                   what the picture shows, a field of the record; empty without a picture
    runs                     the failing program, then the mended one
    """

    name: str
    family: str
    title: Text
    what: Text
    why: Text
    mend: Text
    reading: tuple[str, ...] = ()
    signal: str = ""
    runs: tuple[Run, ...] = field(default=())


@cache
def lessons() -> Mapping[str, Lesson]:
    """Name of a rule -> its lesson, by family."""
    pictures = json.loads((files(__name__) / "pictures.json").read_text(encoding="utf-8"))
    found = {}
    for path in sorted(files(__name__).iterdir(), key=lambda path: path.name):
        if path.name.endswith(".toml"):
            family = path.name.removesuffix(".toml")
            for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
                found[name] = _lesson(name, family, entry, pictures.get(name))
    return found


def _lesson(name: str, family: str, entry: Mapping[str, Any], picture: Mapping[str, Any] | None) -> Lesson:
    texts = {part: both(entry[part]["en"].strip(), entry[part]["zh"].strip()) for part in PARTS}
    runs = ()
    if picture:
        runs = tuple(
            Run(both(run["about"]["en"], run["about"]["zh"]), tuple(run["places"]), tuple(run["values"]))
            for run in picture["runs"]
        )
    return Lesson(
        name, family, **texts, reading=tuple(entry["reading"]), signal=picture["signal"] if picture else "", runs=runs
    )


def lesson(name: str) -> Lesson:
    """The lesson of a finding; case, hyphens and spaces do not count. Raises ValueError for an unknown name."""
    known, key = lessons(), name.strip().lower().replace("-", "_").replace(" ", "_")
    if key in known:
        return known[key]
    near = [repr(one) for one in [n for n in known if len(key) > 2 and key in n] or get_close_matches(key, known)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}."
    raise ValueError(f"unknown finding {name!r}: {hint}")


def title(name: str, lang: str | None = None) -> str:
    """What people call a finding; its own name where no lesson speaks of it."""
    found = lessons().get(name)
    return said(found.title, language(lang)) if found else name.replace("_", " ")
