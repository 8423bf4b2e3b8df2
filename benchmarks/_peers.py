"""The peers' functions behind the names that `trivium.peers` lists, called with the arguments of ours."""

import ast
import functools
import importlib
from collections.abc import Callable

import optax
import torch

from trivium.peers import peers

OTHERWISE = {
    "prelu": {"torch": lambda z: torch.nn.functional.prelu(z, torch.tensor([0.25]))},
    "identity": {"torch": torch.nn.Identity()},
    "hinge": {"jax": lambda scores, targets: optax.hinge_loss(scores, 2 * targets - 1)},
}
"""Where a dotted name and keyword arguments are not enough."""


def of(catalog: str, name: str, library: str, **more: object) -> Callable | None:
    """A peer's function, None where the library has none.

    library  "jax" (which stands for Optax as well) or "torch"
    more     further keyword arguments
    """
    otherwise = OTHERWISE.get(name, {}).get(library)
    if otherwise is not None:
        return otherwise
    written = peers(catalog, name).get(library)
    return None if written is None else called(written, **more)


def called(written: str, **more: object) -> Callable:
    """The function that "jax.nn.gelu(approximate=False)" stands for."""
    dotted, opened, _ = written.partition("(")
    given = {k.arg: ast.literal_eval(k.value) for k in ast.parse(written).body[0].value.keywords} if opened else {}
    module, _, name = dotted.rpartition(".")
    function = getattr(importlib.import_module(module), name)
    return functools.partial(function, **given, **more) if given or more else function
