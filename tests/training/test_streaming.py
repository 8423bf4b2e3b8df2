"""Tables too large to be held encoded: the same networks, less memory."""

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix

import trivium
from trivium.estimators import order
from trivium.tables import streamed
from trivium.training import population, split, streaming
from trivium.training.epochs import STEPS
from trivium.training.program import CHUNK, State
from trivium.training.rows import Table

N = 3000
KINDS = {
    "array": lambda X: X,
    "float64 array": lambda X: X.astype(np.float64),
    "columns first": np.asfortranarray,
    "sparse matrix": lambda X: csr_matrix(np.nan_to_num(X)),
    "polars frame": lambda X: pl.DataFrame(X, schema=[f"c{place}" for place in range(X.shape[1])]),
    "frame with nulls": lambda X: pl.DataFrame(X, schema=[f"c{place}" for place in range(X.shape[1])]).fill_nan(None),
    "pyarrow table": lambda X: pl.DataFrame(X, schema=[f"c{place}" for place in range(X.shape[1])]).to_arrow(),
    "frame with texts": lambda X: pl.DataFrame(X, schema=[f"c{place}" for place in range(X.shape[1])]).with_columns(
        kind=pl.Series(["a", "b", None] * (len(X) // 3))
    ),
}
PLAIN = {"hidden_widths": (8,), "batch_size": 128, "epochs": 3, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    X = random.standard_normal((N, 5)).astype(np.float32)
    y = X @ random.standard_normal(5) + np.sin(3 * X[:, 0])
    X[random.random(X.shape) < 0.02] = np.nan
    return X, y


def both(monkeypatch, fit):
    """The fit of a table that is held, and that of one that is not; rows stay as they came in either."""
    monkeypatch.setattr(order, "MOST_NUMBERS", 0)
    held = fit()
    monkeypatch.setattr(streamed, "MOST_HELD", 0)
    monkeypatch.setattr(streamed, "AT_ONCE", 5 * 700)
    monkeypatch.setattr(streamed, "IN_PASSING", 0)
    monkeypatch.setattr(streamed, "FEWEST_IN_PASSING", 100)
    made = []
    fill = streamed.Streamed.fill

    def counted(self, out, rows=None):
        made.append(len(out))
        fill(self, out, rows)

    monkeypatch.setattr(streamed.Streamed, "fill", counted)
    parts = fit()
    assert made, "nothing was streamed"
    return held, parts


def assert_alike(held, parts, X):
    assert len(parts.history_) == len(held.history_)
    np.testing.assert_allclose(parts.history_.train_loss, held.history_.train_loss, rtol=1e-5)
    np.testing.assert_allclose(parts.history_.validation_loss, held.history_.validation_loss, rtol=1e-5)
    np.testing.assert_allclose(parts.predict(X), held.predict(X), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_rows_encoded_as_they_come_is_that_of_rows_held(monkeypatch, rows, kind):
    X, y = KINDS[kind](rows[0]), rows[1]
    assert_alike(*both(monkeypatch, lambda: trivium.NeuralRegressor(**PLAIN).fit(X, y)), X)


@pytest.mark.parametrize(
    "more",
    [
        {"bagging": 3},
        {"activation": "auto", "population": 3},
        {"schedule": "cosine"},
        {"optimizer": "lbfgs"},
        {"embed_above": 1},
        {"validation_fraction": 0.0, "patience": None},
    ],
    ids=str,
)
def test_so_it_is_with_other_choices(monkeypatch, rows, more):
    X, y = KINDS["frame with texts" if "embed_above" in more else "array"](rows[0]), rows[1]
    held, parts = both(monkeypatch, lambda: trivium.NeuralRegressor(**PLAIN | more).fit(X, y))
    assert_alike(held, parts, X)
    if "bagging" in more:
        np.testing.assert_allclose(parts.out_of_fold_, held.out_of_fold_, atol=2e-5)


def test_classes_weights_and_rows_of_ones_own_to_choose_by(monkeypatch, rows):
    X, y = rows[0], rows[1] > 0
    weights = np.random.default_rng(1).uniform(0.5, 1.5, N)
    aside = (X[:500], y[:500])

    def fit():
        model = trivium.NeuralClassifier(**PLAIN | {"epochs": 6}, class_weight="balanced")
        return model.fit(X, y, weights, validation_data=aside)

    held, parts = both(monkeypatch, fit)
    assert_alike(held, parts, X)


def test_partial_fit_and_a_fit_that_goes_on(monkeypatch, rows):
    X, y = rows

    def fit():
        model = trivium.NeuralRegressor(**PLAIN, warm_start=True).fit(X, y)
        return model.fit(X, y).partial_fit(X, y)

    assert_alike(*both(monkeypatch, fit), X)


def test_a_value_that_no_network_can_take_is_told_before_training(monkeypatch, rows):
    monkeypatch.setattr(streamed, "MOST_HELD", 0)
    X = rows[0].copy()
    X[2000, 3] = np.inf
    with pytest.raises(ValueError, match="row 2000"):
        trivium.NeuralRegressor(**PLAIN).fit(X, rows[1])


def test_recipes_learn_from_streamed_rows(monkeypatch, rows):
    X, y = rows
    monkeypatch.setattr(streamed, "MOST_HELD", 0)
    model = trivium.NeuralRegressor(preset="fast", random_state=0, epochs=10).fit(X, y)
    assert model.score(X, y) > 0.9


def test_rows_are_read_as_those_of_an_array():
    table = np.arange(60, dtype=np.float32).reshape(20, 3)
    rows = streamed.Streamed(lambda some, out=None: np.add(some, 1, out=out), table, 3)
    np.testing.assert_array_equal(np.asarray(rows), table + 1)
    np.testing.assert_array_equal(rows[3:17:4], table[3:17:4] + 1)
    odd = rows.at(np.arange(1, 20, 2))
    assert odd.shape == (10, 3)
    assert odd.size == 30
    np.testing.assert_array_equal(odd[np.array([2, 0])], table[[5, 1]] + 1)
    np.testing.assert_array_equal(np.asarray(odd.at(np.array([9]))), table[[19]] + 1)
    np.testing.assert_array_equal(rows.some(7), table[::3] + 1)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(rows, copy=False)


def test_a_time_limit_cuts_a_long_epoch(monkeypatch, rows):
    X, y = rows
    monkeypatch.setattr(population, "SLICE", 1e-9)  # an epoch in parts of one batch
    model = trivium.NeuralRegressor(**PLAIN | {"batch_size": 64}, time_limit=1e-3, on_problem="ignore").fit(X, y)
    assert model.history_.ending == "time limit"
    assert len(model.history_) == 1
    assert np.isfinite(model.history_.validation_loss).all()


def test_epochs_in_parts_are_those_at_once(monkeypatch, rows):
    X, y = rows
    at_once = trivium.NeuralRegressor(**PLAIN).fit(X, y)
    monkeypatch.setattr(population, "SLICE", 1e-9)
    assert_alike(at_once, trivium.NeuralRegressor(**PLAIN, time_limit=1000).fit(X, y), X)


def test_what_is_too_large(monkeypatch):
    assert streamed.too_large(10_000_000, 10)
    assert not streamed.too_large(1_000_000, 10)
    monkeypatch.setattr(streamed, "free_memory", lambda: 50_000_000)
    assert streamed.too_large(1_000_000, 10)
    assert not streamed.too_large(1000, 10)


def test_without_an_epoch_to_run_nothing_changes(rows):
    table = Table(rows[0][:, :1] * 0, rows[1].astype(np.float32), np.ones(N, np.float32))
    state = State(*[np.asarray(0)] * 7, finite=np.asarray(False))
    same, record = streaming.run(None, None, {}, state, table, None, 5, 5)
    assert same is state
    assert record.step_loss.shape == (CHUNK, STEPS)
    assert np.isnan(record.train_loss).all()


def test_many_rows_are_parted_class_by_class(monkeypatch):
    classes = np.random.default_rng(0).choice(4, 20_000, p=[0.0002, 0.1, 0.2, 0.6998])
    classes[:2] = 0
    usual = split.parts(len(classes), classes, 0.1, np.random.RandomState(0))
    monkeypatch.setattr(split, "MANY", 1000)
    first, aside = split.parts(len(classes), classes, 0.1, np.random.RandomState(0))
    assert np.array_equal(np.sort(np.concatenate([first, aside])), np.arange(len(classes)))
    assert (np.diff(first) > 0).all()
    assert (np.diff(aside) > 0).all()
    assert np.bincount(classes[first])[0] >= 1
    np.testing.assert_allclose(np.bincount(classes[aside]), np.bincount(classes[usual[1]]), atol=1)
