"""Plain ones: the identity and the exponential."""

import jax.numpy as jnp
from jax import Array

from trivium.activations._rules import elementwise


@elementwise
def identity(z: Array) -> Array:
    """Identity: z.

    Range (-inf, inf); derivative 1.
    Trap: layers with nothing else between them are one linear layer, however many there are.
    Source: Widrow & Hoff 1960, "Adaptive switching circuits".
    """
    return z


@elementwise
def exponential(z: Array) -> Array:
    """Exponential: exp(z).

    Range (0, inf); derivative exp(z).
    Trap: overflows float32 from z = 88.8 on; meant for the output of a model of positive numbers.
    Source: McCullagh & Nelder 1989, "Generalized linear models", section 2.2, the log link.
    """
    return jnp.exp(z)


linear = identity
