"""From choices and rows to the members of a population, and from what they learned to models."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np

from trivium import ensembles, heads
from trivium.candidates import RUNGS, Candidate, Plan, in_words
from trivium.choices import Choices
from trivium.estimators.models import Model, alone, in_units
from trivium.heads import Head
from trivium.network import Layout, Network
from trivium.network.structure import Structure
from trivium.outcomes import plain, table
from trivium.report.progress import population_line, progress_line
from trivium.tables.arrays import closed_up, some, taken, with_room
from trivium.tables.streamed import Encoded, Streamed, rows_at_once
from trivium.training import devices, memory, streaming
from trivium.training.epochs import keys, start
from trivium.training.history import History
from trivium.training.loop import evaluate
from trivium.training.population import Member, train_population
from trivium.training.program import Program, predictor_of_many
from trivium.training.rows import Table, bucket
from trivium.training.split import table as as_table

SELECTED = 0.1
"""Share of a time limit that choosing among the members of a population may take, as an estimate."""


AFTERWARDS = 0.8
"""Seconds that predictions of the rows kept aside and the diagnosis take, compilation included, as an estimate."""


class Part(NamedTuple):
    """Encoded rows and what they are to be told apart by, or numbers."""

    inputs: Encoded  # (n, n_inputs) float32
    y: np.ndarray  # (n,) numbers, or numbers of classes
    weights: np.ndarray  # (n,) float32

    def at(self, rows: np.ndarray) -> "Part":
        """Some of the rows."""
        if isinstance(self.inputs, Streamed):
            inputs = self.inputs.at(rows)
        else:
            inputs = taken(self.inputs, rows, bucket(len(rows)))
        return Part(inputs, self.y[rows], some(self.weights, rows))

    def parted(self, rows: np.ndarray, others: np.ndarray) -> tuple["Part", "Part"]:
        """Some of the rows, both rising, in the memory of all of them: what this part held is there no more."""
        beside = self.at(others)
        if isinstance(self.inputs, Streamed):
            return self.at(rows), beside
        inputs = closed_up(self.inputs, rows, bucket(len(rows)))
        return Part(inputs, self.y[rows], some(self.weights, rows)), beside


@dataclass(frozen=True)
class Frame:
    """How the targets of a task meet one loss."""

    loss: Callable
    head: Head
    targets: Callable[[np.ndarray], np.ndarray]  # y as the loss takes it
    centre: Any = 0.0
    scale: Any = 1.0
    low: Any = None  # of predictions in the units of y; None for no bound
    high: Any = None

    def baseline(self, rows: Table) -> float:
        """The loss of the best constant prediction."""
        return heads.baseline_loss(self.head, self.loss, rows.targets, rows.weights)


@dataclass(frozen=True)
class Task:
    """What the rows are for; `frame` answers for the choices of a candidate, and refuses a loss that cannot serve."""

    classes: int | None  # how many, None for numbers
    frame: Callable[[Choices], Frame]

    labels: bool = False
    """Whether the classes are labels, each of which holds or not."""
    watched: bool = False
    """Whether the diagnosis looks at the members."""
    layout: Layout = field(default_factory=Layout)
    """What stands where in an encoded row."""
    apart: tuple[int, ...] = ()
    """Of each code in it how many levels tell rows apart."""

    @property
    def metric(self) -> str:
        """The name of what a history keeps beside the loss."""
        return "R2" if self.classes is None else "accuracy"

    def yardstick(self, aside: Part, heads: Sequence[Head]) -> Callable[[np.ndarray], float]:
        """What members of several losses are compared by, and averages chosen by; lower is better."""
        if self.classes is None:
            return ensembles.squared_error(aside.y, aside.weights)
        if all(head.probabilistic for head in heads):
            return ensembles.log_loss(aside.y, aside.weights)
        return ensembles.error_rate(aside.y, aside.weights)

    @property
    def distance(self) -> Callable:
        """What that is per row."""
        if self.classes is None:
            return heads.squared_distance
        return heads.labels_right if self.labels else heads.accuracy


def program_of(chosen: Choices, frame: Frame, task: Task, n: int) -> Program:
    """The static choices of a candidate for n rows."""
    return Program(
        network=chosen.network(frame.head.width, task.layout),
        head=frame.head,
        loss=frame.loss,
        optimizer=chosen.optimizer,
        flags=chosen.flags,
        metric=task.distance,
        batch_size=chosen.batch(n),
        schedules=chosen.schedules,
        precision=chosen.precision,
    )


def members_of(
    candidates: Sequence[Candidate],
    task: Task,
    first: Part,
    aside: Part | None,
    seed: int,
    standing: Any = None,
) -> tuple[list[Member], list[Frame]]:
    """A fresh network per candidate; those of one loss share their rows on a device.

    standing  parameters to go on from in the place of fresh ones
    """
    frames: dict[Any, Frame] = {}
    tables: dict[Any, tuple[Table, Table | None, float]] = {}
    initial: dict[Any, Any] = {}
    members, used = [], []
    for candidate in candidates:
        chosen = candidate.choices
        kind = (chosen.loss, chosen.output_activation)
        if kind not in frames:
            frames[kind] = task.frame(chosen)
            tables[kind] = _tables(frames[kind], task, first, aside)
        frame, (rows, rows_aside, baseline) = frames[kind], tables[kind]
        program = program_of(chosen, frame, task, rows.n)
        rows = streaming.as_trained(rows, program.batch_size)
        init_key, order_key = keys((seed + candidate.seed) % 2**31)
        start_of = (program.network, chosen.initializer, candidate.seed)
        if start_of not in initial:
            initial[start_of] = program.network.init(init_key, sampled(rows.X)) if standing is None else standing
        state = start(program, chosen.numbers, initial[start_of], order_key)
        history = History(task.metric, baseline)
        members.append(
            Member(
                program, chosen.numbers, state, rows, rows_aside, history, stays=candidate.stays, watched=task.watched
            )
        )
        used.append(frame)
    return members, used


def _tables(frame: Frame, task: Task, first: Part, aside: Part | None) -> tuple[Table, Table | None, float]:
    rows = table_of(frame, task, first)
    return rows, None if aside is None else table_of(frame, task, aside), frame.baseline(rows)


def table_of(frame: Frame, task: Task, part: Part) -> Table:
    """Rows as a network is trained on."""
    classes, room = None if task.classes is None else part.y, bucket(len(part.inputs))
    targets = frame.targets(part.y)
    if isinstance(part.inputs, Streamed):
        return as_table(part.inputs, targets, classes, part.weights)
    targets = with_room(targets, room)
    return as_table(part.inputs, targets, classes, with_room(part.weights, room))


def sampled(X: Encoded) -> np.ndarray:
    """Rows that a network may begin from: all that are held, or some at even distances."""
    return X.some(rows_at_once(X.shape[1])) if isinstance(X, Streamed) else X


@dataclass(frozen=True)
class Limits:
    """When training ends."""

    epochs: int
    patience: int | None
    until: float | None  # on the clock of time.perf_counter, None for no limit

    @classmethod
    def of(cls, given: Mapping[str, Any], until: float | None) -> "Limits":
        """Those that an estimator's parameters set."""
        return cls(given["epochs"], given["patience"], until)

    @property
    def seconds_left(self) -> float | None:
        return None if self.until is None else max(1e-3, self.until - time.perf_counter())


def trained(
    members: Sequence[Member],
    limits: Limits,
    *,
    races: bool = False,
    verbose: bool = False,
    on_epoch: Callable[[Member], Any] | None = None,
) -> None:
    """Train them all, with a line on standard error where it is wanted.

    races  whether the worse half leaves again and again
    """
    seconds, alone = limits.seconds_left, len(members) == 1
    if seconds is not None:
        seconds -= min(AFTERWARDS, 0.2 * seconds)
        seconds *= 1 if alone else 1 - SELECTED
    with ExitStack() as lines:
        if alone:
            tell = lines.enter_context(progress_line(verbose, limits.epochs, members[0].history.metric))
            on_progress = None if tell is None else lambda member: tell(member.history, member.rows.n)
        else:
            on_progress = lines.enter_context(population_line(verbose, members, limits.epochs))
        rest = len(members)
        for group in memory.groups(members, len(devices.lanes(len(members)))):
            began = time.perf_counter()
            train_population(
                group,
                epochs=limits.epochs,
                patience=limits.patience,
                time_limit=None if seconds is None else max(1e-3, seconds * len(group) / rest),
                first_rung=max(1, limits.epochs // RUNGS) if races else None,
                on_progress=on_progress,
                on_epoch=on_epoch,
            )
            rest -= len(group)
            seconds = None if seconds is None else seconds - (time.perf_counter() - began)
            if rest:  # the next group needs the room: what a member learned is kept, how to go on is not
                for member in group:
                    member.state = member.state._replace(parameters=member.state.best, optimizer=())


class Found(NamedTuple):
    """The models whose average is the answer, the best first, and what became of all members."""

    models: list[Model]
    member: Member
    candidate: Candidate
    frame: Frame
    search: Mapping[str, list] | None

    def alone(self) -> "Found":
        """The best model without the others."""
        return self._replace(models=[alone(self.models[0])])


def selected(
    members: Sequence[Member],
    frames: Sequence[Frame],
    plan: Plan,
    task: Task,
    aside: Part | None,
    ensemble: int | None,
    *,
    in_units: bool = False,
) -> Found:
    """The best member, or the average that greedy selection finds, by the rows kept aside.

    in_units  whether scores are to be log-losses or squared errors in the units of y even where one loss is shared
    """
    weights, scores = np.zeros(len(members)), np.array([float(member.state.best_loss) for member in members])
    if aside is None:  # what is left to go by is how far below a constant the training losses came
        scores = np.array([_least(member.history) for member in members])
    if aside is None or (len(members) == 1 and not in_units):
        weights[int(np.argmin(scores))] = 1
    else:
        yardstick = task.yardstick(aside, [frame.head for frame in frames])
        several = len({(frame.loss, frame.head) for frame in frames}) > 1
        if several or ensemble or in_units:
            shares = [on_rows(member, frame, aside.inputs) for member, frame in zip(members, frames, strict=True)]
            scores = np.array([yardstick(one) if np.isfinite(one).all() else np.inf for one in shares])
            if ensemble and np.isfinite(scores).any():
                weights, _ = ensembles.greedy(shares, yardstick, ensemble)
        if not weights.any():
            weights[int(np.argmin(scores))] = 1
    scores = np.where(np.isfinite(scores), scores, np.inf)
    order = sorted(np.flatnonzero(weights).tolist(), key=lambda place: (scores[place], -weights[place]))
    models = [
        as_model(plan.candidates[place], frames[place], member.program.network, member.state.best, weights[place])
        for place, member in ((place, members[place]) for place in order)
    ]
    search = None
    if len(members) > 1 or in_units:
        search = in_words(plan) | plain(table(members))
        search["score"] = [float(score) if np.isfinite(score) else None for score in scores]
        search["weight"] = weights.tolist()
    best = order[0]
    return Found(models, members[best], plan.candidates[best], frames[best], search)


def _least(history: History) -> float:
    """The least training loss over that of a constant prediction; infinite where none was finite."""
    losses = np.asarray(history.train_loss, float)
    losses = losses[np.isfinite(losses)]
    return float(losses.min()) / (abs(history.baseline_loss) or 1.0) if losses.size else np.inf


def on_rows(member: Member, frame: Frame, inputs: Encoded) -> np.ndarray:
    """A member's predictions of encoded rows, in the units of the targets."""
    network: Network = member.program.network
    found = evaluate(predictor_of_many(network, frame.head, member.state.best), inputs)
    return in_units(found, frame)


def as_model(candidate: Candidate, frame: Frame, network: Network, parameters: Any, weight: float) -> Model:
    """A member's network with what makes it again."""
    used = {name: candidate.given[name] for name in USED}
    used |= {"hidden_widths": list(candidate.choices.hidden_widths)}
    if candidate.choices.structure != Structure():
        used["structure"] = candidate.choices.structure
    if candidate.choices.own_name is not None:
        used["network"] = candidate.choices.own_name
    return Model(
        used=used,
        network=network,
        head=frame.head,
        parameters=jax.tree.map(np.asarray, parameters),
        centre=frame.centre,
        scale=frame.scale,
        weight=weight,
        low=frame.low,
        high=frame.high,
    )


USED = ("activation", "output_activation", "loss", "normalisation", "residual", "hidden_widths")
"""Choices on which predictions depend."""
