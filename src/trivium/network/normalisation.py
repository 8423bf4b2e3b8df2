"""Pre-activations brought to mean 0 and variance 1: over the rows of a batch, or over the units of a layer."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

EPSILON = 1e-5
"""Added to a variance, so that what does not vary is not divided by 0; as in PyTorch."""

MEMORY = 0.9
"""Of the running means, how much a step leaves as it was; as in PyTorch."""


def scales(biases: Array, kind: Literal["batch", "layer"]) -> dict[str, Array]:
    """What a normalised layer of so many units learns, and for a batch what it keeps for predictions."""
    learned = {"scale": jnp.ones_like(biases), "shift": jnp.zeros_like(biases)}
    if kind == "layer":
        return learned
    return learned | {"running_mean": jnp.zeros_like(biases), "running_variance": jnp.ones_like(biases)}


def normalised(
    z: Array, layer: dict[str, Array], kind: Literal["batch", "layer"], *, training: bool
) -> tuple[Array, dict[str, Array]]:
    """Normalised pre-activations (n, n_units), and in training the new running means of a batch.

    Source: Ioffe & Szegedy 2015, "Batch normalization"; Ba, Kiros & Hinton 2016, "Layer normalization".
    """
    news = {}
    if kind == "layer":
        mean, variance = _moments(z, axis=1)
    elif training:
        mean, variance = _moments(z, axis=0)
        unbiased = variance[0] * (len(z) / max(1, len(z) - 1))
        news = {
            "running_mean": MEMORY * layer["running_mean"] + (1 - MEMORY) * mean[0],
            "running_variance": MEMORY * layer["running_variance"] + (1 - MEMORY) * unbiased,
        }
    else:
        mean, variance = layer["running_mean"][None, :], layer["running_variance"][None, :]
    z = (z - mean) / jnp.sqrt(variance + EPSILON)
    return z * layer["scale"][None, :] + layer["shift"][None, :], news


def _moments(z: Array, axis: int) -> tuple[Array, Array]:
    mean = z.mean(axis=axis, keepdims=True)
    return mean, jnp.square(z - mean).mean(axis=axis, keepdims=True)
