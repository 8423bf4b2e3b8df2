"""The loss of the best network that looks at nothing."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import minimize

from trivium import activations, losses
from trivium.compiling import quickly
from trivium.heads.head import Head, softmax
from trivium.moments import mean_and_variance


def baseline_loss(
    head: Head, loss: Callable[..., Array], targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The loss of the best network that looks at nothing, the same output for every row.

    targets  (n,) or (n, width), encoded as the loss takes them
    weights  (n,) how much each row counts; None: all the same
    """
    if loss is losses.squared_error and targets.ndim == 1:
        return float(mean_and_variance(targets, weights)[1])
    weighed = np.ones(len(targets)) if weights is None or not weights.any() else weights.astype(np.float64)
    weighed /= weighed.sum()
    if loss in (losses.cross_entropy, losses.binary_cross_entropy) and targets.ndim == 1:  # the entropy
        shares = np.bincount(np.searchsorted(np.unique(targets), targets), weighed)
        return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())

    def mean_loss(constant: Array) -> Array:
        outputs = jnp.broadcast_to(constant[None], (len(targets), *constant.shape))
        found = head.losses(loss, outputs, jnp.asarray(targets))
        return found.mean() if head.over_batch or not found.ndim else found @ jnp.asarray(weighed, found.dtype)

    constants = _constants(head, targets, weighed)
    if not constants:
        return _least(mean_loss, np.zeros(() if head.flat else head.width, np.float32))
    compiled = quickly(mean_loss)
    return min(float(compiled(jnp.asarray(constant, jnp.float32))) for constant in constants)


def _constants(head: Head, targets: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Outputs among which the best constant one is, or nearly; none where it has to be searched for."""
    if head.split or head.over_batch or not head.probabilistic or (head.width > 1 and head.targets == "numbers"):
        return []
    if head.targets == "labels":
        shares = np.bincount(targets, weights, minlength=head.width)
        if head.link is softmax:
            return [np.log(np.maximum(shares, 1e-12))]
        return [shares] if head.link is None else []
    mean = weights @ targets
    if head.link is None:
        return [mean, *_quantiles(targets, weights)]
    if head.link is activations.sigmoid:
        return [np.log(mean) - np.log1p(-mean)]
    return [np.log(np.maximum(mean, 1e-12))]  # softmax, exp


def _quantiles(targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Below which 5, 10, ... 95 % of the weight lies, (19,) or (19, width)."""
    columns = targets if targets.ndim == 2 else targets[:, None]
    order = np.argsort(columns, axis=0)
    below = np.cumsum(weights[order], axis=0)
    shares = np.linspace(0.05, 0.95, 19)
    places = [np.searchsorted(one, shares).clip(max=len(one) - 1) for one in below.T]
    found = np.stack([column[rows[at]] for column, rows, at in zip(columns.T, order.T, places, strict=True)], axis=1)
    return found if targets.ndim == 2 else found[:, 0]


def _least(function: Callable[[Array], Array], start: np.ndarray) -> float:
    """The least value of a smooth function that the search finds from a start."""
    both = quickly(jax.value_and_grad(function))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = both(jnp.asarray(flat.reshape(start.shape), jnp.float32))
        return float(value), np.asarray(slope, np.float64).ravel()

    return float(minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 100}).fun)
