"""Losses for one class of several. The network puts out a row of `logits`; their softmax are the probabilities."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge
from jax import Array

from trivium.losses._exact import cross_entropy_of_integers

Label = Annotated[Array, Ge(0)]
"""Targets: the number of the class, from 0 to classes - 1."""


def cross_entropy(logits: Array, targets: Label) -> Array:
    """Cross-entropy: -log(softmax(logits)[target]).

    logits   (..., classes)
    targets  (...), integers from 0 to classes - 1
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes do not fit.
    Trap: logits that were already through a softmax can hardly be told apart any more; those go into
    `cross_entropy_from_probabilities`.
    Source: Good 1952, "Rational decisions".
    """
    return cross_entropy_of_integers(logits, _one_per_row("logits", logits, targets))


def cross_entropy_from_probabilities(probabilities: Array, targets: Label) -> Array:
    """Cross-entropy from probabilities: -log(probabilities[target]).

    probabilities  (..., classes), each row adding up to 1
    targets        (...), integers from 0 to classes - 1
    Returns (...), one loss per row, in nats: infinite where the probability is 0. Raises ValueError where the shapes
    do not fit.
    Source: Good 1952, "Rational decisions".
    """
    targets = _one_per_row("probabilities", probabilities, targets)
    return -jnp.log(jnp.take_along_axis(probabilities, targets[..., None], axis=-1)[..., 0])


def _one_per_row(name: str, given: Array, targets: Array) -> Array:
    if given.ndim != targets.ndim + 1 or given.shape[:-1] != targets.shape:
        raise ValueError(
            f"{name} must have one axis more than targets, the classes, got {given.shape} and {targets.shape}. "
            "Hand over class numbers, one per row."
        )
    return targets
