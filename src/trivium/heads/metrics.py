"""What a history keeps of predictions beside the loss, a number per row."""

import jax.numpy as jnp
from jax import Array


def accuracy(predictions: Array, targets: Array) -> Array:
    """1 where the likeliest class is the right one, else 0; (n,) probabilities or (n, classes)."""
    if predictions.ndim == 1:
        return ((predictions > 0.5) == (targets > 0.5)).astype(predictions.dtype)
    truth = targets if targets.ndim == 1 else jnp.argmax(targets, axis=-1)
    return (jnp.argmax(predictions, axis=-1) == truth).astype(predictions.dtype)


def labels_right(predictions: Array, targets: Array) -> Array:
    """The share of labels that are told right, (n, n_labels) -> (n,)."""
    return ((predictions > 0.5) == (targets > 0.5)).astype(predictions.dtype).mean(axis=-1)


def squared_distance(predictions: Array, targets: Array) -> Array:
    """The squared error per row; over the variance of the targets, and from 1, its mean makes R2."""
    squares = (predictions - targets) ** 2
    return squares if squares.ndim == 1 else squares.mean(axis=-1)
