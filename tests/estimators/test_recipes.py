"""Presets and what networks for tables are made of, as parameters of the estimators."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trivium import NeuralClassifier, NeuralRegressor, choices, learning_rate_sweep, load, network, presets
from trivium.network import embeddings

pytestmark = pytest.mark.slow

random = np.random.default_rng(0)
LEVELS = list("abcdefghijkl")
X = pd.DataFrame({"a": random.normal(size=130), "b": random.normal(size=130), "level": random.choice(LEVELS, 130)})
Y = (np.sin(3 * X["a"]) + X["level"].map(LEVELS.index) % 3).rename("y")
KINDS = {"classification": NeuralClassifier, "regression": NeuralRegressor}


def given(task="regression", **chosen):
    return KINDS[task](**chosen)._given


@pytest.mark.parametrize("task", KINDS)
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_preset_holds_parameters_of_the_estimator_that_fit_together(preset, task):
    assert set(presets.PRESETS[preset][task]) <= set(KINDS[task]().get_params())
    made = choices.resolve(given(task, preset=preset))
    assert made.hidden_widths == given(task, preset=preset)["hidden_widths"]


def test_what_the_user_chose_wins_over_the_preset():
    assert given(preset="realmlp")["learning_rate"] == 0.2
    assert given("classification", preset="RealMLP")["learning_rate"] == 0.04
    found = given(preset="realmlp", learning_rate=0.05, hidden_widths=(64,))
    assert (found["learning_rate"], found["hidden_widths"], found["embedding"]) == (0.05, (64,), "pbld")
    assert given(preset="plain")["epochs"] == 100
    assert given(preset="realmlp")["epochs"] == 256
    assert given(preset="realmlp", epochs=100)["epochs"] == 100
    with pytest.raises(ValueError, match="unknown preset 'realmpl': did you mean 'realmlp'"):
        given(preset="realmpl")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"embedding": "plbd"}, "unknown embedding 'plbd': did you mean 'pbld'?"),
        ({"front_scale": 6}, "front_scale must be True or False, got 6. Try True."),
        ({"parametrisation": "mup"}, "parametrisation must be 'standard' or 'ntk', got 'mup'. Try 'ntk'."),
        ({"start": None}, "start must be 'usual', 'random_biases' or 'data_driven', got None. Try 'data_driven'."),
        ({"zero_last_layer": 0}, "zero_last_layer must be True or False, got 0. Try True."),
        ({"rate_factors": {"biases": -1}}, "rate_factors must map names of arrays to numbers of at least 0, got {'bi"),
        ({"rate_factors": 0.1}, "rate_factors must map names of arrays to numbers of at least 0, got 0.1. Try {'bia"),
        ({"copies": 0}, "copies must be a whole number of at least 1, got 0. Try 32, or 1 for one network."),
        ({"copies": 4, "start": "data_driven"}, "copies must be 1 with start='data_driven', got 4. Leave one of them"),
        ({"copies": 4, "normalisation": "batch"}, "copies must be 1 with normalisation='batch', got 4. Leave one"),
        ({"averaging": 1}, "averaging must be a number of at least 0 and below 1, got 1. Try 0.999"),
        ({"feature_selection": -1}, "feature_selection must be a number of at least 0, got -1. Try 1"),
        ({"embed_above": 1.5}, "embed_above must be a whole number of at least 0, got 1.5. Try 9"),
        ({"clamp": "yes"}, "clamp must be True or False, got 'yes'. Try True."),
        ({"schedules": {"drop": "cosine"}}, "schedules must map any of weight_decay, dropout, input_noise, mixup, "),
        ({"schedules": {"dropout": "step"}}, "schedules['dropout'] must be one that knows the length of a run, got 's"),
        ({"schedules": "cosine"}, "schedules must map any of weight_decay, dropout, input_noise, mixup, "),
        (
            {"scaling": "minmax"},
            "scaling must be 'standard', 'robust', 'quantile' or 'adaptive', got 'minmax'. Try 'robust' ",
        ),
    ],
)
def test_what_cannot_be_is_told(chosen, message):
    with pytest.raises(ValueError, match="must|unknown") as told:
        NeuralRegressor(**chosen).fit(X, Y)
    assert str(told.value).startswith(message)


def test_schedules_move_dropout_and_decay_over_the_run():
    made = choices.resolve(given(preset="realmlp"))
    assert made.numbers["decay"] == 0.02
    at = {name: make(made.numbers[name], 100) for name, make in made.schedules}
    assert at.keys() == {"learning_rate", "dropout", "decay"}
    steps = np.array([0, 50, 75, 100])
    fall = np.array([1, 1, 0.5, 0])
    assert_allclose([at["dropout"](step) for step in steps], 0.15 * fall, atol=1e-7)
    assert_allclose([at["decay"](step) for step in steps], 0.02 * fall, atol=1e-7)
    expected = 0.1 * (1 - np.cos(2 * np.pi * np.log2(1 + 15 * steps / 100)))
    assert_allclose([at["learning_rate"](step) for step in steps], expected, atol=1e-6)


def test_the_network_of_a_preset_is_the_one_of_the_paper():
    made = choices.resolve(given(preset="realmlp")).network(1, network.Layout(2, (14,)))
    assert isinstance(made, network.Tabular)
    assert made.front == network.Front(network.Layout(2, (14,)), embeddings.PBLD(), scale=True)
    assert (made.layers.parametrisation, made.layers.start) == ("ntk", "data_driven")
    assert dict(made.layers.rate_factors) == {"biases": 0.1, "share": 0.1}
    small = choices.resolve(given(preset="realmlp_small")).network(1)
    assert isinstance(small, network.Tabular)
    assert (small.layers.start, small.layers.zero_last_layer) == ("random_biases", True)
    many = choices.resolve(given(preset="tabm")).network(1)
    assert isinstance(many, network.TabM)
    assert (many.copies, many.hidden_widths) == (32, (512, 512, 512))
    assert type(choices.resolve(given()).network(1)) is network.Perceptron


SMALL = {"epochs": 3, "hidden_widths": (16, 16), "random_state": 0, "on_problem": "ignore"}


@pytest.mark.filterwarnings("ignore:the network learned nothing")
@pytest.mark.parametrize(
    ("preset", "more"), [("realmlp", {}), ("tabm", {"copies": 3, "embedding": "piecewise_linear"})]
)
def test_a_file_keeps_it_to_the_bit_and_new_levels_are_taken(preset, more, tmp_path):
    model = NeuralRegressor(preset=preset, **SMALL, **more).fit(X, Y)
    assert model._coded == (["level"] if preset == "realmlp" else [])
    later = pd.DataFrame({"a": [0.0, None, 1.0], "b": [9.0, 1.0, 1.0], "level": ["new", None, "a"]})
    model.save(tmp_path / "one.trivium")
    again = load(tmp_path / "one.trivium")
    for rows in (X, later):
        assert_array_equal(again.predict(rows), model.predict(rows))
        assert np.isfinite(model.predict(rows)).all()
    assert again.models_[0].network == model.models_[0].network
    assert model.choices_["embedding"] in ("pbld", "piecewise_linear")


def test_clamped_predictions_stay_within_the_targets_of_the_fit(tmp_path):
    far = X.assign(a=50.0 * X["a"])
    model = NeuralRegressor(**SMALL | {"hidden_widths": ()}, clamp=True, learning_rate=0.5).fit(X, Y)
    assert model.predict(far).min() == Y.min()
    assert model.predict(far).max() == Y.max()
    model.save(tmp_path / "one.trivium")
    assert_array_equal(load(tmp_path / "one.trivium").predict(far), model.predict(far))


def test_a_sweep_of_learning_rates_is_over_the_network_of_the_preset():
    model = NeuralRegressor(preset="realmlp_small", hidden_widths=(16,), epochs=2, random_state=0)
    found = learning_rate_sweep(model, X, Y, [0.01, 0.1])
    assert list(found.table["activation"]) == ["mish", "mish"]
    assert found.optimizer == "adam"
    assert found.rows_aside == 26


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("preset", "first"), [("realmlp", 1), ("tabm", 0)])
def test_the_diagnosis_looks_at_the_layers_behind_the_front(preset, first):
    more = {"copies": 3} if preset == "tabm" else {}
    model = NeuralRegressor(preset=preset, **SMALL | {"on_problem": "warn"}, **more).fit(X, Y)
    assert [layer.name for layer in model.record_.layers] == [f"layers.{first + place}" for place in range(3)]
    assert [layer.width for layer in model.record_.layers] == [16, 16, 1]
    assert np.isfinite(model.record_.weight_norm).all()
