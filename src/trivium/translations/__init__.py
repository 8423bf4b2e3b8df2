"""What catalogs and reports say in other languages: one file each, in which entries may be missing; then the English
stands."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

ENGLISH = "en"


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    found = (path.name for path in files(__name__).iterdir())
    return (ENGLISH, *sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


@cache
def translation(language: str) -> Mapping[str, Any]:
    """Catalog -> entry -> `title`, `what`, `trap`; and under "labels" the English label -> that of the language,
    under "phrases" the same for `phrase`.

    Raises ValueError for a language that there is not.
    """
    if language not in languages():
        raise ValueError(f"lang must be one of {', '.join(languages())}, got {language!r}. Leave it out for English.")
    if language == ENGLISH:
        return {}
    return tomllib.loads((files(__name__) / f"{language}.toml").read_text(encoding="utf-8"))


def label(english: str, language: str) -> str:
    """A label in a language, the English one where it has none."""
    return translation(language).get("labels", {}).get(english, english)


def phrase(english: str, language: str) -> str:
    """A phrase of a report in a language, the English one where it has none.

    A number in it stands as # in the file, so that one entry serves for all; the order of numbers is kept.
    """
    other = translation(language).get("phrases", {}).get(_NUMBER.sub("#", english))
    if other is None:
        return english
    numbers = iter(_NUMBER.findall(english))
    return re.sub("#", lambda _: next(numbers), other)


_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
"""A number as people are told it; the digit of "R2" is none."""
