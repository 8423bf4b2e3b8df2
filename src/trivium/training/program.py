"""Epochs, compiled: one program per set of static choices, in which every number is a traced array."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax

from trivium import network
from trivium.heads import Head
from trivium.optimizers import evaluation_parameters

CHUNK = 64
"""Most epochs that one call of the program runs, and the length of the record that it hands back."""


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

    def losses(self, outputs: Array, targets: Array) -> Array:
        """One loss per row; several outputs count by their mean."""
        losses = self.loss(outputs, targets)
        return losses if losses.ndim == 1 else losses.mean(axis=tuple(range(1, losses.ndim)))

    def transformation(self, numbers: Mapping[str, Array]) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(self.optimizer(**numbers, **dict(self.flags)))


class Rows(NamedTuple):
    """Rows on the device, with a weight each; a row of weight 0 only fills up a batch."""

    X: Array  # (n, n_features)
    targets: Array  # (n,) or (n, width)
    weights: Array  # (n,)


class State(NamedTuple):
    """All that goes on from one epoch to the next."""

    parameters: network.Parameters
    optimizer: optax.OptState
    key: Array  # draws the order of the rows
    epoch: Array  # (), epochs run
    best: network.Parameters  # of the best epoch so far, or of the last finite one where no rows are kept aside
    best_epoch: Array  # (), index of that epoch; -1 before the first
    best_loss: Array  # (), its validation loss
    finite: Array  # (), False from the first epoch on whose loss or parameters are not


class Record(NamedTuple):
    """What an epoch reports: weighted means over rows. In a chunk, one entry per epoch."""

    train_loss: Array
    train_metric: Array
    validation_loss: Array
    validation_metric: Array


def start(program: Program, numbers: Mapping[str, float], parameters: network.Parameters, key: Array) -> State:
    """The state before the first epoch."""
    traced = {name: jnp.float32(value) for name, value in numbers.items()}
    return State(
        parameters=parameters,
        optimizer=program.transformation(traced).init(parameters),
        key=key,
        epoch=jnp.int32(0),
        best=parameters,
        best_epoch=jnp.int32(-1),
        best_loss=jnp.float32(jnp.inf),
        finite=jnp.bool_(True),
    )


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

    validation  (blocks, rows, ...) arrays, or None
    patience    epochs without a better validation loss after which the run ends
    Returns the state after the last epoch and records of length CHUNK, of which the run filled the first.
    """
    first_epoch = state.epoch
    empty = Record(*(jnp.full(CHUNK, jnp.nan, jnp.float32) for _ in Record._fields))

    def goes_on(carry: tuple[State, Record]) -> Array:
        state, _ = carry
        patient = state.epoch - state.best_epoch <= patience
        return (state.epoch < jnp.minimum(last_epoch, first_epoch + CHUNK)) & state.finite & patient

    def one_epoch(carry: tuple[State, Record]) -> tuple[State, Record]:
        state, records = carry
        state, record = _epoch(program, numbers, state, train, validation)
        here = state.epoch - 1 - first_epoch
        return state, jax.tree.map(lambda series, value: series.at[here].set(value), records, record)

    return lax.while_loop(goes_on, one_epoch, (state, empty))


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

    def step(carry, batch: Rows, place: Array):
        parameters, optimizer = carry
        noise = jax.random.fold_in(key, place)

        def outputs_fn(parameters):
            return program.outputs(parameters, batch.X, noise)

        def loss_fn(outputs):
            return _mean(program.losses(outputs, batch.targets), batch.weights)

        def objective(parameters):
            outputs = outputs_fn(parameters)
            losses = program.losses(outputs, batch.targets)
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
    n = len(train.X)
    if program.batch_size >= n:
        carry, sums = step(carry, train, jnp.int32(0))
    else:
        order, counts = _batches(order_key, n, program.batch_size)

        def visit(carry, batch: tuple[Array, Array, Array]):
            rows, count, place = batch
            return step(carry, _take(train, rows, count), place)

        carry, sums = lax.scan(visit, carry, (order, counts, jnp.arange(len(order))))
        sums = jax.tree.map(lambda series: series.sum(), sums)
    parameters: Any
    parameters, optimizer = carry
    evaluated: Any = evaluation_parameters(optimizer, parameters)
    train_loss, train_metric = sums.loss / sums.weight, sums.metric / sums.weight

    validation_loss = validation_metric = jnp.float32(jnp.nan)
    if validation is not None:
        blocks = lax.map(partial(_evaluate, program, evaluated), validation)
        weight = blocks.weight.sum()
        validation_loss, validation_metric = blocks.loss.sum() / weight, blocks.metric.sum() / weight

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


class _Sums(NamedTuple):
    """Weighted sums over rows."""

    loss: Array
    metric: Array
    weight: Array


def _sums(program: Program, outputs: Array, losses: Array, rows: Rows) -> _Sums:
    metrics = program.metric(program.head.predictions(outputs), rows.targets)
    return _Sums(_sum(losses, rows.weights), _sum(metrics, rows.weights), rows.weights.sum())


def _evaluate(program: Program, parameters: network.Parameters, rows: Rows) -> _Sums:
    outputs = program.outputs(parameters, rows.X)
    return _sums(program, outputs, program.losses(outputs, rows.targets), rows)


def _batches(key: Array, n: int, batch_size: int) -> tuple[Array, Array]:
    """Row numbers (steps, batch_size) that visit every row once, and whether each place counts; the last batch is
    filled up with rows that do not."""
    fill = -n % batch_size
    order = jax.random.permutation(key, n)
    order = jnp.concatenate([order, order[:fill]]).reshape(-1, batch_size)
    counts = (jnp.arange(n + fill) < n).reshape(-1, batch_size)
    return order, counts


def _take(rows: Rows, places: Array, counts: Array) -> Rows:
    taken = jax.tree.map(lambda array: array[places], rows)
    return taken._replace(weights=taken.weights * counts)


def _sum(values: Array, weights: Array) -> Array:
    """Rows of weight 0 count for nothing, whatever their value, NaN included."""
    return jnp.where(weights > 0, values * weights, 0).sum()


def _mean(values: Array, weights: Array) -> Array:
    return _sum(values, weights) / weights.sum()


def _all_finite(tree: Any) -> Array:
    return jnp.all(jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]))
