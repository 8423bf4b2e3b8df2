"""Losses over pairs of embeddings and over times in float32 beside their definitions in 60 digits.

Distances and cosines come from rows of every size. Where a loss is a difference of two distances or similarities, it is
compared with the larger of them, as it cancels; a derivative is compared with the largest of its batch.
"""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from laws.digits import hold, softplus
from trivium import losses

random = np.random.default_rng(23)
N, DIMENSIONS = 7, 3
GROUPS = np.array([0, 1, 0, 1, 2, 2, 0])
DIRECTIONS = random.normal(size=(N, DIMENSIONS))
SIZES = (1e-6, 1e-3, 1.0, 30.0, 1e4)
TIMES = np.array([[3.0, 1], [1, 1], [2, 0], [3, 1], [4, 1], [3, 0], [2, 1]])


@pytest.fixture(autouse=True)
def digits():
    mp.mp.dps = 60


def partners(i):
    fellows = [j for j in range(N) if j != i and GROUPS[j] == GROUPS[i]]
    return fellows, [j for j in range(N) if GROUPS[j] != GROUPS[i]]


def distance(z, i, j):
    return mp.sqrt(mp.fsum((a - b) ** 2 for a, b in zip(z[i], z[j], strict=True)))


def triplet_hard(z, i):
    fellows, strangers = partners(i)
    far, near = max(distance(z, i, j) for j in fellows), min(distance(z, i, k) for k in strangers)
    return max(mp.mpf(0), 1 + far - near), 1 + far + near


def triplet_all(z, i):
    fellows, strangers = partners(i)
    terms = [(1 + distance(z, i, j) - distance(z, i, k), distance(z, i, j)) for j in fellows for k in strangers]
    size = max(1 + distance(z, i, j) for j in range(N))
    return mp.fsum(max(mp.mpf(0), gap) for gap, _ in terms) / len(terms), size


def contrastive(z, i):
    fellows, strangers = partners(i)
    pulled = mp.fsum(distance(z, i, j) ** 2 / 2 for j in fellows)
    pushed = mp.fsum(max(mp.mpf(0), 1 - distance(z, i, k)) ** 2 / 2 for k in strangers)
    return (pulled + pushed) / (N - 1)


def nt_xent(z, i):
    lengths = [mp.sqrt(mp.fsum(a**2 for a in row)) for row in z]

    def similarity(j):
        return 10 * mp.fsum(a * b for a, b in zip(z[i], z[j], strict=True)) / lengths[i] / lengths[j]

    fellows, strangers = partners(i)
    pull = mp.log(mp.fsum(mp.exp(similarity(k)) for k in strangers))
    return mp.fsum(softplus(pull - similarity(j)) for j in fellows) / len(fellows)


def cox(z, i):
    time, event = TIMES[i]
    if not event:
        return mp.mpf(0)
    tied = [j for j in range(N) if TIMES[j, 0] == time and TIMES[j, 1]]
    risk = mp.fsum(mp.exp(z[j]) for j in range(N) if TIMES[j, 0] >= time)
    dying = mp.fsum(mp.exp(z[j]) for j in tied)
    logs = [mp.log(risk - mp.mpf(place) / len(tied) * dying) for place in range(len(tied))]
    return mp.fsum(logs) / len(tied) - z[i], max(*(abs(log) for log in logs), abs(z[i]))


LOSSES = {
    "triplet": (losses.triplet, triplet_hard),
    "triplet of all": (lambda z, t: losses.triplet(z, t, mining="all"), triplet_all),
    "contrastive": (losses.contrastive, contrastive),
    "nt_xent": (losses.nt_xent, nt_xent),
}


def total(truth, z):
    """The sum over a batch, whose derivatives are asked for."""
    found = [truth(z, i) for i in range(N)]
    return mp.fsum(value[0] if isinstance(value, tuple) else value for value in found)


def slopes(truth, flat, back):
    """By differences in 60 digits."""
    step, found = mp.mpf(10) ** -25, []
    for place in range(len(flat)):
        sides = []
        for sign in (1, -1):
            moved = list(flat)
            moved[place] += sign * step
            sides.append(total(truth, back(moved)))
        found.append((sides[0] - sides[1]) / (2 * step))
    largest = max(map(abs, found))
    return [(slope, largest) for slope in found]


def in_rows(flat):
    return [flat[first : first + DIMENSIONS] for first in range(0, len(flat), DIMENSIONS)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", LOSSES)
def test_losses_over_pairs_hold_their_digits(name, size):
    ours, truth = LOSSES[name]
    z = np.float32(DIRECTIONS * size)
    flat = [mp.mpf(float(number)) for number in z.ravel()]
    got, slope = jax.jit(lambda z: (ours(z, GROUPS), jax.grad(lambda z: ours(z, GROUPS).sum())(z)))(z)
    hold(name, got, [truth(in_rows(flat), i) for i in range(N)], range(N))
    hold(f"{name}, slope", slope, slopes(truth, flat, in_rows), range(len(flat)))


@pytest.mark.parametrize("size", [*SIZES[1:], 90.0])
def test_cox_holds_its_digits(size):
    z = np.float32(random.normal(size=N) * size)
    flat = [mp.mpf(float(number)) for number in z]

    def both(z):
        return losses.cox_partial_likelihood(z, TIMES), jax.grad(
            lambda z: losses.cox_partial_likelihood(z, TIMES).sum()
        )(z)

    got, slope = jax.jit(both)(jnp.asarray(z))
    hold("cox", got, [cox(flat, i) for i in range(N)], range(N))
    hold("cox, slope", slope, slopes(cox, flat, list), range(N))
