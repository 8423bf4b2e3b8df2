"""Facts of tables and losses, from arrays alone."""

import numpy as np
import pytest

from trivium.diagnosis.data_facts import column_facts, split_facts, target_facts, token_facts
from trivium.diagnosis.loss_facts import behaviour

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 3
TARGETS = target_facts(LABELS)


def softmax(z):
    z = np.exp(z - z.max(-1, keepdims=True))
    return z / z.sum(-1, keepdims=True)


def cross_entropy(z, y):
    return float(-np.log(softmax(z)[np.arange(len(y)), y] + 1e-300).mean())


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (cross_entropy, {"sign": 1, "reduction": "mean", "unbounded": False, "flat": False}),
        (lambda z, y: -cross_entropy(z, y), {"sign": -1}),
        (lambda z, y: cross_entropy(z, y) * len(y), {"sign": 1, "reduction": "sum"}),
        (lambda z, y: float(-z[np.arange(len(y)), y].mean()), {"unbounded": True, "sign": 1}),
        (lambda z, y: 1.0, {"flat": True}),
    ],
    ids=["right", "flipped", "sum", "no softmax", "constant"],
)
def test_a_loss_tells_what_it_is(loss, expected):
    found = behaviour(loss, LABELS, TARGETS, 3)
    assert {name: found[name] for name in expected} == expected


def test_a_softmax_too_many_leaves_a_floor():
    right = behaviour(cross_entropy, LABELS, TARGETS, 3)
    twice = behaviour(lambda z, y: cross_entropy(softmax(z), y), LABELS, TARGETS, 3)
    assert right["floor"] < 0.01
    assert twice["floor"] == pytest.approx(np.log(1 + 2 / np.e) / np.log(3), rel=1e-3)
    assert twice["bounded"]


def test_numbers_that_an_output_cannot_reach_leave_a_floor():
    y = RNG.normal(size=64)
    facts = target_facts(y)
    free = behaviour(lambda z, t: float(((z[:, 0] - t) ** 2).mean()), y, facts, 1)
    cut = behaviour(lambda z, t: float(((np.maximum(z[:, 0], 0) - t) ** 2).mean()), y, facts, 1)
    assert free["floor"] < 1e-3
    assert cut["floor"] > 0.5


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (np.array([0, 1, 2, 1]), "classes"),
        (np.array([0.0, 1.0, 1.0]), "classes"),
        (np.eye(3)[[0, 1, 2]], "classes"),
        (np.array([[1.0, 1.0], [0.0, 0.0]]), "several"),
        (RNG.normal(size=9), "numbers"),
        (np.array([[3, 4], [1, 9]]), "tokens"),
    ],
)
def test_targets_are_recognised(targets, kind):
    assert target_facts(targets)["kind"] == kind


def test_columns_tell_holes_outliers_and_scale():
    x = RNG.normal(size=(500, 4))
    assert column_facts(x)["outliers"] == 0
    spoiled = x.copy()
    spoiled[3] *= 1e4
    facts = column_facts(spoiled)
    assert facts["outlier_rows"] == [3]
    assert facts["typical"] == pytest.approx(1.0, rel=0.1)
    spoiled[7, 2] = np.nan
    assert column_facts(spoiled)["first_hole"] == {"row": 7, "column": 2}
    assert column_facts(np.ones((10, 2)))["constant"] == 1.0


def test_a_split_tells_copies_and_shift_and_what_can_be_learned():
    x = RNG.normal(size=(600, 5)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    honest = split_facts(x[:400], y[:400], x[400:], y[400:], "classes")
    assert honest["overlap"] == 0
    assert honest["reference"] > 0.9
    assert honest["agreement"] > 0.8
    assert abs(honest["shift"]) < 0.3
    assert split_facts(x[:400], y[:400], x[:200], y[:200], "classes")["overlap"] == 1.0
    assert split_facts(x[:400], y[:400], x[400:] * 9 + 5, y[400:], "classes")["shift_scale"] == pytest.approx(
        9, rel=0.2
    )
    unrelated = RNG.integers(0, 2, 600)
    nothing = split_facts(x[:400], unrelated[:400], x[400:], unrelated[400:], "classes")
    assert max(nothing["agreement"], nothing["agreement_trees"]) < 0.6


def test_tokens_have_a_reference_of_followers():
    rows = (np.arange(40)[:, None] + np.arange(9)[None, :]) % 7
    facts = token_facts(rows[:30, :-1], rows[:30, 1:], rows[30:, :-1], rows[30:, 1:])
    assert facts["reference"] == 1.0
    assert facts["majority"] < 0.5
