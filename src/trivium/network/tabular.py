"""A perceptron for tables: embeddings, gates and a learned scale in front of its layers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from trivium.compiling import quickly
from trivium.initializers import Initializer
from trivium.network import gates
from trivium.network.front import Front, sample
from trivium.network.interface import Numbers, Parameters, Trace
from trivium.network.noise import folded
from trivium.network.perceptron import Normalisation, Perceptron, can_be_traced

FRONT = 1 << 20
"""The number of the front among the layers, for its random numbers."""


@dataclass(frozen=True)
class Tabular:
    """What stands in front, whose parameters are the first dict of the list, and the layers behind it.

    In training, `dropout` among the numbers drops units of every hidden layer, and `feature_selection` pulls gates
    shut, see `gates.pull`.
    """

    front: Front
    layers: Perceptron
    copies: int = 1

    @property
    def activation(self) -> Callable[..., Array]:
        """Of the hidden layers."""
        return self.layers.activation

    @property
    def normalisation(self) -> Normalisation | None:
        """Of the hidden layers."""
        return self.layers.normalisation

    @property
    def n_codes(self) -> int:
        """Columns of encoded rows, the last ones, that are codes of categories."""
        return len(self.front.layout.cardinalities)

    def init(self, key: Array, X: Any) -> Parameters:
        make = _init_compiled if can_be_traced(self.layers.initializer) else _init
        return make(self, self.layers.initializer, key, sample(X), self.front.facts(X))

    def apply(self, parameters: Parameters, X: Array) -> Array:
        front, *layers = parameters
        return self.layers.apply(layers, self.front.apply(front, X))

    def train(self, parameters: Parameters, X: Array, key: Array, numbers: Numbers) -> tuple[Array, Any]:
        front, *layers = parameters
        inputs = self.front.apply(front, X, folded(key, FRONT))
        outputs, news = self.layers.train(layers, inputs, key, numbers)
        return outputs, (news_of_front(front, numbers), news)

    def absorb(self, parameters: Parameters, news: Any) -> Parameters:
        front, *layers = parameters
        return [absorbed_by_front(front, news[0]), *self.layers.absorb(layers, news[1])]

    def traces(self, parameters: Parameters, X: Array) -> list[Trace]:
        front, *layers = parameters
        return self.layers.traces(layers, self.front.apply(front, X))

    def rates(self, parameters: Parameters) -> Any:
        front, *layers = parameters
        of_layers = self.layers.rates(layers) or [dict.fromkeys(layer, 1.0) for layer in layers]
        return [self.front.rates(front) | dict(self._of_front(front)), *of_layers]

    def decays(self, parameters: Parameters) -> Any:
        front, *layers = parameters
        return [self.front.decays(front), *self.layers.decays(layers)]

    def _of_front(self, front: dict[str, Array]) -> list[tuple[str, float]]:
        """Factors that were chosen for arrays of the front."""
        return [(name, factor) for name, factor in self.layers.rate_factors if name in front]


def news_of_front(front: dict[str, Array], numbers: Numbers) -> dict[str, Array]:
    """How far this step pulls the gates shut."""
    if "gates" not in front or "feature_selection" not in numbers:
        return {}
    rate = jnp.asarray(numbers["learning_rate"] * numbers["feature_selection"], front["gates"].dtype)
    return {"gates": rate * gates.pull(front["gates"])}


def absorbed_by_front(front: dict[str, Array], news: dict[str, Array]) -> dict[str, Array]:
    """The front after a step."""
    return front | {name: front[name] - pulled for name, pulled in news.items()}


def _init(network: Tabular, initializer: Initializer, key: Array, X: Array, facts: dict[str, Array]) -> Parameters:
    front = network.front.init(jax.random.fold_in(key, 0), X, facts)
    layers = replace(network.layers, initializer=initializer)
    inputs = (
        network.front.apply(front, X)
        if layers.start == "data_driven"
        else jax.eval_shape(network.front.apply, front, X)
    )
    return [front, *layers.init(jax.random.fold_in(key, 1), inputs)]


_init_compiled = quickly(_init, static=("network", "initializer"))
