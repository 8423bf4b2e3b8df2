"""One update of a network by a batch."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import optax
from jax import Array

from trivium.network import Network, Parameters
from trivium.network.own import OwnNetwork
from trivium.precision import computing
from trivium.training import augment
from trivium.training.batches import Batch, weighted_mean
from trivium.training.program import Program


class Update(NamedTuple):
    """What a batch tells of the parameters, and how they are to change."""

    loss: Array  # (), the mean over the batch
    outputs: Array  # of the network
    losses: Array  # (n,)
    news: Any  # what the network keeps of these rows
    gradients: Any
    updates: Any
    optimizer: optax.OptState

    def applied(self, network: Network, parameters: Parameters) -> Parameters:
        """The parameters after the update."""
        return network.absorb(optax.apply_updates(parameters, self.updates), self.news)


@partial(jax.jit, static_argnames="program", inline=True)  # so that an epoch and a look at it trace it but once
def update(
    program: Program, numbers: Mapping[str, Any], parameters: Parameters, optimizer: Any, batch: Batch, key: Array
) -> Update:
    """An update by a batch, not yet applied; numbers as their schedules have them at this step."""
    network = program.network
    seen = augment.augmented(batch, program.head, numbers, key, codes=getattr(network, "n_codes", 0))

    def outputs_fn(parameters):
        return program.head.outputs(network.train(parameters, seen.X, key, numbers)[0])

    def loss_fn(outputs):
        losses = program.head.losses(program.loss, outputs, seen.targets, seen.weights)
        return weighted_mean(losses, seen.weights)

    def objective(parameters):
        outputs, news = network.train(parameters, seen.X, key, numbers)
        losses = program.losses(outputs, seen.targets, seen.weights)
        return weighted_mean(losses, seen.weights), (outputs, losses, news)

    derive = jax.value_and_grad(objective, has_aux=True)
    if isinstance(network, OwnNetwork):  # it may hold convolutions
        from trivium.training import convolutions  # which take a part of JAX that is long to import

        derive = convolutions.ordered(derive)
    with computing(program.precision):
        (value, (outputs, losses, news)), gradients = derive(parameters)
    updates, optimizer = program.transformation(numbers).update(
        gradients,
        optimizer,
        parameters,
        value=value,
        grad=gradients,
        value_fn=lambda p: objective(p)[0],
        outputs_fn=outputs_fn,
        loss_fn=loss_fn,
    )
    return Update(value, outputs, losses, news, gradients, updates, optimizer)
