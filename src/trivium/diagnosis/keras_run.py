"""The record of a Keras run, on any backend: what a callback can see, which is all but the gradients."""

import math
from typing import Any

import numpy as np

from trivium.diagnosis.data_facts import column_facts, split_facts, target_facts
from trivium.diagnosis.loss_facts import entropy
from trivium.diagnosis.record import Layer, RunRecord, Series, column, plain
from trivium.diagnosis.schedule import Budget

ROWS, PROBE = 600, 128
"""Rows that a score, and a look at the activations, sees at most."""

KINDS = {"binary_crossentropy": "bce", "categorical_crossentropy": "cross_entropy", "squared": "mse", "mse": "mse"}
KINDS |= {"absolute": "mae", "mae": "mae", "huber": "huber"}
"""What is in the name of a loss -> what rules call it; the first that fits."""

FLAT = {"sigmoid": lambda a: a * (1 - a) < 0.05 / 4, "tanh": lambda a: 1 - a**2 < 0.05}
"""Activation -> whether its slope is under 0.05 of its largest, told from its output."""

RECTIFIERS = ("relu", "relu6")


class KerasRun:
    """Fills a record from what Keras tells a callback: losses, rates, weights before and after a step, activations.

    train, validation  pairs (X, y) of arrays: facts of the data and scores per epoch
    """

    def __init__(self, model: Any, train: Any = None, validation: Any = None, share: float = 0.03) -> None:
        self.model = model
        self.train, self.kept = (None if pair is None else tuple(map(np.asarray, pair)) for pair in (train, validation))
        self.steps, self.looks, self.ends = Series(4096), Series(256), Series(512)
        self.updates, self._before, self._probe = 0, None, None
        self.skipped = [{"what": "gradients", "why": "Keras does not show them to a callback"}]
        self.dense = [layer for layer in model.layers if len(layer.get_weights()) and layer.get_weights()[0].ndim >= 2]
        self.layers = tuple(self._layer(layer, place == len(self.dense) - 1) for place, layer in enumerate(self.dense))
        count = sum(int(np.size(w)) for layer in self.dense for w in layer.get_weights())
        self.budget = Budget(count, 2 * len(self.dense), share)
        self.batch_size = 32
        kind = self._loss_kind()
        self.targets = {} if self.train is None else target_facts(self.train[1], kind)
        self.loss = self._loss_facts(kind)

    # ---------------------------------------------------------------- what the callback tells

    def begin(self, parameters: dict[str, Any]) -> None:
        """The run begins: Keras's own `params` hold epochs and steps per epoch."""
        steps = parameters.get("steps")
        if steps and self.train is not None:
            self.batch_size = math.ceil(len(self.train[0]) / steps)
        self._score(0, {}, 0)

    def before_step(self) -> None:
        if self.budget.due(self.updates):
            self._sync()
            self._before = self._weights()

    def after_step(self, logs: dict[str, Any]) -> None:
        """A step was taken. Keras's running mean of the loss is turned back into the loss of the step."""
        mean, steps = float(logs.get("loss", math.nan)), self._in_epoch + 1
        loss = mean * steps - self._sum
        self._sum, self._in_epoch = mean * steps, steps
        self.steps.append(self.updates, (loss, self._rate()))
        self.budget.trained(self.batch_size)
        if self._before is not None:
            before, self._before = self._before, None
            self._sync()
            self._look(before)
            self.budget.looked(self.updates, PROBE)
        self.updates += 1

    def begin_epoch(self) -> None:
        self._sum, self._in_epoch = 0.0, 0

    _sum, _in_epoch = 0.0, 0

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        self._score(epoch + 1, logs, self.updates)

    @property
    def record(self) -> RunRecord:
        """What was measured so far."""
        steps = np.array(self.steps.rows, dtype=float).reshape(-1, 2)
        looks = ("activation_mean", "activation_std", "unit_std", "dead", "saturated", "weight_norm", "update_ratio")
        scores = ("epoch", "train_loss", "train_metric", "validation_loss", "validation_metric", "validation_recall")
        return RunRecord(
            layers=self.layers,
            step=self.steps.numbers,
            step_loss=steps[:, 0],
            step_learning_rate=steps[:, 1],
            moment=self.looks.numbers,
            epoch_step=self.ends.numbers,
            batch_loss=column(self.ends.rows, "train_loss"),
            batch_metric=column(self.ends.rows, "train_metric"),
            facts=plain(self._facts()),
            **{name: column(self.looks.rows, name) for name in looks},
            **{name: column(self.ends.rows, name) for name in scores},
        )

    # ---------------------------------------------------------------- what is measured

    def _facts(self) -> dict[str, Any]:
        rows = None if self.train is None else len(self.train[0])
        names = {type(layer).__name__ for layer in self.model.layers}
        bent = [layer.activation for layer in self.layers if not layer.output]
        run = {
            "framework": "keras", "steps": self.updates, "rows": rows, "batch_size": self.batch_size, "mode": "train",
            "epochs": len(self.ends) - 1, "batch_norms": sum("BatchNorm" in name for name in names),
            "dropout": max((float(getattr(layer, "rate", 0) or 0) for layer in self.model.layers), default=0.0),
            "frozen": [layer.name for layer in self.dense if not layer.trainable],
            "recurrent": any(name in ("LSTM", "GRU", "SimpleRNN") for name in names),
        }  # fmt: skip
        if all(name == "identity" for name in bent) and names <= {"Dense", "InputLayer", "Flatten", "Dropout"}:
            run["nonlinear"] = False
        data: dict[str, Any] = {}
        kind = self.targets.get("kind")
        if self.train is not None and kind != "tokens":
            data = column_facts(self.train[0].reshape(len(self.train[0]), -1))
            if self.kept is not None:
                data |= split_facts(self.train[0], self.train[1], self.kept[0], self.kept[1], kind)
        output = {"width": self.layers[-1].width if self.layers else None}
        return {
            "run": run, "loss": self.loss, "targets": self.targets, "optimizer": self._optimizer(), "output": output,
            "data": data, "skipped": self.skipped,
        }  # fmt: skip

    def _layer(self, layer: Any, last: bool) -> Layer:
        shape = layer.get_weights()[0].shape
        name = getattr(getattr(layer, "activation", None), "__name__", None)
        name = "identity" if name == "linear" else name
        kind = (
            "dense" if type(layer).__name__ == "Dense" else "convolution" if "Conv" in type(layer).__name__ else "other"
        )
        return Layer(layer.name, kind, int(np.prod(shape[:-1])), int(shape[-1]), name, last, name in FLAT)

    def _loss_kind(self) -> str | None:
        loss = getattr(self.model, "loss", None)
        name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", ""))
        return next((kind for part, kind in KINDS.items() if part in str(name).lower()), None)

    def _loss_facts(self, kind: str | None) -> dict[str, Any]:
        logits = bool(getattr(getattr(self.model, "loss", None), "_fn_kwargs", {}).get("from_logits", False))
        last = self.layers[-1].activation if self.layers else None
        links = [last] if last not in (None, "identity") else []
        nodes: list[str] = []
        if kind in ("cross_entropy", "bce") and not logits:
            nodes = ["Log"]
        elif kind == "bce":
            nodes = ["BinaryCrossEntropyWithLogits"]
        elif kind == "cross_entropy":
            links = [*links, "log_softmax"]
        baseline = entropy(self.targets, self.targets.get("kind")) if self.targets else None
        if kind == "mse" and self.targets.get("kind") == "numbers":
            baseline = self.targets["std"] ** 2
        return {"kind": kind, "link": links, "nodes": nodes, "baseline": baseline}

    def _optimizer(self) -> dict[str, Any]:
        held = getattr(self.model, "optimizer", None)
        facts = {"name": type(held).__name__.lower(), "learning_rate": self._rate()}
        names = {"momentum": "momentum", "beta1": "beta_1", "beta2": "beta_2", "epsilon": "epsilon"}
        names |= {"weight_decay": "weight_decay", "clip": "clipnorm"}
        known = {name: getattr(held, theirs, None) for name, theirs in names.items()}
        facts |= {name: value for name, value in known.items() if _is_number(value)}
        return facts

    def _rate(self) -> float:
        try:
            return float(np.asarray(_array(self.model.optimizer.learning_rate)))
        except Exception:  # a schedule of someone's own
            return math.nan

    def _weights(self) -> list[np.ndarray]:
        return [np.asarray(layer.get_weights()[0], dtype=np.float64) for layer in self.dense]

    def _sync(self) -> None:
        """On the JAX backend the weights are elsewhere during an epoch."""
        if hasattr(self.model, "jax_state_sync") and getattr(self.model, "_jax_state", None):
            self.model.jax_state_sync()

    def _look(self, before: list[np.ndarray]) -> None:
        norms = [float(np.linalg.norm(w)) for w in before]
        moved = [float(np.linalg.norm(b - a)) for a, b in zip(before, self._weights(), strict=True)]
        row: dict[str, Any] = {
            "weight_norm": norms,
            "update_ratio": [m / n if n else math.nan for m, n in zip(moved, norms, strict=True)],
        }
        try:
            row |= self._activations()
        except Exception as error:  # a model that is no graph of layers
            if not any(entry["what"] == "activations" for entry in self.skipped):
                self.skipped.append({"what": "activations", "why": f"{type(error).__name__}: {error}"})
        self.looks.append(self.updates, row)

    def _activations(self) -> dict[str, Any]:
        if self.train is None:
            raise ValueError("no training rows were given")
        if self._probe is None:
            import keras

            self._probe = keras.Function(self.model.inputs, [layer.output for layer in self.dense])
        probe: Any = self._probe
        outputs = [np.asarray(_array(a), dtype=np.float64) for a in probe([self.train[0][:PROBE]])]
        units = [a.reshape(len(a), -1) for a in outputs]
        named = list(zip(units, (layer.activation for layer in self.layers), strict=True))
        return {
            "activation_mean": [float(a.mean()) for a in units],
            "activation_std": [float(a.std()) for a in units],
            "unit_std": [float(a.std(0).mean()) for a in units],
            "dead": [float((a == 0).all(0).mean()) if n in RECTIFIERS else math.nan for a, n in named],
            "saturated": [float(FLAT[n](a).mean()) if n in FLAT else math.nan for a, n in named],
        }

    def _score(self, epoch: int, logs: dict[str, Any], step: int) -> None:
        row: dict[str, Any] = {"epoch": epoch, "train_loss": logs.get("loss"), "validation_loss": logs.get("val_loss")}
        for name, pair in (("train", self.train), ("validation", self.kept)):
            if pair is None:
                continue
            stride = max(1, len(pair[0]) // ROWS)
            outputs = np.asarray(_array(self.model.predict_on_batch(pair[0][::stride][:ROWS])))
            metric, recall = self._metric(outputs, pair[1][::stride][:ROWS])
            row[f"{name}_metric"] = metric
            if recall and name == "validation":
                row["validation_recall"] = recall
        self.ends.append(step, row)

    def _metric(self, outputs: np.ndarray, y: np.ndarray) -> tuple[float, list[float]]:
        if not np.isfinite(outputs).all():
            return math.nan, []
        if self.targets.get("kind") == "classes":
            wide = outputs.ndim > 1 and outputs.shape[-1] > 1
            bound = 0.5 if self.layers[-1].activation == "sigmoid" else 0.0
            guess = outputs.argmax(-1) if wide else outputs.reshape(-1) > bound
            truth = y.argmax(-1) if self.targets.get("one_hot") else y.reshape(-1)
            kinds = range(min(int(self.targets["classes"]), 50))
            recall = [float((guess[truth == k] == k).mean()) if (truth == k).any() else math.nan for k in kinds]
            return float((guess == truth).mean()), recall
        if self.targets.get("kind") == "numbers":
            truth = y.reshape(outputs.shape)
            spread = float(((truth - truth.mean(0)) ** 2).sum())
            return (1 - float(((outputs - truth) ** 2).sum()) / spread if spread else math.nan), []
        return math.nan, []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _array(value: Any) -> Any:
    """An array of any backend, as NumPy can take it."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
