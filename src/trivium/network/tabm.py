"""TabM: many networks that share their weights and differ by factors, trained and run as one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from trivium.catalog import learned_parameters
from trivium.compiling import quickly
from trivium.network.front import Front, sample
from trivium.network.interface import Numbers, Parameters, Trace
from trivium.network.noise import dropped, folded
from trivium.network.perceptron import is_random, learned_by, mixes_units, units_before
from trivium.network.tabular import FRONT, absorbed_by_front, news_of_front
from trivium.properties import width_factor

OWN = ("input_factors", "output_factors")
"""The arrays of a layer that a perceptron does not have."""


@dataclass(frozen=True)
class TabM:
    """Per layer and copy i: activation(((X * r_i) @ weights) * s_i + b_i), weights shared; a last layer for each copy.

    copies  networks in one; each has its own loss, and predictions are averaged
    front   shared by all copies; its parameters are the first dict of the list where it learns
    All r and s start at 1, but r of the first layer, which tells the copies apart: random signs, or N(0, 1) behind an
    embedding of numbers. Weights and biases start from U(+-1 / sqrt(n_in)), those of a layer alike in all copies.
    In training, `dropout` among the numbers drops units of every hidden layer, apart in each copy.
    Source: Gorishniy, Kotelnikov & Babenko 2025, "TabM: Advancing tabular deep learning with parameter-efficient
    ensembling", section 3.
    """

    hidden_widths: tuple[int, ...]
    activation: Callable[..., Array]
    n_outputs: int
    copies: int = 32
    front: Front = field(default_factory=Front)

    @property
    def n_codes(self) -> int:
        """Columns of encoded rows, the last ones, that are codes of categories."""
        return len(self.front.layout.cardinalities)

    def init(self, key: Array, X: Any) -> Parameters:
        return _init(self, key, sample(X), self.front.facts(X))

    def apply(self, parameters: Parameters, X: Array) -> Array:
        X, layers = self._behind_front(parameters, X)
        for layer in layers[:-1]:
            X = self._units(layer, self._pre_activations(layer, X))
        return self._last(layers[-1], X)

    def train(self, parameters: Parameters, X: Array, key: Array, numbers: Numbers) -> tuple[Array, Any]:
        news = news_of_front(parameters[0], numbers) if self.front.learns else {}
        X, layers = self._behind_front(parameters, X, folded(key, FRONT))
        for place, layer in enumerate(layers[:-1]):
            layer_key = folded(key, place)
            X = self._units(layer, self._pre_activations(layer, X), layer_key)
            if "dropout" in numbers:
                X = dropped(folded(layer_key, 1), X, numbers["dropout"])
        return self._last(layers[-1], X), news

    def absorb(self, parameters: Parameters, news: Any) -> Parameters:
        return [absorbed_by_front(parameters[0], news), *parameters[1:]] if news else parameters

    def traces(self, parameters: Parameters, X: Array) -> list[Trace]:
        """Rows are those of all copies, one copy's behind the other's of the same row."""
        X, layers = self._behind_front(parameters, X)
        traces = []
        for layer in layers[:-1]:
            slopes, z = None, self._pre_activations(layer, X)
            if width_factor(self.activation) == 1 and not mixes_units(self.activation):
                _, slopes = jax.jvp(lambda z, own=layer: self._units(own, z), (z,), (jnp.ones_like(z),))
            X = self._units(layer, z)
            traces.append(Trace(X, slopes))
        return traces

    def rates(self, parameters: Parameters) -> Any:
        if not self.front.learns:
            return None
        front, *layers = parameters
        return [self.front.rates(front), *(dict.fromkeys(layer, 1.0) for layer in layers)]

    def decays(self, parameters: Parameters) -> Any:
        layers = [{name: name == "weights" for name in layer} for layer in parameters]
        return [self.front.decays(parameters[0]), *layers[1:]] if self.front.learns else layers

    def _behind_front(self, parameters: Parameters, X: Array, key: Array | None = None) -> tuple[Array, Parameters]:
        """The rows of all copies (n * copies, n_inputs), and the layers."""
        if self.front.learns:
            X, parameters = self.front.apply(parameters[0], X, key), parameters[1:]
        shape = (X.shape[0], self.copies, X.shape[1])
        return jnp.broadcast_to(X[:, None], shape).reshape(-1, X.shape[1]), parameters

    def _by_copy(self, units: Array) -> Array:
        return units.reshape(-1, self.copies, units.shape[1])

    def _pre_activations(self, layer: dict[str, Array], X: Array) -> Array:
        inputs = (self._by_copy(X) * layer["input_factors"][None]).reshape(X.shape)
        z = self._by_copy(inputs @ layer["weights"])
        return (z * layer["output_factors"][None] + layer["biases"][None]).reshape(X.shape[0], -1)

    def _units(self, layer: dict[str, Array], z: Array, key: Array | None = None) -> Array:
        learned: dict[str, Any] = {name: array for name, array in learned_by(layer).items() if name not in OWN}
        if key is not None and is_random(self.activation):
            learned["key"] = key
        return self.activation(z, **learned)

    def _last(self, layer: dict[str, Array], X: Array) -> Array:
        """(n * copies, n_in) -> (n, copies, n_outputs), each copy by its own weights."""
        return jnp.einsum("nki,kio->nko", self._by_copy(X), layer["weights"]) + layer["biases"][None]


@partial(quickly, static=("network",))
def _init(network: TabM, key: Array, X: Array, facts: dict[str, Array]) -> Parameters:
    parameters: Parameters = []
    if network.front.learns:
        parameters.append(network.front.init(jax.random.fold_in(key, 0), X, facts))
    width = network._behind_front(parameters, X[:1])[0].shape[1]
    widths = (width, *network.hidden_widths)
    for place, (n_in, n_out) in enumerate(pairwise(widths)):
        first, second, third = jax.random.split(jax.random.fold_in(key, 1 + place), 3)
        n_units, edge = units_before(n_out, network.activation), float(n_in**-0.5)
        biases = jax.random.uniform(second, (n_units,), X.dtype, -edge, edge)
        layer = {
            "weights": jax.random.uniform(first, (n_in, n_units), X.dtype, -edge, edge),
            "input_factors": jnp.ones((network.copies, n_in), X.dtype),
            "output_factors": jnp.ones((network.copies, n_units), X.dtype),
            "biases": jnp.tile(biases[None], (network.copies, 1)),
        }
        if place == 0:
            layer["input_factors"] = _apart(network, third, n_in, X.dtype)
        starts = learned_parameters(network.activation)
        parameters.append(layer | {name: jnp.full(n_units, start, X.dtype) for name, start in starts.items()})
    first, second = jax.random.split(jax.random.fold_in(key, len(widths)))
    n_in, edge = widths[-1], float(widths[-1] ** -0.5)
    last = {
        "weights": jax.random.uniform(first, (network.copies, n_in, network.n_outputs), X.dtype, -edge, edge),
        "biases": jax.random.uniform(second, (network.copies, network.n_outputs), X.dtype, -edge, edge),
    }
    return [*parameters, last]


def _apart(network: TabM, key: Array, n_in: int, dtype: Any) -> Array:
    """What tells the copies apart at the start, one number per copy for all that a column of the table becomes."""
    sections = network.front.sections(n_in)
    shape = (network.copies, len(sections))
    draw = jax.random.normal if network.front.embeds else jax.random.rademacher
    return jnp.repeat(draw(key, shape, dtype), sections, axis=1, total_repeat_length=n_in)
