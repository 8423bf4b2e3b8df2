"""One network: the population of one, and the evaluation of many rows."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jax import Array

from trivium.tables.arrays import aligned
from trivium.training import devices
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import Program, State
from trivium.training.rows import Table

SMALLEST = 128
"""Fewest rows of a prediction: in a matrix product of 64 rows, with 2 to 8 columns, the last bits are others than in
one of more (measured on x86)."""

MOST_ROWS = 1 << 14
"""Rows of a block that `evaluate` hands over at once: of fewer, the call takes as long as the work."""

MOST_NUMBERS = 1 << 23
"""Of a block of rows."""


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
    member = Member(program, numbers, state, rows, validation, history)
    train_alone(member, epochs=epochs, patience=patience, time_limit=time_limit, on_progress=on_progress)
    return member.state


def train_alone(
    member: Member,
    *,
    epochs: int,
    patience: int | None = None,
    time_limit: float | None = None,
    on_progress: Callable[[History, int], None] | None = None,
) -> None:
    """`train` for a member of no other population; its state and history go on as the epochs end."""
    tell = None if on_progress is None else lambda member: on_progress(member.history, member.rows.n)
    train_population([member], epochs=epochs, patience=patience, time_limit=time_limit, on_progress=tell)


def evaluate(apply: Callable[[Any], Array], X: Any, encode: Callable[..., np.ndarray] | None = None) -> np.ndarray:
    """Apply a compiled function of encoded rows to any number of them, in few shapes.

    X       (n, n_inputs) float32; with `encode` anything that has a shape and can be cut into rows
    encode  makes a block of rows, and the number of its first, what `apply` takes: in the same loop, so that the block
            stays in the cache, and never more than some blocks are held; see `tables.encode.block_encoder`. Whole
            blocks of a thread share their memory: to ask for more each time costs as much as the work
    Whole blocks of a power of two: in a ragged last block a row's last bit would depend on where it stands, and every
    number of rows would compile anew.
    """
    devices.prepare()
    n, length = X.shape[0], _rows_of_a_block(X.shape[1])
    if encode is not None and n >= 2 * length:
        encode = _in_held_memory(encode, length)

    @devices.undisturbed()
    def part(first: int) -> np.ndarray:
        block = X[first : first + length]
        block = block if encode is None else encode(block, first)
        size = max(SMALLEST, 1 << (len(block) - 1).bit_length())
        if len(block) < size:
            filled = np.zeros((size, block.shape[1]), block.dtype)
            filled[: len(block)] = block
            block = filled
        return np.asarray(apply(block))[: n - first]

    first = part(0)  # alone: it may have to be compiled
    others = range(length, n, length)
    if not others:
        return first
    n_lanes = len(devices.lanes(len(others)))
    if n_lanes > 1:
        with devices.threads(n_lanes) as pool:
            return np.concatenate([first, *pool.map(part, others)])
    return np.concatenate([first, *map(part, others)])


def _rows_of_a_block(width: int) -> int:
    """MOST_ROWS, or of wide rows a smaller power of two."""
    return min(MOST_ROWS, max(SMALLEST, 1 << (MOST_NUMBERS // max(1, width)).bit_length() - 1))


def _in_held_memory(encode: Callable[..., np.ndarray], length: int) -> Callable[[Any, int], np.ndarray]:
    """The same, whole blocks of so many rows of a thread after its first one in the same place."""
    held = threading.local()

    def encoded(block: Any, first: int) -> np.ndarray:
        if block.shape[0] < length:
            return encode(block, first)
        if not hasattr(held, "rows"):
            rows = encode(block, first)
            held.rows = aligned(*rows.shape)
            return rows
        return encode(block, first, held.rows)

    return encoded
