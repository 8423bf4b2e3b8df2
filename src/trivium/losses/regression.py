"""Losses for numbers. The network puts out `predictions`, in the units of the targets."""

from jax import Array

from trivium.losses._exact import same_shape


def squared_error(predictions: Array, targets: Array) -> Array:
    """Squared error: (predictions - targets)^2.

    Returns one loss per element, in squared units of the targets. Raises ValueError where the shapes differ.
    Trap: one far outlier outweighs a thousand good rows.
    Source: Legendre 1805, "Nouvelles méthodes pour la détermination des orbites des comètes".
    """
    difference = predictions - same_shape("predictions", predictions, targets)
    return difference * difference


mse = mean_squared_error = squared_error
