"""The presets for tables: what they are, what the user chose beside them, and rows too few for their folds."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from trivium import NeuralClassifier, NeuralRegressor, load

X, Y = load_diabetes(return_X_y=True)
SHORT = {"hidden_widths": (16,), "epochs": 4, "random_state": 0, "on_problem": "ignore"}


def test_the_default_averages_a_network_per_fold_and_is_kept_by_its_file(tmp_path):
    model = NeuralRegressor(preset="default", **SHORT).fit(X, Y)
    assert len(model.models_) == 8
    assert model.choices_["embedding"] == "joined"
    assert model.choices_["activation"] == "silu"
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(X), model.predict(X))
    model._rows_ = 10_000
    assert model._given["bagging"] == {"folds": 16, "networks": 4}
    fast = NeuralRegressor(preset="fast", **SHORT).fit(X, Y)
    assert len(fast.models_) == 4  # of few rows
    fast._rows_ = 4_000
    assert fast._given["bagging"] == {"folds": 8, "networks": 2}
    assert fast.set_params(bagging=3)._given["bagging"] == 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("preset", "rows", "rare", "networks"),
    [("default", 10_000, 512, 4), ("default", 10_000, 500, 8), ("fast", 4_000, 256, 2), ("fast", 4_000, 200, 4)],
)
def test_every_fold_has_rows_of_the_rarest_class_or_more_networks_average(preset, rows, rare, networks):
    random = np.random.default_rng(0)
    y = np.where(np.arange(rows) < rare, "rare", "usual")
    choices = {"hidden_widths": (4,), "embedding": None, "neighbours": False, "epochs": 1, "on_problem": "ignore"}
    model = NeuralClassifier(preset=preset, **choices).fit(random.normal(size=(rows, 2)), y)
    assert len(model.models_) == networks
    assert len(model.set_params(bagging=3).fit(random.normal(size=(rows, 2)), y).models_) == 3


@pytest.mark.parametrize("preset", ["fast", "default", "best"])
def test_rates_fall_and_classes_of_many_rows_end_without_progress(preset):
    for model, patience in ((NeuralRegressor(preset=preset), None), (NeuralClassifier(preset=preset), 8)):
        assert model._given["schedule"] == "cosine"
        assert model._given["patience"] is None
        model._rows_ = 4_000
        assert model._given["patience"] == patience
        assert model.set_params(patience=5)._given["patience"] == 5
        assert model.set_params(epochs=7)._given["epochs"] == 7


def test_networks_for_some_of_the_folds_leave_the_other_rows_without_a_prediction(tmp_path):
    choices = SHORT | {"learning_rate": 0.02}
    model = NeuralRegressor(bagging={"folds": 5, "networks": 2}, **choices).fit(X, Y)
    assert len(model.models_) == 2
    assert np.isfinite(model.out_of_fold_).mean() == pytest.approx(0.4, abs=0.01)
    whole = NeuralRegressor(bagging=5, **choices).fit(X, Y)
    known = np.isfinite(model.out_of_fold_)
    np.testing.assert_allclose(model.out_of_fold_[known], whole.out_of_fold_[known], rtol=1e-5)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.get_params()["bagging"] == {"folds": 5, "networks": 2}


@pytest.mark.parametrize(
    "bagging",
    [{"folds": 5}, {"networks": 2}, {"folds": 1, "networks": 1}, {"folds": 4, "networks": 5}, {"folds": 4, "nets": 2},
     {"folds": 4.5, "networks": 2}, {"folds": 4, "networks": True}, {}],
)  # fmt: skip
def test_folds_and_networks_that_do_not_fit_are_told(bagging):
    with pytest.raises(ValueError, match=r"bagging must be a number of folds, or one of 2 or more .* Try 5, or"):
        NeuralRegressor(bagging=bagging, **SHORT).fit(X, Y)


def test_rows_nearby_are_asked_where_some_folds_have_networks():
    random = np.random.default_rng(0)
    rows = np.repeat(random.normal(size=(400, 3)), 3, axis=0)
    told = np.repeat(random.normal(size=400), 3)  # by nothing but the row itself
    choices = {"hidden_widths": (16,), "epochs": 8, "random_state": 0, "on_problem": "ignore", "neighbours": True}
    model = NeuralRegressor(bagging={"folds": 4, "networks": 2}, **choices).fit(rows, told)
    assert model.nearby_ is not None
    known = np.isfinite(model.out_of_fold_)
    assert known.mean() == pytest.approx(0.5, abs=0.01)
    assert np.corrcoef(model.out_of_fold_[known], told[known])[0, 1] > 0.5


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_few_rows_make_few_folds_and_rows_kept_aside_make_none():
    assert len(NeuralRegressor(preset="default", **SHORT).fit(X[:9], Y[:9]).models_) == 4
    assert len(NeuralRegressor(preset="default", **SHORT).fit(X[:3], Y[:3]).models_) == 1
    aside = NeuralRegressor(preset="default", **SHORT).fit(X[:200], Y[:200], validation_data=(X[200:], Y[200:]))
    assert len(aside.models_) == 1
    assert len(aside.history_.validation_loss) == len(aside.history_)
    with pytest.raises(ValueError, match="bagging must leave two rows per fold or more"):
        NeuralRegressor(preset="default", bagging=7, **SHORT).fit(X[:9], Y[:9])


@pytest.mark.parametrize(("table", "share"), [(load_iris, 0.8), (load_wine, 0.9)])
def test_the_default_is_better_than_one_plain_network(table, share):
    X, y = table(return_X_y=True)
    first, last, told, kept = train_test_split(X, y, random_state=0, test_size=0.5)
    models = [NeuralClassifier(preset=preset, random_state=0, on_problem="ignore") for preset in ("plain", None)]
    plain, default = (log_loss(kept, model.fit(first, told).predict_proba(last)) for model in models)
    assert default < share * plain


def test_nothing_chosen_is_the_default_and_any_choice_makes_the_rest_plain():
    beside = {"random_state": 0, "verbose": False, "time_limit": 60, "class_weight": "balanced", "loss": "focal"}
    assert NeuralClassifier(**beside)._given["bagging"] == 8
    assert NeuralClassifier(**beside)._given["activation"] == "silu"
    plain = {"hidden_widths": (256, 256), "activation": "relu", "embedding": None, "dropout": 0.0, "bagging": None}
    plain |= {"scaling": "standard", "schedule": None, "patience": 16}
    choices = [{name: value} for name, value in plain.items()]
    choices += [{"preset": "plain"}, {"optimizer": "sgd"}, {"epochs": 5}, {"loss": "auto"}, {"warm_start": True}]
    for choice in choices:
        given = NeuralClassifier(**choice)._given
        assert {name: given[name] for name in plain} == plain, choice


@pytest.mark.parametrize(
    "choice",
    [{"activation": "relu"}, {"dropout": 0.0}, {"embedding": None}, {"bagging": None}, {"epochs": 100},
     {"patience": 16}, {"schedule": None}, {"scaling": "standard"}, {"embed_above": None}],
)  # fmt: skip
def test_what_is_chosen_stays_though_it_is_what_a_plain_network_has(choice):
    given = clone(NeuralClassifier(preset="default", **choice))._given
    assert given | choice == given
    assert given["hidden_widths"] == (128, 128, 128)


def test_an_estimator_with_nothing_chosen_fits_saves_and_goes_on(tmp_path):
    X, y = load_iris(return_X_y=True)
    model = NeuralClassifier(random_state=0).fit(X, y)
    assert len(model.models_) == 8
    assert model.diagnosis_.first is None
    assert model.out_of_fold_.shape == (150, 3)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.get_params()["activation"] == "default"
    assert again.partial_fit(X, y).score(X, y) > 0.8


@pytest.mark.parametrize("preset", ["fast", "default", "best"])
def test_many_rows_make_finer_bins_and_longer_steps(preset, tmp_path):
    few, many = NeuralRegressor(preset=preset), NeuralRegressor(preset=preset)
    many._rows_ = 10_000
    assert few._given["embedding"] == "joined"
    assert many._given["embedding"] == {"name": "joined", "bins": 64}
    usual = many._given["learning_rate"]
    assert many.set_params(embedding="pbld", patience=5)._given["embedding"] == "pbld"
    assert many._given["patience"] == 5
    sizes, epochs = [], []
    for rows in (199_999, 200_000, 1_000_000):
        many._rows_ = rows
        given = many._given
        sizes.append(given["batch_size"] or 256)
        epochs.append(given["epochs"])
        assert (given["learning_rate"] / usual) ** 2 == pytest.approx(sizes[-1] / 256, rel=0.03)
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 2
    assert epochs == sorted(epochs, reverse=True)
    plain = NeuralRegressor(preset="realmlp")
    given = plain._given
    plain._rows_ = 10**6
    assert plain._given == given


def test_a_recipe_for_many_rows_goes_on_from_its_file(tmp_path):
    random = np.random.default_rng(0)
    X = random.normal(size=(8_000, 2))
    model = NeuralRegressor(preset="fast", **SHORT | {"epochs": 1}).fit(X, X[:, 0])
    assert model.parameters_[0]["bin_edges"].shape == (2, 65)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    again.partial_fit(X[:100], X[:100, 0])
    assert again.parameters_[0]["bin_edges"].shape == (2, 65)
    model.set_params(warm_start=True).fit(X[:400], X[:400, 0])
    assert model.parameters_[0]["bin_edges"].shape == (2, 65)
