"""How networks for tables start: the NTK parametrisation, data-driven layers, random biases, a last layer of zeros."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from trivium import NeuralClassifier, NeuralRegressor, activations
from trivium.initializers import fitting, lecun_normal
from trivium.network import Perceptron
from trivium.network.starting import convex_biases

X = np.random.default_rng(0).normal(3, 2, size=(128, 6)).astype(np.float32)
KEY = jax.random.key(3)


def perceptron(**options):
    return Perceptron((16, 8), activations.tanh, 2, initializer=lecun_normal, **options)


def test_the_ntk_parametrisation_is_the_same_function_with_weights_of_size_one():
    usual, ntk = perceptron(), perceptron(parametrisation="ntk")
    one, other = usual.init(KEY, X), ntk.init(KEY, X)
    assert_allclose(jax.jit(usual.apply)(one, X), jax.jit(ntk.apply)(other, X), rtol=1e-4, atol=1e-5)
    for layer, n_in in zip(other, (6, 16, 8), strict=True):
        assert float(layer["weights"].std()) == pytest.approx(1, abs=0.35)
        z = np.float64(X[:1, :1]) * 0 + np.ones((1, n_in)) @ np.float64(layer["weights"]) / np.sqrt(n_in)
        assert_allclose(ntk.linear(layer, jnp.ones((1, n_in))), z + np.float64(layer["biases"]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("parametrisation", ["standard", "ntk"])
def test_data_driven_layers_have_pre_activations_of_spread_one_and_kinks_within_the_data(parametrisation):
    network = perceptron(parametrisation=parametrisation, start="data_driven")
    rows = X
    for place, layer in enumerate(network.init(KEY, X)):
        factor = np.sqrt(layer["weights"].shape[0]) if parametrisation == "ntk" else 1
        z = np.float64(rows) @ np.float64(layer["weights"]) / factor
        assert_allclose(z.std(axis=0), 1, rtol=1e-4)
        assert (np.float64(layer["biases"]) <= -z.min(axis=0)).all()
        assert (np.float64(layer["biases"]) >= -z.max(axis=0)).all()
        rows = np.tanh(z + np.float64(layer["biases"]))
        assert place < 3


def test_a_bias_is_a_convex_combination_of_five_pre_activations():
    z = jnp.tile(jnp.arange(200.0)[:, None], (1, 4000))
    biases = -np.asarray(convex_biases(KEY, z))
    # Shares uniform on the simplex of five: the mean of the sum of their squares is 1 / 3.
    assert biases.mean() == pytest.approx(99.5, rel=0.02)
    assert biases.var() == pytest.approx((200**2 - 1) / 12 / 3, rel=0.1)


def test_a_column_that_does_not_vary_leaves_everything_finite():
    network = perceptron(start="data_driven")
    parameters = network.init(KEY, np.ones((64, 6), np.float32))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters))


def test_random_biases_and_a_last_layer_of_zeros():
    network = perceptron(start="random_biases", zero_last_layer=True)
    first, second, last = network.init(KEY, X)
    assert first["biases"].std() > 0.5
    assert not np.array_equal(first["biases"][:8], second["biases"])
    assert not last["weights"].any()
    assert not np.asarray(jax.jit(network.apply)([first, second, last], X)).any()


def test_factors_on_steps_and_what_decays():
    network = Perceptron(
        (4,), activations.learned_mix(activations.selu), 1, rate_factors=(("biases", 0.1), ("share", 0.2))
    )
    parameters = network.init(KEY, X)
    assert network.rates(parameters)[0] == {"weights": 1.0, "biases": 0.1, "share": 0.2}
    assert network.decays(parameters)[0] == {"weights": True, "biases": False, "share": False}
    assert perceptron().rates(parameters) is None


def test_the_last_layer_has_no_activation_behind_it_and_gain_one():
    network = Perceptron((400, 400), activations.relu, 300, initializer=fitting(activations.relu))
    _, second, last = network.init(KEY, X)
    assert float(second["weights"].std()) == pytest.approx(np.sqrt(2 / 400), rel=0.02)
    assert float(last["weights"].std()) == pytest.approx(np.sqrt(1 / 400), rel=0.02)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_numbers_are_learned_from_their_mean_on_unless_the_start_is_chosen():
    y = X[:, 0] * X[:, 1]
    few = {"hidden_widths": (8,), "epochs": 3, "random_state": 0, "validation_fraction": 0.2}
    first = NeuralRegressor(**few).fit(X, y).history_
    assert first.train_loss[0] < 1.1 * first.baseline_loss
    for chosen in ({"zero_last_layer": False}, {"initializer": "he_normal"}, {"start": "random_biases"}):
        assert NeuralRegressor(**few, **chosen).fit(X, y).history_.train_loss[0] > first.train_loss[0]
    model = NeuralRegressor(**few)
    assert model.get_params()["zero_last_layer"] is None
    assert model.fit(X, y).choices_["zero_last_layer"]
    assert "zero_last_layer" not in NeuralClassifier(**few).fit(X, y > 0).choices_
