"""Loggers: every epoch arrives, and no two trainings are mixed."""

import copy
import pickle
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from trivium import NeuralRegressor
from trivium.callbacks import MLflowLogger, TensorBoardLogger
from trivium.training.history import History

X = np.random.default_rng(0).normal(size=(60, 3))


def history(n=3):
    losses = [1 / (epoch + 1) for epoch in range(n)]
    return History("R2", 1.0, losses, losses, losses, losses, seconds=losses)


def events(folder):
    """(name, epoch) -> value, of the event files in a folder: records of a length, a check, the event and a check."""
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    for path in folder.glob("events*"):
        content = path.read_bytes()
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            event = Event.FromString(content[12 : 12 + length])
            found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
            content = content[16 + length :]
    return found


def test_tensorboard_gets_every_epoch_in_a_folder_per_training(tmp_path):
    logger, one, other = TensorBoardLogger(tmp_path / "logs"), history(), history(2)
    for epoch in range(3):
        logger(one, epoch)
    logger(other, 1)
    logger.close()
    again = pickle.loads(pickle.dumps(logger))
    again(history(), 0)
    again.close()
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["run-1", "run-2", "run-3"]
    assert events(tmp_path / "logs" / "run-1")["validation/R2", 2] == pytest.approx(1 / 3)
    names = {"train/loss", "train/R2", "validation/loss", "validation/R2", "seconds"}
    assert events(tmp_path / "logs" / "run-1").keys() == {(name, epoch) for name in names for epoch in range(3)}
    assert events(tmp_path / "logs" / "run-2")["train/loss", 1] == 0.5


def test_tensorboard_gets_what_fit_reports(tmp_path):
    logger = TensorBoardLogger(tmp_path)
    model = NeuralRegressor(
        (4,), epochs=3, learning_rate=0.1, callbacks=[logger], on_problem="ignore", random_state=0
    ).fit(X, X[:, 0])
    logger.close()
    found = events(tmp_path / "run-1")
    losses = [found["train/loss", epoch] for epoch in range(3)]
    np.testing.assert_allclose(losses, model.history_.train_loss, rtol=1e-6)


class Client:
    """What MLflow's client does, in memory; MLflow itself and its dependencies take more than 100 MB."""

    runs: dict
    experiments: dict

    def get_experiment_by_name(self, name):
        known = self.experiments.get(name)
        return None if known is None else SimpleNamespace(experiment_id=known)

    def create_experiment(self, name):
        return self.experiments.setdefault(name, f"id of {name}")

    def create_run(self, experiment_id, tags):
        run = SimpleNamespace(experiment=experiment_id, tags=tags, metrics={}, params={}, status="RUNNING")
        self.runs[f"run {len(self.runs)}"] = run
        return SimpleNamespace(info=SimpleNamespace(run_id=f"run {len(self.runs) - 1}"))

    def log_metric(self, run_id, key, value, step):
        self.runs[run_id].metrics[key, step] = value

    def log_param(self, run_id, key, value):
        self.runs[run_id].params[key] = value

    def set_terminated(self, run_id):
        self.runs[run_id].status = "FINISHED"


@pytest.fixture
def mlflow(monkeypatch):
    client = type("Client", (Client,), {"runs": {}, "experiments": {}})
    module = SimpleNamespace(MlflowClient=client, active_run=lambda: None, runs=client.runs)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return module


def test_mlflow_gets_every_epoch_in_a_run_per_training(mlflow):
    logger, one = MLflowLogger("houses", {"epochs": 3}), history()
    for epoch in range(3):
        logger(one, epoch)
    copy.deepcopy(logger)(history(), 0)
    first, second = mlflow.runs.values()
    assert first.experiment == second.experiment == "id of houses"
    assert first.params == second.params == {"epochs": 3}
    assert first.metrics["validation/loss", 2] == pytest.approx(1 / 3)
    assert len(first.metrics) == 15
    assert len(second.metrics) == 5
    logger.close()
    assert (first.status, second.status) == ("FINISHED", "RUNNING")  # the copy has not been closed


def test_mlflow_goes_on_with_an_active_run_and_puts_others_below(mlflow):
    active = mlflow.MlflowClient().create_run("mine", {})
    active.info.experiment_id = "mine"
    mlflow.active_run = lambda: active
    logger, one, other = MLflowLogger(), history(), history()
    for epoch in range(2):
        logger(one, epoch)
        logger(other, epoch)
    logger.close()
    parent, child = mlflow.runs.values()
    assert (len(parent.metrics), len(child.metrics)) == (10, 10)
    assert (child.experiment, child.tags) == ("mine", {"mlflow.parentRunId": "run 0"})
    assert (parent.status, child.status) == ("RUNNING", "FINISHED")


@pytest.mark.parametrize(
    ("make", "package", "extra"),
    [(lambda: TensorBoardLogger("logs"), "tensorboardX", "tensorboard"), (MLflowLogger, "mlflow", "mlflow")],
)
def test_a_package_that_is_not_there_is_named_with_its_extra(make, package, extra, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=rf"package {package}, got none. .* 'trivium\[{extra}\]'"):
        make()(history(), 0)
    assert not list(tmp_path.iterdir())
