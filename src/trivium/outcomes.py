"""What became of the members of a population, as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from trivium.training.population import Member


def check_aside(aside: Any, n: int, fraction: float) -> None:
    """Raises ValueError where none of n rows is kept aside: training losses tell nothing of which network is best."""
    if aside is None:
        raise ValueError(
            "validation_fraction must keep at least 10 rows aside to compare networks by, got "
            f"{fraction!r} of {n} rows. Try 0.2, or more rows."
        )


def table(members: Sequence[Member]) -> dict[str, np.ndarray]:
    """What became of each member, by column."""
    histories = [member.history for member in members]
    kept = [history.best_epoch for history in histories]

    def of_kept(series: str) -> np.ndarray:
        return np.array(
            [
                getattr(history, series)[at] if 0 <= at < len(getattr(history, series)) else np.nan
                for history, at in zip(histories, kept, strict=True)
            ]
        )

    return {
        "learning_rate": np.array([member.numbers.get("learning_rate", np.nan) for member in members]),
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
