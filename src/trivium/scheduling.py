"""Schedules as a user chooses them: of the learning rate and of other numbers, over the whole of a run."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trivium import schedules
from trivium.catalog import get, members

CHANGING = ("dropout", "input_noise", "mixup", "label_smoothing", "averaging", "feature_selection")
"""Numbers of the estimator by which members of a population may differ, and which may change over a run."""


@dataclass(frozen=True)
class Ready:
    """A user's own schedule, count -> factor on the learning rate."""

    schedule: Callable

    @property
    def __name__(self) -> str:
        return name_of(self.schedule)

    def __call__(self, value: Any, steps: Any) -> Callable:
        return lambda count: value * self.schedule(count)


@dataclass(frozen=True)
class Whole:
    """A schedule of the catalog over the whole run."""

    make: Callable

    @property
    def __name__(self) -> str:
        return name_of(self.make)

    def __call__(self, value: Any, steps: Any) -> Callable:
        return self.make(value, steps=steps)


def of_learning_rate(given: Any, numbers: Mapping[str, float]) -> tuple[Callable | None, list[str]]:
    """From a name or a function of the count of steps to what a program takes, and what is wrong with it."""
    if given is None:
        return None, []
    if "learning_rate" not in numbers:
        return None, [
            f"schedule must be left out where there is no learning rate to change, got {given!r}. Leave it out."
        ]
    return _over_the_run(given, "schedule")


def of_all(
    given: Any, of_rate: Callable | None, numbers: Mapping[str, float]
) -> tuple[tuple[tuple[str, Callable], ...], list[str]]:
    """The schedules of all numbers, by their names in a program, and what is wrong with them."""
    found = [] if of_rate is None else [("learning_rate", of_rate)]
    if given is None:
        return tuple(found), []
    known = ("weight_decay", *CHANGING)
    wrong = [name for name in given if name not in known] if isinstance(given, Mapping) else [given]
    if wrong:
        return (), [
            f"schedules must map any of {', '.join(known)} to a schedule, got {wrong[0]!r}. "
            "Try {'dropout': 'flat_cosine'}; that of the learning rate is `schedule`."
        ]
    problems: list[str] = []
    for name, choice in given.items():
        make, told = _over_the_run(choice, f"schedules[{name!r}]")
        problems += told
        if make is not None:
            found.append(("decay" if name == "weight_decay" and name not in numbers else name, make))
    return tuple(found), problems


def _over_the_run(given: Any, parameter: str) -> tuple[Callable | None, list[str]]:
    """A schedule that knows how long a run is, and what is wrong with it."""
    if callable(given):
        return Ready(given), []
    whole = [name for name, make in members(schedules).items() if "steps" in inspect.signature(make).parameters]  # pyright: ignore[reportArgumentType]
    try:
        make = get(schedules, given, parameter)
    except (ValueError, TypeError) as error:
        return None, [str(error)]
    if name_of(make) not in whole or name_of(make) == "warmup":
        return None, [
            f"{parameter} must be one that knows the length of a run, got {given!r}, whose own numbers are needed. "
            f"Choose from {', '.join(name for name in whole if name != 'warmup')}, or hand over a function of the "
            "count of steps: trivium.schedules.exponential(1.0, every=100)."
        ]
    return Whole(make), []


def name_of(function: Any) -> str:
    """What people call a function."""
    return getattr(function, "__name__", type(function).__name__)
