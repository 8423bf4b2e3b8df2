"""What is kept of a run, for its diagnosis: plain arrays and facts that JSON can hold, of any framework."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from trivium.files import write_whole

FORMAT_VERSION = 1
Array = np.ndarray


@dataclass(frozen=True)
class Layer:
    """A layer with weights, together with the activation that follows it.

    kind        "dense", "convolution", "recurrent", "embedding" or "other"
    width       units, or channels
    activation  name, "identity" where there is none, None where it is not known
    output      whether it is the last one
    saturates   whether its activation is flat on both sides, as tanh is; such units can saturate
    normalised  whether a normalisation stands between its weights and its activation
    """

    name: str
    kind: str
    inputs: int
    width: int
    activation: str | None = None
    output: bool = False
    saturates: bool = False
    normalised: bool = False


def _none() -> Array:
    return np.zeros(0)


@dataclass(frozen=True)
class RunRecord:
    """One run. Every field may be left out, and NaN stands for what was not measured: rules then hold their tongue.

    layers                   the L layers with weights, from the input on
    Steps (S,), thinned in a long run; the first ones are all there
      step                   updates done before, from 0
      step_loss              the loss that was differentiated, on the batch of the step
      step_learning_rate     the rate of the step
    Snapshots (M,) or (M, L)
      moment                 updates done before the snapshot
      activation_mean, activation_std   over a fixed probe batch, after the activation
      unit_std               mean over units of each unit's spread over the probe batch; 0 where all rows look alike
      dead                   share of units that pass no gradient for any row of the probe batch
      saturated              share of entries where the activation's slope is under 0.05 of its largest
      rank                   effective rank of the activations (exp of the entropy of the singular values) / width
      gradient_rms           root of the mean square of the weights' gradient on the batch of the step
      weight_norm            norm of the weights
      update_ratio           norm of the step's update / norm of the weights before it
      gradient_norm          (M,) of all parameters together, before clipping
      clipping               (M,) norm of the gradient that the optimizer got / gradient_norm; 1 without clipping
      output_std             (M,) mean spread of the network's outputs over the probe batch
      output_mean            (M,) mean of the network's outputs over the probe batch
    Epochs (E,); entry 0 is the state before the first update where `epoch[0] == 0`
      epoch, epoch_step      epochs and updates done before
      train_loss, train_metric, validation_loss, validation_metric   in evaluation mode, of at most 2,000 rows each
      batch_loss, batch_metric   on the training rows, batch normalisation with their own statistics
      validation_recall      (E, C) per class, classification only
    Others
      noise_step, noise_scale        gradient noise scale, in rows (McCandlish et al. 2018, the simple one)
      sharpness_step, sharpness      largest eigenvalue of the loss's second derivative

    facts  what is not a series, in sections; see `FACTS`
    """

    layers: tuple[Layer, ...] = ()
    step: Array = field(default_factory=_none)
    step_loss: Array = field(default_factory=_none)
    step_learning_rate: Array = field(default_factory=_none)
    moment: Array = field(default_factory=_none)
    activation_mean: Array = field(default_factory=_none)
    activation_std: Array = field(default_factory=_none)
    unit_std: Array = field(default_factory=_none)
    dead: Array = field(default_factory=_none)
    saturated: Array = field(default_factory=_none)
    rank: Array = field(default_factory=_none)
    gradient_rms: Array = field(default_factory=_none)
    weight_norm: Array = field(default_factory=_none)
    update_ratio: Array = field(default_factory=_none)
    gradient_norm: Array = field(default_factory=_none)
    clipping: Array = field(default_factory=_none)
    output_std: Array = field(default_factory=_none)
    output_mean: Array = field(default_factory=_none)
    epoch: Array = field(default_factory=_none)
    epoch_step: Array = field(default_factory=_none)
    train_loss: Array = field(default_factory=_none)
    train_metric: Array = field(default_factory=_none)
    batch_loss: Array = field(default_factory=_none)
    batch_metric: Array = field(default_factory=_none)
    validation_loss: Array = field(default_factory=_none)
    validation_metric: Array = field(default_factory=_none)
    validation_recall: Array = field(default_factory=_none)
    noise_step: Array = field(default_factory=_none)
    noise_scale: Array = field(default_factory=_none)
    sharpness_step: Array = field(default_factory=_none)
    sharpness: Array = field(default_factory=_none)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def section(self, name: str) -> Mapping[str, Any]:
        """One section of the facts, empty where nothing is known."""
        return self.facts.get(name) or {}

    def save(self, path: str | os.PathLike) -> None:
        """Write the record as one file (NumPy's npz with JSON inside, no pickle), whole or not at all."""
        header = {
            "format_version": FORMAT_VERSION,
            "layers": [asdict(layer) for layer in self.layers],
            "facts": plain(self.facts),
        }
        arrays = {name: getattr(self, name) for name in ARRAYS}
        text = np.array(json.dumps(header, allow_nan=False))
        write_whole(path, lambda file: np.savez_compressed(file, header=text, **arrays), ValueError)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "RunRecord":
        """The record of a file that `save` wrote. Raises ValueError for any other file."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                header = json.loads(str(stored["header"]))
                arrays = {name: stored[name] for name in ARRAYS if name in stored}
                version = header["format_version"]
        except (OSError, ValueError, KeyError, TypeError, EOFError):
            raise ValueError(
                f"the record must be a file that RunRecord.save wrote, got {str(path)!r}. Check the path."
            ) from None
        if version > FORMAT_VERSION:
            raise ValueError(
                f"the record must have format version {FORMAT_VERSION} at most, got {version}. Install a newer Trivium."
            )
        known = {entry.name for entry in fields(Layer)}
        layers = tuple(Layer(**{k: v for k, v in layer.items() if k in known}) for layer in header["layers"])
        return cls(layers=layers, facts=header["facts"], **arrays)


ARRAYS = tuple(entry.name for entry in fields(RunRecord) if entry.name not in ("layers", "facts"))

FACTS = {
    "run": "framework, epochs, steps, rows, batch_size, steps_per_epoch, order ('shuffled', 'fixed' or None), "
    "order_mixing (spread of the targets within batches / overall), parameters, not_updated (names), never_given "
    "(names that the optimizer does not hold), gradients_accumulate, mode ('train' or 'eval' during steps), "
    "nonlinear (whether the network has any non-linearity), finished, dropout (largest rate), residual, "
    "first_nonfinite ({where, step, name})",
    "loss": "kind ('cross_entropy', 'bce', 'mse', 'mae', 'nll', ...), link (output activations in order), link_axis, "
    "reduction, sign, weighted, penalty (a term of the parameters alone), penalty_share, safe_log, start, baseline, "
    "perfect (loss of a perfect prediction), flat (outputs cannot change it)",
    "output": "width, minimum, maximum (of what the loss sees, at the start), attention (per snapshot: mean largest "
    "weight), attention_keys",
    "optimizer": "name, learning_rate, momentum, beta1, beta2, epsilon, weight_decay, clip, schedule",
    "targets": "kind ('classes', 'numbers', 'several', 'tokens'), classes, counts, minimum, maximum, mean, std",
    "data": "see `trivium.diagnosis.data_facts`",
    "skipped": "[{what, why}]: what could not be measured",
}
"""Section -> what it holds. A key that is missing or None is not known."""


class Series:
    """Numbered rows in bounded memory: the first half of the room stays as it is, the rest thins out as it fills.

    capacity  rows kept at most; when they are there, every second one of the later half goes and the stride doubles
    """

    def __init__(self, capacity: int = 4096) -> None:
        self._room, self._early, self._stride = capacity, capacity // 2, 1
        self._numbers: list[int] = []
        self._rows: list[Any] = []
        self._seen = 0

    def append(self, number: int, row: Any) -> None:
        self._seen += 1
        if self._seen > self._early and (self._seen - self._early) % self._stride:
            return
        self._numbers.append(number)
        self._rows.append(row)
        if len(self._rows) >= self._room:
            keep = [*range(self._early), *range(self._early + 1, len(self._rows), 2)]
            self._numbers = [self._numbers[place] for place in keep]
            self._rows = [self._rows[place] for place in keep]
            self._stride *= 2

    @property
    def numbers(self) -> Array:
        return np.asarray(self._numbers, dtype=np.int64)

    @property
    def rows(self) -> list[Any]:
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)


def column(rows: Sequence[Mapping[str, Any]], name: str) -> Array:
    """One entry of each row as an array, NaN where a row lacks it; lists become a second axis."""
    values = [row.get(name) for row in rows]
    widths = [len(value) for value in values if isinstance(value, list)]
    if not widths:
        return np.array([math.nan if value is None else float(value) for value in values])
    blank = [math.nan] * max(widths)
    filled = [list(value) + blank[len(value) :] if isinstance(value, list) else blank for value in values]
    return np.array([[math.nan if entry is None else float(entry) for entry in value] for value in filled])


def plain(value: Any) -> Any:
    """As strict JSON can hold it: NumPy numbers become Python's, what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set):
        return [plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
