"""The tools of scikit-learn that people put around an estimator, each with one of ours inside."""

import copy

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.ensemble import StackingRegressor, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # makes the next import possible
from sklearn.feature_selection import SelectFromModel, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import Ridge
from sklearn.metrics import get_scorer, make_scorer, mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.multioutput import ClassifierChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import estimator_html_repr

from trivium import NeuralClassifier, NeuralRegressor

SMALL = {"hidden_widths": (8,), "epochs": 15, "learning_rate": 0.02, "random_state": 0, "on_problem": "ignore"}
X, Y = load_breast_cancer(return_X_y=True)
X_NUMBERS, NUMBERS = load_diabetes(return_X_y=True, as_frame=True)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def test_searches_find_the_better_choice_and_refit_it():
    grid = GridSearchCV(NeuralClassifier(**SMALL), {"learning_rate": [1e-5, 0.02], "activation": ["relu"]}, cv=3)
    assert grid.fit(X, Y).best_params_["learning_rate"] == 0.02
    assert grid.best_estimator_.score(X, Y) > 0.95


def test_halving_gives_the_better_half_more_epochs():
    halving = HalvingGridSearchCV(
        NeuralClassifier(**SMALL), {"learning_rate": [1e-6, 1e-5, 0.02, 0.05]}, resource="epochs",
        min_resources=4, max_resources=16, factor=2, cv=3,
    ).fit(X, Y)  # fmt: skip
    assert halving.best_params_["learning_rate"] >= 0.02
    assert halving.n_iterations_ == 3
    assert halving.best_estimator_.epochs == 16


def test_predictions_by_folds_and_in_parallel_processes():
    one, two = (
        cross_val_predict(NeuralClassifier(**SMALL), X, Y, cv=3, n_jobs=n_jobs, method="predict_proba")
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert (one.argmax(axis=1) == Y).mean() > 0.95
    found = cross_validate(
        NeuralRegressor(**SMALL), X_NUMBERS, NUMBERS, cv=3, scoring=["r2", "neg_mean_absolute_error"]
    )
    assert found["test_r2"].mean() > 0.2
    sizes, first, last = learning_curve(NeuralClassifier(**SMALL), X, Y, cv=3, train_sizes=[0.3, 1.0])
    assert len(sizes) == len(first) == len(last) == 2


def test_what_wraps_a_classifier():
    calibrated = CalibratedClassifierCV(NeuralClassifier(**SMALL), cv=3).fit(X, Y)
    assert get_scorer("neg_log_loss")(calibrated, X, Y) > -0.15
    pair = VotingClassifier(
        [("relu", NeuralClassifier(**SMALL)), ("tanh", NeuralClassifier(**SMALL, activation="tanh"))], voting="soft"
    )
    assert pair.fit(X, Y).score(X, Y) > 0.95
    labels = np.column_stack([Y, X[:, 0] > 14])
    chain = ClassifierChain(NeuralClassifier(**SMALL), random_state=0).fit(X, labels)
    assert (chain.predict(X) == labels).mean() > 0.9


def test_what_wraps_a_regressor():
    logged = TransformedTargetRegressor(NeuralRegressor(**SMALL), func=np.log, inverse_func=np.exp)
    assert logged.fit(X_NUMBERS, NUMBERS).score(X_NUMBERS, NUMBERS) > 0.35
    stacked = StackingRegressor([("ours", NeuralRegressor(**SMALL)), ("ridge", Ridge())], cv=3)
    assert stacked.fit(X_NUMBERS, NUMBERS).score(X_NUMBERS, NUMBERS) > 0.45


def test_importances_and_dependences_name_the_columns_that_tell():
    model = NeuralRegressor(**SMALL).fit(X_NUMBERS, NUMBERS)
    found = permutation_importance(model, X_NUMBERS, NUMBERS, n_repeats=3, random_state=0)
    assert {"bmi", "s5"} & set(X_NUMBERS.columns[np.argsort(found.importances_mean)[-2:]])
    line = partial_dependence(model, X_NUMBERS, ["bmi"], grid_resolution=5)["average"][0]
    assert line[-1] > line[0]
    chosen = SelectFromModel(
        NeuralRegressor(**SMALL), max_features=3, threshold=-np.inf,
        importance_getter=lambda fitted: permutation_importance(fitted, X_NUMBERS, NUMBERS).importances_mean,
    )  # fmt: skip
    assert chosen.fit_transform(X_NUMBERS, NUMBERS).shape == (442, 3)
    forward = SequentialFeatureSelector(NeuralRegressor(**SMALL | {"epochs": 4}), n_features_to_select=1, cv=2)
    assert forward.fit(X_NUMBERS[["bmi", "sex"]], NUMBERS).get_feature_names_out().tolist() == ["bmi"]


def test_a_column_transformer_before_it_may_put_out_frames():
    table = X_NUMBERS.assign(place=pd.Categorical(np.where(NUMBERS > 150, "north", "south")))
    columns = ColumnTransformer([
        ("numbers", StandardScaler(), ["bmi", "s5"]), ("kinds", OneHotEncoder(sparse_output=False), ["place"]),
    ])  # fmt: skip
    whole = make_pipeline(columns, NeuralRegressor(**SMALL)).set_output(transform="pandas").fit(table, NUMBERS)
    assert whole[-1].feature_names_in_.tolist() == [
        "numbers__bmi",
        "numbers__s5",
        "kinds__place_north",
        "kinds__place_south",
    ]
    assert whole.score(table, NUMBERS) > 0.6


def test_weights_are_routed_through_searches_and_pipelines(routing):
    counted = np.where(Y == 1, 0.0, 1.0) + 1e-3
    asked = NeuralClassifier(**SMALL).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    grid = GridSearchCV(asked, {"learning_rate": [0.02]}, cv=3).fit(X, Y, sample_weight=counted)
    assert grid.predict(X).mean() < 0.5  # the rows of the second class, 63 %, hardly count
    whole = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), asked).fit(X, Y, sample_weight=counted)
    assert whole.predict(X).mean() < 0.5
    with pytest.raises(ValueError, match="sample_weight"):
        cross_validate(NeuralClassifier(**SMALL), X, Y, params={"sample_weight": counted}, cv=3)
    blind = NeuralClassifier(**SMALL).set_fit_request(sample_weight=False).set_score_request(sample_weight=True)
    assert cross_validate(blind, X, Y, params={"sample_weight": counted}, cv=3)["test_score"].mean() > 0.8


def test_own_validation_rows_are_routed(routing):
    rows = (X_NUMBERS[:50], NUMBERS[:50])
    asked = NeuralRegressor(**SMALL).set_fit_request(validation_data=True)
    whole = make_pipeline(asked).fit(X_NUMBERS[50:], NUMBERS[50:], validation_data=rows)
    assert len(whole[-1].history_.validation_loss) == len(whole[-1].history_)


def test_it_shows_itself_and_copies_of_it_are_on_their_own():
    model = NeuralRegressor(**SMALL).fit(X_NUMBERS, NUMBERS)
    assert "NeuralRegressor" in estimator_html_repr(model)
    assert "fitted" in model._repr_html_()
    assert repr(NeuralRegressor()) == "NeuralRegressor()"
    twin = copy.deepcopy(model)
    twin.fit(X_NUMBERS[:50], NUMBERS[:50])
    error = make_scorer(mean_squared_error)
    assert error(model, X_NUMBERS, NUMBERS) < error(twin, X_NUMBERS, NUMBERS)
