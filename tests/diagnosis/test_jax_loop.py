"""A loop in plain JAX, told step by step, gets the same verdicts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trivium.diagnosis.jax_loop import Recorder, record_step
from trivium.diagnosis.ranking import diagnose

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 2)).astype(np.float32)
RING = (np.square(X).sum(1) > 1.4).astype(np.int32)


def predict(params, x):
    (w1, b1), (w2, b2) = params
    return jnp.tanh(x @ w1 + b1[None, :]) @ w2 + b2[None, :]


def loss_fn(outputs, targets):
    return -jnp.take_along_axis(jax.nn.log_softmax(outputs), targets[:, None], 1).mean()


def run(rate, epochs=60, size=40):
    keys = jax.random.split(jax.random.key(0), 2)
    params = [
        (jax.random.normal(keys[0], (2, 16)), jnp.zeros(16)),
        (jax.random.normal(keys[1], (16, 2)) / 4, jnp.zeros(2)),
    ]
    train, kept = (X[:300], RING[:300]), (X[300:], RING[300:])
    recorder = Recorder(predict, loss_fn, "cross_entropy", train, kept, batch_size=size)

    @jax.jit
    def step(params, x, y):
        loss, gradients = jax.value_and_grad(lambda p: loss_fn(predict(p, x), y))(params)
        return loss, gradients, jax.tree.map(lambda g: -rate * g, gradients)

    order = np.random.default_rng(1)
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(300), 300 // size):
            loss, gradients, updates = step(params, train[0][rows], train[1][rows])
            record_step(recorder, params, gradients, updates, loss, rate)
            params = jax.tree.map(jnp.add, params, updates)
    return recorder


def test_a_good_loop_is_healthy():
    recorder = run(0.5)
    verdict = diagnose(recorder.record)
    assert recorder.skipped == []
    assert verdict.first is None, verdict
    assert verdict.healthy.startswith("Healthy")


@pytest.mark.parametrize(("rate", "name"), [(1e-5, "lr_too_low"), (300.0, "lr_too_high")])
def test_a_bad_rate_is_named(rate, name):
    first = diagnose(run(rate, epochs=20).record).first
    assert first is not None
    assert first.name == name


def test_a_step_that_cannot_be_recorded_never_stops_the_loop():
    recorder = Recorder(predict, loss_fn, "cross_entropy", (X, RING))
    record_step(recorder, None, None, None, object())
    assert recorder.updates == 1
    assert recorder.skipped[0]["what"] == "record step"
