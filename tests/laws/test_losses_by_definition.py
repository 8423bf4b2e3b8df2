"""Losses over rows, lists, pairs and times against their definitions, written out plainly in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, softmax

from trivium import losses

random = np.random.default_rng(11)
n = 6
logits, scores = random.normal(size=(n, 4)) * 2, random.normal(size=(n, 4))
labels = np.array([0, 3, 1, 2, 2, 0])
points, groups = random.normal(size=(n, 3)), np.array([0, 1, 0, 1, 1, 0])
orders = random.permuted(np.tile(np.arange(4.0), (n, 1)), axis=1)
shares = random.random((n, 4))


@pytest.fixture(autouse=True)
def digits():
    with jax.enable_x64(True):
        yield


def agrees(ours, expected):
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_ctc_is_optax_s():
    frames, targets = random.normal(size=(4, 9, 5)), np.array([[1, 2, 3], [2, 2, -1], [4, -1, -1], [1, 1, 1]])
    real = np.ones((4, 9))
    real[1, 6:] = 0
    theirs = optax.losses.ctc_loss(
        jnp.asarray(frames), jnp.asarray(1 - real), jnp.maximum(targets, 0), jnp.asarray(targets < 0, float)
    )
    np.testing.assert_allclose(losses.ctc(jnp.asarray(frames), targets, where=real), theirs, rtol=1e-4)


def test_ordinal_losses_are_minus_the_log_of_the_class():
    rising = np.sort(logits[:, :3], axis=1)
    below = np.hstack([np.zeros((n, 1)), expit(rising), np.ones((n, 1))])
    rows = np.arange(n)
    agrees(losses.cumulative_logit(jnp.asarray(rising), labels), -np.log(np.diff(below)[rows, labels]))
    above = np.hstack([np.ones((n, 1)), np.cumprod(expit(logits[:, :3]), axis=1), np.zeros((n, 1))])
    agrees(losses.corn(jnp.asarray(logits[:, :3]), labels), -np.log(-np.diff(above)[rows, labels]))


def test_overlap_counts_hits_false_alarms_and_misses():
    s, t = expit(logits), shares
    hits, alarms, misses = (s * t).sum(1), (s * (1 - t)).sum(1), ((1 - s) * t).sum(1)
    given = jnp.asarray(logits), jnp.asarray(t)
    agrees(losses.dice(*given), 1 - (2 * hits + 1) / (s.sum(1) + t.sum(1) + 1))
    agrees(losses.tversky(*given), 1 - (hits + 1) / (hits + 0.3 * alarms + 0.7 * misses + 1))
    agrees(losses.soft_f1(*given), 1 - 2 * hits / (2 * hits + alarms + misses))


def test_ranking_losses_are_sums_over_the_list():
    given = jnp.asarray(scores), jnp.asarray(orders)
    margins, pairs, lists, draws = [], [], [], []
    for z, t in zip(scores, orders, strict=True):
        lead = [z[i] - z[j] for i in range(4) for j in range(4) if t[i] > t[j]]
        margins.append(np.mean([max(0, 1 - one) for one in lead]))
        pairs.append(np.mean([np.log1p(np.exp(-one)) for one in lead]))
        lists.append(-(softmax(t) * np.log(softmax(z))).sum())
        falling = z[np.argsort(-t)]
        draws.append(sum(logsumexp(falling[i:]) - falling[i] for i in range(4)))
    agrees(losses.margin_ranking(*given), margins)
    agrees(losses.ranknet(*given), pairs)
    agrees(losses.listnet(*given), lists)
    agrees(losses.listmle(*given), draws)


def test_losses_of_pairs_compare_fellows_and_strangers():
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    fellow = (groups[:, None] == groups[None]) & ~np.eye(n, dtype=bool)
    stranger = groups[:, None] != groups[None]
    far, near = np.where(fellow, distance, -np.inf).max(1), np.where(stranger, distance, np.inf).min(1)
    given = jnp.asarray(points), groups
    agrees(losses.triplet(*given), np.maximum(0, 1 + far - near))
    squares = np.where(fellow, distance**2, 0) + np.where(stranger, np.maximum(0, 1 - distance) ** 2, 0)
    agrees(losses.contrastive(*given), squares.sum(1) / 2 / (n - 1))
    directions = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosine = directions @ directions.T / 0.1
    expected = [
        np.mean([np.log1p(np.exp(cosine[i, stranger[i]] - cosine[i, p]).sum()) for p in np.flatnonzero(fellow[i])])
        for i in range(n)
    ]
    agrees(losses.nt_xent(*given), expected)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_cox_sums_over_the_risk_sets(ties):
    hazards, times, events = (
        random.normal(size=8),
        np.array([3, 1, 3, 2, 3, 5, 1, 4.0]),
        np.array([1, 1, 1, 0, 0, 1, 1, 0]),
    )
    total = 0.0
    for time in np.unique(times[events == 1]):
        dying, at_risk = (times == time) & (events == 1), np.exp(hazards[times >= time]).sum()
        for place in range(dying.sum()):
            gone = place / dying.sum() if ties == "efron" else 0
            total += np.log(at_risk - gone * np.exp(hazards[dying]).sum())
        total -= hazards[dying].sum()
    ours = losses.cox_partial_likelihood(jnp.asarray(hazards), np.column_stack([times, events]), ties=ties)
    assert float(ours.sum()) == pytest.approx(total, rel=1e-10)
    agrees(np.asarray(ours)[events == 0], 0)


def test_discrete_hazard_is_minus_the_log_of_survival_and_event():
    targets = np.array([[0, 1], [3, 1], [2, 0], [4, 0], [1, 1], [0, 0]])
    hazard = expit(logits)
    expected = [
        -np.log1p(-hazard[row, :reached]).sum() - (np.log(hazard[row, reached]) if event else 0)
        for row, (reached, event) in enumerate(targets)
    ]
    agrees(losses.discrete_hazard(jnp.asarray(logits), targets), expected)


def test_sparse_losses_are_their_fenchel_young_forms():
    for row, label in zip(logits, labels, strict=True):
        low = row.max() - 1
        threshold = brentq(lambda t, z=row: np.maximum(z - t, 0).sum() - 1, low - 1, row.max(), xtol=1e-14)
        p, onehot = np.maximum(row - threshold, 0), np.eye(4)[label]
        expected = ((onehot - row) ** 2).sum() / 2 - ((p - row) ** 2).sum() / 2
        agrees(losses.sparsemax_loss(jnp.asarray(row)[None], label[None]), [expected])
        half = row / 2
        level = brentq(lambda t, z=half: (np.maximum(z - t, 0) ** 2).sum() - 1, half.max() - 2, half.max(), xtol=1e-14)
        q = np.maximum(half - level, 0) ** 2
        expected = (q * row).sum() - row[label] + 4 / 3 * (1 - (q**1.5).sum())
        agrees(losses.entmax15_loss(jnp.asarray(row)[None], label[None]), [expected])
