"""How an option is read: from the text after a flag, or from a value of a TOML file."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WIDE = 22
"""Columns of the help beyond which words that may be said stand in the text beside."""

TRUE, FALSE = ("on", "true", "yes"), ("off", "false", "no")


@dataclass(frozen=True)
class Kind:
    """A sort of value.

    metavar  what stands for it in the help
    wanted   what it must be, in words
    example  one that is right, as a user would write it
    read     from text, or from what a TOML file holds, to the value; raises ValueError for what it is not
    free     whether "none" is a text like any other
    """

    metavar: str
    wanted: str
    example: str
    read: Callable[[Any], Any]
    free: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def _whole(value: Any) -> int:
    if isinstance(value, str):
        return int(value)
    if type(value) is not int:  # a TOML true is no 1
        raise ValueError
    return value


def _number(value: Any) -> float:
    if isinstance(value, str):
        return float(value)
    if type(value) not in (int, float):
        raise ValueError
    return float(value)


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).lower()
    if word not in (*TRUE, *FALSE):
        raise ValueError
    return word in TRUE


def _list_of(read: Callable[[Any], Any]) -> Callable[[Any], list]:
    def read_list(value: Any) -> list:
        parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else [value]
        return [read(part) for part in parts]

    return read_list


def _widths(value: Any) -> tuple[int, ...]:
    """'256,256' -> (256, 256); 'none' -> (), a linear model."""
    if value == [] or (isinstance(value, str) and value.strip().lower() in ("none", "")):
        return ()
    return tuple(_list_of(_whole)(value))


def _pairs(value: Any) -> dict[str, Any]:
    """'momentum=0.9,nesterov=true' -> {'momentum': 0.9, 'nesterov': True}."""
    if isinstance(value, dict):
        return value
    pairs = [part.partition("=") for part in _text(value).split(",")]
    if not all(name.strip() and mark and text.strip() for name, mark, text in pairs):
        raise ValueError
    return {name.strip(): _plain(text.strip()) for name, _, text in pairs}


def _plain(text: str) -> Any:
    """What a user means by a word: a truth value, nothing, a number, or the word itself."""
    word = text.lower()
    if word in (*TRUE, *FALSE, "none"):
        return None if word == "none" else word in TRUE
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _class_weights(value: Any) -> str | dict[str, float]:
    if value == "balanced":
        return "balanced"
    return {name: _number(weight) for name, weight in _pairs(value).items()}


def one_of(*names: str) -> Kind:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in names:
            raise ValueError
        return value

    metavar = "|".join(names)
    return Kind(metavar if len(metavar) <= WIDE else "NAME", f"one of {', '.join(names)}", names[0], read)


def text(metavar: str, example: str) -> Kind:
    """Any text, such as a file's name."""
    return Kind(metavar, "a text", example, _text, free=True)


NAME = Kind("NAME", "a name", "relu", _text)
PRESET = Kind("NAME", "a name", "realmlp", _text)
SCORE = Kind("NAME", "a name", "balanced_accuracy", _text)
FOLDS = Kind("N", "a whole number", "5", _whole)
WHOLE = Kind("N", "a whole number", "256", _whole)
LEVELS = Kind(
    "N|adaptive", "a whole number, or adaptive", "9", lambda value: value if value == "adaptive" else _whole(value)
)
NUMBER = Kind("NUMBER", "a number", "0.1", _number)
SWITCH = Kind("on|off", "on or off", "on", _switch)
NAMES = Kind("NAME,...", "names between commas", "relu,tanh", _list_of(_text))
NUMBERS = Kind("NUMBER,...", "numbers between commas", "0.001,0.01,0.1", _list_of(_number))
WIDTHS = Kind("N,N,...", "whole numbers between commas", "256,256, or none for a linear model", _widths)
PAIRS = Kind("NAME=VALUE,...", "names and values between commas", "momentum=0.9,nesterov=true", _pairs)
SCHEDULES = Kind("NAME=NAME,...", PAIRS.wanted, "dropout=flat_cosine", _pairs)
FACTORS = Kind(PAIRS.metavar, PAIRS.wanted, "biases=0.1", _pairs)
CLASS_WEIGHTS = Kind(
    "balanced|CLASS=N", "balanced, or classes and weights between commas", "balanced, or yes=5,no=1", _class_weights
)
PROBLEM = one_of("warn", "fix", "ignore", "raise")
SCALING = one_of("standard", "robust", "quantile", "adaptive")
START = one_of("usual", "random_biases", "data_driven")
