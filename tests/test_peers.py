"""The names under which others have our entries: they exist there, and activations compute the same."""

import ast
import importlib
import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from trivium import activations, initializers, losses, optimizers, schedules
from trivium.catalog import members, wrappers
from trivium.peers import LIBRARIES, everything, peers

CATALOGS = {module.__name__.split(".")[-1]: module for module in (activations, losses, optimizers, schedules)}
CATALOGS |= {"initializers": initializers}
NAMED = [
    (catalog, name, library, dotted)
    for catalog, entries in everything().items()
    for name, found in entries.items()
    for library, dotted in found.items()
]
DIFFERENT = {
    ("prelu", "torch"): "the slopes are an argument of the call",
    ("prelu", "keras"): "the slopes are parameters of the layer and start at 0",
    ("sparsemax", "keras"): "Keras 3.15 puts out zeros for rows, on JAX",
}


def resolve(dotted):
    """The object that a dotted name with arguments in brackets means, and the arguments."""
    name, _, inside = dotted.partition("(")
    call = ast.parse(f"f({inside.rstrip(')')})", mode="eval").body
    arguments = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    package, *rest = name.split(".")
    thing = pytest.importorskip(package)
    for part in rest:
        if not hasattr(thing, part):
            importlib.import_module(f"{thing.__name__}.{part}")
        thing = getattr(thing, part)
    return thing, arguments


@pytest.fixture(autouse=True)
def on_jax(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")


@pytest.mark.parametrize("catalog", everything())
def test_only_entries_of_the_catalog_have_peers(catalog):
    assert set(everything()[catalog]) <= {*members(CATALOGS[catalog]), *wrappers(CATALOGS[catalog])}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("catalog", "name", "library", "dotted"), NAMED)
def test_a_named_peer_exists_and_takes_the_arguments(catalog, name, library, dotted):
    assert library in LIBRARIES
    peer, arguments = resolve(dotted)
    assert callable(peer)
    try:
        taken = inspect.signature(peer).parameters
    except ValueError:  # written in C++
        assert all(argument in (inspect.getdoc(peer) or "") for argument in arguments)
    else:
        assert any(p.kind is p.VAR_KEYWORD for p in taken.values()) or set(arguments) <= set(taken)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("catalog", "name", "library", "dotted"), [n for n in NAMED if n[0] == "activations"])
def test_a_peer_computes_the_same_activation(catalog, name, library, dotted):
    peer, arguments = resolve(dotted)
    z = np.linspace(-6, 6, 242, dtype=np.float32).reshape(1, -1)
    if inspect.isclass(peer):
        peer = peer()
    given = resolve("torch")[0].from_numpy(z) if library == "torch" else jnp.asarray(z)
    try:
        same = np.allclose(peer(given, **arguments), members(activations)[name](z), rtol=2e-5, atol=2e-6)
    except (TypeError, ValueError):
        same = False
    assert same == ((name, library) not in DIFFERENT)


def test_what_nobody_has_has_no_peers():
    assert peers("activations", "telu") == {}
    assert peers("no catalog", "relu") == {}
