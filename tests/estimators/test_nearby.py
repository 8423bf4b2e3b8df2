"""What rows nearby add to the average of networks: much where rows recur, nothing where they do not."""

import jax
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import trivium
from trivium import NeuralClassifier, NeuralRegressor, nearby
from trivium.export.scoring import encoded_rows, export_scoring

SHORT = {
    "hidden_widths": (16,), "epochs": 8, "learning_rate": 0.02, "bagging": 3, "neighbours": True, "random_state": 0,
    "on_problem": "ignore",
}  # fmt: skip


def recurring(n_kinds: int = 100, times: int = 5) -> tuple[pd.DataFrame, np.ndarray]:
    """Kinds of rows, each several times, with a number of which most is its own and told by nothing else."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=n_kinds), "b": random.normal(size=n_kinds)})
    frame["c"] = pd.Categorical(random.choice(list("uvwxyz"), n_kinds))
    which = random.permutation(np.repeat(np.arange(n_kinds), times))
    own = frame["a"].to_numpy() + 2 * random.normal(size=n_kinds)
    return frame.iloc[which].reset_index(drop=True), own[which]


X, Y = recurring()
TASKS = {
    "numbers": (NeuralRegressor, Y),
    "several": (NeuralRegressor, np.column_stack([Y, np.cos(9 * Y) + X["b"]])),
    "two classes": (NeuralClassifier, np.where(Y > 0, "yes", "no")),
    "classes": (NeuralClassifier, np.digitize(Y, [-1.0, 1.0])),
}


def panel(said):
    """Networks that have seen no row, and say this of each."""
    return [nearby.Panel(said, np.arange(len(said)), np.ones(len(said), bool))]


def says(model, X):
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


@pytest.fixture(scope="module", params=TASKS)
def fitted(request):
    kind, y = TASKS[request.param]
    return kind(embed_above=5, **SHORT).fit(X[:400], y[:400]), y


def loss(model, y):
    if not hasattr(model, "classes_"):
        return np.mean((says(model, X[400:]) - y[400:]) ** 2)
    places = np.searchsorted(model.classes_, y[400:])
    return -np.log(says(model, X[400:])[np.arange(100), places]).mean()


def test_where_rows_recur_the_loss_falls_to_less_than_half(fitted):
    model, y = fitted
    assert model.nearby_ is not None
    with_them, known = loss(model, y), model.nearby_
    model.nearby_ = None
    without = loss(model, y)
    model.nearby_ = known
    assert with_them < 0.5 * without


def test_what_it_says_is_the_same_in_every_form(fitted, tmp_path):
    model, _ = fitted
    said = says(model, X)
    assert np.isfinite(said).all()
    model.save(tmp_path / "model.trivium")
    assert_array_equal(says(trivium.load(tmp_path / "model.trivium"), X), said)
    rows = encoded_rows(model, X)
    assert_allclose(jax.jit(export_scoring(model).call)(rows), said, atol=2e-4)
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(model.to_onnx().SerializeToString())
    assert_allclose(session.run(None, model.onnx_inputs(X))[-1], said, atol=2e-4)
    if hasattr(model, "classes_"):
        assert (said > 0).all()
        assert_allclose(said.sum(axis=1), 1, rtol=1e-6)


def test_rows_kept_aside_decide_where_there_are_no_folds():
    frame, y = recurring(300, 5)
    one = {**SHORT, "bagging": None, "validation_fraction": 0.3}
    model = NeuralRegressor(**one).fit(frame[:1200], y[:1200])
    without = NeuralRegressor(**one | {"neighbours": False}).fit(frame[:1200], y[:1200])
    assert len(model.nearby_.points) == 1200
    assert without.nearby_ is None
    assert model.score(frame[1200:], y[1200:]) > 0.9 > without.score(frame[1200:], y[1200:])
    inside = model.predict_interval(frame[1200:], 0.9)
    assert np.mean((inside[:, 0] <= y[1200:]) & (y[1200:] <= inside[:, 1])) > 0.8
    assert NeuralRegressor(**one | {"validation_fraction": 0.0}).fit(frame, y).nearby_ is None


def test_rows_out_of_fold_do_not_know_themselves():
    kind, y = TASKS["numbers"]
    one = kind(**SHORT).fit(X[:400], y[:400])
    inner = np.corrcoef(one.out_of_fold_, y[:400])[0, 1]
    outer = np.corrcoef(one.predict(X[400:]), y[400:])[0, 1]
    assert inner == pytest.approx(outer, abs=0.08)


def test_the_order_of_the_rows_changes_no_bit():
    order = np.random.default_rng(1).permutation(400)
    kind, y = TASKS["numbers"]
    one, two = (kind(**SHORT).fit(X[:400].iloc[rows], y[:400][rows]) for rows in (np.arange(400), order))
    assert_array_equal(one.predict(X), two.predict(X))
    assert_array_equal(np.sort(one.out_of_fold_), np.sort(two.out_of_fold_))  # equal rows may stand in other folds


@pytest.mark.parametrize("classes", [None, 2])
def test_of_noise_nothing_is_learned_from_neighbours(classes):
    random = np.random.default_rng(0)
    for seed in range(5):
        rows = random.normal(size=(600, 3)).astype(np.float32)
        y = random.normal(size=600) if classes is None else random.integers(0, 2, 600)
        said = np.full(600, y.mean()) + 0.01 * random.normal(size=600)
        assert nearby.find(rows, y, np.ones(600), said, panel(said), classes=classes) is None, seed


def test_what_lies_nearby_is_found_where_predictions_are_too_smooth():
    random = np.random.default_rng(0)
    rows = random.uniform(-2, 2, size=(3000, 2)).astype(np.float32)
    y = np.sin(5 * rows[:, 0]) * np.sin(5 * rows[:, 1])
    found = nearby.find(rows, y, np.ones(3000), np.zeros(3000), panel(np.zeros(3000)), classes=None)
    assert found is not None
    found = found.nearby
    new = random.uniform(-1.8, 1.8, size=(500, 2)).astype(np.float32)
    truth = np.sin(5 * new[:, 0]) * np.sin(5 * new[:, 1])
    assert np.corrcoef(found.added(np.zeros(500), new), truth)[0, 1] > 0.95
    assert_allclose(found.traced(new)[:, 0], found.added(np.zeros(500), new), atol=1e-4)


@pytest.mark.parametrize("n_kinds", [25, 5])
def test_rows_that_recur_often_are_told_apart_by_the_others(n_kinds):
    """Each stands 20 times and more in the table, so that the tenth nearest of most is the row again."""
    frame, y = recurring(n_kinds, 500 // n_kinds)
    rows = frame[["a", "b"]].to_numpy(np.float32)
    found = nearby.find(rows, y, np.ones(500), np.zeros(500), panel(np.zeros(500)), classes=None)
    assert_allclose(found.nearby.added(np.zeros(500), rows), y, rtol=0.02)


def test_rows_without_weight_decide_nothing():
    random = np.random.default_rng(0)
    rows, y, weights = random.normal(size=(300, 3)).astype(np.float32), random.normal(size=300), np.ones(300)
    twice, more = np.concatenate([rows] * 3), np.concatenate([y, y, y + 9])
    weights = np.repeat([1.0, 1.0, 0.0], 300)
    found, left = (
        nearby.find(twice[:n], more[:n], weights[:n], np.zeros(n), panel(np.zeros(n)), classes=None).nearby
        for n in (900, 600)
    )
    assert_allclose(found.added(np.zeros(300), rows), left.added(np.zeros(300), rows), rtol=1e-5)
    numbers = X[["a", "b"]].to_numpy(np.float32)
    known = nearby.find(numbers, Y, np.zeros(500), np.zeros(500), panel(np.zeros(500)), classes=None)
    assert known is None


def test_losses_and_labels_that_it_does_not_suit_go_without():
    assert NeuralRegressor(loss="mae", **SHORT).fit(X, Y).nearby_ is None
    labels = np.column_stack([Y > 0, Y > 1]).astype(int)
    assert NeuralClassifier(**SHORT).fit(X, labels).nearby_ is None
    assert NeuralRegressor(clamp=True, **SHORT).fit(X, Y).nearby_ is None


def test_one_more_epoch_forgets_it():
    model = NeuralRegressor(**SHORT).fit(X, Y)
    assert model.nearby_ is not None
    assert model.partial_fit(X, Y).nearby_ is None


def test_wrong_choices_are_told_before_training():
    with pytest.raises(ValueError, match="neighbours must be True or False, got 'much'"):
        NeuralRegressor((8,), bagging=3, neighbours="much").fit(X, Y)
    assert NeuralRegressor(preset="default")._given["neighbours"] is True
    assert NeuralRegressor(preset="default", neighbours=False)._given["neighbours"] is False
    assert NeuralRegressor((8,), bagging=3)._given["neighbours"] is False
