"""Every loss of the catalog trains an estimator, or is refused with a reason, before anything is trained."""

from functools import partial

import numpy as np
import pytest
from sklearn.datasets import load_iris

from trivium import NeuralClassifier, NeuralRegressor, heads, losses
from trivium.catalog import members
from trivium.heads.meaning import moved

random = np.random.default_rng(0)
X = random.normal(size=(240, 3)).astype(np.float32)
numbers = np.exp(X[:, 0] / 2) + 0.1
classes = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 0] + X[:, 1] > 1)
every_loss = pytest.mark.parametrize("name", members(losses))
FITTING = {
    "hidden_widths": (16,),
    "epochs": 40,
    "batch_size": 32,
    "learning_rate": 0.02,
    "optimizer": "adam",
    "random_state": 0,
}


@every_loss
def test_a_loss_trains_or_is_refused_with_a_reason(name):
    trained = 0
    for estimator, targets in (
        (NeuralRegressor, numbers),
        (NeuralClassifier, (classes > 0).astype(int)),
        (NeuralClassifier, classes),
    ):
        model = estimator(loss=name, **FITTING)
        try:
            model.fit(X, targets)
        except ValueError as error:
            assert "loss must be one for" in str(error)
            assert f"got {name!r}" in str(error).replace(members(losses)[name].__name__, name)
            assert not hasattr(model, "parameters_")
            continue
        trained += 1
        assert model.predict(X).shape == (240,)
        if estimator is NeuralClassifier:
            assert model.score(X, targets) > 0.85
        else:
            assert np.corrcoef(model.predict(X), targets)[0, 1] > 0.7
        assert model.history_.learned
    assert trained or heads.link_in_words(members(losses)[name])
    elsewhere = members(losses)[name].__module__.rpartition(".")[2] in ("ranking", "pairs", "survival", "sequences")
    assert bool(trained) != (elsewhere or name == "cosine")


@every_loss
def test_a_loss_says_what_turns_outputs_into_predictions(name):
    assert heads.link_in_words(members(losses)[name])


def test_targets_outside_the_domain_are_named_before_training():
    for loss, wrong in (("poisson", -1.0), ("gamma", 0.0), ("msle", -1.5)):
        with pytest.raises(ValueError, match=rf"y must be .*, got {wrong} in row 7\. "):
            NeuralRegressor(loss=loss).fit(X, np.where(np.arange(240) == 7, wrong, numbers))


def test_a_hinge_has_no_probabilities_and_says_so():
    model = NeuralClassifier(loss="hinge", **FITTING).fit(X, classes > 0)
    with pytest.raises(ValueError, match="loss must be one that knows probabilities for predict_proba, got 'hinge'"):
        model.predict_proba(X)


def test_targets_are_scaled_only_where_the_loss_keeps_its_meaning():
    def moves(name):
        loss = members(losses)[name]
        return heads.moves_with(loss, heads.regressor_head(loss, None))

    for name in ("squared_error", "huber", "quantile", "quantiles", "gaussian_nll", "gaussian_crps", "log_cosh"):
        assert moves(name) == (True, True), name
    for name in ("mape", "smape"):
        assert moves(name) == (False, True), name
    for name in ("msle", "poisson", "gamma", "negative_binomial"):
        assert moves(name) == (False, False), name


def test_a_mean_far_from_zero_is_learned_by_every_loss_that_takes_it():
    far = 1e5 + 1e3 * numbers
    for loss in ("mse", "quantiles", "gaussian_nll", "student_t_nll"):
        model = NeuralRegressor(loss=loss, **FITTING).fit(X, far)
        assert np.abs(model.predict(X) - far).mean() < 0.02 * far.mean(), loss


def test_a_loss_with_its_numbers_set_is_a_loss_too():
    upper = NeuralRegressor(loss=partial(losses.quantile, level=0.9), **FITTING).fit(X, numbers)
    lower = NeuralRegressor(loss=partial(losses.quantile, level=0.1), **FITTING).fit(X, numbers)
    assert (upper.predict(X) >= numbers).mean() > 0.75
    assert (lower.predict(X) >= numbers).mean() < 0.25


def test_ordered_classes_get_probabilities_that_add_up():
    X, y = load_iris(return_X_y=True)
    for loss in ("cumulative_logit", "corn"):
        shares = NeuralClassifier(loss=loss, **FITTING).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
        assert (shares > -1e-7).all()


def test_the_best_constant_is_found_by_search_where_no_formula_gives_it():
    y = random.integers(0, 3, 400).astype(np.int32)
    for name in ("sparsemax_loss", "cumulative_logit", "brier"):
        loss = members(losses)[name]
        head = heads.classifier_head(loss, 3, None)
        baseline = heads.baseline_loss(head, loss, y)
        shares = np.bincount(y) / 400
        expected = {"cumulative_logit": -(shares * np.log(shares)).sum(), "brier": 1 - (shares**2).sum()}.get(name)
        assert expected is None or baseline == pytest.approx(expected, rel=1e-3)
        assert baseline > 0.1


@pytest.mark.parametrize(
    "name", ["cross_entropy", "brier", "cumulative_logit", "squared_error", "absolute_error", "poisson", "gaussian_nll"]
)
def test_a_row_of_weight_three_counts_in_the_best_constant_as_three_rows(name):
    loss, classes = members(losses)[name], name in ("cross_entropy", "brier", "cumulative_logit")
    head = heads.classifier_head(loss, 3, None) if classes else heads.regressor_head(loss, None)
    y = random.integers(0, 3, 60).astype(np.int32) if classes else random.integers(0, 9, 60).astype(np.float32)
    weights = np.where(y == y.max(), 3, 1)
    repeated = heads.baseline_loss(head, loss, np.repeat(y, weights))
    assert heads.baseline_loss(head, loss, y, weights) == pytest.approx(repeated, rel=1e-4)
    assert repeated != pytest.approx(heads.baseline_loss(head, loss, y), rel=1e-3)


def test_what_is_known_of_the_squared_error_is_what_trying_finds():
    head = heads.regressor_head(losses.squared_error, None)
    assert heads.moves_with(losses.squared_error, head) == moved(losses.squared_error, head)
