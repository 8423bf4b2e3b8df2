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

from trivium.heads import Head
from trivium.network import Network, Parameters
from trivium.optimizers import evaluation_parameters
from trivium.schedules import Schedule
from trivium.training import augment
from trivium.training.batches import Batch, Rows, n_batches, shuffled, take, weighted_mean, weighted_sum

CHUNK = 64
"""Most epochs that one call of the program runs, and the length of the record that it hands back."""

BLOCK = 4096
"""Rows per step of an evaluation, so that its memory does not grow with the table."""

EVERY_ROW = 0
"""The batch size of a program whose steps take every row, however many they are."""


@dataclass(frozen=True)
class Program:
    """The static choices of a run. Equal choices hash alike and share their compiled code.

    optimizer  a function of numbers (learning_rate, ...) that returns a gradient transformation
    flags      further arguments of the optimizer that are no numbers, such as nesterov
    metric     (predictions, targets) -> a number per row, of which the record keeps the mean
    schedules  for some of the numbers, by name, a function of (value, steps) that returns a schedule
    """

    network: Network
    head: Head
    loss: Callable[..., Array]
    optimizer: Callable[..., optax.GradientTransformation]
    flags: tuple[tuple[str, Any], ...]
    metric: Callable[[Array, Array], Array]
    batch_size: int
    schedules: tuple[tuple[str, Callable[[Any, Any], Schedule]], ...] = ()

    def losses(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """One loss per row, not yet weighted; several outputs count by their mean, and so do copies of a network."""
        if self.network.copies == 1:
            return self.head.losses(self.loss, self.head.outputs(outputs), targets, weights)

        def of_copy(outputs: Array) -> Array:
            return self.head.losses(self.loss, self.head.outputs(outputs), targets, weights)

        return jax.vmap(of_copy, in_axes=1)(outputs).mean(axis=0)

    def predictions(self, outputs: Array) -> Array:
        """From what the network puts out to predictions; those of copies are averaged."""
        return predictions(self.network, self.head, outputs)

    def transformation(self, numbers: Mapping[str, Any]) -> optax.GradientTransformationExtraArgs:
        """The optimizer with its own among the numbers."""
        own = {name: value for name, value in numbers.items() if name not in NOT_THE_OPTIMIZERS}
        return optax.with_extra_args_support(self.optimizer(**own, **dict(self.flags)))

    def at(self, numbers: Mapping[str, Any], step: Any) -> dict[str, Any]:
        """The numbers at a step, as their schedules have them."""
        if not self.schedules:
            return dict(numbers)
        steps = numbers["total_steps"]
        return {**numbers, **{name: make(numbers[name], steps)(step) for name, make in self.schedules}}


NOT_THE_OPTIMIZERS = (*augment.NUMBERS, "dropout", "decay", "total_steps")
"""Numbers that vary between members and are none of the optimizer's: `decay` is decoupled weight decay."""


class State(NamedTuple):
    """All that goes on from one epoch to the next."""

    parameters: Parameters
    optimizer: optax.OptState
    key: Array  # draws the order of the rows
    epoch: Array | np.ndarray  # (), epochs run
    best: Parameters  # of the best epoch so far, or of the last finite one where no rows are kept aside
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


@partial(jax.jit, static_argnames="program")
def _first_optimizer_state(program: Program, numbers: Mapping[str, Array], parameters: Parameters) -> optax.OptState:
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


def predictions(network: Network, head: Head, outputs: Array) -> Array:
    """From what a network puts out to predictions, (n,) or (n, n_classes); those of copies are averaged."""
    if network.copies == 1:
        return head.predictions(head.outputs(outputs))
    return jax.vmap(lambda outputs: head.predictions(head.outputs(outputs)), in_axes=1)(outputs).mean(axis=0)


@partial(jax.jit, static_argnames=("network", "head"))
def predict(network: Network, head: Head, parameters: Parameters, X: Array) -> Array:
    """(n, n_features) -> the predictions: a number or a probability per row, or a row of probabilities."""
    return predictions(network, head, network.apply(parameters, X))


def _epoch(
    program: Program, numbers: Mapping[str, Array], state: State, train: Rows, validation: Rows | None
) -> tuple[State, Record]:
    """Every row once, in a new order, then the rows kept aside."""
    key, order_key = jax.random.split(state.key)
    carry = (state.parameters, state.optimizer)
    if program.batch_size == EVERY_ROW:
        carry, sums = _step(program, numbers, carry, take(train, 0, train.room), key, state.epoch)
    else:
        order = shuffled(order_key, -(-train.room // program.batch_size) * program.batch_size, train.n)
        order = order if train.places is None else train.places[order]
        shuffled_rows = train._replace(places=order)
        steps = n_batches(train.n, program.batch_size)

        def visit(place, so_far):
            carry, sums = so_far
            batch = take(shuffled_rows, place * program.batch_size, program.batch_size)
            noise_key = jax.random.fold_in(key, place)
            carry, new = _step(program, numbers, carry, batch, noise_key, state.epoch * steps + place)
            return carry, _add(sums, new)

        carry, sums = lax.fori_loop(0, steps, visit, (carry, _NOTHING))
    parameters: Any
    parameters, optimizer = carry
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
        best=jax.tree.map(lambda new, old: jnp.where(better, new, old), evaluated, state.best),
        best_epoch=jnp.where(better, state.epoch, state.best_epoch),
        best_loss=jnp.where(better, validation_loss, state.best_loss).astype(jnp.float32),
        finite=finite,
    )
    return state, Record(train_loss, train_metric, validation_loss, validation_metric)


def _step(
    program: Program, numbers: Mapping[str, Array], carry: Any, batch: Batch, key: Array, place: Any
) -> tuple[Any, "_Sums"]:
    """One update of parameters and optimizer state by a batch; place counts the steps from the start of training."""
    parameters, optimizer = carry
    network, numbers = program.network, program.at(numbers, place)
    transformation = program.transformation(numbers)
    seen = augment.augmented(batch, program.head, numbers, key)

    def outputs_fn(parameters):
        return program.head.outputs(network.train(parameters, seen.X, key, numbers)[0])

    def loss_fn(outputs):
        losses = program.head.losses(program.loss, outputs, seen.targets, seen.weights)
        return weighted_mean(losses, seen.weights)

    def objective(parameters):
        outputs, news = network.train(parameters, seen.X, key, numbers)
        losses = program.losses(outputs, seen.targets, seen.weights)
        return weighted_mean(losses, seen.weights), (outputs, losses, news)

    (value, (outputs, losses, news)), gradients = jax.value_and_grad(objective, has_aux=True)(parameters)
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
    updates = _scaled(network, numbers, parameters, updates)
    parameters = network.absorb(optax.apply_updates(parameters, updates), news)
    return (parameters, optimizer), _sums(program, outputs, losses, batch)


def _scaled(network: Network, numbers: Mapping[str, Any], parameters: Parameters, updates: Any) -> Any:
    """Updates with decoupled weight decay, and each with its factor.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """
    if "decay" in numbers:
        shrink = numbers["learning_rate"] * numbers["decay"]
        updates = jax.tree.map(
            lambda update, parameter, decays: update - shrink * parameter if decays else update,
            updates,
            parameters,
            network.decays(parameters),
        )
    factors = network.rates(parameters)
    if factors is None:
        return updates
    return jax.tree.map(lambda update, factor: factor * update, updates, factors)


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
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))
