"""What is left open, and the candidates that are tried in its place."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from trivium import choices
from trivium.choices import Choices, is_auto
from trivium.network.own import foreign

LADDER = 10.0 ** np.linspace(-4, 2, 25)
"""The learning rates that are tried where nothing else is open, in units of the optimizer's own."""

DECADES = (-1.5, 1.0)
"""Between these powers of ten, in the same units, rates are drawn where other choices are open as well."""

RUNGS = 32
"""The first rung of a race comes after this part of all epochs: five halvings later, one of 32 members is left."""

MEMBERS = 48
"""Members of a population where choices are open and nobody said how many."""

PER_PROGRAM = 3
"""Fewest members that share a compiled program where several kinds of programs are tried."""

_SHARED: dict[str, tuple[Any, ...]] = {
    "activation": ("relu", "silu", "gelu", "mish", "selu", "tanh", "squared_relu", "telu"),
    "optimizer": ("adamw", "lion", "nadam", "muon", "sgd"),
    "hidden_widths": ((256, 256), (128, 128), (64, 64), (512,), (256, 256, 256), (128, 128, 128, 128), (512, 512)),
    "batch_size": (256, 64, 128, 512),
    "schedule": (None, "cosine", "coslog4", "flat_cosine", "one_cycle"),
    "normalisation": (None, "batch", "layer"),
    "residual": (False, True),
    "dropout": (0.0, 0.05, 0.1, 0.15, 0.25, 0.4),
    "weight_decay": (0.0, 1e-4, 1e-3, 1e-2, 3e-2, 0.1),
    "input_noise": (0.0, 0.02, 0.05, 0.1, 0.2),
    "mixup": (0.0, 0.1, 0.2, 0.4),
}
"""Candidates by parameter, the first one being the one that a careful user would begin with."""

OPEN: dict[str, dict[str, tuple[Any, ...]]] = {
    "classification": _SHARED
    | {"loss": (None, "focal", "poly1", "brier", "generalized_cross_entropy"), "label_smoothing": (0.0, 0.05, 0.1)},
    "regression": _SHARED | {"loss": (None, "huber", "log_cosh", "mae", "smooth_l1")},
}
"""By task. A parameter that is not here cannot be left open; `learning_rate` has a ladder of its own."""

NUMBERS = ("dropout", "weight_decay", "input_noise", "mixup", "label_smoothing", "learning_rate")
"""Open choices that are numbers within a program; any other makes a program of its own."""


@dataclass(frozen=True)
class Candidate:
    """One member of a population to be: every open choice made."""

    given: Mapping[str, Any]
    choices: Choices
    seed: int
    """Members of one seed start from the same weights and see rows in the same order."""
    stays: bool = False
    """Whether it is trained to its end, so that the answer is no worse than what nobody searched for."""


@dataclass(frozen=True)
class Plan:
    """The candidates, and what they differ in."""

    candidates: Sequence[Candidate]
    open: tuple[str, ...]

    @property
    def races(self) -> bool:
        """Whether the worse half leaves again and again: where members differ by choices and not by seed alone."""
        return bool(self.open) and len(self.candidates) > 1


def plan(
    given: Mapping[str, Any], task: Literal["classification", "regression"], random: np.random.RandomState
) -> Plan:
    """The candidates for an estimator's parameters.

    given  parameter -> value, "auto" where it is open; so is an activation or an optimizer that is None
    Raises ValueError that names every wrong parameter.
    """
    given = {**given, **{name: choices.AUTO for name in ("activation", "optimizer") if given[name] is None}}
    wrong = foreign(given)
    if wrong:  # now: what is left open would stand at its default in the first candidate
        raise ValueError("\n".join(wrong))
    kinds = OPEN[task]
    left_open = tuple(name for name in given if is_auto(given[name]) and name in (*kinds, "learning_rate"))
    first = {**given, **{name: kinds[name][0] for name in left_open if name != "learning_rate"}}
    resolved = choices.resolve(first)
    size = _size(given, left_open)
    if left_open == ("learning_rate",) and given["population"] is None and given["ensemble"] is None:
        own = resolved.numbers["learning_rate"]
        ladder = [_at(first, resolved, {"learning_rate": own * factor}, 0) for factor in LADDER]
        ladder = [replace(one, stays=bool(factor == 1)) for one, factor in zip(ladder, LADDER, strict=True)]
        return Plan(ladder, left_open)
    draws = [{}, *_draws(left_open, kinds, size, random)][:size]
    candidates = []
    for seed, draw in enumerate(draws):
        static = {name: value for name, value in draw.items() if name not in NUMBERS}
        made = choices.resolve(first | static) if static else resolved
        numbers = {name: value for name, value in draw.items() if name in NUMBERS and name != "learning_rate"}
        numbers = {name: first[name] for name in left_open if name in NUMBERS and name != "learning_rate"} | numbers
        if "learning_rate" in left_open:
            numbers["learning_rate"] = made.numbers["learning_rate"] * draw.get("learning_rate", 1.0)
        candidates.append(_at(first | static, made, numbers, seed))
    candidates[0] = replace(candidates[0], stays=True)
    return Plan(candidates, left_open)


def in_words(plan: Plan) -> dict[str, list]:
    """The open choices of each candidate, by column."""
    columns: dict[str, list] = {}
    for name in plan.open:
        values = [candidate.given[name] for candidate in plan.candidates]
        columns[name] = [list(value) if isinstance(value, tuple) else value for value in values]
    return columns


def _size(given: Mapping[str, Any], left_open: tuple[str, ...]) -> int:
    if given["population"] is not None:
        return int(given["population"])
    if left_open:
        return MEMBERS
    return int(given["ensemble"] or 1)


def _at(given: Mapping[str, Any], made: Choices, numbers: Mapping[str, float], seed: int) -> Candidate:
    """A candidate with these numbers."""
    held = dict(made.numbers)
    for name, value in numbers.items():
        own = "weight_decay" if "weight_decay" in held or name != "weight_decay" else "decay"
        held[own if name == "weight_decay" else name] = float(value)
    return Candidate({**given, **numbers}, replace(made, numbers=held), seed)


def _draws(
    left_open: tuple[str, ...], kinds: Mapping[str, tuple[Any, ...]], size: int, random: np.random.RandomState
) -> list[dict[str, Any]]:
    """So many draws of the open choices: every static candidate once before any comes twice, rates spread evenly."""
    static = [name for name in left_open if name not in NUMBERS]
    most = math.prod(len(kinds[name]) for name in static)
    n_kinds = max(1, min(most, size // PER_PROGRAM, 4 * max((len(kinds[name]) for name in static), default=1)))
    decks = {name: _deck(kinds[name], n_kinds, random) for name in static}
    combinations = [{name: decks[name][place] for name in static} for place in range(n_kinds)]
    spread = (np.arange(size) + random.uniform(size=size)) / size
    exponents = DECADES[0] + (DECADES[1] - DECADES[0]) * spread
    order = random.permutation(size)
    draws = []
    for place in range(size):
        draw = dict(combinations[place % n_kinds])
        for name in left_open:
            if name == "learning_rate":
                draw[name] = float(10.0 ** exponents[order[place]])
            elif name in NUMBERS:
                draw[name] = kinds[name][random.randint(len(kinds[name]))]
        draws.append(draw)
    return draws


def _deck(values: tuple[Any, ...], n: int, random: np.random.RandomState) -> list[Any]:
    """n of the values, shuffled, each as often as any other; the first stands first."""
    rounds = [[values[place] for place in random.permutation(len(values))] for _ in range(-(-n // len(values)))]
    rounds[0].remove(values[0])
    return ([values[0]] + [value for one in rounds for value in one])[:n]
