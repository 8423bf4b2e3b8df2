"""The record of a run of our own: what the compiled epochs looked at, with the facts that the choices tell."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from trivium.catalog import name_of
from trivium.compiling import quickly
from trivium.diagnosis.data_facts import (
    LEARN_COLUMNS,
    column_facts,
    grid_facts,
    reference_facts,
    some_columns,
    split_facts,
    target_facts,
)
from trivium.diagnosis.record import Layer, RunRecord, column, plain
from trivium.initializers import fitting, glorot_uniform
from trivium.network.own import OwnNetwork
from trivium.schedules import Schedule
from trivium.tables.streamed import Streamed
from trivium.training.population import Member
from trivium.training.program import EVERY_ROW
from trivium.training.rows import Table
from trivium.training.snapshots import Look, weights_in

KINDS = {
    "squared_error": "mse",
    "absolute_error": "mae",
    "binary_cross_entropy": "bce",
    "cross_entropy": "cross_entropy",
}
"""Losses that rules know by a name of their own."""

MOST_ROWS, MOST_NUMBERS = 20_000, 1 << 22
"""Of a table from which facts of its columns are taken: rows at even distances, numbers in the columns looked at."""


def record_of(member: Member, recalls: np.ndarray | None = None) -> RunRecord:
    """The record of a member that has been watched, without what simple models reach on its rows.

    recalls  per class on the rows kept aside, by the parameters that were kept, (n_classes,)
    """
    program, history = member.program, member.history
    looks = [look for look in member.looks if look.before is not None]
    steps = _steps(member)
    layers, weights = _layers(member)
    shown = _epochs_shown(member)
    last = len(shown)
    epochs = np.arange(last + 1)
    start = float(looks[0].before.loss) if looks and looks[0].before is not None else np.nan
    recall = np.zeros(0)
    if recalls is not None:
        recall = np.full((last + 1, len(recalls)), np.nan)
        recall[-1] = recalls
    rows = [_snapshot(look, weights, layers) for look in looks]
    places = np.concatenate([_places(look, steps) for look in member.looks]) if member.looks else np.zeros(0)
    losses = np.concatenate([look.step_loss for look in member.looks]) if member.looks else np.zeros(0)
    names = "activation_mean activation_std unit_std dead saturated gradient_rms weight_norm update_ratio"
    series = {name: column(rows, name) for name in names.split()}

    def with_start(values: list[float], first: float = np.nan) -> np.ndarray:
        return np.array([first, *(values[:last] if values else [np.nan] * last)])

    return RunRecord(
        layers=layers,
        step=places,
        step_loss=losses,
        step_learning_rate=_rates(member, places),
        moment=np.array([look.epoch * steps for look in looks]),
        **series,
        gradient_norm=column(rows, "gradient_norm"),
        output_std=column(rows, "output_std"),
        output_mean=column(rows, "output_mean"),
        epoch=epochs,
        epoch_step=epochs * steps,
        train_loss=with_start(history.train_loss, start),
        train_metric=with_start(history.train_metric),
        batch_loss=with_start(history.train_loss, start),
        batch_metric=with_start(history.train_metric),
        validation_loss=with_start(history.validation_loss),
        validation_metric=with_start(history.validation_metric),
        validation_recall=recall,
        facts=plain(
            {
                "run": _run_facts(member, layers, looks, series, steps),
                "loss": _loss_facts(member, start),
                "output": _output_facts(program, looks),
                "optimizer": _optimizer_facts(program, member.numbers),
                "targets": target_facts(_targets(member.rows, _kind(member)), _kind(member), program.head.width),
                "data": _data_facts(member),
            }
        ),
    )


def with_references(record: RunRecord, member: Member) -> RunRecord:
    """A record with what simple models reach, and so what the data allow: asking takes some tenths of a second."""
    X, targets, kept, kept_targets = _samples(member)
    data = {**record.facts["data"], **plain(reference_facts(X, targets, kept, kept_targets, _kind(member)))}
    return replace(record, facts={**record.facts, "data": data})


def _steps(member: Member) -> int:
    """Updates per epoch."""
    size = member.program.batch_size
    return 1 if size in (EVERY_ROW,) or size >= member.rows.n else -(-member.rows.n // size)


def _epochs_shown(member: Member) -> range:
    """The epochs that the verdict is on: up to the one whose parameters were kept, where rows kept aside chose it.

    What came after it is thrown away, and so is no fault of the model. A run that broke is shown whole.
    """
    history = member.history
    kept = history.validation_loss and history.best_epoch >= 0 and history.ending != "not finite"
    return range(history.best_epoch + 1 if kept else len(history))


def _layers(member: Member) -> tuple[tuple[Layer, ...], list[int]]:
    """The layers with weights, and where their weights stand among those that a snapshot knows."""
    network: Any = member.program.network
    if isinstance(network, OwnNetwork):
        from trivium.diagnosis import own_network  # takes a part of JAX that is long to import

        return own_network.layers(network, member.state.parameters, member.rows.X)
    activation = getattr(network, "activation", None)
    found, places = [], []
    for place, (path, leaf) in enumerate(weights_in(member.state.parameters).items()):
        if getattr(path[-1], "key", None) in (None, "weights"):
            found.append((f"layers.{getattr(path[0], 'idx', len(found))}", leaf.shape[-2:]))
            places.append(place)
    layers = []
    for place, (name, shape) in enumerate(found):
        last = place == len(found) - 1
        own = None if last or activation is None else activation
        layers.append(
            Layer(
                name=name,
                kind="dense",
                inputs=int(shape[0]),
                width=int(shape[1]),
                activation="identity" if last else _name(own),
                output=last,
                saturates=own is not None and not _is_wave(own) and fitting(own) is glorot_uniform,
                normalised=not last and getattr(network, "normalisation", None) is not None,
            )
        )
    return tuple(layers), places


def _is_wave(activation: Callable) -> bool:
    """Whether it is bounded without being flat, as sine is."""
    return getattr(activation, "__module__", "").endswith(".waves")


def _snapshot(look: Look, weights: list[int], layers: tuple[Layer, ...]) -> dict[str, Any]:
    """A row of the record: hidden layers first, then the output, of which only weights and outputs are known.

    A unit that rectifies is no saturated one: it is asked whether it is dead.
    """
    before: Any = look.before
    n_layers = len(layers)
    row: dict[str, Any] = {}
    for name in ("activation_mean", "activation_std", "unit_std", "dead", "saturated"):
        hidden = np.asarray(getattr(before, name)).tolist()
        row[name] = (hidden + [np.nan] * n_layers)[:n_layers]
    row["saturated"] = [
        share if layer.saturates else np.nan for share, layer in zip(row["saturated"], layers, strict=True)
    ]
    for name in ("gradient_rms", "weight_norm", "update_ratio"):
        row[name] = np.asarray(getattr(before, name))[weights].tolist()
    if n_layers:
        row["unit_std"][-1] = float(before.output_std)
        row["activation_mean"][-1] = float(before.output_mean)
        row["activation_std"][-1] = float(before.output_std)
    return row | {name: float(getattr(before, name)) for name in ("gradient_norm", "output_std", "output_mean")}


def _places(look: Look, steps: int) -> np.ndarray:
    """The steps to which the losses of an epoch belong."""
    apart = -(-steps // max(1, len(look.step_loss))) if len(look.step_loss) else 1
    return look.epoch * steps + np.arange(len(look.step_loss)) * apart


def _rates(member: Member, places: np.ndarray) -> np.ndarray:
    rate = member.numbers.get("learning_rate")
    if rate is None or not len(places):
        return np.full(len(places), np.nan)
    make = dict(member.program.schedules).get("learning_rate")
    if make is None:
        return np.full(len(places), rate)
    filled = np.zeros(1 << (len(places) - 1).bit_length(), np.float32)  # so that few lengths are compiled
    filled[: len(places)] = places
    steps = np.float32(max(1, _steps(member) * member.epochs))
    return np.asarray(_values(make, np.float32(rate), steps, filled), np.float64)[: len(places)]


@partial(quickly, static=("make",))
def _values(make: Callable[[Any, Any], Schedule], value: Any, steps: Any, counts: Any) -> Any:
    """Of the schedule that `make` makes of a value for so many steps, at these counts, (n,)."""
    return make(value, steps)(counts)


def _run_facts(
    member: Member, layers: tuple[Layer, ...], looks: list[Look], series: Mapping[str, np.ndarray], steps: int
) -> dict[str, Any]:
    norms, moves = series["weight_norm"], series["update_ratio"]
    first = norms[0] if norms.ndim == 2 else np.full(len(layers), np.nan)
    still = (moves == 0).all(axis=0) if moves.ndim == 2 else np.zeros(len(layers), bool)
    network: Any = member.program.network
    own = isinstance(network, OwnNetwork)
    return {
        "framework": "trivium",
        "epochs": len(member.history),
        "steps": steps * len(member.history),
        "rows": member.rows.n,
        "batch_size": min(member.program.batch_size or member.rows.n, member.rows.n),
        "steps_per_epoch": steps,
        "order": "shuffled",
        "parameters": int(sum(np.size(leaf) for leaf in jax.tree.leaves(member.state.parameters))),
        "not_updated": [f"{layer.name}.weight" for layer, stays in zip(layers, still, strict=True) if stays],
        "symmetric": [f"{layer.name}.weight" for layer, norm in zip(layers, first, strict=True) if norm == 0],
        "gain": {
            f"{layer.name}.weight": float(norm) / np.sqrt(layer.width)
            for layer, norm in zip(layers, first, strict=True)
            if np.isfinite(norm) and not own  # whose weights may stand in any order of axes
        },
        "never_given": [],
        "frozen": [],
        "gradients_accumulate": False,
        "mode": "train",
        "nonlinear": _bends(network, member) if own else len(layers) > 1 and layers[0].activation != "identity",
        "dropout": float(member.numbers.get("dropout", 0.0)),
        "residual": bool(getattr(network, "residual", False)),
        "batch_norms": sum(layer.normalised for layer in layers) if _normalises_batches(network) else 0,
        "recurrent": False,
        "finished": member.history.ending in ("all epochs", "no progress"),
        "first_nonfinite": _broken(member, looks, layers, steps),
    }


def _normalises_batches(network: Any) -> bool:
    return getattr(network, "normalisation", None) == "batch"


def _broken(member: Member, looks: list[Look], layers: tuple[Layer, ...], steps: int) -> dict[str, Any] | None:
    """Where the first number that is not finite stands."""
    if member.history.ending != "not finite":
        return None
    for look in member.looks:
        bad = np.flatnonzero(~np.isfinite(look.step_loss))
        if len(bad):
            return {"where": "loss", "step": int(_places(look, steps)[bad[0]]), "name": None}
        before: Any = look.before
        if before is not None and not np.isfinite(before.weight_norm).all():
            place = int(np.flatnonzero(~np.isfinite(before.weight_norm))[0])
            name = layers[min(place, len(layers) - 1)].name if layers else None
            return {"where": "parameters", "step": look.epoch * steps, "name": name}
    return {"where": "parameters", "step": member.epochs * steps, "name": None}


def _loss_facts(member: Member, start: float) -> dict[str, Any]:
    program = member.program
    name = _name(program.loss)
    activation = program.head.output_activation
    return {
        "kind": KINDS.get(name, name),
        "link": [] if activation is None else [_name(activation)],
        "reduction": "mean",
        "sign": 1,
        "flat": False,
        "safe": True,
        "start": start,
        "baseline": member.history.baseline_loss,
    }


def _output_facts(program: Any, looks: list[Look]) -> dict[str, Any]:
    facts: dict[str, Any] = {"width": program.head.width}
    if looks and looks[0].before is not None:
        first = looks[0].before
        facts |= {"minimum": float(first.output_minimum), "maximum": float(first.output_maximum)}
    return facts


def _optimizer_facts(program: Any, numbers: Mapping[str, float]) -> dict[str, Any]:
    """What the optimizer was told, and its own defaults."""
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(program.optimizer).parameters.items()
        if isinstance(parameter.default, int | float)
    }
    known |= dict(numbers)
    return {
        "name": _name(program.optimizer),
        "learning_rate": known.get("learning_rate"),
        "momentum": known.get("momentum", known.get("beta1")),
        "beta1": known.get("beta1"),
        "beta2": known.get("beta2"),
        "epsilon": known.get("epsilon"),
        "weight_decay": known.get("weight_decay", known.get("decay", 0.0)),
        "schedule": _name(program.schedules[0][1]) if program.schedules else None,
    }


def _kind(member: Member) -> str:
    """Of the targets."""
    if member.rows.spread is not None:
        return "numbers"
    return "several" if member.history.metric == "accuracy" and _labels(member) else "classes"


def _labels(member: Member) -> bool:
    head = member.program.head
    return head.targets == "numbers" and not head.flat


def _targets(table: Table, kind: str) -> np.ndarray:
    """As rules expect them: numbers of classes as whole numbers, one-hot rows as such numbers."""
    targets = _meant(table.targets, table.places)
    if kind != "classes":
        return targets
    return (targets.argmax(axis=1) if targets.ndim == 2 else targets).astype(np.int64)


def _meant(array: Any, places: np.ndarray | None) -> Any:
    if places is None:
        return array
    return array.at(places) if isinstance(array, Streamed) else array[places]


def _data_facts(member: Member) -> dict[str, Any]:
    X = _meant(member.rows.X, member.rows.places)
    every = _some(X)
    facts = column_facts(_seen(X))
    if member.aside is None:
        return facts | grid_facts(_seen(X), _targets(member.rows, _kind(member))[every], _kind(member))
    of_both = split_facts(*_samples(member), kind=None)
    return facts | of_both | ({"kept_rows": member.aside.n} if "kept_rows" in of_both else {})


def _samples(member: Member) -> tuple[np.ndarray, ...]:
    """Some rows to train on with their targets, and some of those kept aside with theirs."""
    sampled: list[np.ndarray] = []
    for table in (member.rows, member.aside):
        assert table is not None
        X = _meant(table.X, table.places)
        sampled += [_seen(X), _targets(table, _kind(member))[_some(X)]]
    return tuple(sampled)


def _seen(X: Any) -> np.ndarray:
    """Of an array some rows, all columns; of a streamed table those columns alone that facts are taken from."""
    rows = _some(X)
    return X.thinned(rows, some_columns(X.shape[1])) if isinstance(X, Streamed) else X[rows]


def _some(X: Any) -> slice:
    """Rows at even distances, few enough for facts of every column to be taken in little time and memory."""
    columns = min(LEARN_COLUMNS, max(1, X.size // max(1, len(X))))
    return slice(None, None, max(1, len(X) // min(MOST_ROWS, MOST_NUMBERS // columns)))


def _name(function: Any) -> str:
    from trivium import losses

    function = getattr(function, "func", function)
    return name_of(losses, function) or getattr(function, "__name__", type(function).__name__)


def _bends(network: OwnNetwork, member: Member) -> bool | None:
    from trivium.diagnosis import own_network

    return own_network.bends(network, member.state.parameters, member.rows.X)
