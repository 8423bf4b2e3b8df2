"""The record of a training loop that someone wrote in JAX: a recorder, told of each step."""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from trivium.diagnosis.data_facts import column_facts, split_facts, target_facts
from trivium.diagnosis.loss_facts import behaviour, entropy
from trivium.diagnosis.record import Layer, RunRecord, Series, column, plain
from trivium.diagnosis.schedule import Budget

ROWS = 600
"""Rows that a score sees, at most."""


class Recorder:
    """Keeps what `record_step` is told; `recorder.record` is the record, `diagnose(recorder.record)` the verdict.

    predict     (params, X) -> outputs of the network
    loss_fn     (outputs, targets) -> one loss per row or their mean
    kind        of the loss: "cross_entropy", "bce", "mse", "mae", ...: what it is called in the record's facts
    train, validation  pairs (X, y)
    batch_size  rows per step
    """

    def __init__(
        self,
        predict: Callable,
        loss_fn: Callable,
        kind: str,
        train: tuple[Any, Any],
        validation: tuple[Any, Any] | None = None,
        batch_size: int = 32,
    ) -> None:
        self.predict, self.loss_fn, self.batch_size = predict, loss_fn, batch_size
        self.train, self.kept = _arrays(train), _arrays(validation)
        self.steps, self.snapshots, self.ends = Series(4096), Series(256), Series(512)
        self.layers: tuple[Layer, ...] = ()
        self.budget: Budget | None = None
        self.updates = 0
        self.facts: dict[str, dict[str, Any]] = {
            "run": {"framework": "jax", "rows": len(self.train[0]), "batch_size": batch_size},
            "loss": {"kind": kind},
            "targets": target_facts(self.train[1], kind),
        }
        self.skipped: list[dict[str, str]] = []

    @property
    def record(self) -> RunRecord:
        """What is known so far, with the facts of the data."""
        run, kind = self.facts["run"], self.facts["targets"].get("kind")
        run |= {"steps": self.updates, "epochs": self.updates * self.batch_size / len(self.train[0])}
        data: dict[str, Any] = {}
        if kind != "tokens":
            data |= column_facts(self.train[0])
            if self.kept is not None:
                (x, y), (kept_x, kept_y) = self.train, self.kept
                data |= split_facts(x, y, kept_x, kept_y, kind)
        steps = np.array(self.steps.rows, dtype=float).reshape(-1, 2)
        looks = ("gradient_rms", "weight_norm", "update_ratio", "gradient_norm")
        scores = ("epoch", "train_loss", "train_metric", "validation_loss", "validation_metric", "validation_recall")
        ends = column(self.ends.rows, "train_loss"), column(self.ends.rows, "train_metric")
        return RunRecord(
            layers=self.layers,
            step=self.steps.numbers,
            step_loss=steps[:, 0],
            step_learning_rate=steps[:, 1],
            moment=self.snapshots.numbers,
            epoch_step=self.ends.numbers,
            batch_loss=ends[0],
            batch_metric=ends[1],
            facts=plain({**self.facts, "data": data, "skipped": self.skipped}),
            **{name: column(self.snapshots.rows, name) for name in looks},
            **{name: column(self.ends.rows, name) for name in scores},
        )


def record_step(
    recorder: Recorder, params: Any, gradients: Any, updates: Any, loss: Any, learning_rate: float = math.nan
) -> None:
    """Tell the recorder of one step, before the updates are applied. A failure in here never reaches the loop.

    params, gradients, updates  pytrees alike; updates as Optax makes them, to be added to the parameters
    loss                        of the batch, one number
    """
    try:
        _record(recorder, params, gradients, updates, loss, learning_rate)
    except Exception as error:
        if len(recorder.skipped) < 20:
            recorder.skipped.append({"what": "record step", "why": f"{type(error).__name__}: {error}"})
    recorder.updates += 1


def _record(recorder: Recorder, params: Any, gradients: Any, updates: Any, loss: Any, learning_rate: float) -> None:
    step = recorder.updates
    if recorder.budget is None:
        _begin(recorder, params)
    budget = recorder.budget
    assert budget is not None
    recorder.steps.append(step, (float(loss), float(learning_rate)))
    budget.trained(recorder.batch_size)
    if budget.due(step):
        weights, slopes, moves = _weights(params), _weights(gradients), _weights(updates)
        norms = [float(np.linalg.norm(w)) for w in weights]
        every = [np.asarray(leaf, dtype=np.float64) for leaf in jax.tree.leaves(gradients)]
        row = {
            "gradient_rms": [float(np.sqrt(np.mean(np.square(g)))) for g in slopes],
            "weight_norm": norms,
            "update_ratio": [
                float(np.linalg.norm(m)) / n if n else math.nan for m, n in zip(moves, norms, strict=True)
            ],
            "gradient_norm": math.sqrt(sum(float(np.square(g).sum()) for g in every)),
        }
        recorder.snapshots.append(step, row)
        budget.looked(step, 0)
    per_epoch = math.ceil(len(recorder.train[0]) / recorder.batch_size)
    if step % per_epoch == 0 and budget.affords(2 * ROWS):
        _score(recorder, params, step, step // per_epoch)


def _begin(recorder: Recorder, params: Any) -> None:
    paths = [(path, leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(params) if np.ndim(leaf) >= 2]
    names = [jax.tree_util.keystr(path) for path, _ in paths]
    shapes = [np.shape(leaf) for _, leaf in paths]
    recorder.layers = tuple(
        Layer(name, "dense", int(np.prod(shape[:-1])), int(shape[-1]), output=place == len(names) - 1)
        for place, (name, shape) in enumerate(zip(names, shapes, strict=True))
    )
    leaves = jax.tree.leaves(params)
    recorder.budget = Budget(sum(int(np.size(leaf)) for leaf in leaves), len(leaves), 0.03)
    targets, loss = recorder.facts["targets"], recorder.facts["loss"]
    few = recorder.train[0][:64], recorder.train[1][:64]
    width = int(np.shape(recorder.predict(params, few[0]))[-1])

    def ask(outputs: np.ndarray, truth: np.ndarray) -> float:
        try:
            return float(np.mean(recorder.loss_fn(outputs.astype(np.float32), truth)))
        except Exception:  # a loss of the user's own, of unknown wants
            return math.nan

    loss |= {name: value for name, value in behaviour(ask, few[1], targets, width).items() if value is not None}
    loss["baseline"] = entropy(targets, targets.get("kind"))
    if targets.get("kind") == "numbers" and loss["kind"] == "mse":
        loss["baseline"] = targets["std"] ** 2
    recorder.facts["output"] = {"width": width}


def _score(recorder: Recorder, params: Any, step: int, epoch: int) -> None:
    row: dict[str, Any] = {"epoch": epoch}
    for name, pair in (("train", recorder.train), ("validation", recorder.kept)):
        if pair is None:
            continue
        stride = max(1, len(pair[0]) // ROWS)
        x, y = pair[0][::stride][:ROWS], pair[1][::stride][:ROWS]
        outputs = np.asarray(recorder.predict(params, x))
        row[f"{name}_loss"] = float(np.mean(recorder.loss_fn(outputs, y)))
        metric, recall = _metric(outputs, y, recorder.facts["targets"], recorder.facts["loss"]["kind"])
        row[f"{name}_metric"] = metric
        if recall:
            row[f"{name}_recall"] = recall
    recorder.ends.append(step, row)


def _metric(outputs: np.ndarray, y: np.ndarray, targets: dict[str, Any], loss: str) -> tuple[float, list[float]]:
    if not np.isfinite(outputs).all():
        return math.nan, []
    if targets.get("kind") == "classes":
        bound = 0.0 if loss == "bce" else 0.5
        guess = outputs.argmax(-1) if outputs.ndim > 1 and outputs.shape[-1] > 1 else outputs.reshape(-1) > bound
        truth = y.argmax(-1) if targets.get("one_hot") else y.reshape(-1)
        kinds = range(min(targets["classes"], 50))
        recall = [float((guess[truth == k] == k).mean()) if (truth == k).any() else math.nan for k in kinds]
        return float((guess == truth).mean()), recall
    if targets.get("kind") == "numbers":
        truth = y.reshape(outputs.shape)
        spread = float(((truth - truth.mean(0)) ** 2).sum())
        return (1 - float(((outputs - truth) ** 2).sum()) / spread if spread else math.nan), []
    return math.nan, []


def _weights(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf, dtype=np.float64) for leaf in jax.tree.leaves(tree) if np.ndim(leaf) >= 2]


def _arrays(pair: Any) -> Any:
    return None if pair is None else (np.asarray(pair[0]), np.asarray(pair[1]))
