"""Gated units and pairs: activations that change the width of a layer."""

from collections.abc import Callable
from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from trivium.activations.rectifiers import relu
from trivium.activations.sigmoids import sigmoid
from trivium.activations.smooth import gelu, silu


def glu(z: Array, *, axis: int = -1) -> Array:
    """GLU: a * sigmoid(b), a and b = the halves of z.

    axis  the one that is halved
    Range (-inf, inf); derivative sigmoid(b) by a, a * sigmoid(b) * sigmoid(-b) by b.
    Trap: halves the width: the layer in front needs twice the units.
    Source: Dauphin, Fan, Auli & Grangier 2017, "Language modeling with gated convolutional networks".
    """
    return _gated(sigmoid, z, axis)


def geglu(z: Array, *, axis: int = -1) -> Array:
    """GEGLU: a * gelu(b), a and b = the halves of z.

    axis  the one that is halved
    Range (-inf, inf); derivative gelu(b) by a, a times the derivative of gelu by b.
    Trap: halves the width; as a product of two lines it grows as a square.
    Source: Shazeer 2020, "GLU variants improve transformer".
    """
    return _gated(gelu, z, axis)


def swiglu(z: Array, *, axis: int = -1) -> Array:
    """SwiGLU: a * silu(b), a and b = the halves of z.

    axis  the one that is halved
    Range (-inf, inf); derivative silu(b) by a, a times the derivative of silu by b.
    Trap: halves the width; as a product of two lines it grows as a square.
    Source: Shazeer 2020, "GLU variants improve transformer".
    """
    return _gated(silu, z, axis)


def reglu(z: Array, *, axis: int = -1) -> Array:
    """ReGLU: a * max(b, 0), a and b = the halves of z.

    axis  the one that is halved
    Range (-inf, inf); derivative max(b, 0) by a, and by b a where b is above zero.
    Trap: halves the width; where b is below zero both halves get no gradient.
    Source: Shazeer 2020, "GLU variants improve transformer".
    """
    return _gated(relu, z, axis)


def bilinear(z: Array, *, axis: int = -1) -> Array:
    """Bilinear: a * b, a and b = the halves of z.

    axis  the one that is halved
    Range (-inf, inf); derivative b by a, a by b.
    Trap: halves the width, and a network of n such layers is a polynomial of degree 2^n.
    Source: Dauphin, Fan, Auli & Grangier 2017, "Language modeling with gated convolutional networks", section 4.2.
    """
    return _gated(lambda b: b, z, axis)


def crelu(z: Array, *, axis: int = -1) -> Array:
    """CReLU: max(z, 0) and max(-z, 0), one after the other.

    axis  the one that is doubled
    Range [0, inf); derivative 1 in one of the two, -1 in the other, 0 in both at zero.
    Trap: doubles the width: the layer behind sees twice the units.
    Source: Shang, Sohn, Almeida & Lee 2016, "Understanding and improving convolutional neural networks via concatenated
    rectified linear units".
    """
    z = jnp.asarray(z)
    return jnp.concatenate([relu(z), relu(-z)], axis=axis)


def maxout(z: Array, *, pieces: Annotated[int, Ge(2)] = 2, axis: int = -1) -> Array:
    """Maxout: the largest of each group of `pieces` neighbours.

    pieces  units that share one output
    axis    the one that is divided
    Range (-inf, inf); derivative 1 for the largest, 0 for the others, shared equally among equal ones.
    Trap: divides the width by `pieces`: the layer in front needs so many times the units.
    Source: Goodfellow, Warde-Farley, Mirza, Courville & Bengio 2013, "Maxout networks".
    """
    z = jnp.asarray(z)
    _check_width("maxout", z, axis, pieces)
    last = jnp.moveaxis(z, axis, -1)
    grouped = last.reshape(*last.shape[:-1], last.shape[-1] // pieces, pieces)
    return jnp.moveaxis(grouped.max(axis=-1), -1, axis)


def _gated(gate: Callable[[Array], Array], z: Array, axis: int) -> Array:
    z = jnp.asarray(z)
    _check_width("a gated unit", z, axis, 2)
    a, b = jnp.split(z, 2, axis=axis)
    return a * gate(b)


def _check_width(name: str, z: Array, axis: int, divisor: int) -> None:
    if z.ndim == 0 or z.shape[axis] % divisor:
        width = z.shape[axis] if z.ndim else "no axis"
        raise ValueError(
            f"z must have a width that {name} can divide by {divisor}, got {width}. "
            f"Give the layer a multiple of {divisor}."
        )
