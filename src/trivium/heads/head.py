"""What the last layer puts out, and how a loss reads it.

The names of a loss's parameters before `targets` say what it wants from the network; `link_in_words` is the one table
from those names to predictions.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

Targets = Literal["numbers", "labels", "one-hot"]


@dataclass(frozen=True)
class Head:
    """The end of a network; it compares and hashes by value, so that equal ends share a compiled program.

    width              units of the last layer
    output_activation  from the last layer to what the loss sees; None leaves it as it is
    link               from what the loss sees to the prediction; None where that is the prediction
    targets            what the loss compares with: a number per row, the number of a class, or a column per class
    flat               whether the loss sees one number per row, (n,), and not a row of them
    split              whether each unit is an argument of its own, as a mean and the logarithm of a scale
    over_batch         whether the loss is one of all rows together
    probabilistic      whether the predictions of a classifier are probabilities
    """

    width: int
    output_activation: Callable[[Array], Array] | None
    link: Callable[[Array], Array] | None
    targets: Targets = "numbers"
    flat: bool = True
    split: bool = False
    over_batch: bool = False
    probabilistic: bool = True

    def outputs(self, last_layer: Array) -> Array:
        """(n, width) from the network -> (n,) or (n, width) for the loss."""
        outputs = last_layer if self.output_activation is None else self.output_activation(last_layer)
        return outputs[:, 0] if self.flat else outputs

    def losses(self, loss: Callable[..., Array], outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """One loss per row, (n,), not yet weighted; a loss of all rows together stands in every row.

        weights  (n,) of the rows, None for rows of equal weight; they reach into a loss of all rows together
        """
        if self.over_batch:
            return jnp.broadcast_to(loss(outputs, targets, sample_weight=weights), targets.shape[:1])
        arguments = [outputs[:, column] for column in range(self.width)] if self.split else [outputs]
        each = loss(*arguments, targets)
        return each if each.ndim == 1 else each.mean(axis=tuple(range(1, each.ndim)))

    def predictions(self, outputs: Array) -> Array:
        """What the loss sees -> a number or a probability per row, or a row of probabilities."""
        return outputs if self.link is None else self.link(outputs)


def network_puts_out(loss: Callable) -> str:
    """The name of a loss's first parameter: what it wants from the network."""
    return next(iter(inspect.signature(loss).parameters))


def link_in_words(loss: Callable) -> str:
    """From what the network puts out for a loss to a prediction."""
    return _IN_WORDS.get((family(loss), network_puts_out(loss))) or _IN_WORDS.get(
        (name_of(loss), network_puts_out(loss)), _IN_WORDS.get(("", network_puts_out(loss)), "")
    )


_IN_WORDS = {
    ("", "predictions"): "none: the network puts out the prediction",
    ("", "probabilities"): "none: the network puts out probabilities",
    ("", "scores"): "none: the higher score comes first",
    ("", "embeddings"): "none: points whose distances count",
    ("", "log_rates"): "exp: the mean",
    ("", "log_hazards"): "exp: the hazard relative to others",
    ("", "means"): "the mean as it is, exp of the logarithm of the scale",
    ("", "increments"): "the first value, then softplus gaps added up: quantiles in their order",
    ("", "logits"): "softmax: probabilities of the classes",
    ("margins", "scores"): "none: the sign, or the highest score, is the class",
    ("binary", "logits"): "sigmoid: the probability of the second class",
    ("overlap", "logits"): "sigmoid: membership",
    ("survival", "logits"): "sigmoid: the hazard of each interval",
    ("sequences", "logits"): "softmax: probabilities of the labels in each frame",
    ("cumulative_logit", "logits"): "differences of sigmoids of rising logits: probabilities of the classes",
    ("corn", "logits"): "products of sigmoids: probabilities of the classes",
    ("sparsemax_loss", "logits"): "sparsemax: probabilities of the classes",
    ("entmax15_loss", "logits"): "entmax15: probabilities of the classes",
}
"""By file or by name of the loss, and by what the network puts out."""


def family(loss: Callable) -> str:
    """The file of the catalog in which a loss stands; empty for one from elsewhere."""
    function: Any = loss.func if isinstance(loss, partial) else loss
    package, _, file = getattr(function, "__module__", "").rpartition(".")
    return file if package == "trivium.losses" else ""


def name_of(function: Callable | None) -> str:
    function = function.func if isinstance(function, partial) else function
    return getattr(function, "__name__", repr(function)).strip("_")


def softmax(logits: Array) -> Array:
    return jax.nn.softmax(logits, axis=-1)
