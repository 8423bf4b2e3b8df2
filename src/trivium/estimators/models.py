"""A trained network with all that its predictions need, and the average of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trivium.heads import Head
from trivium.network import Network, Parameters
from trivium.training.loop import evaluate
from trivium.training.program import predict


@dataclass(frozen=True, eq=False)
class Model:
    """One of the networks whose predictions are averaged.

    used            by name, the choices that make its network and its head again
    centre, scale   of the targets: a prediction is scale times what the network says, plus centre; lists for several
    weight          its share of the average
    """

    used: Mapping[str, Any]
    network: Network
    head: Head
    parameters: Parameters
    centre: Any = 0.0
    scale: Any = 1.0
    weight: float = 1.0

    def predictions(self, inputs: np.ndarray) -> np.ndarray:
        """(n, n_inputs) encoded rows -> (n,) or (n, n_classes) float32, in the units of the scaled targets."""
        return evaluate(lambda rows: predict(self.network, self.head, self.parameters, rows), inputs)


def average(models: Sequence[Model], inputs: np.ndarray) -> np.ndarray:
    """The weighted mean of their predictions, float64, in the units of the targets; of one alone, its own."""
    total: Any = 0.0
    for model in models:
        said = model.predictions(inputs).astype(np.float64)
        total = total + model.weight * (said * np.asarray(model.scale) + np.asarray(model.centre))
    return total


def alone(model: Model) -> Model:
    """One of several, by itself."""
    return replace(model, weight=1.0)
