"""Many networks that train together: each on its own, as many at a time as the machine has room for.

A member is trained by calls of one compiled program, a chunk of epochs each. On a CPU a call holds one member and the
cores take calls from a queue, by threads: measured on 2 cores this is as fast as members stacked into one array and
sharded over as many devices, leaves JAX's devices as they are, and makes a member's numbers the same to the bit in any
company. On an accelerator a call holds many members, stacked.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from trivium.training import devices, interruption, snapshots, streaming
from trivium.training import epochs as programs
from trivium.training.batches import Rows
from trivium.training.devices import Lane
from trivium.training.epochs import Record
from trivium.training.history import Ending, History
from trivium.training.program import CHUNK, EVERY_ROW, Program, State
from trivium.training.rows import Store, Table
from trivium.training.snapshots import Look, Snapshot, looks

SECONDS_PER_CHUNK = 0.25
"""How long a chunk of epochs may take: the time between two progress lines, and until Ctrl-C is heard."""

BRIEF = 0.05
"""Seconds of training below which the compiler would take longer to do its best than its best would save."""

STEP, SPEED = 5e-5, 2e10
"""Seconds of a step of almost nothing, and operations in a second; both roughly, of one core."""

SLICE = 0.01
"""Of a time limit, what a part of an epoch should take, as an estimate that may be several times too low."""

PATIENT = np.int32(2**30)
"""Epochs without progress that no run ever comes to."""


@dataclass(eq=False)
class Member:
    """One network of a population: its choices, its rows, and where it stands.

    numbers  of the optimizer, such as learning_rate
    rows     to train on; members that share arrays share them on the device as well
    aside    to choose the best epoch by, None for none
    history  filled as the epochs end; its `ending` tells why the last one was the last
    """

    program: Program
    numbers: Mapping[str, float]
    state: State
    rows: Table
    aside: Table | None
    history: History
    stays: bool = False
    """Whether it runs to its end, however the others fare."""
    watched: bool = False
    """Whether it is looked at on the way, for the diagnosis."""
    epochs: int = field(default=0, init=False)
    """Epochs run, those before this training included."""
    looks: list[Look] = field(default_factory=list, init=False)
    """What was watched of them."""
    kept_by_score: Any = field(default=None, init=False)
    """Parameters, epoch and loss that a user's score chose, where one chooses."""


def train_population(
    members: Sequence[Member],
    *,
    epochs: int,
    patience: int | None = None,
    time_limit: float | None = None,
    first_rung: int | None = None,
    on_progress: Callable[[Member], None] | None = None,
    on_epoch: Callable[[Member], Any] | None = None,
    lanes: Sequence[Lane] | None = None,
) -> None:
    """Train every member for `epochs` more; their states and histories go on as the epochs end.

    patience     epochs without a better validation loss after which a member ends; None never ends it
    time_limit   seconds after which no new chunk of epochs starts, and by which schedules end; None for no limit
    first_rung   epochs after which the worse half of the members leaves, by best validation loss; again after twice as
                 many, and so on. None keeps all
    on_progress  called in this thread whenever a chunk of a member has ended
    on_epoch     called in this thread after every epoch of a member, with chunks of one epoch; True ends the member
    lanes        where members train; None: wherever the machine has room
    A member's numbers do not depend on the others. Ctrl-C ends training and keeps what there is; before the end of the
    first epoch it is passed on.
    """
    devices.prepare()
    lanes = devices.lanes(len(members)) if lanes is None else lanes
    run = _Run(members, epochs, patience, time_limit, first_rung, 1 if on_epoch else CHUNK, len(lanes))
    flying: dict[Future, tuple[Lane, list[_Runner]]] = {}
    pool = devices.Inline() if len(lanes) == 1 else devices.threads(len(lanes))
    with interruption.heard() as check, pool:
        try:
            while run.waiting or flying or run.cut():
                free = [lane for lane in lanes if all(lane is not busy for busy, _ in flying.values())]
                for place, lane in enumerate(free):
                    taken = run.take(lane, len(free) - place, [group for _, group in flying.values()])
                    if taken:
                        flying[pool.submit(run.advance, taken, lane)] = (lane, taken)
                ended, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in ended:
                    _, group = flying.pop(future)
                    future.result()
                    stopped = [runner for runner in group if on_epoch and runner.ran and on_epoch(runner.member)]
                    run.settle(group, stopped)
                    for runner in group:
                        if on_progress:
                            on_progress(runner.member)
                check()
        except KeyboardInterrupt:
            wait(flying)
            if not any(len(member.history) for member in members):
                raise
            run.interrupt()


@dataclass(eq=False)
class _Runner:
    """A member under way."""

    member: Member
    program: Program
    numbers: Mapping[str, np.float32]
    last: int  # the epoch after which it has run all
    already: float  # seconds of training before this one
    brief: bool  # whether to compile its program would take longer than to run it
    apart: int  # epochs from one look at it to the next
    most: int | None  # rows of a part where its epochs are run in parts; None: they are not
    steps: int  # of an epoch
    planned: int = field(init=False)  # the last epoch, but for a time limit
    until: int = 0  # the epoch that it may go to for now
    length: int = 1  # epochs of its next chunk
    wanted: int = 0  # epochs asked of its chunk
    ran: int = 0  # epochs that the chunk ran

    def __post_init__(self) -> None:
        self.planned = self.last

    def plan(self, last: int) -> None:
        """End after this epoch, and so much earlier with what its schedules do over the run."""
        self.last = self.until = max(self.member.epochs + 1, min(last, self.planned))
        self.numbers = {**self.numbers, "total_steps": np.float32(self.last * self.steps)}

    @property
    def kind(self) -> Any:
        """What runners must share to be stacked in one call."""
        shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), self.member.state)
        rows = (self.member.rows, self.member.aside)
        tables = tuple(None if table is None else (id(table.X), id(table.targets), table.n) for table in rows)
        folds = tuple(table is not None and table.places is not None for table in rows)
        return self.program, tuple(self.numbers), tables, folds, str(shapes)

    def ask(self, length: int) -> None:
        """Set how many epochs its next chunk has: at most so many, and none behind the next look."""
        epoch = self.member.epochs
        until = min(self.until, snapshots.next_due(epoch, self.apart)) if self.member.watched else self.until
        self.wanted = min(length, until - epoch)

    @property
    def look_due(self) -> bool:
        """Whether a look at it is due."""
        return self.member.watched and snapshots.due(self.member.epochs, self.apart)

    def look(self, beside: Executor, state: State, rows: Rows | Table) -> Future | None:
        """At the network before its chunk, where a look is due; in another thread, so that both programs compile at
        once."""
        if not self.look_due:
            return None

        def look() -> Snapshot:
            with devices.undisturbed():
                some = streaming.probe(rows) if isinstance(rows, Table) else rows
                return programs.look(self.program, self.numbers, state, some, np.int32(rows.n))

        return beside.submit(look)


class _Run:
    """The members of one training: which waits, which has ended."""

    def __init__(
        self,
        members: Sequence[Member],
        epochs: int,
        patience: int | None,
        time_limit: float | None,
        first_rung: int | None,
        longest: int,
        n_lanes: int,
    ) -> None:
        self.began, self.longest, self.n_lanes = time.perf_counter(), longest, n_lanes
        self.budget = np.inf if time_limit is None else time_limit
        self.patience = PATIENT if patience is None else np.int32(patience)
        self.store = Store()
        self.known: set[Any] = set()  # programs that are compiled
        self.locks: dict[Any, threading.Lock] = {}  # held by who compiles one
        self.pace: dict[Any, float] = {}  # seconds of an epoch of a program
        self.resting: list[_Runner] = []
        self.waiting: list[_Runner] = []
        self.rung = first_rung
        self.first = {id(member): int(member.state.epoch) for member in members}
        self.members, self.epochs = members, epochs
        for member in members:
            first, member.epochs = self.first[id(member)], int(member.state.epoch)
            program = member.program
            if program.batch_size >= member.rows.n:
                program = replace(program, batch_size=EVERY_ROW)
            already = member.history.seconds[-1] if member.history.seconds else 0.0
            member.history.ending = "all epochs"
            steps = 1 if program.batch_size == EVERY_ROW else -(-member.rows.n // program.batch_size)
            scheduled = {"total_steps": (first + epochs) * steps} if program.schedules else {}
            numbers = programs.traced({**member.numbers, **scheduled})
            brief = _seconds(member, epochs, steps) < BRIEF
            apart = snapshots.every(steps, epochs)
            most = self._rows_of_a_part(member, program, steps)
            runner = _Runner(member, program, numbers, first + epochs, already, brief, apart, most, steps)
            runner.until = runner.last if first_rung is None else min(runner.last, first + first_rung)
            if epochs > 0:
                self.waiting.append(runner)

    def _rows_of_a_part(self, member: Member, program: Program, steps: int) -> int | None:
        """Of epochs that are run in parts: for their rows are encoded as they come, or a limit may have to cut them."""
        share = SLICE * self.budget / _seconds(member, 1, steps)
        if streaming.is_streamed(member.rows):
            return member.rows.n if share > 1 else max(1, int(share * member.rows.n))
        return None if share > 1 or program.batch_size == EVERY_ROW else max(1, int(share * member.rows.n))

    def take(self, lane: Lane, lanes_left: int, flying: Iterable[list[_Runner]]) -> list[_Runner]:
        """The members that a free lane trains next: those with the fewest epochs, an equal part of those that wait.

        A program that is being compiled is left alone while there is another to train.
        """
        compiling = {group[0].program for group in flying} - self.known
        able = [runner for runner in self.waiting if runner.program not in compiling] or list(self.waiting)
        if not able:
            return []
        able.sort(key=lambda runner: runner.member.epochs)
        taken = able[:1]
        if lane.at_once > 1:
            share = min(lane.at_once, -(-len(able) // lanes_left))
            taken += [runner for runner in able[1:] if runner.kind == able[0].kind][: share - 1]
        under_way = len(self.waiting) + sum(len(group) for group in flying)
        for runner in taken:
            self.waiting.remove(runner)
            if runner.program.schedules and runner.program in self.pace and self.rung is None:
                rounds = -(-under_way // (self.n_lanes * lane.at_once))
                left = self.budget - (time.perf_counter() - self.began)
                runner.plan(runner.member.epochs + int(min(left / rounds / self.pace[runner.program], self.epochs)))
        return taken

    def advance(self, group: list[_Runner], lane: Lane) -> None:
        """A chunk of epochs of these members, in one call."""
        calls, program = [], group[0].program
        for runner in group:
            member = runner.member
            if runner.ran == 0 and runner.program in self.pace:  # another one's first chunk has told
                runner.length = self._length(self.pace[runner.program])
            runner.ask(min(other.length for other in group))
            in_parts = runner.most is not None and (lane.at_once == 1 or streaming.is_streamed(member.rows))
            rows = member.rows if in_parts else self.store.rows(member.rows, lane.device)
            aside = None if member.aside is None else self.store.rows(member.aside, lane.device, blocks=True)
            patience = PATIENT if aside is None else self.patience
            state = member.state if lane.device is None else jax.device_put(member.state, lane.device)
            calls.append((runner.numbers, state, rows, aside, np.int32(member.epochs + runner.wanted), patience))
        with devices.undisturbed(), devices.threads(1) as beside, self._alone_to_compile(program):
            began = time.perf_counter()
            one, parts, new = group[0], isinstance(calls[0][2], Table), program not in self.known
            if lane.at_once == 1 and one.look_due and new and not one.brief and not parts:
                programs.run.ready(program, *calls[0])  # first: what it shares with a look is traced once
            seen = [runner.look(beside, *call[1:3]) for runner, call in zip(group, calls, strict=True)]
            if parts:
                until = self.began + self.budget
                results = [
                    streaming.run(runner.program, lane.device, *call, most=runner.most, until=until)
                    for runner, call in zip(group, calls, strict=True)
                ]
            elif lane.at_once == 1:
                run = programs.run_briefly if one.brief else programs.run
                results = [run(program, *calls[0])]
            else:
                fill = (1 << (len(calls) - 1).bit_length()) - len(calls)  # powers of two, so that few are compiled
                results = programs.run_stacked(program, calls + calls[-1:] * fill)[: len(group)]
            self.known.add(program)  # compiled, though it may run still
        results = [(state, jax.tree.map(np.asarray, record)) for state, record in results]
        ended = time.perf_counter()
        if not new:  # and so compiled before
            self.pace[program] = (ended - began) / max(1, int(results[0][0].epoch) - one.member.epochs)
        for runner, (state, record), before in zip(group, results, seen, strict=True):
            member = runner.member
            runner.ran = int(state.epoch) - member.epochs
            member.state, member.epochs = state, member.epochs + runner.ran
            times = (began - self.began + runner.already, ended - self.began + runner.already)
            if member.watched:
                before = None if before is None else jax.tree.map(np.asarray, before.result())
                member.looks += looks(before, record.step_loss[: runner.ran], member.epochs - runner.ran)
            _append(member.history, _in_words(record, member.rows, member.aside), runner.ran, *times)
            member.history.best_epoch = int(state.best_epoch)
            runner.length = min(self._length((ended - began) / max(1, runner.ran)), 4 * runner.length)

    def _alone_to_compile(self, program: Program) -> AbstractContextManager:
        """For one lane at a time until the program is compiled, lest two compile the same."""
        return nullcontext() if program in self.known else self.locks.setdefault(program, threading.Lock())

    def _length(self, pace: float) -> int:
        """How many epochs a chunk may have, of which one takes so many seconds."""
        left = self.budget - (time.perf_counter() - self.began)
        return int(np.clip(min(SECONDS_PER_CHUNK, left) / pace, 1, self.longest))

    def settle(self, group: list[_Runner], stopped: Sequence[_Runner] = ()) -> None:
        """After a chunk: each member goes on, rests on a rung, or has ended."""
        over = time.perf_counter() - self.began >= self.budget
        for runner in group:
            ending: Ending | None = None
            if not bool(runner.member.state.finite):
                ending = "not finite"
            elif runner in stopped:
                ending = "stopped"
            elif runner.ran < runner.wanted:
                ending = "no progress"
            elif over and runner.member.epochs < runner.last:
                ending = "time limit"
            if ending is not None:
                runner.member.history.ending = ending
            elif runner.member.epochs < runner.until:
                self.waiting.append(runner)
            elif runner.until < runner.last:
                self.resting.append(runner)
            elif runner.last < runner.planned:
                runner.member.history.ending = "time limit"
        if over:
            for runner in self.waiting + self.resting:
                runner.member.history.ending = "time limit"
            self.waiting, self.resting = [], []

    def cut(self) -> bool:
        """The worse half of those on a rung leaves; whether anyone goes on. Members that have ended keep their rank."""
        if not self.resting or self.rung is None:
            return False
        in_race = [member for member in self.members if member.history.ending != "overtaken"]
        in_race.sort(key=lambda member: float(member.state.best_loss))
        best = in_race[: -(-len(in_race) // 2)]
        self.rung *= 2
        for runner in self.resting:
            if runner.member.stays or runner.member in best:
                runner.until = min(runner.last, self.first[id(runner.member)] + self.rung)
                self.waiting.append(runner)
            else:
                runner.member.history.ending = "overtaken"
        self.resting = []
        return bool(self.waiting)

    def interrupt(self) -> None:
        for member in self.members:
            ran = member.epochs - self.first[id(member)]
            if member.history.ending == "all epochs" and ran < self.epochs:
                member.history.ending = "interrupted"


def _seconds(member: Member, epochs: int, steps: int) -> float:
    """About how long a member trains: three products of matrices per step, and what each step takes by itself."""
    parameters = sum(np.size(leaf) for leaf in jax.tree.leaves(member.state.parameters))
    return epochs * (steps * STEP + 6.0 * member.rows.n * parameters / SPEED)


def _in_words(records: Record, rows: Table, validation: Table | None) -> Record:
    """Squared distances become R2 where the targets have a spread."""
    if rows.spread is None:
        return records
    kept_aside = validation.spread if validation is not None and validation.spread else 1.0
    return records._replace(
        train_metric=1 - records.train_metric / rows.spread,
        validation_metric=1 - records.validation_metric / kept_aside,
    )


def _append(history: History, records: Record, ran: int, began: float, ended: float) -> None:
    history.train_loss += records.train_loss[:ran].tolist()
    history.train_metric += records.train_metric[:ran].tolist()
    if not np.isnan(records.validation_loss[:ran]).all() or history.validation_loss:
        history.validation_loss += records.validation_loss[:ran].tolist()
        history.validation_metric += records.validation_metric[:ran].tolist()
    history.seconds += np.linspace(began, ended, ran + 1)[1:].tolist()
