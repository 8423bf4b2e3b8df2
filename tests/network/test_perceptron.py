"""Networks of every activation, the learned and the width-changing ones included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trivium import NeuralRegressor, activations, load, network
from trivium.catalog import get, learned_parameters, members
from trivium.compiling import quickly
from trivium.initializers import fitting

X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
y = np.abs(X[:, 0]) - X[:, 1]


@pytest.mark.parametrize("name", [*members(activations), "learned_mix(selu)"])
def test_every_activation_makes_a_network_of_the_width_that_was_asked_for(name):
    activation = activations.learned_mix(activations.selu) if "(" in name else members(activations)[name]
    parameters = network.init(jax.random.key(0), (3, 8, 6, 1), fitting(activation), activation)
    assert network.apply(parameters, jnp.asarray(X), activation).shape == (200, 1)
    assert parameters[1]["weights"].shape[0] == 8
    assert parameters[2]["weights"].shape == (6, 1)
    for layer in parameters[:-1]:
        assert layer.keys() == {"weights", "biases", *learned_parameters(activation)}
    gradients = quickly(jax.grad(lambda p: network.apply(p, jnp.asarray(X), activation).sum()))(parameters)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize(
    "activation", ["prelu", "swish", "snake", "learned_mix(selu)", "glu", "crelu", "maxout", "rrelu"]
)
def test_an_estimator_learns_them_and_the_file_keeps_them_to_the_bit(activation, tmp_path):
    model = NeuralRegressor(
        (16,), activation=activation, epochs=8, optimizer="adam", learning_rate=0.03, random_state=0
    )
    model.fit(X, y)
    for name, start in learned_parameters(get(activations, activation, "activation")).items():
        assert (model.parameters_[0][name] != start).any()
    assert model.history_.train_loss[-1] < model.history_.train_loss[0]
    model.save(tmp_path / "a.trivium")
    np.testing.assert_array_equal(load(tmp_path / "a.trivium").predict(X), model.predict(X))
    np.testing.assert_array_equal(model.predict(X), model.predict(X))


def test_a_width_that_the_activation_cannot_give_is_told():
    with pytest.raises(ValueError, match="hidden_widths must hold widths that crelu can put out, got 7. Try 8"):
        NeuralRegressor((7,), activation="crelu").fit(X, y)


def test_a_population_shares_one_program():
    start = network.init(jax.random.key(0), (3, 4, 1), fitting(activations.prelu), activations.prelu)

    def outputs(slope):
        hidden, last = start
        return network.apply([hidden | {"slope": jnp.full(4, slope)}, last], jnp.asarray(X), activations.prelu)

    together = jax.vmap(outputs)(jnp.array([0.0, 0.25]))
    np.testing.assert_allclose(together[1], outputs(0.25), rtol=1e-5, atol=1e-6)
