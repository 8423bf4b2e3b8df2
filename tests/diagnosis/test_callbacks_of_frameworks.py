"""Callbacks: Keras where it is installed; Lightning and Hugging Face as fakes with the same hooks in the same order."""

import os
import sys
import types

import jax
import numpy as np
import pytest

from trivium.diagnosis.callbacks import hugging_face_watch, keras_watch, lightning_watch

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 2)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


@pytest.fixture
def keras():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    with jax.numpy_rank_promotion("allow"):
        yield keras


def keras_run(keras, hidden="relu", learning_rate=0.03, loss="sparse_categorical_crossentropy", last="softmax"):
    layers = [
        keras.Input((2,)),
        keras.layers.Dense(16, hidden),
        keras.layers.Dense(16, hidden),
        keras.layers.Dense(2, last),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(learning_rate), loss)
    watch = keras_watch((X[:300], Y[:300]), (X[300:], Y[300:]), quiet=True)
    model.fit(X[:300], Y[:300], validation_data=(X[300:], Y[300:]), epochs=20, verbose=0, callbacks=[watch])
    return watch


@pytest.mark.filterwarnings("default")
class TestKeras:
    def test_a_healthy_run_is_healthy_and_what_is_not_seen_is_said(self, keras):
        watch = keras_run(keras)
        diagnosis = watch.diagnosis
        assert diagnosis.first is None, str(diagnosis)
        assert "Healthy" in diagnosis.healthy
        assert {entry["what"] for entry in diagnosis.skipped} == {"gradients"}
        record = watch.record
        assert len(record.step) == 20 * 10
        assert record.section("run")["batch_size"] == 30 or record.section("run")["batch_size"] == 32
        assert [layer.activation for layer in record.layers] == ["relu", "relu", "softmax"]
        assert np.isfinite(record.update_ratio).all()
        assert record.dead.shape[1] == 3
        assert record.validation_metric[-1] > 0.9

    def test_a_linear_network_is_named(self, keras):
        assert keras_run(keras, hidden="linear").diagnosis.first.name == "missing_nonlinearity"

    def test_a_second_softmax_is_named(self, keras):
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        assert keras_run(keras, loss=loss).diagnosis.first.name == "loss_output_mismatch"


def network(torch, hidden):
    torch.manual_seed(0)
    nn = torch.nn
    return nn.Sequential(nn.Linear(2, 16), hidden(), nn.Linear(16, 16), hidden(), nn.Linear(16, 2))


def rows(torch, start, stop):
    return torch.tensor(X[start:stop]), torch.tensor(Y[start:stop])


def lightning_run(torch, hidden, monkeypatch, steps=300):
    """The order of hooks of Lightning 2: the backward pass runs in the closure of the optimizer's step."""
    package = types.ModuleType("lightning.pytorch.callbacks")
    package.Callback = type("Callback", (), {})
    for name in ("lightning", "lightning.pytorch"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    module = torch.nn.Module()
    module.net = network(torch, hidden)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    trainer = types.SimpleNamespace(optimizers=[optimizer])
    watch = lightning_watch(
        rows(torch, 0, 300), rows(torch, 300, 400), loss_fn=torch.nn.functional.cross_entropy, quiet=True
    )
    x, y = rows(torch, 0, 300)
    watch.on_train_start(trainer, module)
    for step in range(steps):
        batch = torch.randint(0, 300, (32,))

        def closure(batch=batch):
            loss = torch.nn.functional.cross_entropy(module.net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            watch.on_before_optimizer_step(trainer, module, optimizer)
            return loss

        optimizer.step(closure)
        watch.on_train_batch_end(trainer, module, None, batch, step)
    watch.on_train_end(trainer, module)
    return watch, module


def test_lightning_is_watched(monkeypatch):
    torch = pytest.importorskip("torch")
    watch, module = lightning_run(torch, torch.nn.ReLU, monkeypatch)
    assert len(watch.record.step) == 300
    assert watch.record.section("optimizer")["name"] == "adam"
    assert np.isfinite(watch.record.gradient_rms).any()
    np.testing.assert_allclose(watch.record.clipping[np.isfinite(watch.record.clipping)], 1, rtol=1e-5)
    assert not module.net._forward_hooks
    watch, _ = lightning_run(torch, torch.nn.Identity, monkeypatch)
    assert watch.diagnosis.first.name == "missing_nonlinearity"


def test_hugging_face_is_watched(monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    package = types.ModuleType("transformers")
    package.TrainerCallback = type("TrainerCallback", (), {})
    monkeypatch.setitem(sys.modules, "transformers", package)
    model = network(torch, torch.nn.Identity)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    wrapped = types.SimpleNamespace(optimizer=optimizer, step=optimizer.step)
    watch = hugging_face_watch(rows(torch, 0, 300), rows(torch, 300, 400), loss_fn=torch.nn.functional.cross_entropy)
    watch.on_train_begin(None, None, None, model=model, optimizer=wrapped, train_dataloader=None)
    x, y = rows(torch, 0, 300)
    for _ in range(300):
        batch = torch.randint(0, 300, (32,))
        torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        wrapped.step()
        optimizer.zero_grad()
    watch.on_train_end(None, None, None)
    assert watch.diagnosis.first.name == "missing_nonlinearity"
    assert "linear model" in capsys.readouterr().out


def test_a_failure_of_the_watch_is_a_warning_and_never_ends_the_run(monkeypatch):
    package = types.ModuleType("transformers")
    package.TrainerCallback = type("TrainerCallback", (), {})
    monkeypatch.setitem(sys.modules, "transformers", package)
    watch = hugging_face_watch()
    with pytest.warns(UserWarning, match="no longer watched"):
        watch.on_train_begin(None, None, None, model=None, optimizer=None)
    watch.on_train_end(None, None, None)
