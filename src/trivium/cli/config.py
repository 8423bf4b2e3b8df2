"""A run as a file: TOML whose keys are the options, read and written."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from trivium.cli.options import NONE, Option, read_all

WIDTH = 100
"""Columns of a written file."""


def read_config(path: str, options: Sequence[Option]) -> dict[str, Any]:
    """What a file says, by option. What it says as the default says is left out: nobody chose it.

    Raises ValueError for a file that is not there or no TOML, and for every unknown or wrong option in it.
    """
    try:
        with open(path, "rb") as file:
            said = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"config must be a file that can be read, got {path!r}: {error.strerror}.") from None
    except ValueError as error:  # of TOML, or of text that is not UTF-8
        raise ValueError(
            f"config must be TOML, got {path!r}: {error}. Begin with trivium train --print-config."
        ) from None
    found = read_all({name.replace("-", "_"): value for name, value in said.items()}, options, f" in {path}")
    defaults = {option.name: option.default for option in options}
    return {name: value for name, value in found.items() if value != defaults[name]}


def written(options: Sequence[Option], chosen: Mapping[str, Any]) -> str:
    """All options as TOML, with what was chosen or else their defaults, each below its help.

    One that must be named and is not, such as a table, stands there as a comment.
    """
    lines = [
        "# A run of trivium: trivium train --config THIS_FILE. Flags win over it; what is left out is the default."
    ]
    for panel in dict.fromkeys(option.panel for option in options):
        lines += ["", f"# --- {panel.replace('`', '')} ---"]
        for option in options:
            if option.panel == panel:
                lines += ["", *_entry(option, chosen.get(option.name, option.default))]
    return "\n".join(lines) + "\n"


def _entry(option: Option, value: Any) -> list[str]:
    """The lines of one option."""
    may = f" ({option.metavar})".replace("|", " | ")
    lines = wrap(option.about.replace("`", "") + may, WIDTH, initial_indent="# ", subsequent_indent="# ")
    if value is None and not option.takes_none:
        return [*lines, f"# {option.name} = {_toml(option.kind.example)}"]
    return [*lines, f"{option.name} = {_toml(value)}"]


def _toml(value: Any) -> str:
    if value is None:
        return _toml(NONE)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # so JSON's strings are TOML's
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml(str(name))} = {_toml(entry)}" for name, entry in value.items()) + " }"
    return repr(value)  # a number, in TOML as in Python
