"""A network of the user's own as training sees it, held to what it promises."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.network.interface import Numbers, Parameters, Trace
from trivium.network.own.kinds import Kind

ROWS = 64
"""Most rows that `init` is shown, at even distances in the table."""


@dataclass(frozen=True)
class OwnNetwork:
    """A network of the user's own for so many outputs. Its hidden layers are not known."""

    kind: Kind
    n_outputs: int
    copies = 1

    def init(self, key: Array, X: Any) -> Parameters:
        """Fresh parameters, float32. Raises ValueError where parameters or outputs are not what they must be."""
        rows = jnp.asarray(np.asarray(X[np.linspace(0, len(X) - 1, min(ROWS, len(X))).astype(int)]))
        parameters = self._fresh(key, rows)
        for name, array in named(parameters).items():
            if not np.isfinite(array).all():
                raise ValueError(f"network must start from finite numbers, got others in {name}. Change its init.")
        with _called("apply", rows):
            outputs, trained = jax.eval_shape(
                lambda parameters: (self.apply(parameters, rows), self.train(parameters, rows, key, {})[0]), parameters
            )
        for said, when in ((outputs, "for predictions"), (trained, "in training")):
            if said.shape != (len(rows), self.n_outputs):
                raise ValueError(
                    f"network must put out (n, n_outputs) = ({len(rows)}, {self.n_outputs}) for {len(rows)} rows, got "
                    f"{said.shape} {when}. {_advice(said.shape, len(rows))}"
                )
        return parameters

    def apply(self, parameters: Parameters, X: Array) -> Array:
        return _numbers(self.kind.run(parameters, X, self.n_outputs, None)[0])

    def train(self, parameters: Parameters, X: Array, key: Array, numbers: Numbers) -> tuple[Array, Any]:
        outputs, news = self.kind.run(parameters, X, self.n_outputs, key)
        return _numbers(outputs), news

    def absorb(self, parameters: Parameters, news: Any) -> Parameters:
        return {**parameters, **news} if news else parameters

    def traces(self, parameters: Parameters, X: Array) -> list[Trace]:
        return []

    def rates(self, parameters: Parameters) -> Any:
        return None

    def decays(self, parameters: Parameters) -> Any:
        return jax.tree.map(lambda array: array.ndim >= 2, parameters)

    def arranged(self, arrays: Mapping[str, np.ndarray], n_inputs: int) -> Parameters:
        """Arrays by their names in `named` as parameters of this network.

        Raises ValueError where this network has others.
        """
        fresh = self._fresh(jax.random.PRNGKey(0), jnp.zeros((8, n_inputs), jnp.float32))
        wanted = {name: array.shape for name, array in named(fresh).items()}
        # a file keeps a single number as an array of one
        held = {name: () if wanted.get(name) == () and a.size == 1 else a.shape for name, a in arrays.items()}
        if wanted != held:
            differs = {**held, **wanted}
            name = next(name for name in differs if wanted.get(name) != held.get(name))
            raise ValueError(
                f"network must be the one that was saved, whose parameters have {name} of shape {held.get(name)}, got "
                f"one with shape {wanted.get(name)} there. Hand over the same functions."
            )
        parts = [np.reshape(arrays[name], shape) for name, shape in wanted.items()]
        return jax.tree.unflatten(jax.tree.structure(fresh), parts)

    def _fresh(self, key: Array, rows: Array) -> Parameters:
        with _called("init", rows):
            parameters = self.kind.init(key, rows, self.n_outputs)
        leaves = jax.tree_util.tree_leaves_with_path(parameters)
        if not leaves:
            raise ValueError("network must have parameters to learn, got none. Return a dict of arrays from init.")
        for path, leaf in leaves:
            dtype = getattr(leaf, "dtype", None)
            if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
                raise ValueError(
                    f"network must have parameters that are arrays of floats, got {dtype or type(leaf).__name__} in "
                    f"{jax.tree_util.keystr(path) or 'them'}. Keep anything else in apply."
                )
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), parameters)


def named(parameters: Parameters) -> dict[str, Any]:
    """The arrays of any tree by their places in it, such as "['layers'][0]"."""
    leaves = jax.tree_util.tree_leaves_with_path(parameters)
    return {jax.tree_util.keystr(path) or "parameters": leaf for path, leaf in leaves}


def _numbers(outputs: Any) -> Array:
    """Outputs in the type of the losses. Raises ValueError for what is no array."""
    if not hasattr(outputs, "shape"):
        raise ValueError(f"network must put out one array, got {type(outputs).__name__}. Return the outputs alone.")
    return jnp.asarray(outputs, jnp.float32)


def _advice(shape: tuple[int, ...], n: int) -> str:
    if shape == (n,):
        return "Return outputs[:, None]."
    return "Make its last layer as wide as n_outputs." if shape[:1] == (n,) else "Return one row of outputs per row."


@contextmanager
def _called(what: str, rows: Array) -> Iterator[None]:
    """Errors of the user's own code say what was asked of it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"In {what} of the network, given encoded rows of shape {rows.shape}.")
        raise
