"""Ordered target statistics: what they are, and that no row's own target is in them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trivium.tables.target_statistics import learn

generator = np.random.default_rng(0)
CODES = generator.integers(0, 6, size=(40, 2))
CODES[:, 1] %= 3
Y = generator.normal(size=(40, 2))


def test_they_are_their_formula():
    _, rows = learn(CODES, Y, (6, 3), np.random.RandomState(5), strength=2.0)
    order = np.random.RandomState(5).permutation(40)
    for turn, row in enumerate(order):
        earlier = order[:turn]
        mean = Y[earlier].mean(axis=0) if turn else np.zeros(2)
        for category in range(2):
            same = earlier[CODES[earlier, category] == CODES[row, category]]
            expected = (Y[same].sum(axis=0) + 2 * mean) / (len(same) + 2)
            assert_allclose(rows[row, 2 * category : 2 * category + 2], expected, atol=1e-6)


def test_later_rows_see_all_rows_and_a_code_never_seen_is_the_mean():
    statistics, _ = learn(CODES, Y[:, 0], (9, 3), np.random.RandomState(0))
    found = statistics.apply(np.array([[2, 1], [8, 0], [-1, 7]]))
    mean = Y[:, 0].mean()
    same = Y[CODES[:, 0] == 2, 0]
    assert_allclose(found[0, 0], (same.sum() + mean) / (len(same) + 1), rtol=1e-5)
    assert_allclose([found[1, 0], found[2, 0], found[2, 1]], mean, rtol=1e-5)


@pytest.mark.parametrize("row", range(0, 40, 7))
def test_no_row_depends_on_its_own_target_or_on_a_later_one(row):
    _, before = learn(CODES, Y, (6, 3), np.random.RandomState(1))
    changed = Y.copy()
    changed[row] += 100
    _, after = learn(CODES, changed, (6, 3), np.random.RandomState(1))
    order = np.random.RandomState(1).permutation(40)
    place = int(np.flatnonzero(order == row)[0])
    assert_allclose(after[order[: place + 1]], before[order[: place + 1]], atol=1e-5)
    assert (np.abs(after[order[place + 1 :]] - before[order[place + 1 :]]).max(axis=1) > 0.1).all()


def test_random_targets_do_not_show_in_rows_to_train_on():
    codes, y = generator.integers(0, 2000, size=(6000, 1)), generator.integers(0, 2, size=6000)
    statistics, rows = learn(codes, y, (2000,), np.random.RandomState(0))
    assert abs(np.corrcoef(rows[:, 0], y)[0, 1]) < 0.04
    assert np.corrcoef(statistics.apply(codes)[:, 0], y)[0, 1] > 0.4  # what the trap is about


def test_a_telling_category_tells():
    codes = generator.integers(0, 50, size=(3000, 1))
    y = generator.normal(size=50)[codes[:, 0]] + 0.1 * generator.normal(size=3000)
    _, rows = learn(codes, y, (50,), np.random.RandomState(0))
    assert np.corrcoef(rows[:, 0], y)[0, 1] > 0.9


def test_one_row_is_enough_to_learn_from():
    statistics, rows = learn(np.array([[1]]), np.array([3.0]), (2,), np.random.RandomState(0))
    assert_array_equal(rows, [[0.0]])
    assert_array_equal(statistics.apply(np.array([[0], [1]])), [[3.0], [3.0]])
