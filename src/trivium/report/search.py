"""What a search tried and why its winner won, in words and numbers, from the table that an estimator keeps of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trivium.candidates import LADDER

ALIKE = 2.0
"""Learning rates within this factor of each other count as one value."""

MOST_WEIGHTS = 6
"""Networks of an average that are named one by one."""


@dataclass(frozen=True, eq=False)
class Search:
    """A search, in plain data.

    open       what was left open
    table      by column, an entry per network: the open choices, learning_rate, validation_loss, score, weight, ...
    winner     place of the best network that predicts
    default    place of the network whose open choices are the plain defaults
    runner_up  place of the best network beside the winner, None where no other has a score
    words      what was tried and why the winner won, a sentence each
    """

    open: list[str]
    table: Mapping[str, list[Any]]
    winner: int
    default: int
    runner_up: int | None
    words: list[str]

    @property
    def scores(self) -> np.ndarray:
        """By which networks are compared, lower is better; infinite where there is none. (n,)"""
        return _scores(self.table)

    @property
    def measure(self) -> str:
        return _measure(self.table)

    def order(self) -> list[int]:
        """Places from the best score to the worst, what the answer averages before what it does not."""
        weights, scores = np.array(self.table["weight"]), self.scores
        return sorted(range(len(scores)), key=lambda place: (scores[place], -weights[place]))


def search(table: Mapping[str, list[Any]], left_open: Sequence[str]) -> Search:
    """Reads the table of a search.

    table      by column, as an estimator's `search_` has it
    left_open  the names of the choices that were left open; none where networks differ by their seed alone
    """
    scores, weights = _scores(table), np.array(table["weight"], float)
    able = np.where(weights > 0, scores, np.inf)
    winner = int(np.argmin(able)) if np.isfinite(able).any() else int(np.argmax(weights))
    others = np.where(np.arange(len(scores)) == winner, np.inf, scores)
    runner_up = int(np.argmin(others)) if np.isfinite(others).any() else None
    default = _default(table, left_open)
    said = [_tried(table, left_open)]
    said += _won(table, left_open, winner, default, runner_up)
    said += _reasons(table, left_open, winner, default)
    said += _averaged(table, left_open)
    return Search(list(left_open), table, winner, default, runner_up, said)


def summary(table: Mapping[str, list[Any]], left_open: Sequence[str]) -> str:
    """What was tried and why the winner won, a sentence per line."""
    return "\n".join(search(table, left_open).words)


def shown(value: Any) -> str:
    """A choice as a reader writes it: 256 x 256, 0.001, none."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return " x ".join(map(str, value)) or "linear"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def described(table: Mapping[str, list[Any]], left_open: Sequence[str], place: int) -> str:
    """The open choices of one network, such as "activation mish, learning_rate 0.00316"."""
    return ", ".join(f"{name} {shown(table[name][place])}" for name in left_open) or f"network {place + 1}"


def _scores(table: Mapping[str, list[Any]]) -> np.ndarray:
    return np.array([np.inf if score is None else score for score in table["score"]], float)


def _measure(table: Mapping[str, list[Any]]) -> str:
    """What the scores are called: networks of several losses, or for an average, have another yardstick."""
    pairs = zip(table["score"], table["validation_loss"], strict=True)
    alike = all(a is None or (b is not None and np.isclose(a, b, rtol=1e-5)) for a, b in pairs)
    return "validation loss" if alike else "score (lower is better)"


def _default(table: Mapping[str, list[Any]], left_open: Sequence[str]) -> int:
    """The first network tries the defaults, but where rates alone were open they go from low to high."""
    rates = np.array(table["learning_rate"], float)
    ladder = tuple(left_open) == ("learning_rate",) and len(rates) == len(LADDER)
    if ladder and np.allclose(rates / rates[0], LADDER / LADDER[0]):
        return int(np.argmin(np.abs(np.log(LADDER))))
    return 0


def _tried(table: Mapping[str, list[Any]], left_open: Sequence[str]) -> str:
    endings = table["ending"]
    n = len(endings)
    what = f"Left open: {', '.join(left_open)}." if left_open else "Nothing was left open but the seed."
    fates = (
        ("not finite", "diverged"),
        ("overtaken", "left early, overtaken by better ones"),
        ("time limit", "stopped by the time limit"),
        ("interrupted", "interrupted"),
    )
    told = [f"{endings.count(ending)} {words}" for ending, words in fates if ending in endings]
    return f"{what} {n} networks were tried" + (f": {_listed(told)}." if told else "; none diverged.")


def _won(
    table: Mapping[str, list[Any]], left_open: Sequence[str], winner: int, default: int, runner_up: int | None
) -> list[str]:
    """The winner beside the defaults and the runner-up."""
    scores, measure = _scores(table), _measure(table)
    if not np.isfinite(scores[winner]):
        return ["No network had a finite loss: try lower learning rates."]
    said = [
        f"The winner: {described(table, left_open, winner)}; {measure} {scores[winner]:.4g} in epoch "
        f"{table['best_epoch'][winner] + 1} of {table['epochs'][winner]}."
    ]
    if left_open and winner == default:
        said.append("These are the plain defaults: nothing else that was tried beat them.")
    elif left_open:
        said.append(f"The plain defaults ({described(table, left_open, default)}) {_beaten(table, winner, default)}.")
    if runner_up is not None:
        other = "the defaults" if left_open and runner_up == default else described(table, left_open, runner_up)
        said.append(f"The runner-up ({other}) {_beaten(table, winner, runner_up)}.")
    return said


def _beaten(table: Mapping[str, list[Any]], winner: int, place: int) -> str:
    """How far one came beside the winner; one that left the race had less time, and no share is told of it."""
    scores = _scores(table)
    if not np.isfinite(scores[place]):
        return "had no finite loss"
    if table["ending"][place] == "overtaken":
        epochs = table["epochs"][place]
        return f"left the race after {epochs} epoch{'s' * (epochs != 1)} at {scores[place]:.4g}, overtaken"
    return f"reached {scores[place]:.4g}: the winner's is {_lower(scores[winner], scores[place])}"


def _reasons(table: Mapping[str, list[Any]], left_open: Sequence[str], winner: int, default: int) -> list[str]:
    """For each open choice of which the winner differs from the defaults: how far the best network came that kept it.

    The dearest comes first. What is compared is the best of each kind, whatever else it chose: where few networks
    keep a default, it says less.
    """
    scores = _scores(table)
    if winner == default or not np.isfinite(scores[winner]):
        return []
    kept = {}
    for name in left_open:
        column = table[name]
        if not _alike(name, column[winner], column[default]):
            keepers = [place for place in range(len(scores)) if _alike(name, column[place], column[default])]
            kept[name] = (min(keepers, key=lambda place: scores[place]), len(keepers))
    said = []
    for name, (place, n) in sorted(kept.items(), key=lambda one: -scores[one[1][0]]):
        value = f"{name} {'near ' if name == 'learning_rate' else ''}{shown(table[name][default])}"
        of = f"The best of {n} networks" if n > 1 else "The one network"
        said.append(f"{of} with {value} {_beaten(table, winner, place)}.")
    return said


def _alike(name: str, one: Any, other: Any) -> bool:
    if name == "learning_rate" and one and other:
        return max(one / other, other / one) < ALIKE
    return one == other


def _averaged(table: Mapping[str, list[Any]], left_open: Sequence[str]) -> list[str]:
    """What an ensemble is made of."""
    weights = table["weight"]
    places = sorted((place for place in range(len(weights)) if weights[place] > 0), key=lambda one: -weights[one])
    if len(places) < 2:
        return []
    parts = [f"{weights[place]:.0%} {described(table, left_open, place)}" for place in places[:MOST_WEIGHTS]]
    if len(places) > MOST_WEIGHTS:
        rest = sum(weights[place] for place in places[MOST_WEIGHTS:])
        parts.append(f"{rest:.0%} of {len(places) - MOST_WEIGHTS} more")
    return [f"The answer averages {len(places)} networks: {'; '.join(parts)}."]


def _lower(low: float, high: float) -> str:
    """How much lower one is: in per cent where both are positive."""
    if low > 0 and high > 0:
        return f"{(high - low) / high:.1%} lower"
    return f"{high - low:.4g} lower"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
