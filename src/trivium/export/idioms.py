"""Activations by ONNX's own words where it has them: fewer nodes, which runtimes know how to fuse.

Our activations hold their digits by arithmetic of their own, some of it 80 nodes long. Where the plain formula agrees
with them to a float32's last digit of 1, far below what an export promises, it is exported instead. An activation is
known by its program, word for word, so that one that has changed is translated as it stands.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np

from trivium import activations
from trivium.export.graph import Graph, Tensor


def idiom(equation: Any, program: Any) -> Callable[..., Tensor] | None:
    """What adds ONNX's own words for a program that is called, None where it has none."""
    first = equation.invars[0].aval if equation.invars else None
    if first is None or equation.primitive.name != "custom_jvp_call" or first.dtype != np.float32:
        return None
    return _programs(first.shape).get(str(program))


@cache
def _programs(shape: tuple) -> dict[str, Callable[..., Tensor]]:
    """The programs of the activations on rows of this shape, in words, and what to write for them."""
    found = {}
    for activation, add in _WORDS.items():
        traced = jax.make_jaxpr(activation)(jax.ShapeDtypeStruct(shape, np.float32)).jaxpr
        calls = [equation for equation in traced.eqns if equation.primitive.name == "custom_jvp_call"]
        if len(calls) == 1:
            found[str(calls[0].params["call_jaxpr"])] = add
    return found


def _one(kind: str, **given: Any) -> Callable[..., Tensor]:
    return lambda graph, z: graph.op(kind, [z], z.shape, **given)


def _times(graph: Graph, z: Tensor, *factors: Tensor | float) -> Tensor:
    for factor in factors:
        other = factor if isinstance(factor, Tensor) else graph.constant(factor, z.dtype)
        z = graph.op("Mul", [z, other], z.shape)
    return z


def _plus(graph: Graph, z: Tensor, number: float) -> Tensor:
    return graph.op("Add", [z, graph.constant(number, z.dtype)], z.shape)


def _gate(graph: Graph, z: Tensor, slope: Tensor | float = 1.0) -> Tensor:
    """z * sigmoid(slope * z)."""
    turned = z if isinstance(slope, float) and slope == 1 else _times(graph, z, slope)
    return _times(graph, z, graph.op("Sigmoid", [turned], z.shape))


def _gelu(graph: Graph, z: Tensor) -> Tensor:
    scaled = graph.op("Div", [z, graph.constant(math.sqrt(2), z.dtype)], z.shape)
    return _times(graph, z, _plus(graph, graph.op("Erf", [scaled], z.shape), 1), 0.5)


def _gelu_tanh(graph: Graph, z: Tensor) -> Tensor:
    cubic = graph.op("Add", [z, _times(graph, z, z, z, 0.044715)], z.shape)
    tanh = graph.op("Tanh", [_times(graph, cubic, math.sqrt(2 / math.pi))], z.shape)
    return _times(graph, z, _plus(graph, tanh, 1), 0.5)


def _softplus(graph: Graph, z: Tensor, beta: Tensor) -> Tensor:
    return graph.op("Div", [graph.op("Softplus", [_times(graph, z, beta)], z.shape), beta], z.shape)


def _elu(graph: Graph, z: Tensor, alpha: Tensor) -> Tensor:
    zero = graph.constant(0, z.dtype)
    power = graph.op("Exp", [graph.op("Min", [z, zero], z.shape)], z.shape)
    low = _times(graph, _plus(graph, power, -1), alpha)
    above = graph.op("Greater", [z, zero], z.shape, bool)
    return graph.op("Where", [above, z, low], z.shape, z.dtype)


def _tanhshrink(graph: Graph, z: Tensor) -> Tensor:
    return graph.op("Sub", [z, graph.op("Tanh", [z], z.shape)], z.shape)


def _through(*kinds: str) -> Callable[..., Tensor]:
    """z times the last of several functions of it."""

    def add(graph: Graph, z: Tensor) -> Tensor:
        inner = z
        for kind in kinds:
            inner = graph.op(kind, [inner], z.shape)
        return _times(graph, z, inner)

    return add


def _gaussian(graph: Graph, z: Tensor) -> Tensor:
    return graph.op("Exp", [graph.op("Neg", [_times(graph, z, z)], z.shape)], z.shape)


_WORDS: dict[Callable, Callable[..., Tensor]] = {
    activations.sigmoid: _one("Sigmoid"),
    activations.tanh: _one("Tanh"),
    activations.softplus: _softplus,
    activations.elu: _elu,
    activations.selu: _one("Selu", alpha=1.6732632423543772, gamma=1.0507009873554805),
    activations.softmax: _one("Softmax", axis=-1),
    activations.log_softmax: _one("LogSoftmax", axis=-1),
    activations.silu: _gate,
    activations.swish: _gate,
    activations.quick_gelu: lambda graph, z: _gate(graph, z, 1.702),
    activations.gelu: _gelu,
    activations.gelu_tanh: _gelu_tanh,
    activations.tanhshrink: _tanhshrink,
    activations.mish: _through("Softplus", "Tanh"),
    activations.telu: _through("Exp", "Tanh"),
    activations.serf: _through("Softplus", "Erf"),
    activations.gaussian: _gaussian,
}
