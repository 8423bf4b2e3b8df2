"""Losses beside their truth: places of every size, values and slopes at all of them, and how far off those may be."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

MOST = 1e-6
"""Of the size of the truth, or of its terms where the truth is a difference that cancels."""
LARGEST, SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)


def spread(random, n, low=1e-6, high=1e4):
    """Numbers of both signs and of every size."""
    sizes = np.exp(random.uniform(np.log(low), np.log(high), n))
    return (sizes * random.choice([-1, 1], n)).astype(np.float32)


def exact(array):
    return [mp.mpf(float(value)) for value in np.asarray(array).ravel()]


def softplus(z):
    return mp.log1p(mp.exp(z)) if z < 100 else z + mp.exp(-z)


def sigmoid(z):
    return 1 / (1 + mp.exp(-z))


def parts(*terms):
    """A truth that is a sum, and the sizes that it may be compared with."""
    return mp.fsum(terms), mp.fsum(abs(term) for term in terms)


def hold(name, ours, truths, places):
    """Hold results to truths, or to pairs of truth and size, where those are float32 numbers."""
    worst, where = 0.0, None
    for our, truth, place in zip(np.asarray(ours, np.float64).ravel(), truths, places, strict=True):
        true, size = truth if isinstance(truth, tuple) else (truth, abs(truth))
        assert not np.isnan(our), (name, place)
        if abs(true) > LARGEST:
            assert abs(our) >= 0.99 * LARGEST, (name, place, our)
            assert np.sign(our) == mp.sign(true), (name, place, our)
        elif size <= LARGEST:
            off = abs(mp.mpf(our) - true)
            off = float(off / size) if off > SMALLEST else 0.0  # processors take smaller numbers for 0
            if off > worst:
                worst, where = off, place
    print(f"{name}: {worst / 2**-23:.2f} ulp at {where}")
    assert worst <= MOST, f"{name} is {worst:.1e} off at {where}"


def values_and_slopes(loss, *units, targets, **numbers):
    """A loss at all places at once, and its derivative by each unit and each number, compiled."""
    names, given = list(numbers), [jnp.full(len(targets), value, jnp.float32) for value in numbers.values()]

    def at_one(*arguments):
        head, tail = arguments[: len(units)], arguments[len(units) + 1 :]
        return loss(*head, arguments[len(units)], **dict(zip(names, tail, strict=True)))

    by = (*range(len(units)), *range(len(units) + 1, len(units) + 1 + len(names)))
    both = jax.jit(jax.vmap(jax.value_and_grad(at_one, argnums=by)))
    return both(*map(jnp.float32, units), jnp.float32(targets), *given)
