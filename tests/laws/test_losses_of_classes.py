"""The losses for classes hold their digits, agree with other packages where those are right, and refuse what is wrong.

The truth is the formula in 60 digits. A gradient that adds up terms of both signs over the classes is compared with
their size.
"""

from functools import partial

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from trivium import losses

DIGITS = 1e-6
SMALLEST = 1e-36  # below it the terms of a sum underflow
random = np.random.default_rng(3)
CLASSES = 5
ROWS = np.concatenate(
    [
        random.normal(size=(60, CLASSES)) * 10.0 ** random.uniform(-2, 4, (60, 1)),
        random.normal(size=(60, CLASSES)) * 10.0 ** random.uniform(-2, 1.5, (60, 1)),
        random.uniform(-1e4, 1e4, (15, CLASSES)),
        1e4 - np.abs(random.normal(size=(15, CLASSES))),
        np.zeros((1, CLASSES)),
    ]
).astype(np.float32)
LABELS = random.integers(0, CLASSES, len(ROWS))
LOGITS = np.concatenate([random.uniform(-100, 100, 100), random.normal(size=60), [0, 1e4, -1e4]])
LOGITS = np.concatenate([LOGITS, random.choice([-1, 1], 80) * 10.0 ** random.uniform(-6, 4, 80)]).astype(np.float32)
SHARES = np.float32([0.5, 0.3, 0.15, 0.0499, 0.0001])


def single(number):
    """A number as float32 holds it."""
    return mp.mpf(float(np.float32(number)))


def softmax(zs):
    terms = [mp.exp(z - max(zs)) for z in zs]
    return [term / sum(terms) for term in terms]


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def softplus(z):
    return mp.log1p(mp.exp(z)) if z < 0 else z + mp.log1p(mp.exp(-z))


def without(values, place):
    return mp.fsum(value for k, value in enumerate(values) if k != place)


def sized(truth):
    return truth if isinstance(truth, tuple) else (truth, abs(truth))


def hold_their_digits(loss, given, targets, value, slopes, digits=DIGITS):
    """Both truths are numbers, or pairs of a number and the size of the terms whose difference it is.

    value(zs, target) -> the loss; slopes(zs, target) -> the gradient
    """
    mp.mp.dps = 60
    got, gradient = jax.jit(jax.vmap(jax.value_and_grad(loss)))(given, targets)
    assert np.isfinite(got).all()
    assert np.isfinite(gradient).all()
    for row, target, ours, ours_by_z in zip(given, targets, np.asarray(got), np.asarray(gradient), strict=True):
        zs = [mp.mpf(float(z)) for z in np.atleast_1d(row)]
        true, size = sized(value(zs, target))
        assert abs(mp.mpf(float(ours)) - true) <= digits * size + SMALLEST, (row, target, ours, float(true))
        for slope, our_slope in zip(slopes(zs, target), np.atleast_1d(ours_by_z), strict=True):
            slope, size = sized(slope)
            assert abs(mp.mpf(float(our_slope)) - slope) <= digits * size + SMALLEST, (row, target, our_slope)


ONE_CLASS = {
    "cross_entropy": [({}, lambda p, c, miss: c, lambda p, c, miss: miss)],
    "focal": [
        (
            {"gamma": gamma},
            lambda p, c, miss, gamma=gamma: miss**gamma * c,
            lambda p, c, miss, gamma=gamma: miss**gamma * (gamma * p * c + miss),
        )
        for gamma in (0.0, 0.5, 2.0, 5.0)
    ],
    "poly1": [
        (
            {"epsilon": epsilon},
            lambda p, c, miss, epsilon=epsilon: c + epsilon * miss,
            lambda p, c, miss, epsilon=epsilon: miss * (1 + epsilon * p),
        )
        for epsilon in (-1.0, -0.5, 2.0)
    ],
    "generalized_cross_entropy": [
        (
            {"q": q},
            lambda p, c, miss, q=q: -mp.expm1(-single(q) * c) / single(q),
            lambda p, c, miss, q=q: mp.exp(-single(q) * c) * miss,
        )
        for q in (0.01, 0.7, 1.0)
    ],
    "symmetric_cross_entropy": [
        (
            {"alpha": 0.5, "beta": 2.0, "log_of_zero": -6.0},
            lambda p, c, miss: c / 2 + 12 * miss,
            lambda p, c, miss: miss * (0.5 + 12 * p),
        )
    ],
    "logit_adjusted": [
        ({"class_shares": SHARES, "temperature": tau}, lambda p, c, miss: c, lambda p, c, miss: miss)
        for tau in (0.7, 1.0, 3.0)
    ],
}
"""Losses of the target's probability p alone, in p, c = -log(p) and 1 - p; and minus the slope by its logit."""


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name, cases in ONE_CLASS.items() for case in range(len(cases))]
)
def test_losses_of_one_probability_hold_their_digits(name, case):
    numbers, formula, fall = ONE_CLASS[name][case]

    def parts(zs, target):
        if "class_shares" in numbers:
            tau = single(numbers["temperature"])
            zs = [z + tau * mp.log(single(share)) for z, share in zip(zs, SHARES, strict=True)]
        p = softmax(zs)
        miss = without(p, target)
        with mp.workdps(200):  # 1 - p may be below the 60th digit, which poly1 then subtracts once more
            return p, miss, -mp.log1p(-miss) if miss < 0.5 else -mp.log(p[target])

    def value(zs, target):
        p, miss, c = parts(zs, target)
        with mp.workdps(9000 if name == "poly1" else 200):
            c = -mp.log1p(-miss) if miss < 0.5 else c
            return formula(p[target], c, miss)

    def slopes(zs, target):
        p, miss, c = parts(zs, target)
        with mp.workdps(200):
            slope = (
                fall(p[target], c, miss) if name != "poly1" else miss * (miss + (1 + numbers["epsilon"]) * p[target])
            )
            return [-slope if k == target else slope * share / miss for k, share in enumerate(p)]

    hold_their_digits(partial(getattr(losses, name), **numbers), ROWS, LABELS, value, slopes)


def test_brier_holds_its_digits():
    def value(zs, target):
        p = softmax(zs)
        return without(p, target) ** 2 + without([share**2 for share in p], target)

    def slopes(zs, target):
        p = softmax(zs)
        miss, squares = without(p, target), without([share**2 for share in p], target)
        return [
            -2 * share * (miss**2 + squares)
            if k == target
            else (2 * share * (share + p[target] * miss - squares), 2 * share * (share + p[target] * miss + squares))
            for k, share in enumerate(p)
        ]

    hold_their_digits(losses.brier, ROWS, LABELS, value, slopes)


def tempered_softmax(zs, a):
    """By Newton's method from the level of the largest logit."""
    if a == 0:
        return softmax(zs)
    depths, height = [max(zs) - z for z in zs], mp.mpf(0)
    for _ in range(60):
        terms = [(1 + a * (height + depth)) ** (-1 / a) for depth in depths]
        fall = mp.fsum(term / (1 + a * (height + depth)) for term, depth in zip(terms, depths, strict=True))
        step = mp.fsum(terms) * mp.expm1(a * mp.log(mp.fsum(terms))) / a / fall
        height += step
        if abs(step) < mp.mpf(10) ** -50 * (1 + height):
            break
    return terms


@pytest.mark.parametrize(
    ("t1", "t2", "smoothing"), [(0.8, 1.2, 0.0), (0.8, 1.2, 0.1), (0.0, 4.0, 0.0), (1.0, 1.0, 0.0), (0.5, 1.0, 0.2)]
)
def test_bi_tempered_holds_its_digits(t1, t2, smoothing):
    low, a, part = single(t1), single(t2) - 1, single(smoothing)

    def log(x):
        return mp.log(x) if low == 1 else (x ** (1 - low) - 1) / (1 - low)

    def shares(zs, target):
        with mp.workdps(120):
            return tempered_softmax(zs, a), [(1 - part) * (k == target) + part / CLASSES for k in range(CLASSES)]

    def value(zs, target):
        p, y = shares(zs, target)
        with mp.workdps(120):
            bregman = [(v ** (2 - low) - u ** (2 - low)) / (2 - low) for u, v in zip(p, y, strict=True)]
            return mp.fsum((v * (log(v) - log(u)) if v else 0) - b for u, v, b in zip(p, y, bregman, strict=True))

    def slopes(zs, target):
        p, y = shares(zs, target)
        q = [share ** (1 + a) / mp.fsum(share ** (1 + a) for share in p) for share in p]
        gaps = [(u * without(y, k), v * without(p, k)) for k, (u, v) in enumerate(zip(p, y, strict=True))]
        powers = [share ** (1 + a - low) for share in p]
        v = [power * (more - less) for power, (more, less) in zip(powers, gaps, strict=True)]
        sizes = [power * (more + less) for power, (more, less) in zip(powers, gaps, strict=True)]
        return [
            (v[k] * without(q, k) - q[k] * without(v, k), sizes[k] * without(q, k) + q[k] * without(sizes, k))
            for k in range(CLASSES)
        ]

    loss = partial(losses.bi_tempered, t1=t1, t2=t2, label_smoothing=smoothing)
    hold_their_digits(loss, ROWS[::3], LABELS[::3], value, slopes)


def dyadic(n):
    """Distributions whose float32 numbers add up to 1 exactly."""
    counts = np.floor(random.dirichlet(np.full(CLASSES, 0.7), n) * 1024)
    counts[np.arange(n), counts.argmax(axis=1)] += 1024 - counts.sum(axis=1)
    return (counts / 1024).astype(np.float32)


def kullback_leibler(zs, target):
    with mp.workdps(120):
        p, t = softmax(zs), [single(share) for share in target]
        return mp.fsum(v * mp.log(v / u) for u, v in zip(p, t, strict=True) if v > 0)


def jensen_shannon(zs, target):
    with mp.workdps(120):
        p, t = softmax(zs), [single(share) for share in target]
        terms = [
            u * mp.log(2 * u / (u + v)) + (v * mp.log(2 * v / (u + v)) if v else 0) for u, v in zip(p, t, strict=True)
        ]
        return mp.fsum(terms) / 2


def gaps(zs, target):
    """p - t, from what the others have where both are near 1."""
    p, t = softmax(zs), [single(share) for share in target]
    return [p[k] * without(t, k) - t[k] * without(p, k) for k in range(CLASSES)]


def jensen_shannon_slopes(zs, target):
    """Sums over the classes of terms of both signs, which may cancel."""
    p = softmax(zs)
    g = [mp.log(2 * share / (share + single(t))) / 2 for share, t in zip(p, target, strict=True)]
    moves = [[p[j] * p[k] * (g[j] - g[k]) for k in range(CLASSES)] for j in range(CLASSES)]
    return [(mp.fsum(row), mp.fsum(map(abs, row))) for row in moves]


def mixed_entropy(zs, target):
    p = softmax(zs)
    return mp.fsum(-single(share) * mp.log(u) for u, share in zip(p, target, strict=True) if share)


DIVERGENCES = {
    "cross_entropy": (mixed_entropy, gaps),
    "kl_divergence": (kullback_leibler, gaps),
    "jensen_shannon": (jensen_shannon, jensen_shannon_slopes),
}


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergences_hold_their_digits_however_near_the_target(name):
    loss, truths = getattr(losses, name), DIVERGENCES[name]
    hold_their_digits(loss, ROWS, np.eye(CLASSES, dtype=np.float32)[LABELS], *truths)
    hold_their_digits(loss, ROWS, dyadic(len(ROWS)), *truths)
    targets = dyadic(200)
    targets = targets[targets.min(axis=1) > 0.003][:60]
    distances = 10.0 ** random.uniform(-8, 0, (len(targets), 1))
    near = (np.log(targets) + distances * random.normal(size=targets.shape)).astype(np.float32)
    hold_their_digits(loss, near, targets, *truths)
    assert (loss(near, targets) > 0).all()


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_losses_of_one_logit_hold_their_digits(target):
    targets, sign = np.full(len(LOGITS), np.float32(target)), 1 if target else -1

    def check(loss, value, slope, given=LOGITS):
        hold_their_digits(
            loss,
            given,
            targets[: len(given)],
            lambda zs, _: value(sign * zs[0]),
            lambda zs, _: [sign * slope(sign * zs[0])],
        )

    check(losses.binary_cross_entropy, lambda z: softplus(-z), lambda z: -sigmoid(-z))
    for gamma in (0.0, 0.5, 2.0, 5.0):
        loss = partial(losses.binary_focal, gamma=gamma)
        check(
            loss,
            lambda z, g=gamma: sigmoid(-z) ** g * softplus(-z),
            lambda z, g=gamma: -(sigmoid(-z) ** g) * (g * sigmoid(z) * softplus(-z) + sigmoid(-z)),
        )
    check(losses.hinge, lambda z: max(0, 1 - z), lambda z: -(z < 1))
    check(losses.squared_hinge, lambda z: max(0, 1 - z) ** 2, lambda z: -2 * max(0, 1 - z))
    check(losses.exponential, lambda z: mp.exp(-z), lambda z: -mp.exp(-z), LOGITS[np.abs(LOGITS) < 88])


@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.parametrize("gamma", [0.0, 1.0, 4.0])
def test_asymmetric_holds_its_digits(gamma, clip):
    m = single(clip)

    def value(zs, _):
        shifted = sigmoid(zs[0]) - m
        surprised = softplus(zs[0]) if m == 0 else -mp.log(sigmoid(-zs[0]) + m)
        return shifted**gamma * surprised if shifted > 0 else mp.mpf(0)

    def slopes(zs, _):
        shifted = sigmoid(zs[0]) - m
        if shifted <= 0:
            return [mp.mpf(0)]
        surprised = softplus(zs[0]) if m == 0 else -mp.log(sigmoid(-zs[0]) + m)
        rise = sigmoid(zs[0]) * sigmoid(-zs[0])
        return [rise * shifted**gamma * (gamma * surprised / shifted + 1 / (sigmoid(-zs[0]) + m))]

    border = np.float32(mp.log(m / (1 - m))) if m else np.float32(0)
    given = np.concatenate([LOGITS, border + np.float32(np.arange(-4, 5) * np.spacing(border))])
    given = np.concatenate([given, border + np.float32(10.0 ** random.uniform(-6, 0, 60))])
    loss = partial(losses.asymmetric, gamma_negative=gamma, clip=clip)
    hold_their_digits(loss, given, np.zeros(len(given), np.float32), value, slopes)


def test_multiclass_hinge_holds_its_digits():
    def rival(zs, target):
        return max((z, -k) for k, z in enumerate(zs) if k != target)

    def slopes(zs, target):
        z, _ = rival(zs, target)
        falls = 1 + z - zs[target] > 0
        ties = [k for k in range(CLASSES) if k != target and zs[k] == z]
        return [-falls if k == target else falls * (k in ties) / len(ties) for k in range(CLASSES)]

    hold_their_digits(losses.multiclass_hinge, ROWS, LABELS, lambda zs, t: max(0, 1 + rival(zs, t)[0] - zs[t]), slopes)


def test_the_exponential_overflows_to_infinity_and_never_to_no_number():
    both = jax.vmap(jax.value_and_grad(losses.exponential))
    values, slopes = both(jnp.float32([1e4, -1e4, 1e4, -1e4]), jnp.float32([0, 1, 1, 0]))
    np.testing.assert_array_equal(values, [np.inf, np.inf, 0, 0])
    np.testing.assert_array_equal(slopes, [np.inf, -np.inf, 0, 0])
