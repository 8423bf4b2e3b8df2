"""The presets for tables: what they are, what the user chose beside them, and rows too few for their folds."""

import numpy as np
import pytest
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
    assert model.choices_["activation"] == "mish"
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").predict(X), model.predict(X))
    assert len(NeuralRegressor(preset="fast", **SHORT).fit(X, Y).models_) == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_few_rows_make_few_folds_and_rows_kept_aside_make_none():
    assert len(NeuralRegressor(preset="default", **SHORT).fit(X[:9], Y[:9]).models_) == 4
    assert len(NeuralRegressor(preset="default", **SHORT).fit(X[:3], Y[:3]).models_) == 1
    aside = NeuralRegressor(preset="default", **SHORT).fit(X[:200], Y[:200], validation_data=(X[200:], Y[200:]))
    assert len(aside.models_) == 1
    assert len(aside.history_.validation_loss) == len(aside.history_)
    with pytest.raises(ValueError, match="bagging must leave two rows per fold or more"):
        NeuralRegressor(preset="default", bagging=7, **SHORT).fit(X[:9], Y[:9])


@pytest.mark.parametrize("table", [load_iris, load_wine])
def test_the_default_is_better_than_one_plain_network(table):
    X, y = table(return_X_y=True)
    first, last, told, kept = train_test_split(X, y, random_state=0, test_size=0.5)
    models = [NeuralClassifier(preset=preset, random_state=0, on_problem="ignore") for preset in (None, "default")]
    plain, default = (log_loss(kept, model.fit(first, told).predict_proba(last)) for model in models)
    assert default < 0.8 * plain
