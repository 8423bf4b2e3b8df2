"""What the compiled epochs see of a network in training, against the same by hand; and noise in its steps."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trivium import activations, heads, losses, network, optimizers
from trivium.initializers import he_normal
from trivium.network.noise import dropped, uniform
from trivium.training import augment, population, snapshots
from trivium.training.batches import Batch
from trivium.training.epochs import keys, start
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import Program
from trivium.training.split import table

random = np.random.default_rng(0)
X = random.normal(size=(300, 3)).astype(np.float32)
Y = np.abs(X[:, 0]).astype(np.float32)
NETWORK = network.Perceptron((8, 6), activations.relu, 1, initializer=he_normal)
HEAD = heads.regressor_head(losses.squared_error, None)


def member(epochs=6, batch_size=32, *, watched=True, **more):
    program = Program(
        NETWORK,
        HEAD,
        losses.squared_error,
        optimizers.sgd,
        (),
        heads.squared_distance,
        batch_size,
        **more,
    )
    init_key, order_key = keys(0)
    parameters = NETWORK.init(init_key, X)
    numbers = {"learning_rate": 0.01}
    one = Member(
        program,
        numbers,
        start(program, numbers, parameters, order_key),
        table(X, Y, None),
        None,
        History("R2", 1),
        watched=watched,
    )
    train_population([one], epochs=epochs)
    return one, jax.tree.map(np.asarray, parameters)


def test_the_first_look_is_at_the_network_before_its_first_step():
    one, parameters = member()
    before = one.looks[0].before
    places = np.arange(snapshots.PROBE) * 300 // snapshots.PROBE
    hidden = np.maximum(X[places] @ parameters[0]["weights"], 0)
    np.testing.assert_allclose(before.activation_mean[0], hidden.mean(), rtol=1e-5)
    np.testing.assert_allclose(before.unit_std[0], hidden.std(axis=0).mean(), rtol=1e-5)
    np.testing.assert_allclose(before.dead[0], (hidden <= 0).all(axis=0).mean())
    outputs = NETWORK.apply(parameters, jnp.asarray(X[places]))
    np.testing.assert_allclose(before.output_mean, np.mean(outputs), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(before.loss, np.mean((np.asarray(outputs)[:, 0] - Y[places]) ** 2), rtol=1e-5)
    norms = [np.linalg.norm(layer["weights"]) for layer in parameters]
    np.testing.assert_allclose(before.weight_norm, norms, rtol=1e-5)
    np.testing.assert_allclose(
        before.update_ratio,
        0.01 * before.gradient_rms * [np.sqrt(w["weights"].size) for w in parameters] / norms,
        rtol=1e-4,
    )


def test_losses_come_at_the_resolution_of_steps():
    one, _ = member()
    assert [len(look.step_loss) for look in one.looks] == [10] * 6
    np.testing.assert_allclose(
        [np.average(look.step_loss, weights=[32] * 9 + [12]) for look in one.looks], one.history.train_loss, rtol=1e-5
    )
    one, _ = member(batch_size=1)
    assert all(len(look.step_loss) == 60 for look in one.looks)  # every fifth of 300


def test_looks_are_taken_when_they_are_due_and_change_nothing():
    one, _ = member(epochs=60)
    apart = snapshots.every(10, 60)
    assert apart > 1
    taken = [look.epoch for look in one.looks if look.before is not None]
    assert taken == [epoch for epoch in range(60) if snapshots.due(epoch, apart)]
    assert [look.epoch for look in one.looks] == list(range(60))
    for first, second in itertools.pairwise(taken):
        assert snapshots.next_due(first, apart) == second
    unwatched, _ = member(epochs=60, watched=False)
    assert unwatched.looks == []
    assert unwatched.history.train_loss == one.history.train_loss


def test_a_brief_training_is_the_usual_one_up_to_rounding(monkeypatch):
    brief, _ = member()
    monkeypatch.setattr(population, "BRIEF", 0.0)
    usual, _ = member()
    np.testing.assert_allclose(brief.history.train_loss, usual.history.train_loss, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        brief.state.parameters,
        usual.state.parameters,
    )


def test_looks_grow_rarer_so_that_they_cost_little():
    for steps, epochs in [(1, 10_000), (4, 100), (80, 100), (4000, 30)]:
        apart = snapshots.every(steps, epochs)
        taken = sum(snapshots.due(epoch, apart) for epoch in range(epochs))
        assert taken <= max(snapshots.SHARE / snapshots.COST * steps * epochs, snapshots.DENSE + 3) * 1.3


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_dropout_leaves_out_its_share_and_keeps_the_mean(rate):
    ones = jnp.ones((400, 50))
    units = np.asarray(dropped(jax.random.PRNGKey(0), ones, rate))
    assert abs((units == 0).mean() - rate) < 0.01
    assert units.mean() == pytest.approx(1, abs=0.02)
    again = np.asarray(dropped(jax.random.PRNGKey(1), ones, rate))
    assert rate == 0 or (units != again).any()


def test_hashed_numbers_are_uniform_and_do_not_go_together():
    numbers = np.asarray(uniform(jax.random.PRNGKey(3), (200, 1000)))
    counts, _ = np.histogram(numbers, 50, (0, 1))
    expected = numbers.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 100  # of 49 degrees of freedom: one in 10,000 is above
    others = np.asarray(uniform(jax.random.PRNGKey(4), (200, 1000)))
    for one, two in [(numbers[:, 1:], numbers[:, :-1]), (numbers[1:], numbers[:-1]), (numbers, others)]:
        assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.01


def test_smoothed_labels_and_mixed_rows_are_shares_of_classes():
    head = heads.classifier_head(losses.cross_entropy, 3, None)
    batch = Batch(jnp.asarray(X[:6]), jnp.asarray([0, 1, 2, 0, 1, 2]), jnp.asarray([1, 1, 1, 1, 1, 0.0]))
    smooth = augment.augmented(batch, head, {"label_smoothing": jnp.float32(0.3)}, jax.random.PRNGKey(0))
    np.testing.assert_allclose(smooth.targets[0], [0.8, 0.1, 0.1], rtol=1e-6)
    mixed = augment.augmented(batch, head, {"mixup": jnp.float32(0.4)}, jax.random.PRNGKey(0))
    np.testing.assert_allclose(mixed.targets.sum(axis=1), 1, rtol=1e-6)
    share = float(mixed.targets[1, 1])
    assert 0.5 <= share <= 1
    np.testing.assert_allclose(mixed.X[1], share * X[1] + (1 - share) * X[0], rtol=1e-5)
    assert mixed.weights[0] == 0  # it was mixed with the row that only fills up
    assert augment.augmented(batch, head, {}, jax.random.PRNGKey(0)) == batch
