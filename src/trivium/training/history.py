"""What a run leaves behind."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

Ending = Literal["all epochs", "no progress", "time limit", "interrupted", "not finite", "overtaken", "stopped"]


@dataclass
class History:
    """A run's record, one entry per epoch; plain lists and numbers, so that it goes to JSON as it is.

    train_loss, train_metric            over the batches of the epoch, as the parameters moved
    validation_loss, validation_metric  after the epoch, on the rows kept aside; empty without such rows
    validation_score                    after the epoch, of the scikit-learn score that was asked for; else empty
    seconds                             wall time from the start of training to the end of the epoch
    metric                              what the metric is: "accuracy" or "R2"
    best_epoch                          index of the epoch whose parameters were kept
    baseline_loss                       training loss of the best constant prediction
    ending                              why training stopped
    """

    metric: str
    baseline_loss: float
    train_loss: list[float] = field(default_factory=list)
    train_metric: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_metric: list[float] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int = -1
    ending: Ending = "all epochs"

    def __len__(self) -> int:
        return len(self.train_loss)

    @property
    def learned(self) -> bool:
        """Whether the best training loss is below that of the best constant by a hundredth of it or more."""
        losses = np.asarray(self.train_loss)
        losses = losses[np.isfinite(losses)]
        return bool(losses.size) and float(losses.min()) < self.baseline_loss - 0.01 * abs(self.baseline_loss)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it: a number that is not finite becomes None."""
        return {
            name: [_finite(entry) for entry in value] if isinstance(value, list) else _finite(value)
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "History":
        def back(value: Any) -> Any:
            return float("nan") if value is None else value

        values: dict[str, Any] = {
            name: [back(entry) for entry in value] if isinstance(value, list) else back(value)
            for name, value in record.items()
        }
        return cls(**values)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
