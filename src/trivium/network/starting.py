"""How the parameters of a perceptron start, beyond what an initializer of weights can say."""

from typing import TYPE_CHECKING, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

if TYPE_CHECKING:
    from trivium.network.perceptron import Perceptron

Start = Literal["usual", "random_biases", "data_driven"]
"""How layers start; see `started`."""

MIXED = 5
"""Rows whose pre-activations are mixed to the bias of a unit."""

Layers = list[dict[str, Array]]


def started(network: "Perceptron", layers: Layers, X: Array, key: Array) -> Layers:
    """Layers of the initializer as the network wants them at the start.

    "usual"          as they are: biases 0
    "random_biases"  biases from N(0, 1)
    "data_driven"    layer by layer, weights over the standard deviation of each unit's pre-activations on the rows X,
                     which is then 1; biases as `convex_biases` says
    Under the NTK parametrisation weights are larger by sqrt(n_in), so that the function is the one of the initializer.
    Source: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", section 3.
    """
    if network.parametrisation == "ntk":
        layers = [layer | {"weights": layer["weights"] * root_of_width(layer)} for layer in layers]
    if network.start == "random_biases":
        layers = [
            layer | {"biases": jax.random.normal(jax.random.fold_in(key, place), layer["biases"].shape, X.dtype)}
            for place, layer in enumerate(layers)
        ]
    if network.start == "data_driven":
        layers = _on_rows(network, layers, X, key)
    if network.zero_last_layer:
        layers = [*layers[:-1], layers[-1] | {name: jnp.zeros_like(layers[-1][name]) for name in ("weights", "biases")}]
    return layers


def convex_biases(key: Array, z: Array) -> Array:
    """A bias per unit: minus a random convex combination of its pre-activations z (n, n_units) on MIXED random rows.

    So a unit's kink lies within the data. The shares are uniform on the simplex.
    Source: Steinwart 2019, "A sober look at neural network initializations", initialization he+5.
    """
    rows, shares = jax.random.split(key)
    chosen = jax.random.randint(rows, (MIXED, z.shape[1]), 0, len(z))
    picked = jnp.take_along_axis(z, chosen, axis=0)
    shares = jax.random.exponential(shares, picked.shape, z.dtype)
    return -(picked * shares).sum(axis=0) / shares.sum(axis=0)


def root_of_width(layer: dict[str, Array]) -> np.float32:
    """The root of the number of inputs."""
    return np.float32(np.sqrt(max(1, layer["weights"].shape[0])))


def _on_rows(network: "Perceptron", layers: Layers, X: Array, key: Array) -> Layers:
    done = []
    for place, layer in enumerate(layers):
        z = network.linear(layer | {"biases": jnp.zeros_like(layer["biases"])}, X)
        spread = z.std(axis=0)
        spread = jnp.where(spread > 0, spread, 1)
        biases = convex_biases(jax.random.fold_in(key, place), z / spread[None])
        layer = layer | {"weights": layer["weights"] / spread[None], "biases": biases}
        done.append(layer)
        if place < len(layers) - 1:
            X, _ = network.hidden(layer, X)
    return done
