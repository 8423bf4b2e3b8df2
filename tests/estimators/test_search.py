"""What is left open is searched: by whom, over what, and how the answer is chosen."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from trivium import NeuralClassifier, NeuralRegressor, candidates, ensembles, load

X, Y = load_diabetes(return_X_y=True)
IRIS, SPECIES = load_iris(return_X_y=True)
SMALL = {"epochs": 12, "batch_size": 64, "random_state": 0, "on_problem": "ignore"}


def plan(task="regression", **given):
    estimator = NeuralRegressor if task == "regression" else NeuralClassifier
    return candidates.plan(estimator(**given, preset="plain")._given, task, np.random.RandomState(0))


def test_nothing_open_is_one_network_as_it_was_asked_for():
    found = plan(dropout=0.1)
    assert len(found.candidates) == 1
    assert not found.races
    assert found.candidates[0].choices.numbers["dropout"] == pytest.approx(0.1)


def test_a_population_of_nothing_open_differs_in_its_seeds_alone():
    found = plan(population=5)
    assert [candidate.seed for candidate in found.candidates] == list(range(5))
    assert len({candidate.choices for candidate in found.candidates}) == 1
    assert not found.races


@pytest.mark.parametrize("task", candidates.OPEN)
def test_whatever_can_be_left_open_is_drawn_from_candidates_that_work(task):
    """Every candidate of every parameter resolves, beside the others' first ones."""
    for name, values in candidates.OPEN[task].items():
        found = plan(task, **{name: "auto"}, population=len(values) * candidates.PER_PROGRAM)
        assert found.open == (name,)
        assert {repr(candidate.given[name]) for candidate in found.candidates} <= {repr(value) for value in values}
        assert found.candidates[0].given[name] == values[0]


def test_static_choices_all_come_before_one_comes_twice():
    found = plan(activation="auto", population=3 * len(candidates.OPEN["regression"]["activation"]))
    assert {candidate.given["activation"] for candidate in found.candidates} == set(
        candidates.OPEN["regression"]["activation"]
    )


def test_learning_rates_are_spread_over_their_decades():
    found = plan(activation="auto", learning_rate="auto", population=40)
    rates = np.log10([candidate.choices.numbers["learning_rate"] / 1e-3 for candidate in found.candidates])
    low, high = candidates.DECADES
    counts, _ = np.histogram(rates, np.linspace(low, high, 6))
    assert (counts >= 5).all()


def test_none_leaves_an_activation_and_an_optimizer_open():
    assert plan(activation=None, optimizer=None, population=4).open == ("activation", "optimizer")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"population": 0}, "population must be a whole number of at least 1"),
        ({"ensemble": 1.5}, "ensemble must be a whole number"),
        ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"schedule": "step"}, "schedule must be one that knows the length of a run"),
        ({"normalisation": "group"}, "normalisation must be 'batch', 'layer' or None"),
        ({"on_problem": "ask"}, "on_problem must be 'warn', 'fix', 'ignore' or 'raise'"),
        ({"bagging": 1}, "bagging must be a whole number of at least 2"),
        ({"activation": "auto", "validation_fraction": 0}, "validation_fraction must keep at least 10 rows aside"),
    ],
)
def test_a_wrong_choice_is_told_before_anything_trains(given, message):
    with pytest.raises(ValueError, match=message):
        NeuralRegressor((8,), **SMALL | given).fit(X, Y)


def test_a_search_tells_what_was_tried_and_keeps_the_best(tmp_path):
    model = NeuralRegressor("auto", activation="auto", learning_rate="auto", population=8, **SMALL).fit(X, Y)
    table = model.search_
    assert len(table) == 8
    assert {"hidden_widths", "activation", "learning_rate", "validation_loss", "score", "weight"} <= set(table.columns)
    winner = table[table.weight == 1]
    assert winner.validation_loss.iloc[0] == table.validation_loss.min()
    assert model.choices_["activation"] == winner.activation.iloc[0]
    assert model.choices_["learning_rate"] == pytest.approx(winner.learning_rate.iloc[0])
    model.save(tmp_path / "searched")
    again = load(tmp_path / "searched")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.search_.equals(table)
    model.partial_fit(X, Y)  # goes on with the choices that won
    assert model.choices_["activation"] == winner.activation.iloc[0]


def test_losses_are_compared_by_one_yardstick():
    model = NeuralRegressor((8,), loss="auto", population=10, **SMALL).fit(X, Y)
    table = model.search_
    assert table.loss.nunique() > 1
    assert table.score.min() == table[table.weight == 1].score.iloc[0]
    said = model.predict(X)
    assert 0.5 * Y.var() < table.score.min() < 3 * Y.var()
    assert np.isfinite(said).all()


def test_an_ensemble_is_no_worse_on_the_rows_that_chose_it_than_its_best_member(tmp_path):
    model = NeuralClassifier((8,), population=6, ensemble=8, learning_rate=0.01, **SMALL).fit(IRIS, SPECIES)
    weights = model.search_.weight
    assert weights.sum() == pytest.approx(1)
    assert (weights * 8 % 1 < 1e-9).all() or (weights > 0).sum() >= 1
    assert len(model.models_) == (weights > 0).sum()
    model.save(tmp_path / "several")
    np.testing.assert_array_equal(load(tmp_path / "several").predict_proba(IRIS), model.predict_proba(IRIS))


def test_greedy_selection_is_no_worse_than_the_best_and_finds_a_pair_that_complements_itself():
    random = np.random.default_rng(0)
    y = random.normal(size=500)
    noise = random.normal(size=500)
    predictions = [y + noise, y - noise, y + 0.8 * random.normal(size=500), np.full(500, np.nan)]
    score = ensembles.squared_error(y, np.ones(500))
    weights, scores = ensembles.greedy(predictions, score, 10)
    assert weights[3] == 0
    assert weights[0] > 0
    assert weights[1] > 0
    assert min(scores) < min(score(one) for one in predictions[:3])
    assert score(sum(w * p for w, p in zip(weights[:3], predictions[:3], strict=True))) == pytest.approx(min(scores))
    with pytest.raises(ValueError, match="finite for at least one member"):
        ensembles.greedy([np.full(3, np.nan)], score, 2)


def test_the_scores_are_those_of_scikit_learn():
    from sklearn.metrics import log_loss, mean_squared_error, zero_one_loss

    random = np.random.default_rng(0)
    shares = random.dirichlet([1, 1, 1], 60)
    classes, weights = random.integers(0, 3, 60), random.uniform(0.5, 2, 60)
    one = ensembles.log_loss(classes, weights)(shares)
    assert one == pytest.approx(log_loss(classes, shares, sample_weight=weights), rel=1e-6)
    wrong = ensembles.error_rate(classes, weights)(shares)
    assert wrong == pytest.approx(zero_one_loss(classes, shares.argmax(1), sample_weight=weights))
    two = ensembles.log_loss(classes % 2, weights)(shares[:, 0])
    assert two == pytest.approx(log_loss(classes % 2, shares[:, 0], sample_weight=weights), rel=1e-6)
    error = ensembles.squared_error(shares, weights)(shares[::-1])
    assert error == pytest.approx(mean_squared_error(shares, shares[::-1], sample_weight=weights))


def test_what_nobody_searched_for_is_trained_to_its_end():
    """So a search is no worse than the defaults on the rows that choose."""
    options = SMALL | {"epochs": 40, "patience": None}
    alone = NeuralRegressor((8,), **options).fit(X, Y)
    searched = NeuralRegressor((8,), activation="auto", learning_rate="auto", population=10, **options).fit(X, Y)
    table = searched.search_
    assert table.epochs[0] == 40
    assert (table.ending == "overtaken").any()
    assert table.validation_loss[0] == min(alone.history_.validation_loss)
    assert table.validation_loss.min() <= table.validation_loss[0]


def test_a_warm_start_goes_on_with_what_was_found():
    model = NeuralRegressor("auto", activation="auto", population=6, warm_start=True, **SMALL).fit(X, Y)
    found, losses = model.choices_, model.history_.train_loss
    model.fit(X, Y)
    assert model.choices_["hidden_widths"] == found["hidden_widths"]
    assert model.choices_["activation"] == found["activation"]
    assert model.history_.train_loss[0] < losses[0]
