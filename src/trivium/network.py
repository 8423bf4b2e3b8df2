"""A multi-layer perceptron as two pure functions: `init` makes the parameters, `apply` runs them."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from trivium.initializers import Initializer

Parameters = list[dict[str, Array]]
"""A layer each, input first: `weights` (n_in, n_out) and `biases` (n_out,)."""


def init(key: Array, widths: Sequence[int], initializer: Initializer, dtype=jnp.float32) -> Parameters:
    """Parameters for layers of these widths, input first and output last; two widths make a linear model."""
    keys = jax.random.split(key, len(widths) - 1)
    return [
        {"weights": initializer(key, (n_in, n_out), dtype), "biases": jnp.zeros(n_out, dtype)}
        for key, n_in, n_out in zip(keys, widths[:-1], widths[1:], strict=True)
    ]


def apply(parameters: Parameters, X: Array, activation: Callable[[Array], Array]) -> Array:
    """What the last layer puts out, before any output activation: (n_samples, n_features) -> (n_samples, n_outputs)."""
    *hidden, last = parameters
    for layer in hidden:
        X = activation(X @ layer["weights"] + layer["biases"][None, :])
    return X @ last["weights"] + last["biases"][None, :]
