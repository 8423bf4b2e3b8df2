"""The loop around the compiled epochs: progress, time limit, interruption."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.training import program as programs
from trivium.training.history import History
from trivium.training.program import CHUNK, Program, Rows, State

BLOCK = 4096
"""Rows per step of an evaluation, so that its memory does not grow with the table."""

SMALLEST = 64
"""Fewest rows of a prediction: in a matrix product of 32 rows (measured on x86) the last bits are others."""

SECONDS_PER_CHUNK = 0.25
"""How long a chunk of epochs may take: the time between two progress lines, and until Ctrl-C is heard."""


class Table(NamedTuple):
    """Rows on the host, ready for the network."""

    X: np.ndarray  # (n, n_features) float32
    targets: np.ndarray  # (n,) or (n, width), as the loss takes them
    weights: np.ndarray  # (n,) float32
    spread: float | None = None  # variance of the targets, over which a squared distance is an R2


def train(
    program: Program,
    numbers: Mapping[str, float],
    state: State,
    rows: Table,
    validation: Table | None,
    *,
    epochs: int,
    patience: int | None = None,
    time_limit: float | None = None,
    history: History,
    on_progress: Callable[[History, int], None] | None = None,
) -> State:
    """Go on from a state for `epochs` more, filling the history as they end; returns the last state.

    patience     epochs without a better validation loss after which training ends; None never ends it
    time_limit   seconds of training after which no new chunk of epochs starts; None for no limit
    on_progress  called between chunks with the history so far and the rows of an epoch
    Ctrl-C ends training and keeps what there is; before the end of the first epoch it is passed on.
    """
    traced = {name: jnp.float32(value) for name, value in numbers.items()}
    on_device = Rows(*map(jnp.asarray, rows[:3]))
    aside = None if validation is None else _blocks(validation)
    last = int(state.epoch) + epochs
    began, already = time.perf_counter(), history.seconds[-1] if history.seconds else 0.0
    budget = np.inf if time_limit is None else time_limit
    wait = jnp.int32(2**30 if patience is None or aside is None else patience)
    length, epochs_done, history.ending = 1, int(state.epoch), "all epochs"
    try:
        while epochs_done < last:
            chunk_began = time.perf_counter()
            until = jnp.int32(min(epochs_done + length, last))
            new, records = programs.run(program, traced, state, on_device, aside, until, wait)
            records = jax.tree.map(np.asarray, records)
            state, ran = new, int(new.epoch) - epochs_done
            epochs_done += ran
            now = time.perf_counter()
            records = _in_words(records, rows, validation)
            _append(history, records, ran, chunk_began - began + already, now - began + already)
            history.best_epoch = int(state.best_epoch)
            if on_progress:
                on_progress(history, len(rows.X))
            if not bool(state.finite):
                history.ending = "not finite"
                break
            if ran < int(until) - (epochs_done - ran):
                history.ending = "no progress"
                break
            left = budget - (now - began)
            if left <= 0 and epochs_done < last:
                history.ending = "time limit"
                break
            per_epoch = (now - chunk_began) / ran
            allowed = min(SECONDS_PER_CHUNK, left) / per_epoch
            length = int(np.clip(allowed, 1, min(CHUNK, 4 * length)))
    except KeyboardInterrupt:
        if not len(history):
            raise
        history.ending = "interrupted"
    return state


def evaluate(apply: Callable[[Any], Array], X: np.ndarray) -> np.ndarray:
    """Apply a compiled function of rows to any number of them, in few shapes.

    Whole blocks of a power of two: in a ragged last block a row's last bit would depend on where
    it stands, and every number of rows would compile anew.
    """
    parts = []
    for first in range(0, len(X), BLOCK):
        block = X[first : first + BLOCK]
        size = max(SMALLEST, 1 << (len(block) - 1).bit_length())
        padded = np.zeros((size, X.shape[1]), X.dtype)
        padded[: len(block)] = block
        parts.append(np.asarray(apply(padded))[: len(block)])
    return np.concatenate(parts)


def _blocks(table: Table) -> Rows:
    """(n, ...) -> (blocks, rows, ...), filled up with rows of weight 0."""
    n = len(table.X)
    size = min(n, BLOCK)
    fill = -n % size

    def cut(array: np.ndarray) -> Array:
        padded = np.concatenate([array, np.zeros((fill, *array.shape[1:]), array.dtype)])
        return jnp.asarray(padded.reshape(-1, size, *array.shape[1:]))

    return Rows(*map(cut, table[:3]))


def _in_words(records: programs.Record, rows: Table, validation: Table | None) -> programs.Record:
    """Squared distances become R2 where the targets have a spread."""
    if rows.spread is None:
        return records
    kept_aside = validation.spread if validation is not None and validation.spread else 1.0
    return records._replace(
        train_metric=1 - records.train_metric / rows.spread,
        validation_metric=1 - records.validation_metric / kept_aside,
    )


def _append(history: History, records: programs.Record, ran: int, began: float, ended: float) -> None:
    history.train_loss += records.train_loss[:ran].tolist()
    history.train_metric += records.train_metric[:ran].tolist()
    if not np.isnan(records.validation_loss[:ran]).all() or history.validation_loss:
        history.validation_loss += records.validation_loss[:ran].tolist()
        history.validation_metric += records.validation_metric[:ran].tolist()
    history.seconds += np.linspace(began, ended, ran + 1)[1:].tolist()
