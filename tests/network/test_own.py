"""A network of the user's own in the estimators: what holds for each kind, and what is said of one that cannot work."""

import pickle
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning

import trivium
from trivium import NeuralClassifier, NeuralRegressor


@pytest.fixture(autouse=True)
def as_users_have_it():
    """The user's own functions may add (n, k) and (k,); the rest of the suite forbids it."""
    jax.config.update("jax_numpy_rank_promotion", "allow")
    yield
    jax.config.update("jax_numpy_rank_promotion", "raise")


IRIS, SPECIES = load_iris(return_X_y=True)
BRIEF = {"epochs": 60, "batch_size": 32, "learning_rate": 0.01, "random_state": 0}


def start(key, X, n_outputs):
    first, second = jax.random.split(key)
    return {
        "first": 0.5 * jax.random.normal(first, (X.shape[1], 16)),
        "second": 0.2 * jax.random.normal(second, (16, n_outputs)),
        "offset": jnp.zeros(n_outputs),
    }


def run(parameters, X):
    return jnp.tanh(X @ parameters["first"]) @ parameters["second"] + parameters["offset"]


def run_with_dropout(parameters, X, key, training):
    hidden = jnp.tanh(X @ parameters["first"])
    if training:
        hidden = hidden * jax.random.bernoulli(key, 0.9, hidden.shape) / 0.9
    return hidden @ parameters["second"] + parameters["offset"]


def run_bent(parameters, X):
    return jax.nn.relu(X @ parameters["first"]) @ parameters["second"] + parameters["offset"]


def start_line(key, X, n_outputs):
    return [jnp.zeros((X.shape[1], n_outputs)), jnp.zeros(n_outputs)]


def run_line(parameters, X):
    return X @ parameters[0] + parameters[1]


def make_flax(rngs, n_inputs, n_outputs, width=16):
    nnx = pytest.importorskip("flax.nnx")
    return nnx.Sequential(
        nnx.Linear(n_inputs, width, rngs=rngs), nnx.BatchNorm(width, rngs=rngs), nnx.relu,
        nnx.Dropout(0.1, rngs=rngs), nnx.Linear(width, n_outputs, rngs=rngs),
    )  # fmt: skip


def make_equinox(key, n_inputs, n_outputs, width=16):
    eqx = pytest.importorskip("equinox")
    first, second = jax.random.split(key)
    return eqx.nn.Sequential(
        [
            eqx.nn.Linear(n_inputs, width, key=first),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Dropout(0.1),
            eqx.nn.Linear(width, n_outputs, key=second),
        ]
    )


def own(library, network):
    """A case that runs where its library is."""
    missing = library is not None and not _is_installed(library)
    return pytest.param(network, id=library or "functions", marks=pytest.mark.skipif(missing, reason=f"no {library}"))


def _is_installed(library):
    try:
        __import__(library)
    except ImportError:
        return False
    return True


PAIR = (start, run)
every_kind = pytest.mark.parametrize(
    "network", [own(None, PAIR), own("flax", make_flax), own("equinox", make_equinox)]
)  # fmt: skip


@every_kind
def test_it_learns_classes_and_numbers_and_keeps_the_conventions(network):
    model = NeuralClassifier(network=network, **BRIEF).fit(IRIS, SPECIES)
    assert model.score(IRIS, SPECIES) > 0.9
    again = pickle.loads(pickle.dumps(clone(model))).fit(IRIS, SPECIES)
    assert_array_equal(again.predict_proba(IRIS), model.predict_proba(IRIS))
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(IRIS), model.predict_proba(IRIS))

    X, y = load_diabetes(return_X_y=True)
    assert NeuralRegressor(network=network, **BRIEF).fit(X, y).score(X, y) > 0.4


@every_kind
def test_one_row_is_predicted_as_among_many(network):
    model = NeuralClassifier(network=network, **BRIEF).fit(IRIS, SPECIES)
    assert_array_equal(model.predict_proba(IRIS)[:1], model.predict_proba(IRIS[:1]))


@every_kind
def test_it_is_saved_and_loaded_beside_its_network(network, tmp_path):
    model = NeuralClassifier(network=network, **BRIEF).fit(IRIS, SPECIES)
    path = tmp_path / "own.trivium"
    model.save(path)
    assert_array_equal(trivium.load(path, network=network).predict_proba(IRIS), model.predict_proba(IRIS))
    with pytest.raises(ValueError, match="network"):
        trivium.load(path)
    other = partial(network, width=8) if callable(network) else (start_line, run_line)
    with pytest.raises(ValueError, match="must be the one that was saved"):
        trivium.load(path, network=other)


def test_a_file_of_ours_wants_no_network(tmp_path):
    model = NeuralClassifier(hidden_widths=(8,), **BRIEF).fit(IRIS, SPECIES)
    model.save(tmp_path / "ours.trivium")
    with pytest.raises(ValueError, match="network"):
        trivium.load(tmp_path / "ours.trivium", network=PAIR)


@every_kind
def test_it_is_trained_in_populations(network):
    searched = NeuralClassifier(
        network=network, learning_rate="auto", population=4, ensemble=2, epochs=60, batch_size=32, random_state=0
    ).fit(IRIS, SPECIES)
    assert len(searched.search_) == 4
    assert searched.score(IRIS, SPECIES) > 0.8
    bagged = NeuralClassifier(network=network, bagging=3, **BRIEF).fit(IRIS, SPECIES)
    assert bagged.score(IRIS, SPECIES) > 0.9


@every_kind
def test_it_goes_on_from_where_it_was(network):
    model = NeuralClassifier(network=network, **BRIEF)
    for _ in range(30):
        model.partial_fit(IRIS, SPECIES, classes=[0, 1, 2])
    assert model.score(IRIS, SPECIES) > 0.8
    warm = NeuralClassifier(network=network, warm_start=True, **{**BRIEF, "epochs": 20}).fit(IRIS, SPECIES)
    first = warm.history_.train_loss[0]
    assert warm.fit(IRIS, SPECIES).history_.train_loss[0] < first


def test_apply_is_told_whether_it_trains():
    model = NeuralClassifier(network=(start, run_with_dropout), **BRIEF).fit(IRIS, SPECIES)
    assert_array_equal(model.predict_proba(IRIS), model.predict_proba(IRIS))
    plain = NeuralClassifier(network=PAIR, **BRIEF).fit(IRIS, SPECIES)
    assert not np.array_equal(model.history_.train_loss, plain.history_.train_loss)


def test_every_loss_and_optimizer_goes_with_it():
    counts = np.random.default_rng(0).poisson(np.exp(IRIS[:, 0] - 5))
    for loss in ("poisson", "gaussian_nll", "huber"):
        model = NeuralRegressor(network=PAIR, loss=loss, optimizer="lion", **{**BRIEF, "epochs": 20}).fit(IRIS, counts)
        assert np.isfinite(model.predict(IRIS)).all()


def test_a_line_that_cannot_learn_xor_is_named():
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 50, float)
    with pytest.warns(ConvergenceWarning, match="no better than that of a constant"):
        model = NeuralClassifier(network=(start_line, run_line), random_state=0).fit(X, X[:, 0] != X[:, 1])
    assert model.diagnosis_.findings[0].name == "missing_nonlinearity"
    bent = NeuralClassifier(network=(start, run_bent), **BRIEF).fit(X, X[:, 0] != X[:, 1])
    assert "missing_nonlinearity" not in [finding.name for finding in bent.diagnosis_.findings]


def make_convolution(rngs, n_inputs, n_outputs):
    nnx = pytest.importorskip("flax.nnx")
    return nnx.Sequential(
        lambda X: X.reshape(-1, 8, 8, 1), nnx.Conv(1, 4, (3, 3), rngs=rngs), nnx.relu,
        lambda X: X.reshape(X.shape[0], -1), nnx.Linear(4 * n_inputs, n_outputs, rngs=rngs),
    )  # fmt: skip


def test_a_convolution_keeps_its_pixels_and_learns_alone_and_among_many():
    pytest.importorskip("flax")
    digits, numbers = load_digits(return_X_y=True)  # some pixels are always white, and keep their places
    choices = {"network": make_convolution, "epochs": 12, "batch_size": 32, "random_state": 0}
    assert NeuralClassifier(**choices).fit(digits, numbers).score(digits, numbers) > 0.97
    several = NeuralClassifier(**choices, learning_rate="auto", population=3, ensemble=1).fit(digits, numbers)
    assert several.score(digits, numbers) > 0.95


# ---------------------------------------------------------------------------------------------- what cannot work


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ((start,), "1 of them"),
        ((start, run, run), "3 of them"),
        ((start, 3), "got 2 of them"),
        ("resnet", "got a str"),
        (lambda X: X, "It takes none"),
        ((start, lambda p, X: run(p, X)[:, 0]), r"Return outputs\[:, None\]"),
        ((start, lambda p, X: run(p, X)[:, :2]), "as wide as n_outputs"),
        ((start, lambda p, X: run(p, X)[:2]), "one row of outputs per row"),
        ((start, lambda p, X: {"logits": run(p, X)}), "must put out one array, got dict"),
        ((lambda key, X: {}, run), "parameters to learn, got none"),
        ((lambda key, X: {"first": jnp.ones((4, 3), int)}, run), "arrays of floats, got int32 in .'first'"),
        ((lambda key, X: {"first": 0.5}, run), "got float in"),
        ((lambda key, X: [jnp.full((4, 3), jnp.nan), jnp.zeros(3)], run_line), "finite numbers, got others in .0"),
    ],
)
def test_a_network_that_cannot_work_is_refused_before_training(network, said):
    with pytest.raises(ValueError, match="network must") as caught:
        NeuralClassifier(network=network, **BRIEF).fit(IRIS, SPECIES)
    caught.match(said)


def test_an_error_of_the_users_code_says_where_it_was_called():
    with pytest.raises(KeyError, match="third") as caught:
        NeuralClassifier(network=(start, lambda parameters, X: X @ parameters["third"]), **BRIEF).fit(IRIS, SPECIES)
    assert "In apply of the network, given encoded rows of shape (64, 4)." in caught.value.__notes__


@pytest.mark.parametrize("beside", [{"hidden_widths": (8,)}, {"preset": "fast"}, {"dropout": 0.1}, {"residual": True}])
def test_what_shapes_a_network_of_ours_does_not_go_with_it(beside):
    with pytest.raises(ValueError, match="network must be given without") as caught:
        NeuralClassifier(network=PAIR, **beside).fit(IRIS, SPECIES)
    caught.match(next(iter(beside)))


def test_what_equinox_cannot_train_here_is_refused():
    eqx = pytest.importorskip("equinox")

    def with_state(key, n_inputs, n_outputs):
        return eqx.nn.Sequential(
            [eqx.nn.BatchNorm(n_inputs, "batch", mode="ema"), eqx.nn.Linear(n_inputs, n_outputs, key=key)]
        )

    class Counting(eqx.Module):
        line: eqx.nn.Linear
        order: jax.Array

        def __init__(self, key, n_inputs, n_outputs):
            self.line = eqx.nn.Linear(n_inputs, n_outputs, key=key)
            self.order = jnp.arange(n_inputs)

        def __call__(self, row):
            return self.line(row[self.order])

    for make, said in (
        (with_state, "keeps a state"),
        (Counting, "int32 in order. Make it a static field"),
        (lambda key, n_inputs, n_outputs: 3, "must make an eqx.Module from key, got int"),
    ):
        with pytest.raises(ValueError, match=said):
            NeuralClassifier(network=make, **BRIEF).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="Hand over the function or class that makes it"):
        NeuralClassifier(network=eqx.nn.Linear(4, 3, key=jax.random.key(0)), **BRIEF).fit(IRIS, SPECIES)


def test_what_flax_cannot_train_here_is_refused():
    nnx = pytest.importorskip("flax.nnx")

    class Remembering(nnx.Module):
        def __init__(self, rngs, n_inputs, n_outputs):
            self.line = nnx.Linear(n_inputs, n_outputs, rngs=rngs)
            self.memory = nnx.Cache(jnp.zeros(3))

        def __call__(self, X):
            return self.line(X) + self.memory

    with pytest.raises(ValueError, match="got Cache in memory"):
        NeuralClassifier(network=Remembering, **BRIEF).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match=r"must make an nnx\.Module from rngs, got int"):
        NeuralClassifier(network=lambda rngs, n_inputs, n_outputs: 3, **BRIEF).fit(IRIS, SPECIES)
