"""A multi-layer perceptron as pure functions: `init` makes the parameters, `apply` runs them."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from trivium import initializers
from trivium.catalog import learned_parameters
from trivium.compiling import quickly
from trivium.initializers import Initializer
from trivium.network.front import sample
from trivium.network.interface import Numbers, Parameters, Trace
from trivium.network.noise import dropped, folded
from trivium.network.normalisation import normalised, scales
from trivium.network.starting import Start, root_of_width, started
from trivium.properties import width_factor

Normalisation = Literal["batch", "layer"]
Parametrisation = Literal["standard", "ntk"]

OWN = ("weights", "biases", "scale", "shift", "running_mean", "running_variance")
"""The arrays of a layer that its activation does not learn."""


@dataclass(frozen=True)
class Perceptron:
    """Layers of `activation(X @ weights + biases)`, the last one without an activation.

    hidden_widths    of the hidden layers; () makes a linear model
    normalisation    of each hidden layer's pre-activations
    residual         whether a hidden layer as wide as the one before adds to it
    initializer      of the weights; no part of what compares, as it makes no other program
    parametrisation  "ntk" for X @ weights / sqrt(n_in) + biases, where weights of any layer are about 1 and so move as
                     much by a step of Adam (Jacot, Gabriel & Hongler 2018, "Neural tangent kernel")
    start            of weights and biases, see `starting.started`
    zero_last_layer  whether the network begins as 0 everywhere
    rate_factors     by name of an array, such as biases or a number that the activation learns, a factor on its steps
    In training, `dropout` among the numbers drops units of every hidden layer.
    """

    hidden_widths: tuple[int, ...]
    activation: Callable[..., Array]
    n_outputs: int
    normalisation: Normalisation | None = None
    residual: bool = False
    initializer: Initializer = field(default=initializers.he_normal, compare=False)
    copies: int = 1
    parametrisation: Parametrisation = "standard"
    start: Start = "usual"
    zero_last_layer: bool = False
    rate_factors: tuple[tuple[str, float], ...] = ()

    def init(self, key: Array, X: Any) -> Parameters:
        layers = init(key, (X.shape[1], *self.hidden_widths, self.n_outputs), self.initializer, self.activation)
        if self.normalisation is not None:
            *hidden, last = layers
            layers = [layer | scales(layer["biases"], self.normalisation) for layer in hidden] + [last]
        if self.parametrisation == "standard" and self.start == "usual" and not self.zero_last_layer:
            return layers
        rows = sample(X) if self.start == "data_driven" else jnp.zeros((1, X.shape[1]), jnp.float32)
        return _started(self, layers, rows, jax.random.fold_in(key, 1))

    def apply(self, parameters: Parameters, X: Array) -> Array:
        *hidden, last = parameters
        for layer in hidden:
            X, _ = self.hidden(layer, X)
        return self.linear(last, X)

    def train(self, parameters: Parameters, X: Array, key: Array, numbers: Numbers) -> tuple[Array, Any]:
        *hidden, last = parameters
        news = []
        for place, layer in enumerate(hidden):
            layer_key = folded(key, place)
            X, told = self.hidden(layer, X, layer_key)
            if "dropout" in numbers:
                X = dropped(folded(layer_key, 1), X, numbers["dropout"])
            news.append(told)
        return self.linear(last, X), news

    def absorb(self, parameters: Parameters, news: Any) -> Parameters:
        *hidden, last = parameters
        return [layer | told for layer, told in zip(hidden, news, strict=True)] + [last]

    def traces(self, parameters: Parameters, X: Array) -> list[Trace]:
        traces = []
        for layer in parameters[:-1]:
            slopes = None
            if width_factor(self.activation) == 1 and not mixes_units(self.activation):
                z, learned = self._pre_activations(layer, X)[0], learned_by(layer)
                _, slopes = jax.jvp(lambda z, own=learned: self.activation(z, **own), (z,), (jnp.ones_like(z),))
            X, _ = self.hidden(layer, X)
            traces.append(Trace(X, slopes))
        return traces

    def rates(self, parameters: Parameters) -> Any:
        factors = dict(self.rate_factors)
        return [{name: factors.get(name, 1.0) for name in layer} for layer in parameters] if factors else None

    def decays(self, parameters: Parameters) -> Any:
        return [{name: name == "weights" for name in layer} for layer in parameters]

    def linear(self, layer: dict[str, Array], X: Array) -> Array:
        """(n, n_in) -> (n, n_units), before normalisation and activation."""
        return linear(layer, X, self.parametrisation)

    def _pre_activations(
        self, layer: dict[str, Array], X: Array, *, training: bool = False
    ) -> tuple[Array, dict[str, Array]]:
        z = self.linear(layer, X)
        return (z, {}) if self.normalisation is None else normalised(z, layer, self.normalisation, training=training)

    def hidden(self, layer: dict[str, Array], X: Array, key: Array | None = None) -> tuple[Array, dict[str, Array]]:
        """What a hidden layer puts out, and in training what it keeps of these rows."""
        z, news = self._pre_activations(layer, X, training=key is not None)
        learned: dict[str, Any] = learned_by(layer)
        if key is not None and is_random(self.activation):
            learned["key"] = key
        units = self.activation(z, **learned)
        if self.residual and units.shape == X.shape:
            units = units + X
        return units, news


def learned_by(layer: dict[str, Array]) -> dict[str, Array]:
    """The arrays of a layer that its activation learns."""
    return {name: array for name, array in layer.items() if name not in OWN}


def mixes_units(activation: Callable) -> bool:
    """Whether a unit depends on the pre-activations of others, as in softmax."""
    return getattr(activation, "__module__", "").endswith(".simplex")


def linear(layer: dict[str, Array], X: Array, parametrisation: Parametrisation = "standard") -> Array:
    """(n, n_in) -> (n, n_units), before the activation."""
    z = X @ layer["weights"]
    z = z / root_of_width(layer) if parametrisation == "ntk" else z
    return z + layer["biases"][None, :]


_started = quickly(started, static=("network",))


def init(
    key: Array, widths: Sequence[int], initializer: Initializer, activation: Callable | None = None, dtype=jnp.float32
) -> Parameters:
    """Parameters for layers of these widths, input first and output last; two widths make a linear model.

    A layer each, input first: `weights` (n_in, n_units), `biases` (n_units,), and what the activation learns, one
    number per unit. An activation that changes the width makes n_units differ from the layer's width behind it.
    activation  of the hidden layers; None for one that neither learns nor changes the width
    Raises ValueError for a width that the activation cannot give.
    """
    make = _init_compiled if can_be_traced(initializer) else _init
    return make(key, tuple(widths), initializer, activation, dtype)


def can_be_traced(initializer: Initializer) -> bool:
    """Whether it is known to be one that JAX can trace; a function from elsewhere need not be."""
    return getattr(initializer, "__module__", None) in (initializers.__name__, jax.nn.initializers.zeros.__module__)


def _init(
    key: Array, widths: tuple[int, ...], initializer: Initializer, activation: Callable | None, dtype: Any
) -> Parameters:
    last = len(widths) - 2
    keys = jax.random.split(key, last + 1)
    layers = []
    for place, (n_in, width) in enumerate(pairwise(widths)):
        n_units, starts, make = width, {}, initializer
        if place == last:
            make = getattr(initializer, "of_last_layer", initializer)
        elif activation is not None:
            n_units, starts = units_before(width, activation), learned_parameters(activation)
        layer = {"weights": make(keys[place], (n_in, n_units), dtype), "biases": jnp.zeros(n_units, dtype)}
        layers.append(layer | {name: jnp.full(n_units, start, dtype) for name, start in starts.items()})
    return layers


_init_compiled = quickly(_init, static=("widths", "initializer", "activation", "dtype"))


def apply(parameters: Parameters, X: Array, activation: Callable[..., Array]) -> Array:
    """What the last layer puts out, before any output activation: (n_samples, n_features) -> (n_samples, n_outputs)."""
    return Perceptron((), activation, 0).apply(parameters, X)


@cache
def is_random(activation: Callable) -> bool:
    """Whether an activation draws random numbers in training: it takes a `key`."""
    try:
        return "key" in inspect.signature(activation).parameters
    except (TypeError, ValueError):
        return False  # a builtin without a signature


def units_before(width: int, activation: Callable) -> int:
    """Units in front of an activation that puts out so many."""
    units = width / width_factor(activation)
    if units != int(units):
        name = getattr(activation, "__name__", repr(activation))
        step = round(width_factor(activation)) if width_factor(activation) > 1 else 1
        raise ValueError(
            f"hidden_widths must hold widths that {name} can put out, got {width}. Try {(width // step + 1) * step}."
        )
    return int(units)
