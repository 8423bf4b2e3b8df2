"""Probabilities that are as sure as they should be, and intervals as wide: by rows that no network was trained on."""

import numpy as np
from scipy.optimize import minimize_scalar

from trivium import ensembles

MOST_RESIDUALS = 1001
"""Quantiles of the residuals that are kept."""


def tempered(shares: np.ndarray, temperature: float, *, labels: bool = False) -> np.ndarray:
    """Probabilities raised to 1 / temperature and brought back to 1: those of logits divided by it.

    shares  (n,) or, of labels, (n, n_labels) of what holds or not; or (n, n_classes) with rows that add up to 1
    """
    if temperature == 1:
        return shares
    if shares.ndim == 2 and not labels:
        raised = np.maximum(shares, 1e-300) ** (1 / temperature)
        return raised / raised.sum(axis=1, keepdims=True)
    odds = np.log(np.maximum(shares, 1e-300)) - np.log(np.maximum(1 - shares, 1e-300))
    return 1 / (1 + np.exp(-odds / temperature))


def temperature(shares: np.ndarray, classes: np.ndarray, weights: np.ndarray) -> float:
    """The temperature with the lowest log-loss, between 0.05 and 20.

    Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks".
    """
    score = ensembles.log_loss(classes, weights)
    found = minimize_scalar(
        lambda log: score(tempered(shares, float(np.exp(log)), labels=classes.ndim == 2)),
        bounds=(-3, 3),
        method="bounded",
    )
    return float(np.exp(found.x)) if found.fun < score(shares) else 1.0


def residuals(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What the predictions lacked, sorted, as at most MOST_RESIDUALS quantiles: (n_kept,) or (n_kept, n_outputs)."""
    lacked = np.sort(y - predictions, axis=0)
    if len(lacked) <= MOST_RESIDUALS:
        return lacked
    return np.quantile(lacked, np.linspace(0, 1, MOST_RESIDUALS), axis=0)


def bounds(lacked: np.ndarray, coverage: float) -> tuple[np.ndarray, np.ndarray]:
    """What to add to a prediction for the ends of an interval that holds this share of new rows, or more.

    Split conformal: the ranks are rounded outwards and count the new row.
    Source: Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, "Distribution-free predictive inference for regression".
    """
    n = len(lacked)
    outside = (1 - coverage) / 2
    low = int(np.floor(outside * (n + 1))) - 1
    high = int(np.ceil((1 - outside) * (n + 1))) - 1
    return lacked[max(low, 0)], lacked[min(high, n - 1)]
