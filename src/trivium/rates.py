"""One network at many learning rates: the members, what became of them, and the best."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.choices import Choices
from trivium.report.progress import population_line
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import start

LADDER = 10.0 ** np.linspace(-4, 2, 25)
"""The learning rates that are tried where none are given, in units of the optimizer's own."""

RUNGS = 32
"""The first rung of a race comes after this part of all epochs: five halvings later, one of 25 rates is left."""


def at(first: Member, rate: float) -> Member:
    """The same network, rows and order with another learning rate."""
    numbers = {**first.numbers, "learning_rate": rate}
    state = start(first.program, numbers, first.state.parameters, first.state.key)
    history = History(first.history.metric, first.history.baseline_loss)
    return Member(first.program, numbers, state, first.rows, first.aside, history)


def check_aside(member: Member, fraction: float) -> None:
    """Raises ValueError where no rows are kept aside: training losses tell nothing of which rate is best."""
    if member.aside is None:
        raise ValueError(
            "validation_fraction must keep at least 10 rows aside to compare learning rates by, got "
            f"{fraction!r} of {member.rows.n} rows. Try 0.2, or more rows."
        )


def race(
    first: Member, *, verbose: bool, epochs: int, patience: int | None, time_limit: float | None
) -> tuple[Member, dict[str, list]]:
    """The best of a ladder of learning rates around the member's own, and the table of all that ran.

    They train at once, and again and again the worse half leaves, so that it costs about three trainings.
    """
    members = [at(first, float(rate)) for rate in first.numbers["learning_rate"] * LADDER]
    with population_line(verbose, members, epochs) as on_progress:
        train_population(
            members,
            epochs=epochs,
            patience=patience,
            time_limit=time_limit,
            first_rung=max(1, epochs // RUNGS),
            on_progress=on_progress,
        )
    best = min(members, key=lambda member: float(member.state.best_loss))
    return best, plain(table(members))


def as_found(chosen: Choices, found: Mapping[str, list] | None) -> Choices:
    """The choices with the learning rate that won the race.

    Raises ValueError where there was none.
    """
    if found is None:
        raise ValueError(
            "learning_rate must be a number at the first partial_fit, got 'auto': one epoch does not tell rates apart. "
            "Try 0.001, or call fit first."
        )
    losses = np.asarray(found["validation_loss"], np.float64)
    best = 0 if np.isnan(losses).all() else int(np.nanargmin(losses))
    return replace(chosen, numbers={**chosen.numbers, "learning_rate": found["learning_rate"][best]})


def table(members: Sequence[Member]) -> dict[str, np.ndarray]:
    """What became of each member, by column."""
    histories = [member.history for member in members]
    kept = [history.best_epoch for history in histories]

    def of_kept(series: str) -> np.ndarray:
        return np.array(
            [getattr(history, series)[at] if at >= 0 else np.nan for history, at in zip(histories, kept, strict=True)]
        )

    return {
        "learning_rate": np.array([member.numbers["learning_rate"] for member in members]),
        "best_epoch": np.array(kept),
        "train_loss": of_kept("train_loss"),
        "validation_loss": of_kept("validation_loss"),
        "final_train_loss": np.array([history.train_loss[-1] if len(history) else np.nan for history in histories]),
        "epochs": np.array([len(history) for history in histories]),
        "ending": np.array([history.ending for history in histories], dtype=object),
        "seconds": np.array([history.seconds[-1] if len(history) else 0.0 for history in histories]),
    }


def plain(columns: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Columns as JSON can hold them: a number that is not finite becomes None."""
    return {
        name: [None if isinstance(value, float) and not np.isfinite(value) else value for value in values.tolist()]
        for name, values in columns.items()
    }


def frame(columns: Mapping[str, Any]) -> Any:
    """A pandas data frame where pandas is installed, else a pyarrow table."""
    arrays = pa.table({name: pa.array(list(values)) for name, values in columns.items()})
    try:
        return arrays.to_pandas()
    except ImportError:
        return arrays
