"""The static choices of a run, in which every number is a traced array; and its state between epochs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax

from trivium import losses
from trivium.compiling import compiled
from trivium.heads import Head
from trivium.losses._exact import cross_entropy_of_masses
from trivium.network import Network, Parameters
from trivium.optimizers import parameter_average
from trivium.precision import Precision
from trivium.schedules import Schedule
from trivium.training import augment

CHUNK = 64
"""Most epochs that one call of the program runs, and the length of the record that it hands back."""

BLOCK = 1024
"""Rows per step of an evaluation within a program, so that its memory does not grow with the table.

Trap: products of 4,096 rows and more XLA parts among the threads of the process, and some came out wrong while another
network trained beside (jaxlib 0.10.2, first layer behind 30 embedded columns); of 2,048 rows none.
"""

PIECE = 2048
"""Rows of a piece of a prediction of many, which has to be sound as well."""

EVERY_ROW = 0
"""The batch size of a program whose steps take every row, however many they are."""


OF_SHARES: Mapping[Callable, Callable] = {losses.cross_entropy: cross_entropy_of_masses}
"""What takes the place of a loss whose targets are shares: the last digits of a slope that nearly vanishes move no
weight, and took a quarter of a small network's time."""


@dataclass(frozen=True)
class Program:
    """The static choices of a run. Equal choices hash alike and share their compiled code.

    optimizer  a function of numbers (learning_rate, ...) that returns a gradient transformation
    flags      further arguments of the optimizer that are no numbers, such as nesterov
    metric     (predictions, targets) -> a number per row, of which the record keeps the mean
    schedules  for some of the numbers, by name, a function of (value, steps) that returns a schedule
    precision  of the matrix products of an update, see `precision.computing`
    """

    network: Network
    head: Head
    loss: Callable[..., Array]
    optimizer: Callable[..., optax.GradientTransformation]
    flags: tuple[tuple[str, Any], ...]
    metric: Callable[[Array, Array], Array]
    batch_size: int
    schedules: tuple[tuple[str, Callable[[Any, Any], Schedule]], ...] = ()
    precision: Precision | None = None

    def losses(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """One loss per row, not yet weighted; several outputs count by their mean, and so do copies of a network."""
        mixed = jnp.issubdtype(targets.dtype, jnp.floating)
        loss = OF_SHARES.get(self.loss, self.loss) if mixed else self.loss
        if self.network.copies == 1:
            return self.head.losses(loss, self.head.outputs(outputs), targets, weights)

        def of_copy(outputs: Array) -> Array:
            return self.head.losses(loss, self.head.outputs(outputs), targets, weights)

        return jax.vmap(of_copy, in_axes=1)(outputs).mean(axis=0)

    def predictions(self, outputs: Array) -> Array:
        """From what the network puts out to predictions; those of copies are averaged."""
        return predictions(self.network, self.head, outputs)

    def transformation(self, numbers: Mapping[str, Any]) -> optax.GradientTransformationExtraArgs:
        """The optimizer with its own among the numbers, its steps as the network wants them, and their average.

        averaging  of the parameters to evaluate, see `optimizers.parameter_average`; what the steps go from stays
        """
        own = {name: value for name, value in numbers.items() if name not in NOT_THE_OPTIMIZERS}
        steps = _scaled(self.network, numbers, self.optimizer(**own, **dict(self.flags)))
        return parameter_average(steps, decay=numbers["averaging"]) if "averaging" in numbers else steps

    def at(self, numbers: Mapping[str, Any], step: Any) -> dict[str, Any]:
        """The numbers at a step, as their schedules have them."""
        if not self.schedules:
            return dict(numbers)
        steps = numbers["total_steps"]
        made = {name: make(numbers[name], steps)(step) for name, make in self.schedules if name in numbers}
        return {**numbers, **made}


def _scaled(
    network: Network, numbers: Mapping[str, Any], transformation: optax.GradientTransformation
) -> optax.GradientTransformationExtraArgs:
    """An optimizer whose updates have decoupled weight decay, and each its factor.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".
    """
    inner = optax.with_extra_args_support(transformation)

    def update(updates, state, params=None, **extra_args):
        updates, state = inner.update(updates, state, params, **extra_args)
        if "decay" in numbers:
            shrink = numbers["learning_rate"] * numbers["decay"]
            updates = jax.tree.map(
                lambda update, parameter, share: update - shrink * share * parameter if share else update,
                updates,
                params,
                network.decays(params),
            )
        factors = network.rates(params)
        if factors is not None:
            updates = jax.tree.map(lambda update, factor: factor * update, updates, factors)
        return updates, state

    return optax.GradientTransformationExtraArgs(inner.init, update)


NOT_THE_OPTIMIZERS = (
    *augment.NUMBERS, "dropout", "decay", "feature_selection", "averaging", "total_steps",
)  # fmt: skip
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


def predictions(network: Network, head: Head, outputs: Array) -> Array:
    """From what a network puts out to predictions, (n,) or (n, n_classes); those of copies are averaged."""
    if network.copies == 1:
        return head.predictions(head.outputs(outputs))
    return jax.vmap(lambda outputs: head.predictions(head.outputs(outputs)), in_axes=1)(outputs).mean(axis=0)


@lru_cache(maxsize=1024)
def predictor(network: Network, head: Head) -> Callable[[Parameters, Any], Array]:
    """Of one network, the compiled function from (parameters, (n, n_features)) to its predictions.

    Those are a number or a probability per row, or a row of probabilities. To tell networks apart takes as long as a
    row: whoever predicts often keeps the function.
    """
    return jax.jit(lambda parameters, X: predictions(network, head, network.apply(parameters, X)))


@partial(compiled, static=("network", "head"))
def _of_many(network: Network, head: Head, parameters: Parameters, X: Any) -> Array:
    return in_pieces(lambda rows: predictions(network, head, network.apply(parameters, rows)), X)


def predictor_of_many(network: Network, head: Head, parameters: Parameters) -> Callable[[Any], Array]:
    """Of one network, the compiled function from blocks of rows, (n, n_inputs), to predictions, (n,) or (n, n_outputs):
    in pieces where rows are many, and from the disk where another process has compiled it. The parameters are where
    those are made."""
    return _of_many.of_last(network, head, jax.device_put(parameters))


def in_pieces(function: Callable[[Array], Array], X: Array) -> Array:
    """A function of rows (n, n_features) of which each stands alone, by pieces that stay in the cache of a core: a call
    costs as much as a piece does. What it says of a row is the same to the bit."""
    n, width = X.shape
    if n <= PIECE or n % PIECE:
        return function(X)
    said = lax.map(function, X.reshape(-1, PIECE, width))
    return said.reshape(n, *said.shape[2:])
