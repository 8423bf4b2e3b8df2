"""A multi-layer perceptron as two pure functions: `init` makes the parameters, `apply` runs them."""

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from trivium import initializers
from trivium.catalog import learned_parameters
from trivium.initializers import Initializer
from trivium.properties import width_factor

Parameters = list[dict[str, Array]]
"""A layer each, input first: `weights` (n_in, n_units), `biases` (n_units,), and what the activation learns, one number
per unit. An activation that changes the width makes n_units differ from the layer's width behind it."""


def init(
    key: Array, widths: Sequence[int], initializer: Initializer, activation: Callable | None = None, dtype=jnp.float32
) -> Parameters:
    """Parameters for layers of these widths, input first and output last; two widths make a linear model.

    activation  of the hidden layers; None for one that neither learns nor changes the width
    Raises ValueError for a width that the activation cannot give.
    """
    known = getattr(initializer, "__module__", None) in (initializers.__name__, jax.nn.initializers.zeros.__module__)
    make = _init_compiled if known else _init  # a function from elsewhere need not be one that JAX can trace
    return make(key, tuple(widths), initializer, activation, dtype)


def _init(
    key: Array, widths: tuple[int, ...], initializer: Initializer, activation: Callable | None, dtype: Any
) -> Parameters:
    keys = jax.random.split(key, len(widths) - 1)
    layers = []
    for place, (n_in, width) in enumerate(pairwise(widths)):
        n_units, starts = width, {}
        if activation is not None and place < len(widths) - 2:
            n_units, starts = _units(width, activation), learned_parameters(activation)
        layer = {"weights": initializer(keys[place], (n_in, n_units), dtype), "biases": jnp.zeros(n_units, dtype)}
        layers.append(layer | {name: jnp.full(n_units, start, dtype) for name, start in starts.items()})
    return layers


_init_compiled = jax.jit(_init, static_argnums=(1, 2, 3, 4))


def apply(parameters: Parameters, X: Array, activation: Callable[..., Array], key: Array | None = None) -> Array:
    """What the last layer puts out, before any output activation: (n_samples, n_features) -> (n_samples, n_outputs).

    key  in training, for an activation that draws random numbers
    """
    *hidden, last = parameters
    for place, layer in enumerate(hidden):
        learned = {name: array for name, array in layer.items() if name not in ("weights", "biases")}
        if key is not None and is_random(activation):
            learned["key"] = jax.random.fold_in(key, place)
        X = activation(X @ layer["weights"] + layer["biases"][None, :], **learned)
    return X @ last["weights"] + last["biases"][None, :]


@cache
def is_random(activation: Callable) -> bool:
    """Whether an activation draws random numbers in training: it takes a `key`."""
    try:
        return "key" in inspect.signature(activation).parameters
    except (TypeError, ValueError):
        return False  # a builtin without a signature


def _units(width: int, activation: Callable) -> int:
    """Units in front of an activation that puts out so many."""
    units = width / width_factor(activation)
    if units != int(units):
        name = getattr(activation, "__name__", repr(activation))
        step = round(width_factor(activation)) if width_factor(activation) > 1 else 1
        raise ValueError(
            f"hidden_widths must hold widths that {name} can put out, got {width}. Try {(width // step + 1) * step}."
        )
    return int(units)
