"""What training asks of a network."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from jax import Array
from jax.typing import ArrayLike

Parameters = Any
"""A pytree of arrays; a network of ours has a list of layers, each a dict of arrays by name."""

Numbers = Mapping[str, ArrayLike]
"""What varies between members of a population that share a program: dropout and the like, by name."""


class Trace(NamedTuple):
    """A hidden layer on some rows."""

    activations: Array  # (n, width)
    slopes: Array | None  # (n, width) of the activation, None where a unit depends on several pre-activations


class Network(Protocol):
    """Pure functions, held by an object that compares by value."""

    @property
    def copies(self) -> int:
        """Networks in one, whose outputs are (n, copies, n_outputs) where there are several; each has its own loss."""
        ...

    def init(self, key: Array, X: Any) -> Parameters:
        """Fresh parameters; X (n, n_inputs), encoded rows to train on, of which only the width must count."""
        ...

    def apply(self, parameters: Parameters, X: Array) -> Array:
        """What the last layer puts out, (n, n_inputs) -> (n, n_outputs): for predictions."""
        ...

    def train(self, parameters: Parameters, X: Array, key: Array, numbers: Numbers) -> tuple[Array, Any]:
        """The same in training, where layers may draw random numbers; and what `absorb` is to keep."""
        ...

    def absorb(self, parameters: Parameters, news: Any) -> Parameters:
        """The parameters after a step, with what its rows told beside their gradients, such as running means."""
        ...

    def traces(self, parameters: Parameters, X: Array) -> list[Trace]:
        """The hidden layers on these rows, for the diagnosis; none where the network does not show them."""
        ...

    def rates(self, parameters: Parameters) -> Any:
        """A factor on the step of each parameter, in the tree of the parameters; None: 1 for all."""
        ...

    def decays(self, parameters: Parameters) -> Any:
        """How strongly weight decay shrinks each parameter, in the tree of the parameters: 0 or False not at all."""
        ...
