"""Who else has an entry of a catalog, under which name: a file of names, none of which is ever imported."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

LIBRARIES = {"torch": "PyTorch", "jax": "JAX, Optax", "keras": "Keras"}
"""Key in the file -> what people call it."""


def peers(catalog: str, name: str) -> Mapping[str, str]:
    """Library -> dotted name there, with the arguments in brackets that make it the same; empty where nobody has it.

    catalog  "activations", "losses", "optimizers", "schedules" or "initializers"
    name     of one of its entries
    """
    return everything().get(catalog, {}).get(name, {})


@cache
def everything() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Catalog -> entry -> library -> dotted name."""
    return tomllib.loads((files("trivium") / "peers.toml").read_text(encoding="utf-8"))
