"""How far float32 results are from the truth, in units in the last place of the truth."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np

SMALLEST_NORMAL = mp.mpf(2) ** -126
LARGEST = mp.mpf(float(np.finfo(np.float32).max))


def line() -> np.ndarray:
    """Places all over the float32 line: every magnitude, the busy middle, and the neighbours of whole numbers."""
    random = np.random.default_rng(7)
    sizes = np.exp(random.uniform(np.log(1e-37), np.log(3e38), 350))
    middle = random.uniform(-110, 110, 900)
    near = np.concatenate([random.normal(size=300) * 3, random.uniform(-3, 0.5, 500), random.uniform(-20, 5, 200)])
    tails = np.concatenate([random.uniform(-16, -4, 200), random.uniform(4, 16, 60)])
    whole = np.arange(-20, 21, dtype=np.float32) / 2
    neighbours = [np.nextafter(whole, np.float32(side)) for side in (-np.inf, np.inf)]
    places = np.concatenate([sizes, -sizes, middle, near, tails, whole, *neighbours]).astype(np.float32)
    return places[(np.abs(places) >= 1.2e-38) | (places == 0)]


def worst_ulps(got: np.ndarray, truth: Sequence[mp.mpf], places: Sequence) -> tuple[float, object]:
    """The largest error over all places whose truth is zero or a normal number, and the place where it is."""
    worst = (0.0, None)
    for value, true, place in zip(np.asarray(got, np.float64).ravel(), truth, places, strict=True):
        size = abs(true)
        if size > LARGEST:
            continue
        if true == 0:
            error = 0.0 if value == 0 or abs(value) < float(SMALLEST_NORMAL) else float("inf")
        elif size < SMALLEST_NORMAL:
            continue
        else:
            exponent = mp.floor(mp.log(size, 2))
            error = (
                float(abs(mp.mpf(float(value)) - true) / mp.ldexp(1, int(exponent) - 23))
                if np.isfinite(value)
                else np.inf
            )
        if not error <= worst[0]:
            worst = (error, place)
    return worst


def derivative(truth: Callable[[mp.mpf], mp.mpf], place: mp.mpf) -> mp.mpf:
    """The truth's derivative: a central difference in so many digits that its error does not matter."""
    with mp.workdps(240):
        step = (abs(place) or mp.mpf(1)) * mp.mpf(10) ** -50
        return (truth(place + step) - truth(place - step)) / (2 * step)


def values_and_derivatives(function: Callable, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A function of one number and its derivative, compiled, at all places at once."""
    both = jax.jit(jax.vmap(jax.value_and_grad(function)))
    value, slope = both(jnp.asarray(places))
    return np.asarray(value), np.asarray(slope)
