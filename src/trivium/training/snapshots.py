"""What a network looks like in the midst of training, on a fixed probe batch: what the diagnosis reads.

Taken within the compiled epochs, before the first step of an epoch, and seldom enough to cost little of them.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.network import Network, Parameters
from trivium.training.batches import Batch, Rows
from trivium.training.steps import Update

PROBE = 256
"""Rows of the probe batch, at even distances in the table."""

DENSE = 4
"""The first epochs are all looked at, as long as a run has no more of them than this."""

SHARE = 0.02
"""Of the time of a run, how much may be spent on looks."""

COST = 12
"""Steps whose time a look takes, its call included: measured on two layers of 64, where it is most."""

FLAT = 0.05
"""A unit is saturated on a row where its slope is below this part of the largest slope on the batch."""


class Snapshot(NamedTuple):
    """(n_hidden,) of the hidden layers first, (n_weights,) of all arrays of weights below, then numbers."""

    activation_mean: Array
    activation_std: Array
    unit_std: Array  # mean over units of the spread over rows
    dead: Array  # share of units that pass no gradient for any row; NaN where slopes are not known
    saturated: Array  # share of entries whose slope is a small part of the largest
    gradient_rms: Array
    weight_norm: Array
    update_ratio: Array  # norm of an update by the probe batch over the norm of the weights; NaN where that is 0
    gradient_norm: Array  # of all parameters together
    loss: Array  # on the probe batch, as in training
    output_mean: Array
    output_std: Array  # mean over outputs of the spread over rows
    output_minimum: Array
    output_maximum: Array


def probe(rows: Rows) -> Batch:
    """Rows at even distances, as many as PROBE where there are so many."""
    size = min(PROBE, rows.room)
    places = (jnp.arange(size, dtype=jnp.uint32) * jnp.asarray(rows.n, jnp.uint32)) // np.uint32(size)
    places = places.astype(jnp.int32) if rows.places is None else rows.places[places]
    return Batch(rows.X[places], rows.targets[places], rows.weights[places])


def snapshot(network: Network, parameters: Parameters, batch: Batch, trial: Update) -> Snapshot:
    """A look at these parameters, and at what an update by the probe batch would do to them."""
    gradients, updates = trial.gradients, trial.updates
    traces = network.traces(parameters, batch.X)
    of_weights = list(zip(*(weights_in(tree).values() for tree in (parameters, gradients, updates)), strict=True))
    outputs = trial.outputs.reshape(len(batch.X), -1)
    return Snapshot(
        activation_mean=_stacked([trace.activations.mean() for trace in traces]),
        activation_std=_stacked([trace.activations.std() for trace in traces]),
        unit_std=_stacked([trace.activations.std(axis=0).mean() for trace in traces]),
        dead=_stacked([_dead(trace.slopes) for trace in traces]),
        saturated=_stacked([_saturated(trace.slopes) for trace in traces]),
        gradient_rms=_stacked([jnp.sqrt(jnp.square(gradient).mean()) for _, gradient, _ in of_weights]),
        weight_norm=_stacked([_norm(weights) for weights, _, _ in of_weights]),
        update_ratio=_stacked([_ratio(_norm(update), _norm(weights)) for weights, _, update in of_weights]),
        gradient_norm=jnp.sqrt(sum((jnp.square(leaf).sum() for leaf in jax.tree.leaves(gradients)), jnp.float32(0))),
        loss=trial.loss,
        output_mean=outputs.mean(),
        output_std=outputs.std(axis=0).mean(),
        output_minimum=outputs.min(),
        output_maximum=outputs.max(),
    )


def weights_in(tree: Any) -> dict[Any, Any]:
    """The weights of each layer by their path; of a network that does not name them, all with two axes or more."""
    leaves = dict(jax.tree_util.tree_leaves_with_path(tree))
    named = {path: leaf for path, leaf in leaves.items() if path and getattr(path[-1], "key", None) == "weights"}
    return named or {path: leaf for path, leaf in leaves.items() if np.ndim(leaf) >= 2}


class Look(NamedTuple):
    """What was watched of an epoch."""

    epoch: int
    before: Snapshot | None  # its first step; None where no look was due
    step_loss: np.ndarray  # losses at even distances over the epoch


def looks(before: Snapshot | None, step_loss: np.ndarray, first: int) -> list[Look]:
    """What was watched of a chunk of epochs, of which the first is given.

    before     the first of these epochs
    step_loss  (n_epochs, STEPS), -inf where an epoch has fewer steps
    """
    own = [losses[losses != -np.inf] for losses in step_loss]
    return [Look(first + place, None if place else before, losses) for place, losses in enumerate(own)]


def every(steps_per_epoch: int, epochs: int) -> int:
    """Epochs from one look to the next, so that looks take their share of the steps and no more."""
    looks = max(2.0, SHARE / COST * steps_per_epoch * epochs - DENSE)
    return max(1, int(np.ceil(epochs / looks)))


def due(epoch: int, apart: int) -> bool:
    """Whether to look before this epoch."""
    return epoch % apart == 0 or epoch < DENSE


def next_due(epoch: int, apart: int) -> int:
    """The next epoch after this one to look before."""
    return epoch + 1 if epoch + 1 < DENSE else (epoch // apart + 1) * apart


def _stacked(values: list[Array]) -> Array:
    return jnp.stack(values).astype(jnp.float32) if values else jnp.zeros(0, jnp.float32)


def _norm(array: Array) -> Array:
    return jnp.sqrt(jnp.square(array).sum())


def _ratio(moved: Array, size: Array) -> Array:
    """How far weights of that size moved, in parts of it; NaN for such as start at zero."""
    return jnp.where((size == 0) & (moved > 0), jnp.nan, moved / (size + 1e-30))


def _dead(slopes: Array | None) -> Array:
    return jnp.float32(jnp.nan) if slopes is None else (slopes == 0).all(axis=0).mean()


def _saturated(slopes: Array | None) -> Array:
    if slopes is None:
        return jnp.float32(jnp.nan)
    sizes = jnp.abs(slopes)
    return (sizes < FLAT * jnp.maximum(sizes.max(), 1e-30)).mean()
