"""What losses should be: for each the numbers it takes here, and its value and gradient to many digits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np

Exact = tuple[list[mp.mpf], list[mp.mpf | None]]

random = np.random.default_rng(3)
SIZES = np.exp(random.uniform(np.log(1e-6), np.log(1e4), 400))
LINE = np.concatenate([SIZES, -SIZES, random.uniform(-110, 110, 400), random.normal(size=300), [0.0]]).astype(
    np.float32
)
ROWS = (random.normal(size=(300, 5)) * 10.0 ** random.uniform(-2, 3.9, (300, 1))).astype(np.float32)
SHARES = np.concatenate([random.random(400), 10.0 ** random.uniform(-30, 0, 300)]).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A loss, the places where it is measured, and the truth there."""

    given: np.ndarray
    targets: np.ndarray
    truth: Callable[[np.ndarray, np.ndarray], Exact]


def each(value: Callable, slope: Callable) -> Callable[[np.ndarray, np.ndarray], Exact]:
    """The truth of a loss that takes one number and one target."""

    def truth(given: np.ndarray, targets: np.ndarray) -> Exact:
        pairs = [(mp.mpf(float(z)), mp.mpf(float(t))) for z, t in zip(given, targets, strict=True)]
        return [value(*pair) for pair in pairs], [slope(*pair) for pair in pairs]

    return truth


def softplus(z: mp.mpf) -> mp.mpf:
    return mp.log1p(mp.exp(z)) if z < 50 else z + mp.log1p(mp.exp(-z))


def sigmoid(z: mp.mpf) -> mp.mpf:
    return 1 / (1 + mp.exp(-z))


def _cross_entropy(rows: np.ndarray, labels: Sequence[int]) -> Exact:
    values, slopes = [], []
    for row, label in zip(rows, labels, strict=True):
        zs = [mp.mpf(float(z)) for z in row]
        powers = [mp.exp(z - max(zs)) for z in zs]
        total = sum(powers)
        values.append(mp.log(total) + max(zs) - zs[label])
        slopes += [p / total for p in powers]
        slopes[label - len(zs)] = -sum(p for place, p in enumerate(powers) if place != label) / total
    return values, slopes


def _tile(places: np.ndarray, targets: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Every place with every target."""
    return np.tile(places, len(targets)), np.repeat(np.float32(targets), len(places))


DIFFERENCES = (np.tile(LINE, 2), np.concatenate([np.zeros_like(LINE), random.permutation(LINE)]))
COUNTS = random.integers(0, 50, len(LINE)).astype(np.float32)
CLASSES = _tile(LINE, [0, 1])


def of_difference(value: Callable, slope: Callable) -> Case:
    """A loss of predictions - targets."""
    return Case(*DIFFERENCES, each(lambda z, t: value(z - t), lambda z, t: slope(z - t)))


def of_margin(value: Callable, slope: Callable) -> Case:
    """A loss of the logit, or of minus it where the target is the second class."""
    return Case(*CLASSES, each(lambda z, t: value(-z if t else z), lambda z, t: -slope(-z) if t else slope(z)))


def _focal_slope(z: mp.mpf) -> mp.mpf:
    s = sigmoid(z)
    return s**2 * (2 * sigmoid(-z) * softplus(z) + s)


CASES = {
    "squared_error": of_difference(lambda d: d * d, lambda d: 2 * d),
    "absolute_error": of_difference(abs, lambda d: mp.sign(d) if d else None),
    "huber": of_difference(lambda d: d * d / 2 if abs(d) < 1 else abs(d) - mp.mpf(1) / 2, lambda d: max(-1, min(1, d))),
    "smooth_l1": of_difference(
        lambda d: d * d / 2 if abs(d) < 1 else abs(d) - mp.mpf(1) / 2, lambda d: max(-1, min(1, d))
    ),
    "log_cosh": of_difference(lambda d: abs(d) + mp.log1p(mp.exp(-2 * abs(d))) - mp.log(2), mp.tanh),
    "poisson": Case(LINE, COUNTS, each(lambda z, t: mp.exp(z) - t * z, lambda z, t: mp.exp(z) - t)),
    "binary_cross_entropy": of_margin(softplus, sigmoid),
    "binary_cross_entropy_from_probabilities": Case(
        *_tile(SHARES, [0, 1]),
        each(lambda p, t: -mp.log(p) if t else -mp.log1p(-p), lambda p, t: -1 / p if t else 1 / (1 - p)),
    ),
    "binary_focal": of_margin(lambda z: sigmoid(z) ** 2 * softplus(z), _focal_slope),
    "hinge": of_margin(lambda z: max(0, 1 + z), lambda z: None if z == -1 else mp.mpf(z > -1)),
    "cross_entropy": Case(ROWS, random.integers(0, 5, len(ROWS)), _cross_entropy),
}
"""By our names, at our defaults: those of one number and one target that Optax or PyTorch has, and the cross-entropy.

Targets are zeros and ones for two classes, whole numbers for counts; for numbers half are zero, half anything. The
Gaussian loss of PyTorch is left out: it takes a variance where ours takes the logarithm of a standard deviation.
"""
