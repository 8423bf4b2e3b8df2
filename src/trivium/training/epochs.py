"""Epochs, compiled: one program per set of static choices, in which every number is a traced array."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from trivium.compiling import compiled, quickly
from trivium.network import Parameters
from trivium.network.noise import folded
from trivium.optimizers import evaluation_parameters
from trivium.training import snapshots
from trivium.training.batches import Batch, Rows, n_batches, picked, shuffled, take, weighted_sum
from trivium.training.program import BLOCK, CHUNK, EVERY_ROW, Program, State
from trivium.training.snapshots import Snapshot
from trivium.training.steps import update


class Record(NamedTuple):
    """What an epoch reports: weighted means over rows, and losses by step. In a chunk, one entry per epoch."""

    train_loss: Array
    train_metric: Array
    validation_loss: Array
    validation_metric: Array
    step_loss: Array  # (STEPS,) losses on batches at even distances; -inf where an epoch has fewer


STEPS = 64
"""Most losses at the resolution of steps that an epoch reports."""


ORDERED = 1 << 20
"""Rows up to which the order of an epoch is found at once; that of more rows, batch by batch, takes no memory."""


@quickly
def keys(seed: Any) -> tuple[Array, Array]:
    """For the initial weights, and for the order of the rows."""
    init_key, order_key = jax.random.split(jax.random.PRNGKey(seed))
    return init_key, order_key


def start(program: Program, numbers: Mapping[str, float], parameters: Parameters, key: Array) -> State:
    """The state before the first epoch."""
    return State(
        parameters=parameters,
        optimizer=_first_optimizer_state(program, traced(numbers), parameters),
        key=key,
        epoch=np.asarray(0, np.int32),
        best=parameters,
        best_epoch=np.asarray(-1, np.int32),
        best_loss=np.asarray(np.inf, np.float32),
        finite=np.asarray(True),
    )


def traced(numbers: Mapping[str, float]) -> dict[str, np.float32]:
    """Numbers as the compiled programs take them: arrays, so that another value is no other program."""
    return {name: np.float32(value) for name, value in numbers.items()}


@partial(quickly, static=("program",))
def _first_optimizer_state(program: Program, numbers: Mapping[str, Array], parameters: Parameters) -> optax.OptState:
    return program.transformation(numbers).init(parameters)


def _run(
    program: Program,
    numbers: Mapping[str, Array],
    state: State,
    train: Rows,
    validation: Rows | None,
    last_epoch: Array,
    patience: Array,
) -> tuple[State, Record]:
    """Epochs up to last_epoch, at most CHUNK of them; ends early without progress or with numbers not finite.

    validation  a multiple of BLOCK rows, or fewer than that, or None
    patience    epochs without a better validation loss after which the run ends
    Returns the state after the last epoch and records of length CHUNK, of which the run filled the first.
    """
    first_epoch = state.epoch
    kind = jax.eval_shape(partial(_epoch, program), numbers, state, train, validation)[1]
    empty = jax.tree.map(lambda leaf: jnp.full((CHUNK, *leaf.shape), jnp.nan, jnp.float32), kind)

    def goes_on(carry: tuple[State, Record]) -> Any:
        state, _ = carry
        patient = state.epoch - state.best_epoch <= patience
        return (state.epoch < jnp.minimum(last_epoch, first_epoch + CHUNK)) & state.finite & patient

    def one_epoch(carry: tuple[State, Record]) -> tuple[State, Record]:
        state, records = carry
        state, record = _epoch(program, numbers, state, train, validation)
        here = state.epoch - 1 - first_epoch
        return state, jax.tree.map(lambda series, value: series.at[here].set(value), records, record)

    return lax.while_loop(goes_on, one_epoch, (state, empty))


run = compiled(_run, static=("program",))
run_briefly = quickly(_run, static=("program",))
"""`run` for a training so short that the compiler would take longer than it."""


Call = tuple[Mapping[str, Any], State, Rows, Rows | None, Any, Any]
"""The arguments of `run` behind the program."""


@partial(jax.jit, static_argnames="program")
def run_stacked(program: Program, calls: Sequence[Call]) -> list[tuple[State, Record]]:
    """`run` for several members that share the arrays X and targets, stacked: for an accelerator.

    Members come and go as separate trees, so that any of them can leave between two calls.
    """
    _, _, rows, aside, _, _ = calls[0]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *calls)
    numbers, states, every_rows, every_aside, until, patience = stacked

    def own(shared: Rows, weights: Array, places: Array | None, n: Array) -> Rows:
        return Rows(shared.X, shared.targets, weights, places, n)

    def one(numbers, state, mine, mine_aside, until, patience):
        kept_aside = None if aside is None else own(aside, *mine_aside)
        return run(program, numbers, state, own(rows, *mine), kept_aside, until, patience)

    results = jax.vmap(one)(
        numbers, states, every_rows[2:], None if every_aside is None else every_aside[2:], until, patience
    )
    return [jax.tree.map(lambda leaf, place=place: leaf[place], results) for place in range(len(calls))]


class Visited(NamedTuple):
    """What the steps of an epoch make and carry on."""

    parameters: Any
    optimizer: Any
    sums: "_Sums"
    losses: Array  # (STEPS,)


@partial(jax.jit, static_argnames="program", inline=True)  # so that it is traced once: `run` asks for its record first
def _epoch(
    program: Program, numbers: Mapping[str, Array], state: State, train: Rows, validation: Rows | None
) -> tuple[State, Record]:
    """Every row once, in a new order, then the rows kept aside."""
    key, order_key = jax.random.split(state.key)
    start = visited(state)
    if program.batch_size == EVERY_ROW:
        carry, sums = _step(
            program, numbers, (start.parameters, start.optimizer), take(train, 0, train.room), key, state.epoch
        )
        done = Visited(carry[0], carry[1], sums, start.losses.at[0].set(sums.loss / sums.weight))
    else:
        size, at_once = program.batch_size, train.room <= ORDERED

        def places_of(first, length):
            numbers = shuffled(order_key, length, train.n, first)
            return numbers if train.places is None else train.places[numbers]

        order = places_of(0, -(-train.room // size) * size) if at_once else None

        def batch_at(place):
            first = place * size
            here = places_of(first, size) if order is None else lax.dynamic_slice_in_dim(order, first, size)
            return picked(train, here, first)

        steps = n_batches(train.n, size)
        done = _visit(program, numbers, start, key, state.epoch, batch_at, (0, steps), steps)
    return _end_of_epoch(program, state, key, done, validation)


def visited(state: State) -> Visited:
    """Before the first step of an epoch."""
    return Visited(state.parameters, state.optimizer, _NOTHING, jnp.full(STEPS, -jnp.inf, jnp.float32))


def _visit(
    program: Program,
    numbers: Mapping[str, Array],
    start: Visited,
    key: Array,
    epoch: Any,
    batch_at: Callable[[Any], Batch],
    places: tuple[Any, Any],
    steps: Any,
) -> Visited:
    """The steps of an epoch from a first place to before a last, of so many in all."""

    def visit(place, so_far):
        batch = batch_at(place)
        carry, new = _step(
            program, numbers, (so_far.parameters, so_far.optimizer), batch, folded(key, place), epoch * steps + place
        )
        # a step without a place writes behind the end, and so nowhere
        losses = so_far.losses.at[_place(place, steps)].set(new.loss / new.weight, mode="drop")
        return Visited(carry[0], carry[1], _add(so_far.sums, new), losses)

    return lax.fori_loop(*places, visit, start)


def _end_of_epoch(
    program: Program, state: State, key: Array, done: Visited, validation: Rows | None
) -> tuple[State, Record]:
    """A look at the rows kept aside; the parameters are kept where they are the best so far."""
    parameters, optimizer, sums, losses = done
    evaluated: Any = evaluation_parameters(optimizer, parameters)
    train_loss, train_metric = sums.loss / sums.weight, sums.metric / sums.weight

    validation_loss = validation_metric = jnp.float32(jnp.nan)
    if validation is not None:
        block = min(validation.room, BLOCK)

        def look(place, sums):
            return _add(sums, _evaluate(program, evaluated, take(validation, place * block, block)))

        aside = lax.fori_loop(0, n_batches(validation.n, block), look, _NOTHING)
        validation_loss, validation_metric = aside.loss / aside.weight, aside.metric / aside.weight

    finite = jnp.isfinite(train_loss) & _all_finite(parameters)
    better = finite if validation is None else finite & (validation_loss < state.best_loss)
    state = State(
        parameters=parameters,
        optimizer=optimizer,
        key=key,
        epoch=state.epoch + 1,
        best=lax.cond(better, lambda: evaluated, lambda: state.best),
        best_epoch=jnp.where(better, state.epoch, state.best_epoch),
        best_loss=jnp.where(better, validation_loss, state.best_loss).astype(jnp.float32),
        finite=finite,
    )
    return state, Record(train_loss, train_metric, validation_loss, validation_metric, losses)


# --- an epoch in parts --------------------------------------------------------------------------------------------

end_of_epoch = compiled(_end_of_epoch, static=("program",))


@partial(compiled, static=("program",))
def visit(
    program: Program,
    numbers: Mapping[str, Array],
    start: Visited,
    key: Array,
    epoch: Array,
    part: Rows,
    first: Array,
    n: Array,
) -> Visited:
    """The steps on a part of the rows, which stand in the order of the epoch; `first` is the place of its first step,
    n are the rows of the whole epoch."""
    size = program.batch_size
    places = first, first + n_batches(part.n, size)

    def batch_at(place):
        return take(part, (place - first) * size, size)

    return _visit(program, numbers, start, key, epoch, batch_at, places, n_batches(n, size))


@quickly
def next_keys(key: Array) -> tuple[Array, Array]:
    """The key of the next epoch, and that of its order."""
    key, order_key = jax.random.split(key)
    return key, order_key


@partial(compiled, static=("length",))
def order(order_key: Array, n: Array, first: Array, length: int) -> Array:
    """The numbers of n rows in the order of an epoch, so many from a first on."""
    return shuffled(order_key, length, n, first)


# --- a step ---------------------------------------------------------------------------------------------------------


def _step(
    program: Program, numbers: Mapping[str, Array], carry: Any, batch: Batch, key: Array, place: Any
) -> tuple[Any, "_Sums"]:
    """Parameters and optimizer state after a batch; place counts the steps from the start of training."""
    parameters, optimizer = carry
    done = update(program, program.at(numbers, place), parameters, optimizer, batch, key)
    sums = _sums(program, done.outputs, done.losses, batch)
    return (done.applied(program.network, parameters), done.optimizer), sums


def _place(step: Any, steps: Any) -> Array:
    """Where the loss of a step is kept: each of few steps, and of many those at even distances."""
    apart = n_batches(jnp.asarray(steps), STEPS)
    return jnp.where(step % apart == 0, step // apart, STEPS)


def _look(program: Program, numbers: Mapping[str, Array], state: State, train: Rows, n: Array) -> Snapshot:
    """The network before its next epoch, and what a step by the probe batch would do to it.

    n  rows of an epoch, of which `train` may hold but some
    """
    steps = n_batches(n, program.batch_size) if program.batch_size != EVERY_ROW else 1
    batch = snapshots.probe(train)
    now = program.at(numbers, state.epoch * steps)
    key, _ = jax.random.split(state.key)
    trial = update(program, now, state.parameters, state.optimizer, batch, key)
    return snapshots.snapshot(program.network, state.parameters, batch, trial)


look = quickly(_look, static=("program",))


class _Sums(NamedTuple):
    """Weighted sums over rows."""

    loss: Any
    metric: Any
    weight: Any


_NOTHING = _Sums(np.float32(0), np.float32(0), np.float32(0))


def _add(some: _Sums, others: _Sums) -> _Sums:
    return jax.tree.map(lambda a, b: (a + b).astype(jnp.float32), some, others)


def _sums(program: Program, outputs: Array, losses: Array, rows: Batch) -> _Sums:
    metrics = program.metric(program.predictions(outputs), rows.targets)
    return _Sums(weighted_sum(losses, rows.weights), weighted_sum(metrics, rows.weights), rows.weights.sum())


def _evaluate(program: Program, parameters: Parameters, rows: Batch) -> _Sums:
    outputs = program.network.apply(parameters, rows.X)
    return _sums(program, outputs, program.losses(outputs, rows.targets, rows.weights), rows)


def _all_finite(tree: Any) -> Array:
    """In one piece, as every array of its own would be two more programs to compile."""
    return jnp.isfinite(jnp.concatenate([leaf.astype(jnp.float32).ravel() for leaf in jax.tree.leaves(tree)])).all()
