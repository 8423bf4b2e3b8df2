"""Losses for numbers. The network puts out `predictions`, in the units of the targets."""

from jax import Array


def squared_error(predictions: Array, targets: Array) -> Array:
    """Squared error: (predictions - targets)^2.

    Returns one loss per element, in squared units of the targets. Raises ValueError where the shapes differ.
    Source: Legendre 1805, "Nouvelles méthodes pour la détermination des orbites des comètes".
    """
    difference = predictions - _like(predictions, targets)
    return difference * difference


mse = mean_squared_error = squared_error


def _like(predictions: Array, targets: Array) -> Array:
    if predictions.shape != targets.shape:
        raise ValueError(
            f"predictions and targets must have one shape, got {predictions.shape} and {targets.shape}. "
            "Reshape one: broadcasting would compare every prediction with every target."
        )
    return targets
