"""What a training needs of memory, before it is used; and how a population is split where it would not fit."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from trivium.tables.arrays import free_memory
from trivium.training.program import BLOCK, EVERY_ROW
from trivium.training.rows import Table, bucket
from trivium.training.streaming import is_streamed

USABLE = 0.8
"""Of the memory that is free, how much a training may take."""

MEANWHILE = 3
"""Copies of a member's parameters while it trains: gradients, updates, and the state that a chunk replaces."""


def available() -> int:
    """Bytes that this process may still take; a system that does not tell is taken to have enough."""
    free = free_memory()
    return 2**62 if free is None else free


def of_tables(tables: Sequence[Table | None]) -> int:
    """Bytes of the rows on a device; arrays that tables share count once."""
    arrays: dict[int, int] = {}
    for table in tables:
        if table is None:
            continue
        fill = bucket(len(table.X)) / max(1, len(table.X))
        for array in (table.X, table.targets, table.weights, table.places):
            if array is not None:
                arrays[id(array)] = int(array.dtype.itemsize * array.size * fill)
    return sum(arrays.values())


def of_state(state: Any) -> int:
    """Bytes of a member between two chunks: parameters, the optimizer's averages, the best parameters so far."""
    return sum(int(np.prod(np.shape(leaf))) * 4 for leaf in jax.tree.leaves(state))


def of_step(parameters: Any, batch_size: int, n: int) -> int:
    """Bytes of a step, or of a block of the evaluation: what layers put out, their gradients, and copies of parameters.

    Every layer's width counts, taken from the second axis of its weights.
    """
    rows = max(n if batch_size == EVERY_ROW or batch_size > n else batch_size, min(n, BLOCK) // 2)
    leaves = jax.tree.leaves(parameters)
    widths = sum(leaf.shape[-1] + leaf.shape[-2] for leaf in leaves if np.ndim(leaf) >= 2)
    return 4 * (2 * rows * widths + MEANWHILE * sum(int(np.prod(np.shape(leaf))) for leaf in leaves))


def needed(members: Sequence[Any], n_lanes: int) -> int:
    """Bytes that these members need at once, when so many of them train at a time."""
    held = [member.rows for member in members if not is_streamed(member.rows)]
    tables = of_tables([*held, *(member.aside for member in members)])
    steps = sorted(
        (of_step(member.state.parameters, member.program.batch_size, member.rows.n) for member in members), reverse=True
    )
    return tables + sum(of_state(member.state) for member in members) + sum(steps[:n_lanes])


def groups(members: Sequence[Any], n_lanes: int, room: int | None = None) -> Iterator[list[Any]]:
    """The members in as few groups as fit into memory, one after the other; mostly one.

    room  bytes; None: what is available
    Raises MemoryError where a member would not fit even alone.
    """
    room = int(USABLE * available()) if room is None else room
    rest = list(members)
    while rest:
        size = len(rest)
        while size > 1 and needed(rest[:size], n_lanes) > room:
            size = (size + 1) // 2
        least = needed(rest[:size], n_lanes)
        if least > room:
            raise MemoryError(
                f"a network and its rows need {_in_words(least)}, and {_in_words(room)} are free. Use a smaller "
                "batch_size or hidden_widths, fewer columns, or partial_fit on some rows at a time."
            )
        yield rest[:size]
        rest = rest[size:]


def _in_words(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000  # pyright: ignore[reportAssignmentType]
    return f"{size:.3g} GB"
