"""A trained network with all that its predictions need, and the average of several."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import numpy as np

from trivium.heads import Head
from trivium.network import Network, Parameters
from trivium.tables.streamed import Encoded
from trivium.training import devices
from trivium.training.loop import evaluate
from trivium.training.program import predictor_of_many

Encoder = Callable[..., np.ndarray]


@dataclass(frozen=True, eq=False)
class Model:
    """One of the networks whose predictions are averaged.

    used            by name, the choices that make its network and its head again
    centre, scale   of the targets: a prediction is scale times what the network says, plus centre; lists for several
    weight          its share of the average
    low, high       in the units of y, what predictions do not leave; None for no bound
    """

    used: Mapping[str, Any]
    network: Network
    head: Head
    parameters: Parameters
    centre: Any = 0.0
    scale: Any = 1.0
    weight: float = 1.0
    low: Any = None
    high: Any = None

    def predictions(self, rows: Encoded, encode: Encoder | None = None) -> np.ndarray:
        """(n, n_inputs) encoded rows -> (n,) or (n, n_classes) float32, in the units of the scaled targets.

        encode  makes a block of rows, and the number of its first, into encoded ones; None where they are
        """
        return evaluate(self._compiled, rows, encode)

    @cached_property
    def _compiled(self) -> Callable[[Any], jax.Array]:
        """From encoded rows to predictions."""
        devices.prepare()
        with devices.undisturbed():
            return predictor_of_many(self.network, self.head, self.parameters)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_compiled"}


def average(models: Sequence[Model], rows: Encoded, encode: Encoder | None = None) -> np.ndarray:
    """The weighted mean of their predictions, float64, in the units of the targets; of one alone, its own."""
    if len(models) == 1:
        return in_units(models[0].predictions(rows, encode), models[0])
    total: Any = 0.0
    for model in models:
        total = total + model.weight * in_units(model.predictions(rows, encode), model)
    return total


def in_units(said: np.ndarray, of: Any) -> np.ndarray:
    """What a network says in the units of the targets, float64.

    of  a model or a frame, with centre and scale of the targets, and the bounds that predictions keep
    """
    numbers = said.astype(np.float64)
    numbers *= np.asarray(of.scale)
    numbers += np.asarray(of.centre)
    return numbers if of.low is None else np.clip(numbers, np.asarray(of.low), np.asarray(of.high))


def alone(model: Model) -> Model:
    """One of several, by itself."""
    return replace(model, weight=1.0)
