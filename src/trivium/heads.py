"""What the last layer puts out, how a loss reads it, and how it becomes a prediction.

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
import numpy as np
from jax import Array
from scipy.optimize import minimize

from trivium import activations, losses
from trivium.losses._contract import within
from trivium.losses._quantiles import rising

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
    return _IN_WORDS.get((_family(loss), network_puts_out(loss))) or _IN_WORDS.get(
        (_name(loss), network_puts_out(loss)), _IN_WORDS.get(("", network_puts_out(loss)), "")
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


def classifier_head(loss: Callable, n_classes: int, output_activation: Callable | None) -> Head:
    """The end of a network that tells n_classes apart.

    Two classes take one unit, whose sigmoid is the probability of the second, unless the loss is one over rows of
    logits. A loss on `predictions` or `probabilities` sees probabilities, one column per class.
    Raises ValueError where the loss cannot serve, or where an output activation would come on top of the loss's own.
    """
    wants, family = network_puts_out(loss), _family(loss)
    over_rows = family in ("multiclass", "noise", "divergences", "sparse")
    one_unit = n_classes == 2 and not over_rows
    if wants not in ("logits", "scores", "predictions", "probabilities") or _elsewhere(loss):
        raise ValueError(
            f"loss must be one for classes, got {_name(loss)!r}, {_elsewhere(loss) or _puts_out(wants)}. "
            "Choose 'cross_entropy'."
        )
    if wants == "predictions" and not moves_with(loss, regressor_head(loss, None))[0]:
        raise ValueError(
            f"loss must be one for classes, got {_name(loss)!r}, which compares shares of the targets and so needs "
            "numbers. Choose 'cross_entropy'."
        )
    if wants in ("predictions", "probabilities"):
        link_first = output_activation or (activations.sigmoid if one_unit else _softmax)
        labels: Targets = "numbers" if one_unit else "labels" if over_rows else "one-hot"
        return Head(1 if one_unit else n_classes, link_first, None, labels, flat=one_unit)
    if output_activation is not None:
        link = activations.sigmoid if one_unit else _softmax
        raise ValueError(
            f"output_activation must be left out with loss {_name(loss)!r}, which takes {wants} and applies its own "
            f"{_name(link)}, got {_name(output_activation)!r}. Leave it out, or choose a loss on "
            "probabilities, such as 'mse' or 'binary_cross_entropy_from_probabilities'."
        )
    if family == "ordinal":
        if _name(loss) == "corn":
            return Head(n_classes - 1, None, _corn_shares, "labels", flat=False)
        return Head(n_classes - 1, rising, _cumulative_shares, "labels", flat=False)
    if family == "margins" and "multiclass" in _name(loss):
        return Head(n_classes, None, _highest, "labels", flat=False, probabilistic=False)
    if n_classes > 2 and family in ("binary", "overlap", "margins"):
        raise ValueError(
            f"loss must be one for several classes, got {_name(loss)!r} and {n_classes} classes. "
            "Choose 'cross_entropy', or 'multiclass_hinge'."
        )
    if family == "margins":
        return Head(1, None, _positive, probabilistic=False)
    if one_unit:
        return Head(1, None, activations.sigmoid, over_batch=family == "overlap")
    own_link = {"sparsemax_loss": activations.sparsemax, "entmax15_loss": activations.entmax15}.get(_name(loss))
    labels = "one-hot" if family == "divergences" else "labels"
    return Head(n_classes, None, own_link or _softmax, labels, flat=False)


def regressor_head(loss: Callable, output_activation: Callable | None) -> Head:
    """The end of a network that predicts one number.

    Raises ValueError where the loss is none for numbers.
    """
    wants = network_puts_out(loss)
    if wants == "predictions" and not _elsewhere(loss):
        on_logs = output_activation is None and _name(loss) == "msle"  # expm1 keeps predictions above -1
        return Head(1, jnp.expm1 if on_logs else output_activation, None)
    if wants not in ("log_rates", "means", "increments"):
        raise ValueError(
            f"loss must be one for numbers, got {_name(loss)!r}, {_elsewhere(loss) or _puts_out(wants)}. Choose 'mse'."
        )
    if output_activation is not None:
        words = {"log_rates": "log rates", "means": "a mean and the logarithm of a scale", "increments": "increments"}
        mean = {"log_rates": "the exponential", "means": "the mean", "increments": "the quantile nearest the middle"}
        raise ValueError(
            f"output_activation must be left out with loss {_name(loss)!r}, which takes {words[wants]}, got "
            f"{_name(output_activation)!r}. Leave it out: predictions are {mean[wants]}."
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
    return _ELSEWHERE.get(_name(loss)) or _ELSEWHERE.get(_family(loss))


_ELSEWHERE = {
    "cosine": "which compares directions of several numbers: it is for a loop of your own",
    "ranking": "which compares the items of a list and needs lists: it is for a loop of your own",
    "pairs": "which compares pairs of points and knows no classes: it is for a loop of your own",
    "survival": "which needs a time and an event per row: it is for a loop of your own",
    "sequences": "which aligns sequences: it is for a loop of your own",
}


def check_targets(loss: Callable, targets: np.ndarray) -> None:
    """Raises ValueError that names the first target outside the loss's domain, as `y`."""
    function = loss.func if isinstance(loss, partial) else loss
    annotation = inspect.signature(function).parameters.get("targets")
    within("y", jnp.asarray(targets), None if annotation is None else annotation.annotation)


def moves_with(loss: Callable, head: Head) -> tuple[bool, bool]:
    """Whether a loss keeps its meaning where outputs and targets are shifted together, and where they are scaled.

    Found by trying: of what the network puts out, the first unit is shifted or scaled, and the scale grows with it.
    """
    random = np.random.default_rng(0)
    targets = random.uniform(1, 2, 64).astype(np.float32)
    outputs = random.uniform(1, 2, (64, head.width)).astype(np.float32)
    outputs = outputs[:, 0] if head.flat else outputs

    def at(factor: float, shift: float) -> np.ndarray:
        moved = outputs.copy()
        first = moved if head.flat else moved[:, 0]
        first *= factor
        first += shift
        return np.asarray(head.losses(loss, jnp.asarray(moved), jnp.asarray(targets * np.float32(factor) + shift)))

    if network_puts_out(loss) not in _MOVABLE:
        return False, False
    shifted = bool(np.allclose(at(1, 4), at(1, 0), rtol=1e-3, atol=1e-5))
    ratios = at(8, 0) / np.maximum(at(1, 0), 1e-12)
    return shifted, shifted or bool(np.allclose(ratios, ratios[0], rtol=1e-3))


_MOVABLE = ("predictions", "means", "increments")


def centre_and_scale(loss: Callable, head: Head, targets: np.ndarray) -> tuple[float, float]:
    """What to subtract from targets and then to divide them by, where the loss keeps its meaning: else 0 and 1."""
    may_shift, may_scale = moves_with(loss, head)
    spread = targets.std() if may_shift else np.abs(targets).mean()
    return float(targets.mean()) if may_shift else 0.0, (float(spread) or 1.0) if may_scale else 1.0


def encoded(head: Head, numbers: np.ndarray, n_classes: int) -> np.ndarray:
    """Numbers of classes (n,) as the loss takes them."""
    if head.targets == "one-hot":
        return np.eye(n_classes, dtype=np.float32)[numbers]
    return numbers.astype(np.float32 if head.targets == "numbers" else np.int32)


def baseline_loss(head: Head, loss: Callable[..., Array], targets: np.ndarray) -> float:
    """The loss of the best network that looks at nothing, the same output for every row.

    targets  (n,) or (n, width), encoded as the loss takes them
    """
    if loss is losses.squared_error and targets.ndim == 1:
        return float(np.var(targets, dtype=np.float64))
    if loss in (losses.cross_entropy, losses.binary_cross_entropy) and targets.ndim == 1:  # the entropy
        shares = np.unique(targets, return_counts=True)[1] / len(targets)
        return float(-(shares * np.log(shares)).sum())

    def mean_loss(constant: Array) -> Array:
        outputs = jnp.broadcast_to(constant[None], (len(targets), *constant.shape))
        return head.losses(loss, outputs, jnp.asarray(targets)).mean()

    constants = _constants(head, targets)
    if not constants:
        return _least(mean_loss, np.zeros(() if head.flat else head.width, np.float32))
    compiled = jax.jit(mean_loss)
    return min(float(compiled(jnp.asarray(constant, jnp.float32))) for constant in constants)


def _constants(head: Head, targets: np.ndarray) -> list[np.ndarray]:
    """Outputs among which the best constant one is, or nearly; none where it has to be searched for."""
    if head.split or head.over_batch or not head.probabilistic or (head.width > 1 and head.targets == "numbers"):
        return []
    if head.targets == "labels":
        shares = np.bincount(targets, minlength=head.width) / len(targets)
        if head.link is _softmax:
            return [np.log(np.maximum(shares, 1e-12))]
        return [shares] if head.link is None else []
    mean = targets.mean(axis=0)
    if head.link is None:
        return [mean, *np.quantile(targets, np.linspace(0.05, 0.95, 19), axis=0)]
    if head.link is activations.sigmoid:
        return [np.log(mean) - np.log1p(-mean)]
    return [np.log(np.maximum(mean, 1e-12))]  # softmax, exp


def _least(function: Callable[[Array], Array], start: np.ndarray) -> float:
    """The least value of a smooth function that the search finds from a start."""
    both = jax.jit(jax.value_and_grad(function))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = both(jnp.asarray(flat.reshape(start.shape), jnp.float32))
        return float(value), np.asarray(slope, np.float64).ravel()

    return float(minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100}).fun)


def takes_shares(loss: Callable, head: Head) -> bool:
    """Whether a loss for classes also takes targets that are shares of several classes. Found by trying."""
    if head.over_batch or not head.probabilistic:
        return False
    outputs = jnp.full((2,) if head.flat else (2, head.width), 0.4, jnp.float32)
    shares = jnp.full(outputs.shape, 1 / max(2, head.width), jnp.float32)
    try:
        return bool(np.isfinite(np.asarray(head.losses(loss, outputs, shares))).all())
    except (TypeError, ValueError):
        return False


def accuracy(predictions: Array, targets: Array) -> Array:
    """1 where the likeliest class is the right one, else 0; (n,) probabilities or (n, classes)."""
    if predictions.ndim == 1:
        return ((predictions > 0.5) == (targets > 0.5)).astype(predictions.dtype)
    truth = targets if targets.ndim == 1 else jnp.argmax(targets, axis=-1)
    return (jnp.argmax(predictions, axis=-1) == truth).astype(predictions.dtype)


def squared_distance(predictions: Array, targets: Array) -> Array:
    """The squared error per row; over the variance of the targets, and from 1, its mean makes R2."""
    return (predictions - targets) ** 2


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


def _softmax(logits: Array) -> Array:
    return jax.nn.softmax(logits, axis=-1)


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


def _family(loss: Callable) -> str:
    """The file of the catalog in which a loss stands; empty for one from elsewhere."""
    function: Any = loss.func if isinstance(loss, partial) else loss
    package, _, file = getattr(function, "__module__", "").rpartition(".")
    return file if package == "trivium.losses" else ""


def _puts_out(wants: str) -> str:
    return f"for which the network puts out {wants}"


def _name(function: Callable | None) -> str:
    function = function.func if isinstance(function, partial) else function
    return getattr(function, "__name__", repr(function)).strip("_")
