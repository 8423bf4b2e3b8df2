"""Epochs, compiled: one program per set of static choices, in which every number is a traced array."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from trivium import network
from trivium.heads import Head
from trivium.optimizers import evaluation_parameters

CHUNK = 64
"""Most epochs that one call of the program runs, and the length of the record that it hands back."""

BLOCK = 4096
"""Rows per step of an evaluation, so that its memory does not grow with the table."""

EVERY_ROW = 0
"""The batch size of a program whose steps take every row, however many they are."""

ROUNDS = 32
"""Of the shuffle: twice the logarithm of 65,536 rows, after which the order of a table no longer shows."""


@dataclass(frozen=True)
class Program:
    """The static choices of a run. Equal choices hash alike and share their compiled code.

    optimizer  a function of numbers (learning_rate, ...) that returns a gradient transformation
    flags      further arguments of the optimizer that are no numbers, such as nesterov
    metric     (predictions, targets) -> a number per row, of which the record keeps the mean
    """

    activation: Callable[[Array], Array]
    head: Head
    loss: Callable[[Array, Array], Array]
    optimizer: Callable[..., optax.GradientTransformation]
    flags: tuple[tuple[str, Any], ...]
    metric: Callable[[Array, Array], Array]
    batch_size: int

    def outputs(self, parameters: network.Parameters, X: Array, key: Array | None = None) -> Array:
        return self.head.outputs(network.apply(parameters, X, self.activation, key))

    def losses(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """One loss per row, not yet weighted; several outputs count by their mean."""
        return self.head.losses(self.loss, outputs, targets, weights)

    def transformation(self, numbers: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(self.optimizer(**numbers, **dict(self.flags)))


class Rows(NamedTuple):
    """Rows on the device. Only their number's bucket is part of a program's shape, so that like tables share it."""

    X: Array  # (size, n_features); those behind the last that counts fill up, copies of others
    targets: Array  # (size,) or (size, width)
    weights: Array  # (size,)
    places: Array | None  # (n_places,) numbers of the rows that are meant, filled up; None: all of them
    n: Array | np.ndarray  # (), how many rows, or places, count

    @property
    def room(self) -> int:
        """How many rows or places there are with those that fill up."""
        return len(self.X) if self.places is None else len(self.places)


class State(NamedTuple):
    """All that goes on from one epoch to the next."""

    parameters: network.Parameters
    optimizer: optax.OptState
    key: Array  # draws the order of the rows
    epoch: Array | np.ndarray  # (), epochs run
    best: network.Parameters  # of the best epoch so far, or of the last finite one where no rows are kept aside
    best_epoch: Array | np.ndarray  # (), index of that epoch; -1 before the first
    best_loss: Array | np.ndarray  # (), its validation loss
    finite: Array | np.ndarray  # (), False from the first epoch on whose loss or parameters are not


class Record(NamedTuple):
    """What an epoch reports: weighted means over rows. In a chunk, one entry per epoch."""

    train_loss: Array
    train_metric: Array
    validation_loss: Array
    validation_metric: Array


@jax.jit
def keys(seed: Any) -> tuple[Array, Array]:
    """For the initial weights, and for the order of the rows."""
    init_key, order_key = jax.random.split(jax.random.PRNGKey(seed))
    return init_key, order_key


def start(program: Program, numbers: Mapping[str, float], parameters: network.Parameters, key: Array) -> State:
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


@partial(jax.jit, static_argnames="program")
def _first_optimizer_state(
    program: Program, numbers: Mapping[str, Array], parameters: network.Parameters
) -> optax.OptState:
    return program.transformation(numbers).init(parameters)


@partial(jax.jit, static_argnames="program")
def run(
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
    empty = Record(*(jnp.full(CHUNK, jnp.nan, jnp.float32) for _ in Record._fields))

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


@partial(jax.jit, static_argnames=("head", "activation"))
def predict(head: Head, activation: Callable[[Array], Array], parameters: network.Parameters, X: Array) -> Array:
    """(n, n_features) -> the predictions: a number or a probability per row, or a row of probabilities."""
    return head.predictions(head.outputs(network.apply(parameters, X, activation)))


def _epoch(
    program: Program, numbers: Mapping[str, Array], state: State, train: Rows, validation: Rows | None
) -> tuple[State, Record]:
    """Every row once, in a new order, then the rows kept aside."""
    transformation = program.transformation(numbers)
    key, order_key = jax.random.split(state.key)

    def step(carry, batch: _Batch, place: Array):
        parameters, optimizer = carry
        noise = jax.random.fold_in(key, place)

        def outputs_fn(parameters):
            return program.outputs(parameters, batch.X, noise)

        def loss_fn(outputs):
            return _mean(program.losses(outputs, batch.targets, batch.weights), batch.weights)

        def objective(parameters):
            outputs = outputs_fn(parameters)
            losses = program.losses(outputs, batch.targets, batch.weights)
            return _mean(losses, batch.weights), (outputs, losses)

        (value, (outputs, losses)), gradients = jax.value_and_grad(objective, has_aux=True)(parameters)
        updates, optimizer = transformation.update(
            gradients,
            optimizer,
            parameters,
            value=value,
            grad=gradients,
            value_fn=lambda p: objective(p)[0],
            outputs_fn=outputs_fn,
            loss_fn=loss_fn,
        )
        parameters = optax.apply_updates(parameters, updates)
        return (parameters, optimizer), _sums(program, outputs, losses, batch)

    carry = (state.parameters, state.optimizer)
    if program.batch_size == EVERY_ROW:
        carry, sums = step(carry, _take(train, 0, train.room), jnp.int32(0))
    else:
        order = shuffled(order_key, -(-train.room // program.batch_size) * program.batch_size, train.n)
        order = order if train.places is None else train.places[order]
        shuffled_rows = train._replace(places=order)

        def visit(place, so_far):
            carry, sums = so_far
            carry, new = step(carry, _take(shuffled_rows, place * program.batch_size, program.batch_size), place)
            return carry, _add(sums, new)

        carry, sums = lax.fori_loop(0, _ceil(train.n, program.batch_size), visit, (carry, _NOTHING))
    parameters: Any
    parameters, optimizer = carry
    evaluated: Any = evaluation_parameters(optimizer, parameters)
    train_loss, train_metric = sums.loss / sums.weight, sums.metric / sums.weight

    validation_loss = validation_metric = jnp.float32(jnp.nan)
    if validation is not None:
        block = min(validation.room, BLOCK)

        def look(place, sums):
            return _add(sums, _evaluate(program, evaluated, _take(validation, place * block, block)))

        aside = lax.fori_loop(0, _ceil(validation.n, block), look, _NOTHING)
        validation_loss, validation_metric = aside.loss / aside.weight, aside.metric / aside.weight

    finite = jnp.isfinite(train_loss) & _all_finite(parameters)
    better = finite if validation is None else finite & (validation_loss < state.best_loss)
    state = State(
        parameters=parameters,
        optimizer=optimizer,
        key=key,
        epoch=state.epoch + 1,
        best=jax.tree.map(lambda new, old: jnp.where(better, new, old), evaluated, state.best),
        best_epoch=jnp.where(better, state.epoch, state.best_epoch),
        best_loss=jnp.where(better, validation_loss, state.best_loss).astype(jnp.float32),
        finite=finite,
    )
    return state, Record(train_loss, train_metric, validation_loss, validation_metric)


class _Batch(NamedTuple):
    X: Array
    targets: Array
    weights: Array  # 0 for a row that only fills up


class _Sums(NamedTuple):
    """Weighted sums over rows."""

    loss: Any
    metric: Any
    weight: Any


_NOTHING = _Sums(np.float32(0), np.float32(0), np.float32(0))


def _add(some: _Sums, others: _Sums) -> _Sums:
    return jax.tree.map(lambda a, b: (a + b).astype(jnp.float32), some, others)


def _sums(program: Program, outputs: Array, losses: Array, rows: _Batch) -> _Sums:
    metrics = program.metric(program.head.predictions(outputs), rows.targets)
    return _Sums(_sum(losses, rows.weights), _sum(metrics, rows.weights), rows.weights.sum())


def _evaluate(program: Program, parameters: network.Parameters, rows: _Batch) -> _Sums:
    outputs = program.outputs(parameters, rows.X)
    return _sums(program, outputs, program.losses(outputs, rows.targets, rows.weights), rows)


def shuffled(key: Array, length: int, n: Any) -> Array:
    """The numbers from 0 to n - 1 in an order drawn anew, then some of them again, up to a length.

    Swap or not: each round pairs the rows at random, and a coin per pair decides whether its two change places. Unlike
    a sort by random numbers, it needs no more than arithmetic (measured: 80 times as fast), and n may be traced.
    Source: Hoang, Morris & Rogaway 2012, "An enciphering scheme based on a card shuffle".
    """
    n = jnp.asarray(n, jnp.uint32)
    pairings, coins = jax.random.bits(key, (2, ROUNDS), jnp.uint32)
    pairings = pairings % n

    def swap(turn, place):
        partner = pairings[turn] + n - place
        partner = jnp.where(partner >= n, partner - n, partner)
        pair = (jnp.maximum(place, partner) ^ coins[turn]) * np.uint32(0x9E3779B1)
        pair = (pair ^ (pair >> 15)) * np.uint32(0x85EBCA77)
        return jnp.where(pair >> 31 == 1, partner, place)

    return lax.fori_loop(0, ROUNDS, swap, jnp.arange(length, dtype=jnp.uint32) % n).astype(jnp.int32)


def _take(rows: Rows, first: Array | int, length: int) -> _Batch:
    """The rows, or the places, from the first on."""

    def cut(array: Array) -> Array:
        return array if length == len(array) else lax.dynamic_slice_in_dim(array, first, length)

    arrays = (rows.X, rows.targets, rows.weights)
    if rows.places is None:
        X, targets, weights = map(cut, arrays)
    else:
        places = cut(rows.places)
        X, targets, weights = (array.at[places].get(mode="promise_in_bounds") for array in arrays)
    counts = first + jnp.arange(length) < rows.n
    return _Batch(X, targets, jnp.where(counts, weights, 0))


def _ceil(n: Any, size: int) -> Array:
    return (n + size - 1) // size


def _sum(values: Array, weights: Array) -> Array:
    """Rows of weight 0 count for nothing, whatever their value, NaN included."""
    return jnp.where(weights > 0, values * weights, 0).sum()


def _mean(values: Array, weights: Array) -> Array:
    total = weights.sum()
    return _sum(values, weights) / jnp.where(total > 0, total, 1)


def _all_finite(tree: Any) -> Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))
