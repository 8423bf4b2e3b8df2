"""The compiled epochs: what they compute, and that they compute it again."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trivium import activations, heads, losses, network, optimizers
from trivium.initializers import glorot_uniform
from trivium.training.batches import Rows, shuffled
from trivium.training.epochs import run, start
from trivium.training.history import History
from trivium.training.loop import evaluate, train
from trivium.training.program import EVERY_ROW, Program, predictor
from trivium.training.rows import bucket
from trivium.training.split import split, table

random = np.random.default_rng(0)
X = random.normal(size=(100, 3)).astype(np.float32)
Y = (X @ np.float32([1, -2, 0.5]) + 0.3).astype(np.float32)
HEAD = heads.regressor_head(losses.squared_error, None)
NETWORK = network.Perceptron((), activations.tanh, 1)


def program(optimizer=optimizers.sgd, batch_size=32, flags=()):
    return Program(NETWORK, HEAD, losses.squared_error, optimizer, flags, heads.squared_distance, batch_size)


def parameters(*widths):
    return network.init(jax.random.PRNGKey(1), widths, glorot_uniform)


def trained(choices, epochs, numbers=None, aside=None, **options):
    history = History("R2", 1.0)
    numbers = numbers or {"learning_rate": 0.05}
    state = start(choices, numbers, parameters(3, 1), jax.random.PRNGKey(2))
    state = train(choices, numbers, state, table(X, Y, None), aside, epochs=epochs, history=history, **options)
    return state, history


def test_full_batch_gradient_descent_is_the_textbook_recurrence():
    state, _ = trained(program(optimizers.gd, batch_size=100), epochs=50)
    start_weights = parameters(3, 1)[0]
    w, b = np.float64(start_weights["weights"][:, 0]), 0.0
    for _ in range(50):
        residual = X @ w + b - Y
        w, b = w - 0.05 * 2 * X.T @ residual / 100, b - 0.05 * 2 * residual.mean()
    np.testing.assert_allclose(state.parameters[0]["weights"][:, 0], w, rtol=1e-4)
    np.testing.assert_allclose(state.parameters[0]["biases"][0], b, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3, 100, 4097])
def test_a_shuffle_holds_every_row_once_and_fills_up_with_some_of_them(n):
    order = np.asarray(shuffled(jax.random.PRNGKey(n), n + 50, n))
    assert sorted(order[:n]) == list(range(n))
    assert np.isin(order[n:], order[:n]).all()
    part = np.asarray(shuffled(jax.random.PRNGKey(n), 40, n, 7))
    np.testing.assert_array_equal(part, np.asarray(shuffled(jax.random.PRNGKey(n), 47, n))[7:])


def test_every_order_is_as_likely_as_any_other():
    keys = jax.random.split(jax.random.PRNGKey(0), 24_000)
    orders = np.asarray(jax.vmap(lambda key: shuffled(key, 4, 4))(keys))
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 1000) ** 2 / 1000).sum() < 60  # chi-squared of 23 degrees: beyond it once in 30,000 times


def test_a_shuffle_leaves_no_trace_of_the_old_order():
    keys = jax.random.split(jax.random.PRNGKey(1), 400)
    orders = np.asarray(jax.vmap(lambda key: shuffled(key, 1000, 1000))(keys)).astype(float)
    distances = np.abs(np.diff(orders, axis=1))
    assert distances.mean() == pytest.approx(1001 / 3, rel=0.01)  # of neighbours, as of any two
    assert (distances == 1).mean() == pytest.approx(2 / 1000, rel=0.15)
    correlations = [np.corrcoef(order, np.arange(1000))[0, 1] for order in orders]
    assert np.mean(correlations) == pytest.approx(0, abs=0.006)
    assert np.std(correlations) == pytest.approx(1000**-0.5, rel=0.15)


def test_filling_up_changes_nothing():
    exact = Rows(jnp.asarray(X), jnp.asarray(Y), jnp.ones(100), None, np.int32(100))
    state = start(program(), {"learning_rate": 0.05}, parameters(3, 1), jax.random.PRNGKey(2))
    for batch_size, same in ((32, np.testing.assert_array_equal), (EVERY_ROW, partial(assert_allclose, rtol=1e-5))):
        ends = []
        for size in (100, 104, 150):
            filled = [jnp.resize(array, (size, *array.shape[1:])) for array in exact[:3]]
            rows = Rows(*filled, None, exact.n)
            choices = program(batch_size=batch_size)
            end, _ = run(choices, {"learning_rate": np.float32(0.05)}, state, rows, rows, np.int32(5), np.int32(9))
            ends.append(end.parameters)
        for other in ends[1:]:
            jax.tree.map(same, ends[0], other)


def test_tables_of_like_size_share_a_program():
    sizes = np.arange(1, 100_000, 7)
    buckets = np.array([bucket(int(n)) for n in sizes])
    assert (buckets >= sizes).all()
    assert (buckets[10:] <= sizes[10:] * 9 / 8).all()
    assert len(np.unique(buckets)) < 8 * 12


def test_a_fold_trains_as_its_rows_alone_do():
    fold = np.arange(0, 100, 3)
    whole = table(X, Y, None)
    ends = []
    for rows in (whole._replace(places=fold), table(X[fold], Y[fold], None)):
        state = start(program(batch_size=8), {"learning_rate": 0.05}, parameters(3, 1), jax.random.PRNGKey(2))
        history = History("R2", 1.0)
        state = train(program(batch_size=8), {"learning_rate": 0.05}, state, rows, rows, epochs=5, history=history)
        ends.append((state.parameters, history.train_loss, history.validation_loss))
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), *ends)


def test_the_same_seed_gives_the_same_bits_however_the_epochs_are_cut():
    whole, history = trained(program(), epochs=30)
    again, _ = trained(program(), epochs=30)
    halves, _ = trained(program(), epochs=10)
    halves = train(
        program(), {"learning_rate": 0.05}, halves, table(X, Y, None), None, epochs=20, history=History("R2", 1.0)
    )
    for other in (again, halves):
        jax.tree.map(np.testing.assert_array_equal, whole.parameters, other.parameters)
    assert len(history) == 30


def test_numbers_are_traced_and_equal_choices_share_one_program():
    trained(program(), epochs=2)
    before = run.plain._cache_size()
    trained(program(), epochs=2, numbers={"learning_rate": 0.01})
    assert run.plain._cache_size() == before


def test_keeps_the_best_epoch_and_stops_without_progress():
    noise = random.normal(size=100).astype(np.float32)  # nothing to learn: the validation loss only rises
    rows, aside = table(X[:60], noise[:60], None), table(X[60:], noise[60:], None)
    choices = program(optimizers.adam, batch_size=16)
    history = History("R2", 1.0)
    state = start(choices, {"learning_rate": 0.05}, parameters(3, 32, 1), jax.random.PRNGKey(0))
    state = train(choices, {"learning_rate": 0.05}, state, rows, aside, epochs=200, patience=7, history=history)
    assert history.ending == "no progress"
    assert history.best_epoch == int(np.argmin(history.validation_loss)) == len(history) - 8
    loss = np.mean((evaluate(lambda x: predictor(NETWORK, HEAD)(state.best, x), X[60:]) - noise[60:]) ** 2)
    assert loss == pytest.approx(min(history.validation_loss), rel=1e-5)


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_finite_parameters():
    state, history = trained(program(), epochs=300, numbers={"learning_rate": 1e6})
    assert history.ending == "not finite"
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state.best))


def test_a_time_limit_ends_the_run():
    _, history = trained(program(), epochs=10**6, time_limit=0.5)
    assert history.ending == "time limit"
    assert history.seconds[-1] < 10


def test_an_interruption_keeps_what_was_learned_and_is_passed_on_before_that():
    def interrupt(history, rows):
        if len(history) >= 3:
            raise KeyboardInterrupt

    _, history = trained(program(), epochs=1000, on_progress=interrupt)
    assert history.ending == "interrupted"
    assert 3 <= len(history) < 1000


def test_weights_count_rows():
    choices = program(optimizers.gd, batch_size=1000)
    twice = np.r_[np.arange(50), np.arange(50)]
    weighted = table(X[:50], Y[:50], None)._replace(weights=np.full(50, 2, np.float32))
    ends = []
    for rows in (table(X[twice], Y[twice], None), weighted):
        state = start(choices, {"learning_rate": 0.1}, parameters(3, 1), jax.random.PRNGKey(0))
        ends.append(train(choices, {"learning_rate": 0.1}, state, rows, None, epochs=20, history=History("R2", 1.0)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), ends[0].parameters, ends[1].parameters)


def test_predictions_of_a_row_do_not_depend_on_the_rows_beside_it():
    model = parameters(3, 256, 256, 1)
    rows = random.normal(size=(5000, 3)).astype(np.float32)

    def answer(X):
        return evaluate(lambda x: predictor(NETWORK, HEAD)(model, x), X)

    whole = answer(rows)
    np.testing.assert_array_equal(answer(rows[::-1])[::-1], whole)
    np.testing.assert_array_equal(np.concatenate([answer(rows[:1]), answer(rows[1:700])]), whole[:700])


@pytest.mark.parametrize("n", [5, 40, 95, 1000])
def test_a_split_uses_every_row_once(n):
    classes = np.arange(n) % 3
    whole = np.arange(n, dtype=np.float32)[:, None]
    rows, aside = split(whole, classes.astype(np.int32), classes, 0.1, np.random.RandomState(0))
    parts = [rows.X] if aside is None else [rows.X, aside.X]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts), axis=0), whole)
    assert (aside is None) == (round(n * 0.1) < 10)


def test_large_validation_parts_are_evaluated_in_blocks_with_the_same_result():
    big = random.normal(size=(9000, 3)).astype(np.float32)
    targets = big.sum(axis=1)
    history = History("R2", 1.0)
    state = start(program(), {"learning_rate": 0.01}, parameters(3, 1), jax.random.PRNGKey(0))
    aside = table(big, targets, None)
    state = train(program(), {"learning_rate": 0.01}, state, table(X, Y, None), aside, epochs=1, history=history)
    outputs = np.asarray(jnp.asarray(big) @ state.best[0]["weights"] + state.best[0]["biases"][None])[:, 0]
    assert history.validation_loss[0] == pytest.approx(np.mean((outputs - targets) ** 2), rel=1e-4)
    assert history.validation_metric[0] == pytest.approx(
        1 - np.mean((outputs - targets) ** 2) / targets.var(), rel=1e-3
    )
