"""Columns that tell nothing are left out where there are many; what tells something stays."""

import narwhals as nw
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_breast_cancer, load_diabetes, make_friedman1
from sklearn.linear_model import LinearRegression

from trivium import NeuralClassifier, NeuralRegressor, load, relevance
from trivium.estimators import inputs
from trivium.tables import encode, schema

SHORT: dict = {"hidden_widths": (16,), "epochs": 6, "learning_rate": 0.02, "random_state": 0, "on_problem": "ignore"}


def alone(X):
    return [[place] for place in range(X.shape[1])]


@pytest.fixture(scope="module")
def friedman():
    X, y = make_friedman1(600, 40, noise=1.0, random_state=0)
    return X.astype(np.float32), y


def test_of_friedmans_forty_columns_the_five_that_tell_something_stay(friedman):
    X, y = friedman
    nothing = relevance.telling_nothing(X, y, alone(X), None)
    assert not nothing[:5].any()
    assert nothing[5:].mean() > 0.7


def test_classes_of_an_interaction_that_no_column_tells_alone():
    random = np.random.default_rng(0)
    X = random.normal(size=(1500, 30)).astype(np.float32)
    y = ((X[:, 3] > 0) ^ (X[:, 7] > 0)).astype(int) + (X[:, 11] > 1)
    nothing = relevance.telling_nothing(X, y, alone(X), 3)
    assert not nothing[[3, 7, 11]].any()
    assert nothing.sum() > 15


def test_many_weak_columns_of_a_linear_target_stay():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 40)).astype(np.float32)
    y = X @ random.uniform(0.5, 1, 40) + random.normal(size=300)
    nothing = relevance.telling_nothing(X, y, alone(X), None)
    everything = LinearRegression().fit(X[:200], y[:200]).score(X[200:], y[200:])
    kept = LinearRegression().fit(X[:200][:, ~nothing], y[:200]).score(X[200:][:, ~nothing], y[200:])
    assert kept > everything - 0.02


@pytest.mark.parametrize("seed", range(3))
def test_of_noise_alone_something_stays(seed):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(300, 25)).astype(np.float32), random.normal(size=300)
    assert not relevance.telling_nothing(X, y, alone(X), None).all()


@pytest.mark.parametrize(("n", "columns", "classes"), [(1000, 19, None), (9000, 30, None), (30, 40, 2), (900, 30, 50)])
def test_few_columns_many_rows_and_many_classes_are_left_alone(n, columns, classes):
    X, y = np.zeros((n, columns), np.float32), np.zeros(n, int)
    assert not relevance.telling_nothing(X, y, alone(X), classes).any()


def test_tables_of_few_columns_and_of_columns_that_tell_are_kept_whole():
    for data in (load_diabetes(), load_breast_cancer()):
        X, y = data.data.astype(np.float32), data.target
        classes = None if len(np.unique(y)) > 2 else 2
        X = (X - X.mean(0)) / X.std(0)
        assert relevance.telling_nothing(X, y, alone(X), classes).mean() <= 0.5


def mixed(n=500, seed=1):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 26)), columns=[f"n{place}" for place in range(26)])
    frame["when"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 10**6, n), "min")
    frame["kind"] = random.choice(list("abc"), n)
    frame["other"] = random.choice(list("uvwxyz"), n)
    frame.loc[random.random(n) < 0.2, "n0"] = np.nan
    y = 3 * frame.n1 + 2 * (frame.kind == "a") + 3 * frame.n0.isna() + 0.3 * random.normal(size=n)
    return frame, y.to_numpy()


def test_places_of_columns_are_those_of_the_names_that_come_out():
    frame, _ = mixed()
    table = nw.from_native(frame, eager_only=True)
    learned = schema.learn_schema(table)
    rows, names = encode.encode(learned, table), learned.feature_names_out
    for column, own in inputs.places(learned, []).items():
        assert own
        assert all(names[place].split("=")[0].split(" ")[0] == column for place in own)
    every = sorted(place for own in inputs.places(learned, ["other"]).values() for place in own)
    assert every == list(range(inputs.encoded(learned, table, ["other"]).shape[1]))
    assert rows.shape[1] == len(names)


def test_an_estimator_leaves_them_out_says_so_and_predicts_as_well_without_them(tmp_path):
    frame, y = mixed()
    model = NeuralRegressor(**SHORT, screening=True).fit(frame, y)
    dropped = {entry.name: entry.reason for entry in model.schema_.dropped}
    assert "tells nothing of the target" in dropped["n9"]
    assert not {"n0", "n1", "kind"} & set(dropped)
    assert 10 < len(dropped) < 27
    said = model.predict(frame)
    assert_array_equal(model.predict(frame.drop(columns=list(dropped))), said)
    changed = frame.assign(n9=0.0)
    assert_array_equal(model.predict(changed), said)
    model.save(tmp_path / "m.trivium")
    assert_array_equal(load(tmp_path / "m.trivium").predict(frame), said)
    plain = NeuralRegressor(**SHORT).fit(frame, y)
    assert not plain.schema_.dropped
    new, truth = mixed(seed=5)
    assert model.score(new, truth) > plain.score(new, truth) + 0.02


def test_rows_in_another_order_make_the_same_model():
    frame, y = mixed()
    order = np.random.default_rng(2).permutation(len(y))
    one = NeuralRegressor(**SHORT, screening=True).fit(frame, y)
    two = NeuralRegressor(**SHORT, screening=True).fit(frame.iloc[order], y[order])
    assert_array_equal(one.predict(frame), two.predict(frame))


def test_arrays_classes_weights_and_what_goes_on(friedman):
    X, y = friedman
    labels = np.where(y > np.median(y), "much", "little")
    weights = np.ones(len(y))
    weights[::3] = 0
    model = NeuralClassifier(**SHORT, screening=True, warm_start=True).fit(X, labels, sample_weight=weights)
    n_dropped = len(model.schema_.dropped)
    assert n_dropped > 5
    assert model.predict_proba(X).shape == (len(X), 2)
    model.fit(X, labels)
    assert len(model.schema_.dropped) == n_dropped
    assert model.n_features_in_ == 40


def test_hurried_fits_and_several_targets_are_left_alone(friedman):
    X, y = friedman
    hurried = NeuralRegressor(**SHORT, screening=True, time_limit=30).fit(X, y)
    several = NeuralRegressor(**SHORT, screening=True).fit(X, np.stack([y, -y], axis=1))
    assert not hurried.schema_.dropped
    assert not several.schema_.dropped


def of_many_levels(n=1500, seed=0):
    random = np.random.default_rng(seed)
    effects, place = np.random.default_rng(9).normal(size=300), random.integers(0, 300, n)
    frame = pd.DataFrame(
        {"city": [f"c{one}" for one in place], "name": [f"n{one}" for one in random.integers(0, 300, n)]}
    )
    frame["x"] = random.normal(size=n)
    return frame, effects[place] + 0.3 * frame.x.to_numpy() + 0.3 * random.normal(size=n)


def test_levels_that_tell_much_get_numbers_of_their_own_and_others_do_not():
    frame, y = of_many_levels()
    new, truth = of_many_levels(seed=1)
    one = {"epochs": 40, "random_state": 0, "on_problem": "ignore", "bagging": 3, "learning_rate": 5e-3}
    model = NeuralRegressor((32,), embed_above="adaptive", **one).fit(frame, y)
    assert model._coded == ["city"]
    plain = NeuralRegressor((32,), **one).fit(frame, y)
    assert plain._coded == []
    assert model.score(new, truth) > plain.score(new, truth) + 0.2
    order = np.random.default_rng(2).permutation(len(y))
    again = NeuralRegressor((32,), embed_above="adaptive", **one).fit(frame.iloc[order], y[order])
    assert_array_equal(again.predict(new), model.predict(new))


def test_levels_of_classes_and_of_several_targets():
    frame, y = of_many_levels()
    labels = pd.qcut(y, 3, labels=["a", "b", "c"]).astype(str)
    assert NeuralClassifier(**SHORT, embed_above="adaptive").fit(frame, labels)._coded == ["city"]
    assert NeuralRegressor(**SHORT, embed_above="adaptive").fit(frame, np.stack([y, -y], axis=1))._coded == ["city"]
    assert NeuralRegressor(**SHORT, embed_above="adaptive").fit(frame.drop(columns="city"), y)._coded == []
    array = frame.to_numpy(dtype=object)
    assert len(NeuralRegressor(**SHORT, embed_above="adaptive").fit(array, y)._coded) == 1


def test_the_parameter():
    with pytest.raises(ValueError, match="screening must be True or False, got 'much'"):
        NeuralRegressor((8,), screening="much").fit(np.zeros((9, 2)), np.arange(9.0))
    assert NeuralRegressor(preset="fast")._given["screening"] is True
    assert NeuralRegressor((8,))._given["screening"] is False
    with pytest.raises(ValueError, match="embed_above must be a whole number"):
        NeuralRegressor((8,), embed_above="much").fit(np.zeros((9, 2)), np.arange(9.0))
