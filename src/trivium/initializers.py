"""How weights start: functions of (key, shape, dtype), as in JAX, so that any JAX initializer can stand in their place.

`shape` is (n_in, n_out) throughout: rows of a weight matrix come in, columns go out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.properties import gain, is_bounded

Initializer = Callable[..., Array]


def zeros(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """Zeros: every weight 0.

    Trap: the units of a hidden layer stay equal to each other, and with relu no gradient ever arrives.
    """
    return jnp.zeros(shape, dtype)


def glorot_uniform(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """Glorot uniform: U(-a, a), a = sqrt(6 / (n_in + n_out)).

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    return _uniform(key, shape, dtype, 2 / sum(shape))


def glorot_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """Glorot normal: N(0, 2 / (n_in + n_out)).

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks".
    """
    return _normal(key, shape, dtype, 2 / sum(shape))


def he_uniform(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """He uniform: U(-a, a), a = sqrt(6 / n_in).

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2.
    """
    return _uniform(key, shape, dtype, 2 / shape[0])


def he_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """He normal: N(0, 2 / n_in).

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2.
    """
    return _normal(key, shape, dtype, 2 / shape[0])


def lecun_uniform(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """LeCun uniform: U(-a, a), a = sqrt(3 / n_in).

    Source: LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp", section 4.6.
    """
    return _uniform(key, shape, dtype, 1 / shape[0])


def lecun_normal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """LeCun normal: N(0, 1 / n_in).

    Source: LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp", section 4.6.
    """
    return _normal(key, shape, dtype, 1 / shape[0])


def orthogonal(key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
    """Orthogonal: rows or columns, whichever are fewer, orthonormal and uniformly turned.

    Source: Saxe, McClelland & Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks".
    """
    return jax.nn.initializers.orthogonal()(key, shape, dtype)


@cache
def fitting(activation: Callable) -> Initializer:
    """The initializer that fits an activation.

    Glorot uniform where the activation is bounded (sigmoid, tanh and kin: the backward pass needs n_out as well), else
    N(0, gain^2 / n_in) with the gain that keeps the signal's size: He's for relu (gain^2 = 2), LeCun's for selu
    (gain 1), and the right one for whatever else the user brings. The last layer, with no activation behind it, has
    gain 1.
    """
    if is_bounded(activation):
        return glorot_uniform
    return NormalWithGain(gain(activation) ** 2)


@dataclass(frozen=True)
class NormalWithGain:
    """N(0, gain_squared / n_in) before an activation of that gain, N(0, 1 / n_in) before none."""

    gain_squared: float
    __name__ = "normal_with_fitting_gain"

    @property
    def of_last_layer(self) -> "NormalWithGain":
        return NormalWithGain(1.0)

    def __call__(self, key: Array, shape: tuple[int, int], dtype=jnp.float32) -> Array:
        return _normal(key, shape, dtype, self.gain_squared / shape[0])


def _normal(key: Array, shape: tuple[int, int], dtype, variance: float) -> Array:
    return jax.random.normal(key, shape, dtype) * jnp.asarray(np.sqrt(variance), dtype)


def _uniform(key: Array, shape: tuple[int, int], dtype, variance: float) -> Array:
    edge = float(np.sqrt(3 * variance))
    return jax.random.uniform(key, shape, dtype, -edge, edge)
