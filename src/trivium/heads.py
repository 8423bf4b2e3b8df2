"""What the last layer puts out, how a loss reads it, and how it becomes a prediction."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium import activations
from trivium.losses import binary, multiclass


@dataclass(frozen=True)
class Head:
    """The end of a network; it compares and hashes by value, so that equal ends share a compiled program.

    width              units of the last layer
    output_activation  from the last layer to what the loss sees; None leaves it as it is
    link               from what the loss sees to the prediction; None where that is the prediction
    one_hot            whether the loss compares with one column per class
    """

    width: int
    output_activation: Callable[[Array], Array] | None
    link: Callable[[Array], Array] | None
    one_hot: bool = False

    def outputs(self, last_layer: Array) -> Array:
        """(n, width) from the network -> (n,) or (n, width) for the loss."""
        outputs = last_layer if self.output_activation is None else self.output_activation(last_layer)
        return outputs[:, 0] if self.width == 1 else outputs

    def predictions(self, outputs: Array) -> Array:
        """What the loss sees -> a number or a probability per row, or a row of probabilities."""
        return outputs if self.link is None else self.link(outputs)


def network_puts_out(loss: Callable) -> str:
    """The name of a loss's first parameter: what it wants from the network."""
    return next(iter(inspect.signature(loss).parameters))


def classifier_head(loss: Callable, n_classes: int, output_activation: Callable | None) -> Head:
    """The end of a network that tells n_classes apart.

    Two classes take one unit, whose sigmoid is the probability of the second, unless the loss is one over rows of
    logits. A loss on `predictions` or `probabilities` sees probabilities, one column per class.
    Raises ValueError where the loss cannot serve, or where an output activation would come on top of the loss's own.
    """
    wants = network_puts_out(loss)
    one_unit = n_classes == 2 and not _is_in(multiclass, loss)
    to_probability = activations.sigmoid if one_unit else _softmax
    if wants == "logits":
        if output_activation is not None:
            raise ValueError(
                f"output_activation must be left out with loss {_name(loss)!r}, which takes logits and applies its own "
                f"{_name(to_probability)}, got {_name(output_activation)!r}. Leave it out, or choose a loss on "
                "probabilities, such as 'mse' or 'binary_cross_entropy_from_probabilities'."
            )
        if n_classes > 2 and _is_in(binary, loss):
            raise ValueError(
                f"loss must be one for several classes, got {_name(loss)!r} and {n_classes} classes. "
                "Choose 'cross_entropy'."
            )
        return Head(1 if one_unit else n_classes, None, to_probability)
    if wants in ("predictions", "probabilities"):
        one_hot = not one_unit and not _is_in(multiclass, loss)
        return Head(1 if one_unit else n_classes, output_activation or to_probability, None, one_hot)
    raise ValueError(
        f"loss must be one for classes, got {_name(loss)!r}, for which the network puts out {wants}. "
        "Choose 'cross_entropy'."
    )


def regressor_head(loss: Callable, output_activation: Callable | None) -> Head:
    """The end of a network that predicts one number.

    Raises ValueError where the loss is none for numbers.
    """
    wants = network_puts_out(loss)
    if wants == "predictions":
        return Head(1, output_activation, None)
    if wants == "log_rates" and output_activation is None:
        return Head(1, None, jnp.exp)
    if wants == "log_rates":
        raise ValueError(
            f"output_activation must be left out with loss {_name(loss)!r}, which takes log rates, got "
            f"{_name(output_activation)!r}. Leave it out: predictions are the exponential."
        )
    raise ValueError(
        f"loss must be one for numbers, got {_name(loss)!r}, for which the network puts out {wants}. Choose 'mse'."
    )


def baseline_loss(head: Head, loss: Callable[[Array, Array], Array], targets: np.ndarray) -> float:
    """The loss of the best network that looks at nothing, the same output for every row.

    loss     (outputs, targets) -> one loss per row
    targets  (n,) or (n, width), encoded as the loss takes them
    """
    if np.issubdtype(targets.dtype, np.integer):  # class numbers
        mean = np.bincount(targets, minlength=head.width) / len(targets)
        candidates = [mean]
    else:
        mean = targets.mean(axis=0)
        candidates = [mean, np.median(targets, axis=0)]
    if head.link is activations.sigmoid:
        candidates = [np.log(mean) - np.log1p(-mean)]
    elif head.link is not None:  # softmax, exp
        candidates = [np.log(np.maximum(mean, 1e-12))]
    shape = (len(targets), *np.shape(candidates[0]))
    losses = [loss(jnp.asarray(np.broadcast_to(c, shape), jnp.float32), jnp.asarray(targets)) for c in candidates]
    return min(float(np.mean(np.asarray(row_losses, np.float64))) for row_losses in losses)


def accuracy(predictions: Array, targets: Array) -> Array:
    """1 where the likeliest class is the right one, else 0; (n,) probabilities or (n, classes)."""
    if predictions.ndim == 1:
        return ((predictions > 0.5) == (targets > 0.5)).astype(predictions.dtype)
    truth = targets if targets.ndim == 1 else jnp.argmax(targets, axis=-1)
    return (jnp.argmax(predictions, axis=-1) == truth).astype(predictions.dtype)


def squared_distance(predictions: Array, targets: Array) -> Array:
    """The squared error per row; over the variance of the targets, and from 1, its mean makes R2."""
    return (predictions - targets) ** 2


def _softmax(logits: Array) -> Array:
    return jax.nn.softmax(logits, axis=-1)


def _is_in(module, function: Callable) -> bool:
    return getattr(function, "__module__", None) == module.__name__


def _name(function: Callable | None) -> str:
    return getattr(function, "__name__", repr(function)).strip("_")
