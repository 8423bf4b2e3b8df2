"""A module of Flax NNX as pure functions of a dict of arrays by their paths in the module.

Batch statistics are kept by training as running means are. Other variables than parameters, statistics and sources of
random numbers are refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from trivium.network.interface import Parameters

Flat = list[tuple[tuple, Any]]
"""Variables by their paths."""


class Skeleton(NamedTuple):
    """A module without its arrays."""

    graph: Any
    kept: Flat  # parameters and statistics
    streams: Flat  # keys and counts of random numbers


@dataclass(frozen=True)
class Made:
    """What `make(rngs, n_inputs, n_outputs)` makes; in training it draws numbers from the key of the step."""

    make: Callable[..., Any]

    def init(self, key: Array, X: Array, n_outputs: int) -> Parameters:
        module = _checked(self.make(rngs=nnx.Rngs(key), n_inputs=X.shape[1], n_outputs=n_outputs))
        return {_name(path): variable.get_value() for path, variable in _skeleton_of(module).kept}

    def run(self, parameters: Parameters, X: Array, n_outputs: int, key: Array | None) -> tuple[Array, Any]:
        skeleton = _skeleton(self.make, X.shape[1], n_outputs)
        kept = [(path, variable.replace(parameters[_name(path)])) for path, variable in skeleton.kept]
        module = nnx.merge(skeleton.graph, nnx.from_flat_state(kept + _seeded(skeleton.streams, key)))
        module.eval() if key is None else module.train()
        outputs = module(X)
        if key is None:
            return outputs, {}
        statistics = nnx.to_flat_state(nnx.state(module, nnx.BatchStat))
        return outputs, {_name(path): variable.get_value() for path, variable in statistics}


@lru_cache(64)
def _skeleton(make: Callable[..., Any], n_inputs: int, n_outputs: int) -> Skeleton:
    made = nnx.eval_shape(lambda: _checked(make(rngs=nnx.Rngs(0), n_inputs=n_inputs, n_outputs=n_outputs)))
    return _skeleton_of(made)


def _skeleton_of(module: Any) -> Skeleton:
    graph, learned, statistics, streams, others = nnx.split(module, nnx.Param, nnx.BatchStat, nnx.RngState, ...)
    for path, variable in nnx.to_flat_state(others):
        raise ValueError(
            "network must keep its arrays as nnx.Param, or as nnx.BatchStat where they are no part of the gradient, "
            f"got {type(variable).__name__} in {_name(path)}. Change its kind."
        )
    flat = [list(nnx.to_flat_state(state)) for state in (learned, statistics, streams)]
    return Skeleton(graph, flat[0] + flat[1], flat[2])


def _checked(module: Any) -> Any:
    if not isinstance(module, nnx.Module):
        raise ValueError(
            f"network must make an nnx.Module from rngs, got {type(module).__name__}. Return the module itself."
        )
    return module


def _seeded(streams: Flat, key: Array | None) -> Flat:
    """Sources of random numbers that start from a key; for predictions, which draw none, from a constant."""
    if key is None:
        with jax.ensure_compile_time_eval():  # so that a prediction holds no drawing of keys that it does not use
            return [(path, variable.replace(_start(variable, jax.random.key(0)))) for path, variable in streams]
    key = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)
    return [
        (path, variable.replace(_start(variable, jax.random.fold_in(key, place))))
        for place, (path, variable) in enumerate(streams)
    ]


def _start(variable: Any, key: Array) -> Array:
    """Of a stream's key, or several, or of its count."""
    value = variable.get_value()
    shape, dtype = value.shape, value.dtype
    if not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return jnp.zeros(shape, dtype)
    return jax.random.split(key, shape) if shape else key


def _name(path: tuple) -> str:
    return ".".join(map(str, path))
