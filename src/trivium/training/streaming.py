"""Epochs in parts: rows that are encoded as they come, the next part made meanwhile, and epochs that a limit may cut.

The order of the rows, the batches and the random numbers are those of a table that a call runs through at once.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from trivium.tables.arrays import aligned
from trivium.tables.streamed import Streamed, rows_at_once
from trivium.training import devices
from trivium.training import epochs as programs
from trivium.training.batches import Rows
from trivium.training.epochs import STEPS, Record
from trivium.training.program import CHUNK, EVERY_ROW, Program, State
from trivium.training.rows import Table
from trivium.training.snapshots import PROBE

NO_EPOCH = Record(*[np.asarray(np.nan, np.float32)] * 4, step_loss=np.full(STEPS, np.nan, np.float32))  # pyright: ignore
"""What stands in the record of a chunk behind the last epoch."""


def is_streamed(table: Table) -> bool:
    """Whether its rows are encoded as they come."""
    return isinstance(table.X, Streamed)


def whole(table: Table) -> Table:
    """The same with its rows held."""
    return table._replace(X=np.asarray(table.X))


def as_trained(table: Table, batch_size: int) -> Table:
    """The rows as a program with such batches takes them: held where a batch is all of them."""
    return whole(table) if is_streamed(table) and (batch_size == EVERY_ROW or batch_size >= table.n) else table


def probe(table: Table) -> Rows:
    """Rows at even distances for a look at the network."""
    places = np.arange(min(PROBE, table.n), dtype=np.int64) * table.n // min(PROBE, table.n)
    return _picked(table, places if table.places is None else table.places[places])


def run(
    program: Program,
    device: Any,
    numbers: Mapping[str, Any],
    state: State,
    train: Table,
    validation: Rows | None,
    last_epoch: Any,
    patience: Any,
    *,
    most: int | None = None,
    until: float = np.inf,
) -> tuple[State, Record]:
    """`epochs.run` in parts, on one of JAX's devices or where it computes by itself.

    most   rows of a part, about; None: as many as memory suggests
    until  when, on the clock of `time.perf_counter`, an epoch ends after the part that is under way; it counts as one
    """
    first_epoch, records = int(state.epoch), []
    while len(records) < CHUNK and first_epoch + len(records) < last_epoch:
        if not bool(state.finite) or int(state.epoch) - int(state.best_epoch) > patience:
            break
        key, order_key = programs.next_keys(state.key)
        visited = programs.visited(state)
        for first, part in _parts(train, order_key, program.batch_size, device, most):
            place = np.int32(first // program.batch_size)
            visited = programs.visit(program, numbers, visited, key, state.epoch, part, place, np.int32(train.n))
            jax.block_until_ready(visited.sums)  # while the next part is made, and so that no more parts are held
            if time.perf_counter() >= until:
                break
        state, record = programs.end_of_epoch(program, state, key, visited, validation)
        records.append(jax.tree.map(np.asarray, record))
        if time.perf_counter() >= until:
            break
    missing = [NO_EPOCH] * (CHUNK - len(records))
    return state, jax.tree.map(lambda *leaves: np.stack(leaves), *records, *missing)


def _parts(train: Table, order_key: Any, batch_size: int, device: Any, most: int | None) -> Iterator[tuple[int, Rows]]:
    """The rows of an epoch in its order, some batches at a time, each part with the place of its first row."""
    rows = min(rows_at_once(train.X.shape[1]), train.n, train.n if most is None else most)
    length = batch_size << max(0, (rows // batch_size).bit_length() - 1)  # few lengths, so that few are compiled

    @devices.undisturbed()
    def part(first: int) -> Rows:
        numbers = np.asarray(programs.order(order_key, np.int32(train.n), np.int32(first), length))
        places = numbers if train.places is None else train.places[numbers]
        rows = _picked(train, places)._replace(n=np.asarray(min(length, train.n - first), np.int32))
        return rows if device is None else jax.device_put(rows, device)

    starts = range(0, train.n, length)
    with devices.threads(1) as beside:
        coming = beside.submit(part, 0)
        for first in starts:
            here = coming.result()
            if first + length < train.n:
                coming = beside.submit(part, first + length)
            yield first, here


def _picked(table: Table, places: np.ndarray) -> Rows:
    """These rows, where JAX takes them without a copy."""
    X: Any = aligned(len(places), table.X.shape[1])
    if isinstance(table.X, Streamed):
        table.X.fill(X, places)
    else:
        np.take(table.X, places, axis=0, out=X, mode="clip")
    targets: Any = table.targets[places]
    weights: Any = table.weights[places]
    return Rows(X, targets, weights, None, np.asarray(len(places), np.int32))
