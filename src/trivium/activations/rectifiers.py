"""Rectifiers: relu and its leaky, clipped and squared kin."""

import jax
import jax.numpy as jnp
from jax import Array


@jax.custom_jvp
def relu(z: Array) -> Array:
    """ReLU: max(z, 0).

    Range [0, inf); derivative 0 up to and at zero, 1 above it.
    Trap: a unit whose z is below zero for every row gets no gradient and stays dead.
    Source: Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".
    """
    return jnp.maximum(z, 0)


relu.defjvps(lambda tangent, _, z: jnp.where(z > 0, tangent, 0))
