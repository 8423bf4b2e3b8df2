"""The estimators: scikit-learn's checks, and what they promise beyond them."""

import copy
import pickle

import narwhals as nw
import numpy as np
import optax
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import trivium
from trivium import NeuralClassifier, NeuralRegressor, activations, losses
from trivium.optimizers import adamw

SMALL = {"hidden_widths": (16,), "epochs": 60, "learning_rate": 1e-2, "random_state": 0}
XOR_X, XOR_Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


@pytest.mark.filterwarnings("ignore")  # the checks train on noise, which is told
@parametrize_with_checks([NeuralClassifier(**SMALL), NeuralRegressor(**SMALL)])
def test_obeys_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def table():
    """A frame of every kind of column, with gaps, and targets that depend on them."""
    random = np.random.default_rng(0)
    size, colour = random.normal(size=300), random.choice(["red", "green", "blue"], 300)
    flag = random.random(300) < 0.5
    number = 3 * size + np.where(colour == "red", 2.0, 0.0) + flag
    size[::17] = np.nan
    frame = pd.DataFrame({"size": size, "colour": colour, "flag": flag, "same": 1.0})
    frame.loc[5, "colour"] = None
    return frame, number, np.where(number > 1, "high", "low")


def test_learns_real_tables_well():
    X, y = load_breast_cancer(return_X_y=True)
    assert cross_val_score(NeuralClassifier((32,), epochs=40, random_state=0), X, y, cv=3).mean() > 0.94
    X, y = load_diabetes(return_X_y=True)
    linear = NeuralRegressor((), learning_rate=0.01, epochs=200, random_state=1)
    assert cross_val_score(linear, X, y, cv=3).mean() > 0.4


def test_without_hidden_layer_it_is_a_linear_regression():
    random = np.random.default_rng(1)
    X = random.normal(size=(200, 3))
    y = X @ [1.0, -2.0, 3.0] + 4
    model = NeuralRegressor((), optimizer="gd", learning_rate=0.2, epochs=200, validation_fraction=0).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-4)
    outside = np.array([[1e4, 0, 0]])
    assert model.predict(outside) == pytest.approx(1e4 + 4, rel=1e-4)  # no clipping, no saturation


def test_a_linear_model_says_that_it_cannot_learn_xor_and_a_hidden_layer_learns_it():
    options = {"optimizer": "gd", "learning_rate": 0.5, "epochs": 1000, "validation_fraction": 0, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="learned nothing.*0.6931.*linear.*XOR.*hidden_widths"):
        linear = NeuralClassifier((), **options).fit(XOR_X, XOR_Y)
    assert linear.history_.train_loss[-1] == pytest.approx(np.log(2), abs=1e-6)
    assert NeuralClassifier((8,), activation="tanh", **options).fit(XOR_X, XOR_Y).score(XOR_X, XOR_Y) == 1


def test_a_relu_regression_that_starts_at_zero_is_dead():
    options = {"output_activation": "relu", "optimizer": "gd", "epochs": 20, "validation_fraction": 0}
    with pytest.warns(ConvergenceWarning, match="learned nothing"):
        dead = NeuralRegressor((), initializer="zeros", **options).fit(XOR_X, XOR_Y)
    assert not any(layer["weights"].any() for layer in dead.parameters_)
    assert set(dead.history_.train_loss) == {0.5}


@pytest.mark.parametrize(
    "wrap", [pl.from_pandas, pa.Table.from_pandas, nw.from_native, lambda f: pl.from_pandas(f).lazy()]
)
def test_every_library_s_frames_give_the_same_model(table, wrap):
    frame, _, classes = table
    ours = NeuralClassifier(**SMALL).fit(frame, classes)
    theirs = NeuralClassifier(**SMALL).fit(wrap(frame), classes)
    np.testing.assert_array_equal(ours.predict_proba(frame), theirs.predict_proba(wrap(frame)))
    assert list(ours.feature_names_in_) == ["size", "colour", "flag", "same"]
    assert [entry.name for entry in ours.schema_.dropped] == ["same"]


def test_targets_of_every_kind(table):
    frame, _, classes = table
    reference = NeuralClassifier(**SMALL).fit(frame, classes)
    for y in (classes.tolist(), pd.Series(classes), pl.Series(classes), pa.array(classes), pd.Categorical(classes)):
        model = NeuralClassifier(**SMALL).fit(frame, y)
        np.testing.assert_array_equal(model.predict(frame), reference.predict(frame))
    booleans = NeuralClassifier(**SMALL).fit(frame, classes == "high")
    assert booleans.predict(frame).dtype == bool


def test_the_seed_decides_every_bit(table):
    frame, number, _ = table
    first, second, other = (NeuralRegressor(**SMALL | {"random_state": seed}).fit(frame, number) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.predict(frame), second.predict(frame))
    assert not np.array_equal(first.predict(frame), other.predict(frame))


def test_copies_and_pickles_predict_the_same_bits(table):
    frame, _, classes = table
    model = NeuralClassifier(**SMALL).fit(frame, classes)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict_proba(frame), model.predict_proba(frame))
    assert not hasattr(clone(model), "parameters_")


def test_parameters_set_after_the_fit_do_not_change_predictions(table):
    frame, _, classes = table
    model = NeuralClassifier(**SMALL).fit(frame, classes)
    before = model.predict_proba(frame)
    model.set_params(activation="tanh", loss="mse")
    np.testing.assert_array_equal(model.predict_proba(frame), before)


def test_names_functions_and_optax_transformations_are_one_choice(table):
    frame, number, _ = table
    named = NeuralRegressor(**SMALL, activation="Re-LU", loss="mean_squared_error", optimizer="AdamW").fit(
        frame, number
    )
    functions = NeuralRegressor(**SMALL, activation=activations.relu, loss=losses.squared_error, optimizer=adamw).fit(
        frame, number
    )
    np.testing.assert_array_equal(named.predict(frame), functions.predict(frame))
    options = SMALL | {"learning_rate": None}
    ready = NeuralRegressor(**options, optimizer=optax.adamw(1e-2, weight_decay=1e-2)).fit(frame, number)
    np.testing.assert_allclose(ready.predict(frame), named.predict(frame), rtol=0.05, atol=0.05)
    theirs = NeuralRegressor(**SMALL, optimizer=optax.sgd, optimizer_options={"momentum": 0.9}).fit(frame, number)
    assert theirs.score(frame, number) > 0.9
    own = NeuralRegressor(**SMALL, activation=lambda z: z / (1 + abs(z))).fit(frame, number)
    assert own.score(frame, number) > 0.85


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy_from_probabilities", "cross_entropy"])
def test_two_classes_under_every_kind_of_loss(table, loss):
    frame, _, classes = table
    model = NeuralClassifier(**SMALL, loss=loss).fit(frame, classes)
    probabilities = model.predict_proba(frame)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.score(frame, classes) > 0.9


@pytest.mark.parametrize("loss", ["mse", "cross_entropy_from_probabilities", "cross_entropy"])
def test_several_classes_under_every_kind_of_loss(loss):
    X, y = load_iris(return_X_y=True)
    model = NeuralClassifier(**SMALL | {"epochs": 150, "random_state": 1}, loss=loss).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.score(X, y) > 0.9


def test_partial_fit_goes_on_where_it_stands():
    X, y = make_classification(400, random_state=0)
    model = NeuralClassifier(**SMALL)
    scores = []
    for _ in range(30):
        model.partial_fit(X, y, classes=[0, 1])
        scores.append(model.score(X, y))
    assert scores[-1] > max(0.85, scores[0])
    assert model.n_iter_ == 30
    with pytest.raises(ValueError, match="announced at the first call, got 7"):
        model.partial_fit(X, np.full(400, 7))
    with pytest.raises(ValueError, match=r"must be those of the first call, \[0, 1\], got \[0, 1, 2\]"):
        model.partial_fit(X, y, classes=[0, 1, 2])
    assert model.partial_fit(X[:1], y[:1]).n_iter_ == 31  # one row is enough, once the columns are known
    with pytest.raises(ValueError, match="at least two rows"):
        NeuralClassifier().partial_fit(X[:1], y[:1], classes=[0, 1])
    with pytest.raises(ValueError, match="at least two classes"):
        NeuralClassifier().partial_fit(X, np.zeros(400))
    regressor = NeuralRegressor(**SMALL).fit(X, X[:, 0])
    before = regressor.history_.train_loss[-1]
    for _ in range(10):
        regressor.partial_fit(X, X[:, 0])
    assert regressor.history_.train_loss[-1] < before


def test_works_inside_scikit_learn():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), NeuralClassifier(**SMALL | {"epochs": 20}))
    search = GridSearchCV(pipeline, {"neuralclassifier__activation": ["relu", "tanh"]}, cv=2).fit(X, y)
    assert search.best_score_ > 0.8


@pytest.mark.parametrize("more", [{}, {"bagging": 3}, {"validation_fraction": 0.0}, {"population": 3, "ensemble": 2}])
def test_the_order_of_the_rows_changes_no_bit(table, more):
    frame, number, _ = table
    order = np.random.default_rng(1).permutation(len(frame))
    weights = np.random.default_rng(2).uniform(0.5, 2, len(frame))
    given = SMALL | {"epochs": 5} | more
    one = NeuralRegressor(**given).fit(frame, number, weights)
    two = NeuralRegressor(**given).fit(frame.iloc[order], number[order], weights[order])
    np.testing.assert_array_equal(one.predict(frame), two.predict(frame))
    if "bagging" in more:
        np.testing.assert_array_equal(one.out_of_fold_[order], two.out_of_fold_)
        assert np.corrcoef(one.out_of_fold_, number)[0, 1] > 0.5


def test_columns_of_a_later_table(table):
    frame, number, _ = table
    model = NeuralRegressor(**SMALL).fit(frame, number)
    expected = model.predict(frame)
    np.testing.assert_array_equal(model.predict(frame[["flag", "same", "colour", "size"]]), expected)
    with pytest.warns(UserWarning, match="ignored: extra"):
        np.testing.assert_array_equal(model.predict(frame.assign(extra=1)), expected)
    with pytest.raises(ValueError, match=r"column 'size' must be there .* Did you mean 'sise'"):
        model.predict(frame.rename(columns={"size": "sise"}))
    with pytest.raises(ValueError, match="column 'size' must hold numbers, got 'big' in row 0"):
        model.predict(frame.assign(size="big"))
    with pytest.warns(UserWarning, match="'colour' holds no value that the fit saw"):
        assert np.isfinite(model.predict(frame.assign(colour="purple"))).all()


@pytest.mark.parametrize(
    ("parameter", "value", "words"),
    [
        ("activation", "rleu", "did you mean 'relu'"),
        ("activation", 4, "activation must be a name"),
        ("optimizer", 3, "optimizer must be a name or a function, got 3"),
        ("loss", "mes", "did you mean 'mse'"),
        ("initializer", "he_norml", "did you mean 'he_normal'"),
        ("hidden_widths", (0,), r"hidden_widths must hold whole numbers of 1 or more, got \(0,\)"),
        ("hidden_widths", 2.5, "hidden_widths must hold"),
        ("learning_rate", -1.0, "learning_rate must be a number above 0, got -1.0"),
        ("learning_rate", np.nan, "learning_rate must be a number above 0, got nan"),
        ("epochs", 0, "epochs must be a whole number of at least 1, got 0"),
        ("batch_size", 1.5, "batch_size must be a whole number of at least 1, got 1.5"),
        ("validation_fraction", 1, "validation_fraction must be a number of at least 0 and below 1, got 1"),
        ("patience", True, "patience must be a whole number"),
        ("time_limit", 0, "time_limit must be a number above 0, got 0"),
        ("optimizer_options", {"beta": 0.5}, "unknown entry 'beta' in optimizer_options: did you mean 'beta"),
        ("optimizer_options", {"beta1": 1.5}, r"optimizer_options\['beta1'\] must be less than 1, got 1.5"),
        ("output_activation", "sigmoid", "output_activation must be left out with loss 'binary_cross_entropy'"),
        ("loss", "log_rates", "unknown loss"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value_and_what_to_do(parameter, value, words):
    with pytest.raises((ValueError, TypeError), match=words):
        NeuralClassifier(**{parameter: value}).fit(XOR_X, XOR_Y)


def test_all_wrong_parameters_are_told_at_once():
    with pytest.raises(ValueError, match=r"(?s)rleu.*batch_size.*epochs.*learning_rate"):
        NeuralClassifier(activation="rleu", epochs=0, batch_size=0, learning_rate=0).fit(XOR_X, XOR_Y)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1, 1, 1, 1], "at least two classes, got one class: 1"),
        (["a", None, "b", "a"], "known in every row, got 1 missing, the first in row 1"),
        (["a", 1, "b", "a"], "one type, got a mixture"),
        ([0.5, 1.5, 0.1, 0.3], "continuous"),
        ([1, 2, 3], "inconsistent numbers of samples"),
    ],
)
def test_wrong_classes_are_told(y, words):
    with pytest.raises(ValueError, match=words):
        NeuralClassifier().fit(XOR_X, np.array(y, dtype=object) if None in y or "a" in y else y)


def test_wrong_numbers_are_told():
    for y, words in (
        ([1, 2, np.inf, 3], "finite, got inf in row 2"),
        (["1", "x", "2", "3"], "numbers, got 'x' in row 1"),
    ):
        with pytest.raises(ValueError, match=words):
            NeuralRegressor().fit(XOR_X, y)


def test_the_front_door_has_what_it_says():
    for name in trivium.__all__:
        assert getattr(trivium, name) is not None
    with pytest.raises(AttributeError, match="nothing_such"):
        trivium.nothing_such  # noqa: B018
