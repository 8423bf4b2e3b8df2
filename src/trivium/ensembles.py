"""Which members of a population to average, and with what weight."""

from collections.abc import Callable, Sequence

import numpy as np


def greedy(
    predictions: Sequence[np.ndarray], score: Callable[[np.ndarray], float], rounds: int
) -> tuple[np.ndarray, list[float]]:
    """Greedy selection with replacement: at each round the member joins whose company scores best.

    predictions  of each member on rows that none was trained on, arrays of one shape; those not finite never join
    score        of averaged predictions, lower is better
    Returns a weight per member, adding up to 1, of the best round, and the scores by round.
    Source: Caruana, Niculescu-Mizil, Crew & Ksikes 2004, "Ensemble selection from libraries of models".
    """
    able = [place for place, one in enumerate(predictions) if np.isfinite(one).all()]
    if not able:
        raise ValueError("predictions must be finite for at least one member, got none. Lower the learning rates.")
    total, counts, scores, kept = 0.0, np.zeros(len(predictions)), [], []
    for turn in range(1, rounds + 1):
        tried = [score((total + predictions[place]) / turn) for place in able]
        chosen = able[int(np.argmin(tried))]
        total = total + predictions[chosen]
        counts[chosen] += 1
        scores.append(float(min(tried)))
        kept.append(counts.copy())
    best = int(np.argmin(scores))
    return kept[best] / kept[best].sum(), scores


def log_loss(classes: np.ndarray, weights: np.ndarray) -> Callable[[np.ndarray], float]:
    """The mean of -log of the true class's probability.

    classes  (n,) numbers of classes; or (n, n_labels), 1 where a label holds
    Predictions are (n,), of the second class, or (n, n_classes), or (n, n_labels).
    """
    rows = np.arange(len(classes))

    def score(shares: np.ndarray) -> float:
        if classes.ndim == 2:
            of_labels = -np.log(np.maximum(np.where(classes == 1, shares, 1 - shares), 1e-7))
            return float(np.average(of_labels.mean(axis=1), weights=weights))
        right = np.where(classes == 1, shares, 1 - shares) if shares.ndim == 1 else shares[rows, classes]
        return float(np.average(-np.log(np.maximum(right, 1e-7)), weights=weights))

    return score


def squared_error(targets: np.ndarray, weights: np.ndarray) -> Callable[[np.ndarray], float]:
    """The mean squared distance, in squared units of the targets."""

    def score(predictions: np.ndarray) -> float:
        squares = (predictions - targets) ** 2
        return float(np.average(squares if squares.ndim == 1 else squares.mean(axis=1), weights=weights))

    return score


def error_rate(classes: np.ndarray, weights: np.ndarray) -> Callable[[np.ndarray], float]:
    """The share of rows whose likeliest class is the wrong one."""

    def score(shares: np.ndarray) -> float:
        guess = (shares > 0.5).astype(int) if shares.ndim == 1 else shares.argmax(axis=1)
        return float(np.average(guess != classes, weights=weights))

    return score
