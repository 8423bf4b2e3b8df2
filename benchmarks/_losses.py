"""What losses should be: for each the numbers it takes here, and its value and gradient to many digits.

Most truths are the formula of the docstring; those whose formula is no arithmetic are written out here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import _precision
import mpmath as mp
import numpy as np

from laws.formulas import truth_of
from trivium import losses

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
    truth: Callable[..., Exact]
    scales: np.ndarray | None = None
    """A second output of the network, between the two."""

    @property
    def arguments(self) -> tuple[np.ndarray, ...]:
        return (self.given, self.targets) if self.scales is None else (self.given, self.scales, self.targets)


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


def asymmetric(z: mp.mpf, t: mp.mpf) -> mp.mpf:
    """At the defaults, which for the second class are those of the cross-entropy."""
    if t:
        return softplus(-z)
    shifted = max(mp.mpf(0), sigmoid(z) - mp.mpf(float(np.float32(0.05))))
    return -(shifted**4) * mp.log1p(-shifted)


def by_formula(name: str, given: np.ndarray, targets: np.ndarray, scales: np.ndarray | None = None) -> Case:
    """A loss whose docstring holds its formula; numbers are at their defaults."""
    formula, numbers = truth_of(getattr(losses, name)), _precision.numbers_of(getattr(losses, name))

    def value(z: mp.mpf, t: mp.mpf, s: mp.mpf | None = None) -> mp.mpf:
        # All names by which formulas call the outputs of a network, the targets, and what follows from both.
        called = dict.fromkeys(("z", "predictions", "means", "log_rates", "score"), z)
        called |= {"t": t, "targets": t, "log_scales": s, "a": s}
        if name == "negative_binomial":
            called["m"] = mp.exp(z)
        if name in ("student_t_nll", "gaussian_crps"):
            called |= {"q": (t - z) / mp.exp(s), "s": s, "n": numbers.get("degrees_of_freedom")}
        return mp.mpf(formula(**called, **numbers))

    return by_value(value, given, targets, scales)


def by_value(value: Callable, given: np.ndarray, targets: np.ndarray, scales: np.ndarray | None = None) -> Case:
    """A loss by its value alone: (output, target) or, with scales, (output, target, scale)."""

    def truth(*arguments: np.ndarray) -> Exact:
        values, slopes = [], []
        for numbers in zip(*arguments, strict=True):
            z, *s, t = (mp.mpf(float(number)) for number in numbers)
            values.append(value(z, t, *s))
            slopes.append(_precision.slope(lambda z, t=t, s=s: value(z, t, *s), z))
        return values, slopes

    return Case(given, targets, truth, scales)


SOME = random.choice(LINE[np.abs(LINE) < 1e4], 600)
OTHERS = random.choice(LINE[np.abs(LINE) < 1e4], 600)
RATES = random.uniform(-80, 80, 600).astype(np.float32)
SPREADS = random.uniform(-4, 4, 600).astype(np.float32)
ABOVE = (np.exp(random.uniform(-12, 9, 600)) - random.choice([0, 0.9], 600)).astype(np.float32)
POSITIVE = np.exp(random.uniform(-5, 5, 600)).astype(np.float32)
SOME_COUNTS = random.integers(0, 50, 600).astype(np.float32)
SOME_CLASSES = _tile(RATES, [0, 1])

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
    "squared_hinge": by_formula("squared_hinge", *CLASSES),
    "exponential": by_formula("exponential", *SOME_CLASSES),
    "asymmetric": by_value(asymmetric, *SOME_CLASSES),
    "gamma": by_formula("gamma", RATES, POSITIVE),
    "tweedie": by_formula("tweedie", RATES, SOME_COUNTS),
    "negative_binomial": by_formula("negative_binomial", RATES / 8, SOME_COUNTS, SPREADS),
    "gaussian_nll": by_formula("gaussian_nll", SOME, OTHERS, SPREADS),
    "laplace_nll": by_formula("laplace_nll", SOME, OTHERS, SPREADS),
    "student_t_nll": by_formula("student_t_nll", SOME, OTHERS, SPREADS),
    "gaussian_crps": by_formula("gaussian_crps", SOME, OTHERS, SPREADS),
    "quantile": by_formula("quantile", SOME, OTHERS),
    "expectile": by_formula("expectile", SOME, OTHERS),
    "mape": by_formula("mape", SOME, OTHERS),
    "smape": by_formula("smape", SOME, OTHERS),
    "msle": by_formula("msle", ABOVE, random.permutation(ABOVE)),
    "cross_entropy": Case(ROWS, random.integers(0, 5, len(ROWS)), _cross_entropy),
}
"""By our names, at our defaults: all of one output (a scale aside) and one target, and the cross-entropy.

Targets are zeros and ones for two classes, whole numbers for counts; for numbers half are zero, half anything. Rates
and logits whose exponential is no float32 number are left out where the loss is that exponential.
"""

UNLIKE = {"gaussian_nll": "PyTorch takes a variance where ours takes the logarithm of a standard deviation"}
