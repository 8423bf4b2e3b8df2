"""The precision of matrix products: what is asked for stands in the program, and a CPU computes in float32 anyway."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_iris

from trivium import NeuralClassifier, NeuralRegressor, activations, heads, losses, network, optimizers
from trivium.precision import PRECISIONS, computing
from trivium.training.batches import Batch
from trivium.training.program import Program
from trivium.training.steps import update

X, Y = load_iris(return_X_y=True)
SMALL = {"hidden_widths": (8,), "epochs": 5, "learning_rate": 0.03, "random_state": 0, "on_problem": "ignore"}
WORDS = {"float32": "HIGHEST", "tensorfloat32": "HIGH", "bfloat16": "BF16_BF16_F32"}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_product_of_an_update_has_it(precision):
    head = heads.regressor_head(losses.squared_error, None)
    net = network.Perceptron((4, 4), activations.tanh, 1)
    given = (head, losses.squared_error, optimizers.sgd, (), heads.squared_distance, 8)
    program = Program(net, *given, precision=precision)
    rows = np.ones((8, 3), np.float32)
    parameters = net.init(jax.random.key(0), rows)
    numbers = {"learning_rate": 0.1}
    batch = Batch(jnp.asarray(rows), jnp.ones(8), jnp.ones(8))

    def step(parameters):
        state = program.transformation(numbers).init(parameters)
        return update(program, numbers, parameters, state, batch, jax.random.key(1)).updates

    lines = str(jax.make_jaxpr(step)(parameters)).splitlines()
    said = [line for line in lines if "precision=" in line]
    assert len(said) >= 8  # three products there, five back
    assert all(WORDS[precision] in line for line in said)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_fit_keeps_its_parameters_in_float32(precision):
    plain = NeuralClassifier(**SMALL).fit(X, Y)
    coarse = NeuralClassifier(**SMALL, precision=precision).fit(X, Y)
    assert coarse.choices_["precision"] == precision
    assert {leaf.dtype for leaf in jax.tree.leaves(coarse.parameters_)} == {np.dtype(np.float32)}
    if jax.default_backend() == "cpu":
        np.testing.assert_allclose(coarse.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    else:
        np.testing.assert_allclose(coarse.predict_proba(X), plain.predict_proba(X), atol=0.05)


def test_it_leaves_the_users_own_setting_alone():
    before = jax.config.jax_default_matmul_precision
    with computing("bfloat16"):
        assert jax.config.jax_default_matmul_precision != before
    NeuralRegressor(**SMALL, precision="tensorfloat32").fit(X, X[:, 0])
    assert jax.config.jax_default_matmul_precision == before
    with computing(None):
        assert jax.config.jax_default_matmul_precision == before


def test_a_wrong_one_is_told_before_training():
    with pytest.raises(ValueError, match="precision must be 'float32', .* or None, got 'half'"):
        NeuralClassifier(precision="half").fit(X, Y)
