"""Networks for tables as training sees them: laws that hold for every one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trivium import activations, heads, losses, optimizers
from trivium.initializers import lecun_normal
from trivium.network import Front, Layout, Perceptron, TabM, Tabular
from trivium.network.embeddings import PBLD, PiecewiseLinear
from trivium.training.batches import Batch
from trivium.training.program import Program
from trivium.training.steps import update

random = np.random.default_rng(0)
CODES = random.integers(0, 6, size=(64, 1))
X = np.concatenate([random.normal(size=(64, 4)), CODES], axis=1).astype(np.float32)
LAYOUT = Layout(numbers=3, cardinalities=(6,))
KEY = jax.random.key(0)
MIX = activations.learned_mix(activations.selu)
REALMLP = Perceptron(
    (8, 8), MIX, 2, initializer=lecun_normal, parametrisation="ntk", start="data_driven",
    rate_factors=(("biases", 0.1), ("share", 0.1)),
)  # fmt: skip
NETWORKS = {
    "realmlp": Tabular(Front(LAYOUT, PBLD(), scale=True), REALMLP),
    "gated": Tabular(Front(LAYOUT, PiecewiseLinear(4, 3), gated=True), Perceptron((8,), activations.relu, 2, "batch")),
    "tabm": TabM((8, 8), activations.relu, 2, copies=4),
    "tabm behind a front": TabM((8,), activations.prelu, 2, 4, Front(LAYOUT, PBLD(), scale=True)),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@every_network
def test_it_is_trained_and_shows_its_layers(network):
    parameters = network.init(KEY, X)
    shape = (64, 2) if network.copies == 1 else (64, network.copies, 2)
    outputs = jax.jit(network.apply)(parameters, X)
    assert outputs.shape == shape

    def loss(parameters):
        outputs, news = network.train(parameters, jnp.asarray(X), KEY, {"dropout": 0.2})
        return jnp.square(outputs - 1).sum(), news

    gradients, news = jax.jit(jax.grad(loss, has_aux=True))(parameters)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))
    assert jax.tree.structure(network.absorb(parameters, news)) == jax.tree.structure(parameters)
    traces = network.traces(parameters, jnp.asarray(X))
    assert all(trace.activations.shape == (64 * network.copies, 8) == trace.slopes.shape for trace in traces)
    for tree in (network.rates(parameters), network.decays(parameters)):
        assert tree is None or jax.tree.structure(tree) == jax.tree.structure(parameters)


@every_network
def test_parameters_are_layers_of_arrays_by_name(network):
    for layer in network.init(KEY, X):
        assert layer
        assert all("." not in name and array.dtype == jnp.float32 for name, array in layer.items())


@every_network
def test_equal_choices_share_a_program_and_a_key_gives_the_same_start(network):
    again = type(network)(**{name: getattr(network, name) for name in network.__dataclass_fields__})
    assert again == network
    assert hash(again) == hash(network)
    one, other = network.init(KEY, X), again.init(KEY, X)
    jax.tree.map(assert_array_equal, one, other)
    compiled = jax.jit(lambda network, parameters: network.apply(parameters, X), static_argnums=0)
    compiled(network, one)
    compiled(again, other)
    assert compiled._cache_size() == 1


def test_tabm_is_its_formula():
    network = NETWORKS["tabm"]
    first, second, last = jax.tree.map(np.float64, network.init(KEY, X))
    assert set(np.unique(first["input_factors"])) == {-1.0, 1.0}
    assert (second["input_factors"] == 1).all()
    assert (first["biases"] == first["biases"][0]).all()
    generator = np.random.default_rng(1)
    moved = [
        {name: array + generator.normal(size=array.shape) for name, array in layer.items()}
        for layer in (first, second, last)
    ]
    outputs = np.asarray(jax.jit(network.apply)(jax.tree.map(jnp.float32, moved), X))
    for copy in range(4):
        rows = np.float64(X)
        for layer in moved[:2]:
            z = ((rows * layer["input_factors"][copy]) @ layer["weights"]) * layer["output_factors"][copy]
            rows = np.maximum(z + layer["biases"][copy], 0)
        expected = rows @ moved[2]["weights"][copy] + moved[2]["biases"][copy]
        assert_allclose(outputs[:, copy], expected, rtol=1e-4, atol=1e-3)


def test_behind_an_embedding_all_that_a_column_becomes_begins_with_one_factor():
    factors = np.asarray(NETWORKS["tabm behind a front"].init(KEY, X)[1]["input_factors"])
    assert factors.shape == (4, 3 * 4 + 1 + 8)
    for first, last in ((0, 4), (4, 8), (8, 12), (13, 21)):
        assert (factors[:, first:last] == factors[:, first : first + 1]).all()
    assert len(np.unique(factors)) == 4 * 5


HEAD = heads.classifier_head(losses.cross_entropy, 2, None)


def program(network):
    return Program(network, HEAD, losses.cross_entropy, optimizers.adam, (), heads.accuracy, 64)


def test_each_copy_has_its_own_loss_and_predictions_are_averaged_as_probabilities():
    network = NETWORKS["tabm"]
    chosen, outputs = program(network), jax.jit(network.apply)(network.init(KEY, X), X)
    targets = jnp.asarray(CODES[:, 0] % 2)
    by_copy = [losses.cross_entropy(outputs[:, copy], targets) for copy in range(4)]
    assert_allclose(chosen.losses(outputs, targets), np.mean(by_copy, axis=0), rtol=1e-5)
    shares = [jax.nn.softmax(outputs[:, copy], axis=1) for copy in range(4)]
    assert_allclose(chosen.predictions(outputs), np.mean(shares, axis=0), rtol=1e-5)


def test_an_update_has_its_factors_and_decays_what_may_decay():
    network = NETWORKS["realmlp"]
    parameters = network.init(KEY, X)
    batch = Batch(jnp.asarray(X), jnp.asarray(CODES[:, 0] % 2), jnp.ones(64))
    chosen = program(network)

    @jax.jit
    def step(numbers):
        state = chosen.transformation(numbers).init(parameters)
        return update(chosen, numbers, parameters, state, batch, KEY).updates

    plain, shrunk = (step({"learning_rate": 0.01, **more}) for more in ({}, {"decay": 0.5}))
    front, layer = plain[0], plain[1]
    for array, size in ((layer["weights"], 0.01), (layer["biases"], 0.001), (layer["share"], 0.001)):
        assert_allclose(np.abs(array).max(), size, rtol=0.01)
    assert_allclose(np.abs(front["front_scale"]).max(), 0.06, rtol=0.01)
    assert_allclose(np.abs(front["mixing"]).max(), 0.001, rtol=0.01)
    differences = jax.tree.map(lambda one, other: np.asarray(one - other), plain, shrunk)
    assert_allclose(differences[1]["weights"], 0.01 * 0.5 * np.asarray(parameters[1]["weights"]), atol=1e-7)
    assert_allclose(differences[0]["front_scale"], 36 * 0.01 * 0.5, rtol=1e-4)
    assert not differences[1]["biases"].any()
    assert not differences[0]["frequencies"].any()


def test_gates_of_columns_that_tell_nothing_fall_shut():
    rows = random.normal(size=(512, 4)).astype(np.float32)
    classes = jnp.asarray(rows[:, 0] + 0.5 * rows[:, 1] > 0, jnp.int32)
    network = Tabular(Front(Layout(4), gated=True), Perceptron((16,), activations.relu, 2))
    chosen = program(network)
    numbers = {"learning_rate": 0.02, "feature_selection": 1.0}
    parameters = network.init(KEY, rows)

    @jax.jit
    def run(parameters):
        batch = Batch(jnp.asarray(rows), classes, jnp.ones(512))

        def step(place, carry):
            parameters, state = carry
            done = update(chosen, numbers, parameters, state, batch, jax.random.fold_in(KEY, place))
            return done.applied(network, parameters), done.optimizer

        return jax.lax.fori_loop(0, 300, step, (parameters, chosen.transformation(numbers).init(parameters)))[0]

    found = np.asarray(run(parameters)[0]["gates"])
    assert (found[:2] > 0.5).all()
    assert (found[2:] <= 0).all()
