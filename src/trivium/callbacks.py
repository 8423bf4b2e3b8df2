"""Loggers that take what a run leaves behind to other tools while it trains: `fit` calls them after each epoch.

A callback is any function of (history, epoch), the first epoch being 0, which may return True to end training. These
two return nothing.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from trivium.training.history import History


class Callback(Protocol):
    """What is called after each epoch."""

    def __call__(self, history: History, epoch: int, /) -> bool | None: ...


class TensorBoardLogger:
    """Writes losses, scores and seconds of each epoch for TensorBoard: `tensorboard --logdir FOLDER`.

    Every training has a folder of its own in it, run-1, run-2, ...: so have the members of a population, in the order
    in which they report, and the fits of a search.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder
        self._runs: list[tuple[History, Any]] = []

    def __call__(self, history: History, epoch: int) -> None:
        writer = _of(history, self._runs) or self._begin(history)
        for name, value in scalars(history, epoch).items():
            writer.add_scalar(name, value, epoch)
        writer.flush()

    def close(self) -> None:
        """Write down the last epoch and close the files, as the end of Python does; others are written by the next."""
        for _, writer in self._runs:
            writer.close()
        self._runs = []

    def _begin(self, history: History) -> Any:
        writer_of = _package("tensorboardX", "TensorBoardLogger", "tensorboard").SummaryWriter
        writer = writer_of(str(_new_folder(Path(self.folder))))
        self._runs.append((history, writer))
        return writer

    def __getstate__(self) -> dict[str, Any]:  # a copy, as of each fit of a search, begins runs of its own
        return {"folder": self.folder, "_runs": []}


class MLflowLogger:
    """Logs losses, scores and seconds of each epoch as metrics to MLflow.

    The first training goes to the run that is active when it begins (`with mlflow.start_run(): ...`). Every other one,
    a member of a population for instance, has a run of its own below that one, or in an experiment where none is
    active.

    experiment  its name; it is made where it is not there
    parameters  logged once for each run that the logger writes to, such as estimator.get_params()
    Trap: runs that the logger began go on until `close`, for a callback does not see when training ends.
    """

    def __init__(self, experiment: str = "trivium", parameters: dict[str, Any] | None = None):
        self.experiment = experiment
        self.parameters = parameters
        self._runs: list[tuple[History, str]] = []
        self._own: list[str] = []

    def __call__(self, history: History, epoch: int) -> None:
        mlflow = _mlflow()
        client = mlflow.MlflowClient()
        run = _of(history, self._runs) or self._begin(mlflow, client, history)
        for name, value in scalars(history, epoch).items():
            client.log_metric(run, name, value, step=epoch)

    def close(self) -> None:
        """End the runs that the logger began; one that was active before stays so."""
        if self._own:
            client = _mlflow().MlflowClient()
            for run in self._own:
                client.set_terminated(run)
        self._runs, self._own = [], []

    def _begin(self, mlflow: Any, client: Any, history: History) -> str:
        active = mlflow.active_run()
        if active is not None and not self._runs:
            run = active.info.run_id
        else:
            tags = {} if active is None else {"mlflow.parentRunId": active.info.run_id}
            run = client.create_run(self._experiment_id(client, active), tags=tags).info.run_id
            self._own.append(run)
        for name, value in (self.parameters or {}).items():
            client.log_param(run, name, value)
        self._runs.append((history, run))
        return run

    def _experiment_id(self, client: Any, active: Any) -> str:
        if active is not None:
            return active.info.experiment_id
        known = client.get_experiment_by_name(self.experiment)
        return client.create_experiment(self.experiment) if known is None else known.experiment_id

    def __getstate__(self) -> dict[str, Any]:  # a copy, as of each fit of a search, begins runs of its own
        return {"experiment": self.experiment, "parameters": self.parameters, "_runs": [], "_own": []}


def scalars(history: History, epoch: int) -> dict[str, float]:
    """What an epoch left behind, by names that tools group: train/loss, validation/accuracy, seconds."""
    measured = {
        "train/loss": history.train_loss,
        f"train/{history.metric}": history.train_metric,
        "validation/loss": history.validation_loss,
        f"validation/{history.metric}": history.validation_metric,
        "validation/score": history.validation_score,
        "seconds": history.seconds,
    }
    return {name: float(series[epoch]) for name, series in measured.items() if epoch < len(series)}


def _of(history: History, runs: list[tuple[History, Any]]) -> Any:
    """What belongs to this very history, None where it is new."""
    return next((run for known, run in runs if known is history), None)


def _new_folder(folder: Path) -> Path:
    """The first of run-1, run-2, ... that is not there yet, made; no two processes get the same."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            (folder / f"run-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder / f"run-{number}"


def _mlflow() -> Any:
    return _package("mlflow", "MLflowLogger", "mlflow")


def _package(name: str, who: str, extra: str) -> Any:
    """An optional package. Raises ModuleNotFoundError that names the extra which brings it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{who} must have the package {name}, got none. Install it: pip install 'trivium[{extra}]'.", name=name
        ) from error
