"""What catalogs say in other languages: one file each, in which entries may be missing; then the English stands."""

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
    """Catalog -> entry -> `title`, `what`, `trap`; and under "labels" the English label -> that of the language.

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
