"""What the diagnosis can tell of a network of the user's own: the order of its weights, and whether it bends."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend import core

from trivium.compiling import quickly
from trivium.diagnosis.record import Layer
from trivium.network.own import OwnNetwork
from trivium.tables.streamed import Encoded
from trivium.training.convolutions import CALLS
from trivium.training.snapshots import weights_in

ROWS = 64
"""Rows that the network is tried on."""

STRAIGHT = 1e-4
"""A network is linear where sums of rows become sums of outputs but for this part of their size."""


def layers(network: OwnNetwork, parameters: Any, X: Encoded) -> tuple[tuple[Layer, ...], list[int]]:
    """Its arrays of weights as layers, in the order in which it uses them, and where a snapshot has each.

    The last one used is taken for the output. Activations are not known.
    """
    weights = weights_in(parameters)
    places = _in_order(network, parameters, list(weights), X)
    paths, shapes = list(weights), [np.shape(leaf) for leaf in weights.values()]
    found = tuple(
        Layer(
            name=jax.tree_util.keystr(paths[place], simple=True, separator="."),
            kind="dense" if len(shapes[place]) == 2 else "convolution",
            inputs=int(np.prod(shapes[place][:-1])),
            width=int(shapes[place][-1]),
            output=place == places[-1],
        )
        for place in places
    )
    return found, places


def bends(network: OwnNetwork, parameters: Any, X: Encoded) -> bool | None:
    """Whether it is more than linear in its rows; None where it puts out the same for all, or nothing finite."""
    rows = np.asarray(X[: 2 * ROWS], np.float32)
    some, others = rows[: len(rows) // 2], rows[len(rows) // 2 : len(rows) // 2 * 2]
    every = np.concatenate([some, others, some + others, np.zeros_like(some)])
    outputs = np.asarray(_applied(network, parameters, every), np.float64)
    if not len(some) or not np.isfinite(outputs).all() or not outputs.std(axis=0).any():
        return None
    first, second, both, nothing = np.split(outputs, 4)
    return bool(np.abs(both - first - second + nothing).max() > STRAIGHT * np.abs(outputs).max())


@partial(quickly, static=("network",))
def _applied(network: OwnNetwork, parameters: Any, X: Any) -> Array:
    return network.apply(parameters, X)


def _in_order(network: OwnNetwork, parameters: Any, weights: list[Any], X: Encoded) -> list[int]:
    """Places of the arrays of weights, by the first computation that takes each; unused ones are left out."""
    rows = jax.ShapeDtypeStruct((1, X.shape[1]), jnp.float32)
    program = jax.make_jaxpr(network.apply)(parameters, rows).jaxpr
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(parameters)]
    names = {variable: weights.index(path) for variable, path in zip(program.invars, paths) if path in weights}  # noqa: B905 (rows come last)
    return list(dict.fromkeys(_used(program, names)))


def _used(program: Any, names: dict[Any, int]) -> list[int]:
    """The named variables as computations take them, one after the other; what is only moved keeps its name."""
    found = []
    for equation in program.eqns:
        taken = [names.get(one) if not isinstance(one, core.Literal) else None for one in equation.invars]
        inner = equation.params.get(CALLS.get(equation.primitive.name, ""))
        if isinstance(inner, core.ClosedJaxpr):
            known = {inside: name for inside, name in zip(inner.jaxpr.invars, taken, strict=True) if name is not None}
            found += _used(inner.jaxpr, known)
        elif equation.primitive.name in MOVES and taken[0] is not None:
            names[equation.outvars[0]] = taken[0]
        else:
            found += [name for name in taken if name is not None]
    return found


MOVES = ("transpose", "reshape", "convert_element_type", "broadcast_in_dim", "squeeze", "copy")
"""What is done to weights ahead of their use."""
