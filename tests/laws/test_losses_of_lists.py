"""Losses over rows, lists, pairs and times in float32 beside their definitions in 60 digits, scores of up to 1e4.

Values are sums of terms of one sign and are compared with themselves. A derivative adds up terms of both signs, which
may cancel: it is compared with the largest derivative of its list.
"""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from laws.digits import SMALLEST, exact, sigmoid, softplus
from trivium import losses

pytestmark = pytest.mark.slow

MOST = 1e-6
random = np.random.default_rng(17)
LISTS, ITEMS = 12, 4
SIZES = np.repeat([0.01, 0.3, 1.0, 3.0, 30.0, 1e4], 2)[:, None]
SCORES = np.float32(random.normal(size=(LISTS, ITEMS)) * SIZES)
SCORES[-1] = 1e4, -1e4, 9990, -9999.5
ORDERS = random.permuted(np.tile(np.arange(4.0), (LISTS, 1)), axis=1)
SETS = random.integers(0, 2, (LISTS, ITEMS)).astype(float)
CLASSES = random.integers(0, ITEMS, LISTS)


@pytest.fixture(autouse=True)
def digits():
    mp.mp.dps = 60


def log_sum(values):
    top = max(values)
    return top + mp.log(mp.fsum(mp.exp(value - top) for value in values))


def pairs(targets):
    return [(i, j) for i in range(ITEMS) for j in range(ITEMS) if targets[i] > targets[j]]


def margin_ranking(z, t):
    return mp.fsum(max(mp.mpf(0), 1 - z[i] + z[j]) for i, j in pairs(t)) / len(pairs(t))


def ranknet(z, t):
    return mp.fsum(softplus(z[j] - z[i]) for i, j in pairs(t)) / len(pairs(t))


def listnet(z, t):
    whole, top = log_sum(z), log_sum([mp.mpf(x) for x in t])
    return mp.fsum(mp.exp(mp.mpf(x) - top) * (whole - score) for score, x in zip(z, t, strict=True))


def listmle(z, t):
    falling = [z[k] for k in np.argsort(-t)]
    return mp.fsum(log_sum(falling[k:]) - falling[k] for k in range(ITEMS))


def counts(z, t):
    s = [sigmoid(score) for score in z]
    hits = mp.fsum(p * y for p, y in zip(s, t, strict=True))
    return (
        hits,
        mp.fsum(p * (1 - y) for p, y in zip(s, t, strict=True)),
        mp.fsum(sigmoid(-score) * y for score, y in zip(z, t, strict=True)),
    )


def dice(z, t):
    hits, alarms, misses = counts(z, t)
    return (alarms + misses) / (2 * hits + alarms + misses + 1)


def tversky(z, t):
    hits, alarms, misses = counts(z, t)
    alpha, beta = (mp.mpf(float(np.float32(x))) for x in (0.3, 0.7))
    return (alpha * alarms + beta * misses) / (hits + alpha * alarms + beta * misses + 1)


def soft_f1(z, t):
    hits, alarms, misses = counts(z, t)
    return (alarms + misses) / (2 * hits + alarms + misses)


def sparsemax_loss(z, t):
    falling = sorted(z, reverse=True)
    size = max(k for k in range(1, ITEMS + 1) if 1 + k * falling[k - 1] > mp.fsum(falling[:k]))
    threshold = (mp.fsum(falling[:size]) - 1) / size
    p = [max(mp.mpf(0), score - threshold) for score in z]
    return (
        mp.fsum(
            (k == t) * (1 - 2 * score) + 2 * u * score - u * u for k, (u, score) in enumerate(zip(p, z, strict=True))
        )
        / 2
    )


def entmax15_loss(z, t):
    halves = sorted((score / 2 for score in z), reverse=True)
    for size in range(ITEMS, 0, -1):
        mean = mp.fsum(halves[:size]) / size
        inside = (1 - mp.fsum((half - mean) ** 2 for half in halves[:size])) / size
        if inside >= 0 and mean - mp.sqrt(inside) <= halves[size - 1]:
            break
    threshold = mean - mp.sqrt(inside)
    p = [max(mp.mpf(0), score / 2 - threshold) ** 2 for score in z]
    return (
        mp.fsum(u * score for u, score in zip(p, z, strict=True))
        - z[t]
        + mp.mpf(4) / 3 * (1 - mp.fsum(u**1.5 for u in p))
    )


def corn(z, t):
    return mp.fsum(softplus(-z[k] if k < t else z[k]) for k in range(min(t, 2) + 1))


def cumulative_logit(z, t):
    above = sigmoid(z[t]) if t < 3 else 1
    if t == 0:
        return softplus(-z[0])
    below = sigmoid(z[t - 1])
    return (
        softplus(z[2]) if t == 3 else -mp.log(below * sigmoid(-z[t]) * mp.expm1(z[t] - z[t - 1])) if above else mp.inf
    )


def discrete_hazard(z, t):
    return mp.fsum(softplus(z[k]) for k in range(int(t[0]))) + (softplus(-z[int(t[0])]) if t[1] else 0)


def ctc(z, t):
    """All alignments, written out."""
    frames, classes = 3, 3
    rows = [z[classes * k : classes * (k + 1)] for k in range(frames)]
    ways = []
    for way in np.ndindex(*[classes] * frames):
        read = [label for k, label in enumerate(way) if label and (k == 0 or way[k - 1] != label)]
        if read == [label for label in t if label > 0]:
            ways.append(mp.fsum(row[label] - log_sum(row) for row, label in zip(rows, way, strict=True)))
    return -log_sum(ways)


RISING = np.sort(SCORES[:, :3], axis=1)
HAZARDS = np.column_stack([random.integers(0, ITEMS, LISTS), random.integers(0, 2, LISTS)]).astype(float)
FRAMES = np.float32(random.normal(size=(LISTS, 9)) * np.minimum(SIZES, 30))
LABELS = np.tile([[1, 2], [2, -1], [1, -1], [2, 1]], (3, 1))

CASES = {
    "margin_ranking": (margin_ranking, SCORES, ORDERS),
    "ranknet": (ranknet, SCORES, ORDERS),
    "listnet": (listnet, SCORES, ORDERS),
    "listmle": (listmle, SCORES, ORDERS),
    "dice": (dice, SCORES, SETS),
    "tversky": (tversky, SCORES, SETS),
    "soft_f1": (soft_f1, SCORES, SETS),
    "sparsemax_loss": (sparsemax_loss, SCORES, CLASSES),
    "entmax15_loss": (entmax15_loss, SCORES, CLASSES),
    "corn": (corn, SCORES[:, :3], CLASSES),
    "cumulative_logit": (cumulative_logit, RISING, CLASSES),
    "discrete_hazard": (discrete_hazard, SCORES, HAZARDS),
    "ctc": (ctc, FRAMES, LABELS),
}


def slopes_of(truth, z, target):
    """The derivatives of a truth: differences in so many digits that their error does not matter."""
    with mp.workdps(150):
        for place in range(len(z)):
            step = max(abs(z[place]), mp.mpf(1)) * mp.mpf(10) ** -50
            ends = [truth([*z[:place], z[place] + side * step, *z[place + 1 :]], target) for side in (1, -1)]
            yield (ends[0] - ends[1]) / (2 * step)


def hold(name, ours, truths):
    """Numbers beside pairs of a truth and the size that it may be compared with."""
    assert np.isfinite(ours).all(), name
    for place, (our, (true, size)) in enumerate(zip(np.ravel(ours), truths, strict=True)):
        assert abs(mp.mpf(float(our)) - true) <= MOST * size + SMALLEST, (name, place, our, float(true))


@pytest.mark.parametrize("name", CASES)
def test_losses_of_lists_hold_their_digits(name):
    truth, given, targets = CASES[name]
    loss = getattr(losses, name)

    def one(z, target):
        if name == "ctc":
            z, target = z.reshape(1, 3, 3), target[None]
            return loss(z, target)[0]
        return loss(z, target)

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(one)))(jnp.asarray(given), jnp.asarray(targets))
    true_values, true_slopes = [], []
    for row, target in zip(given, targets, strict=True):
        with mp.workdps(150):
            value = truth(exact(row), target)
            true_values.append((value, abs(value)))
        of_row = list(slopes_of(truth, exact(row), target))
        true_slopes += [(slope, max(map(abs, of_row))) for slope in of_row]
    hold(name, values, true_values)
    hold(f"slopes of {name}", slopes, true_slopes)
