"""A module of Equinox, which sees one row, as pure functions of a dict of arrays by their paths in the module.

Its arrays of floats are its parameters. Stateful layers, and arrays of anything else, are refused.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from trivium.network.interface import Parameters


@dataclass(frozen=True)
class Made:
    """What `make(key, n_inputs, n_outputs)` makes, called for each row, with a key of its own if it takes one."""

    make: Callable[..., Any]

    def init(self, key: Array, X: Array, n_outputs: int) -> Parameters:
        module = _checked(self.make(key=key, n_inputs=X.shape[1], n_outputs=n_outputs))
        leaves = jax.tree_util.tree_leaves_with_path(module)
        return {_name(path): leaf for path, leaf in leaves if eqx.is_inexact_array(leaf)}

    def run(self, parameters: Parameters, X: Array, n_outputs: int, key: Array | None) -> tuple[Array, Any]:
        skeleton = _skeleton(self.make, X.shape[1], n_outputs)
        module: Any = jax.tree_util.tree_map_with_path(
            lambda path, leaf: parameters[_name(path)] if isinstance(leaf, jax.ShapeDtypeStruct) else leaf, skeleton
        )
        module = eqx.nn.inference_mode(module, key is None)
        if "key" not in inspect.signature(type(module).__call__).parameters:
            return jax.vmap(module)(X), {}
        if key is None:
            return jax.vmap(lambda row: module(row, key=None))(X), {}
        return jax.vmap(lambda row, key: module(row, key=key))(X, jax.random.split(key, X.shape[0])), {}


@lru_cache(64)
def _skeleton(make: Callable[..., Any], n_inputs: int, n_outputs: int) -> Any:
    """The module with a shape in the place of each array."""
    return eqx.filter_eval_shape(
        lambda key: _checked(make(key=key, n_inputs=n_inputs, n_outputs=n_outputs)), jax.random.PRNGKey(0)
    )


def _checked(module: Any) -> Any:
    if not isinstance(module, eqx.Module):
        raise ValueError(
            f"network must make an eqx.Module from key, got {type(module).__name__}. Return the module itself."
        )
    for path, leaf in jax.tree_util.tree_leaves_with_path(module, is_leaf=_is_state):
        if _is_state(leaf):
            raise ValueError(
                f"network must have no layer of Equinox that keeps a state, got one in {_name(path)}. Take LayerNorm "
                "for BatchNorm, or write the network in Flax NNX."
            )
        if eqx.is_array(leaf) and not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise ValueError(
                f"network must keep arrays of floats alone, got {leaf.dtype} in {_name(path)}. Make it a static field."
            )
    return module


def _is_state(leaf: Any) -> bool:
    return isinstance(leaf, eqx.nn.StateIndex)


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")
