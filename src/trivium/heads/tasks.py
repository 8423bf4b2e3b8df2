"""The end of a network for a task and a loss, or why they do not go together."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium import activations
from trivium.heads.head import Head, Targets, family, name_of, network_puts_out, softmax
from trivium.heads.meaning import moves_with
from trivium.losses._quantiles import rising


def classifier_head(loss: Callable, n_classes: int, output_activation: Callable | None) -> Head:
    """The end of a network that tells n_classes apart.

    Two classes take one unit, whose sigmoid is the probability of the second, unless the loss is one over rows of
    logits. A loss on `predictions` or `probabilities` sees probabilities, one column per class.
    Raises ValueError where the loss cannot serve, or where an output activation would come on top of the loss's own.
    """
    wants, kin = network_puts_out(loss), family(loss)
    over_rows = kin in ("multiclass", "noise", "divergences", "sparse")
    one_unit = n_classes == 2 and not over_rows
    if wants not in ("logits", "scores", "predictions", "probabilities") or _elsewhere(loss):
        raise ValueError(
            f"loss must be one for classes, got {name_of(loss)!r}, {_elsewhere(loss) or _puts_out(wants)}. "
            "Choose 'cross_entropy'."
        )
    if wants == "predictions" and not moves_with(loss, regressor_head(loss, None))[0]:
        raise ValueError(
            f"loss must be one for classes, got {name_of(loss)!r}, which compares shares of the targets and so needs "
            "numbers. Choose 'cross_entropy'."
        )
    if wants in ("predictions", "probabilities"):
        link_first = output_activation or (activations.sigmoid if one_unit else softmax)
        labels: Targets = "numbers" if one_unit else "labels" if over_rows else "one-hot"
        return Head(1 if one_unit else n_classes, link_first, None, labels, flat=one_unit)
    if output_activation is not None:
        link = activations.sigmoid if one_unit else softmax
        raise ValueError(
            f"output_activation must be left out with loss {name_of(loss)!r}, which takes {wants} and applies its own "
            f"{name_of(link)}, got {name_of(output_activation)!r}. Leave it out, or choose a loss on "
            "probabilities, such as 'mse' or 'binary_cross_entropy_from_probabilities'."
        )
    if kin == "ordinal":
        if name_of(loss) == "corn":
            return Head(n_classes - 1, None, _corn_shares, "labels", flat=False)
        return Head(n_classes - 1, rising, _cumulative_shares, "labels", flat=False)
    if kin == "margins" and "multiclass" in name_of(loss):
        return Head(n_classes, None, _highest, "labels", flat=False, probabilistic=False)
    if n_classes > 2 and kin in ("binary", "overlap", "margins"):
        raise ValueError(
            f"loss must be one for several classes, got {name_of(loss)!r} and {n_classes} classes. "
            "Choose 'cross_entropy', or 'multiclass_hinge'."
        )
    if kin == "margins":
        return Head(1, None, _positive, probabilistic=False)
    if one_unit:
        return Head(1, None, activations.sigmoid, over_batch=kin == "overlap")
    own_link = {"sparsemax_loss": activations.sparsemax, "entmax15_loss": activations.entmax15}.get(name_of(loss))
    labels = "one-hot" if kin == "divergences" else "labels"
    return Head(n_classes, None, own_link or softmax, labels, flat=False)


def labels_head(loss: Callable, n_labels: int) -> Head:
    """The end of a network that says of each of several labels whether it holds.

    Raises ValueError where the loss is none for one logit at a time.
    """
    if family(loss) != "binary" or network_puts_out(loss) != "logits":
        raise ValueError(
            f"loss must be one for labels that hold or not, got {name_of(loss)!r}. Choose 'binary_cross_entropy'."
        )
    return Head(n_labels, None, activations.sigmoid, flat=False)


def regressor_head(loss: Callable, output_activation: Callable | None, n_outputs: int = 1) -> Head:
    """The end of a network that predicts one number, or several.

    Raises ValueError where the loss is none for numbers.
    """
    if n_outputs > 1:
        head = regressor_head(loss, output_activation)
        if head.width == 1:
            return replace(head, width=n_outputs, flat=False)
        raise ValueError(
            f"loss must be one for several numbers at once, got {name_of(loss)!r} and {n_outputs} of them. Choose "
            "'mse', or fit one estimator per number."
        )
    wants = network_puts_out(loss)
    if wants == "predictions" and not _elsewhere(loss):
        on_logs = output_activation is None and name_of(loss) == "msle"  # expm1 keeps predictions above -1
        return Head(1, jnp.expm1 if on_logs else output_activation, None)
    if wants not in ("log_rates", "means", "increments"):
        raise ValueError(
            f"loss must be one for numbers, got {name_of(loss)!r}, {_elsewhere(loss) or _puts_out(wants)}. "
            "Choose 'mse'."
        )
    if output_activation is not None:
        words = {"log_rates": "log rates", "means": "a mean and the logarithm of a scale", "increments": "increments"}
        mean = {"log_rates": "the exponential", "means": "the mean", "increments": "the quantile nearest the middle"}
        raise ValueError(
            f"output_activation must be left out with loss {name_of(loss)!r}, which takes {words[wants]}, got "
            f"{name_of(output_activation)!r}. Leave it out: predictions are {mean[wants]}."
        )
    if wants == "increments":
        levels = np.asarray(inspect.signature(loss).parameters["levels"].default)
        return Head(len(levels), None, _Quantile(int(np.abs(levels - 0.5).argmin())), flat=False)
    arguments = list(inspect.signature(loss).parameters).index("targets")
    if arguments == 1:
        return Head(1, None, jnp.exp)
    return Head(arguments, None, _first_rate if wants == "log_rates" else _first, flat=False, split=True)


def _elsewhere(loss: Callable) -> str | None:
    """Why a loss can serve no estimator, None where it can."""
    return _ELSEWHERE.get(name_of(loss)) or _ELSEWHERE.get(family(loss))


_ELSEWHERE = {
    "cosine": "which compares directions of several numbers: it is for a loop of your own",
    "ranking": "which compares the items of a list and needs lists: it is for a loop of your own",
    "pairs": "which compares pairs of points and knows no classes: it is for a loop of your own",
    "survival": "which needs a time and an event per row: it is for a loop of your own",
    "sequences": "which aligns sequences: it is for a loop of your own",
}


@dataclass(frozen=True)
class _Quantile:
    """The link of quantiles: the one nearest the middle."""

    place: int

    def __call__(self, increments: Array) -> Array:
        return rising(increments)[..., self.place]


def _first(outputs: Array) -> Array:
    """Of a mean and what describes the spread, the mean."""
    return outputs[..., 0]


def _first_rate(outputs: Array) -> Array:
    return jnp.exp(outputs[..., 0])


def _positive(scores: Array) -> Array:
    return (scores > 0).astype(scores.dtype)


def _highest(scores: Array) -> Array:
    return jax.nn.one_hot(jnp.argmax(scores, axis=-1), scores.shape[-1], dtype=scores.dtype)


def _cumulative_shares(logits: Array) -> Array:
    below = activations.sigmoid(logits)
    return jnp.diff(below, axis=-1, prepend=jnp.zeros_like(below[:, :1]), append=jnp.ones_like(below[:, :1]))


def _corn_shares(logits: Array) -> Array:
    above = jnp.cumprod(activations.sigmoid(logits), axis=-1)
    return -jnp.diff(above, axis=-1, prepend=jnp.ones_like(above[:, :1]), append=jnp.zeros_like(above[:, :1]))


def _puts_out(wants: str) -> str:
    return f"for which the network puts out {wants}"
