"""From what the user hands over as a network to the kind of network that it is; and what does not go with one."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from numbers import Real
from typing import Any, Protocol

import numpy as np
from jax import Array

from trivium.network.interface import Parameters

OURS: dict[str, Any] = {
    "hidden_widths": (256, 256), "preset": None, "activation": "relu", "initializer": None, "normalisation": None,
    "residual": False, "embedding": None, "front_scale": False, "parametrisation": "standard", "start": "usual",
    "zero_last_layer": None, "rate_factors": None, "copies": 1, "dropout": 0.0, "feature_selection": 0.0,
    "embed_above": None,
}  # fmt: skip
"""The estimators' parameters that shape a network of ours and no other, with their defaults."""

MAKES = ("n_inputs", "n_outputs")
"""What a function that makes a module is told, beside its source of random numbers."""

WANTED = (
    "network must be functions (init, apply), or one that makes a module: make(rngs, n_inputs, n_outputs) of Flax NNX, "
    "make(key, n_inputs, n_outputs) of Equinox"
)


class Kind(Protocol):
    """Pure functions, held by an object that compares by the user's own functions."""

    def init(self, key: Array, X: Array, n_outputs: int) -> Parameters:
        """Fresh parameters for rows like these few, (n, n_inputs)."""
        ...

    def run(self, parameters: Parameters, X: Array, n_outputs: int, key: Array | None) -> tuple[Array, Any]:
        """Outputs (n, n_outputs), and arrays by name to put among the parameters; key None for predictions."""
        ...


@dataclass(frozen=True)
class Filled:
    """A functools.partial that compares by what it holds, so that a copy of it is no other network."""

    function: Callable
    arguments: tuple
    keywords: tuple[tuple[str, Any], ...]

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self.function(*self.arguments, *arguments, **{**dict(self.keywords), **keywords})


@dataclass(frozen=True)
class Functions:
    """A pair of functions; those of their optional arguments that they take."""

    init_function: Callable
    apply_function: Callable
    init_takes: tuple[str, ...]
    apply_takes: tuple[str, ...]

    def init(self, key: Array, X: Array, n_outputs: int) -> Parameters:
        return self.init_function(key, X, **({"n_outputs": n_outputs} if self.init_takes else {}))

    def run(self, parameters: Parameters, X: Array, n_outputs: int, key: Array | None) -> tuple[Array, Any]:
        known = {"key": key, "training": key is not None}
        return self.apply_function(parameters, X, **{name: known[name] for name in self.apply_takes}), {}


def get(network: Any) -> Kind:
    """The kind of a network that the user handed over.

    network  (init, apply): init(key, X) or init(key, X, n_outputs=...) -> a pytree of float arrays, X being some
             encoded rows; apply(parameters, X) -> (n, n_outputs), which may take `key`, None for predictions, and
             `training`, True or False, as well. Or a function or class that makes a module, called by name:
             make(rngs=, n_inputs=, n_outputs=) of Flax NNX, make(key=, n_inputs=, n_outputs=) of Equinox
    Raises ValueError for anything else, ModuleNotFoundError where the library is not installed.
    """
    if isinstance(network, tuple | list):
        if len(network) != 2 or not all(callable(function) for function in network):
            raise ValueError(f"{WANTED}; got {_shown(network)}. Hand over two functions.")
        init, apply = network
        return Functions(_comparable(init), _comparable(apply), _taken(init, "n_outputs"), _taken(apply, *ARGUMENTS))
    if not callable(network):
        raise ValueError(f"{WANTED}; got {_shown(network)}. Try network=(init, apply).")
    takes = _taken(network, "rngs", "key", *MAKES)
    for source, home, library in (("rngs", "flax_nnx", "flax"), ("key", "equinox", "equinox")):
        if set(takes) == {source, *MAKES}:
            return _adapter(home, library)(_comparable(network))
    advice = "Hand over the function or class that makes it." if _is_module(network) else f"It takes {takes or 'none'}."
    raise ValueError(f"{WANTED}, by these names; got {_shown(network)}. {advice}")


ARGUMENTS = ("key", "training")
"""What a function `apply` may take beside parameters and rows."""


def name_of(network: Any) -> str:
    """What to call it: the name of its function or class, of a pair that of `apply`."""
    function = network[1] if isinstance(network, tuple | list) else network
    function = function.func if isinstance(function, partial) else function
    return getattr(function, "__name__", type(function).__name__)


def foreign(given: Mapping[str, Any]) -> list[str]:
    """What is wrong with an estimator's parameters beside a network of the user's own: one sentence, or none."""
    if given.get("network") is None:
        return []
    names = [name for name, default in OURS.items() if name in given and _chosen(given[name], default)]
    names = ["preset"] if "preset" in names else names
    if not names:
        return []
    said = ", ".join(f"{name}={given[name]!r}" for name in names)
    return [
        f"network must be given without {', '.join(names)}, which shape{'s' * (len(names) == 1)} a network of "
        f"Trivium's, got {said}. Leave {'it' if len(names) == 1 else 'them'} out, and build it into your network."
    ]


def _chosen(value: Any, default: Any) -> bool:
    """Whether somebody chose; where None is the default, False leaves things as they are too."""
    if default is None:
        return value is not None and value is not False
    if isinstance(default, bool | Real):
        return not (isinstance(value, bool | np.bool_ | Real) and value == default)
    value = tuple(value) if isinstance(value, list) else value
    return type(value) is not type(default) or value != default


def _taken(function: Any, *names: str) -> tuple[str, ...]:
    """Those of the names that a function, or a class, takes as arguments."""
    try:
        found = inspect.signature(function.__init__ if isinstance(function, type) else function).parameters
    except (TypeError, ValueError):
        return ()  # a builtin without a signature
    return tuple(name for name in names if name in found)


def _comparable(function: Callable) -> Any:
    """The function as a static argument of a compiled program. Raises ValueError where it cannot be one."""
    if isinstance(function, partial):
        filled = Filled(function.func, function.args, tuple(sorted(function.keywords.items())))
        function = filled if _can_be_hashed(filled) else function
    if not _can_be_hashed(function):
        raise ValueError(f"network must be made of functions that can be hashed, got {function!r}. Try a function.")
    return function


def _can_be_hashed(function: Any) -> bool:
    try:
        hash(function)
    except TypeError:
        return False
    return True


def _adapter(home: str, library: str) -> Callable[[Any], Kind]:
    try:
        return import_module(f"trivium.network.own.{home}").Made
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != library:
            raise
        source = "rngs" if library == "flax" else "key"
        raise ModuleNotFoundError(
            f"network must be made by an installed library, got a function of {source} without {library}. "
            f"Run: pip install {library}",
            name=library,
        ) from error


def _is_module(network: Any) -> bool:
    """Whether it is a ready-made module, which could not start anew from another seed."""
    return any(kind.__module__.split(".")[0] in ("flax", "equinox") for kind in type(network).__mro__[:-1])


def _shown(network: Any) -> str:
    if isinstance(network, tuple | list):
        return f"{len(network)} of them: {', '.join(type(one).__name__ for one in network)}"
    kind = type(network).__name__
    return f"the {kind} {network.__name__}" if hasattr(network, "__name__") else f"a {kind}"
