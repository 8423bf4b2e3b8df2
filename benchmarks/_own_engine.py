"""What looks at our own runs cost: populations of one, watched and not, in turns."""

import time
from statistics import median
from typing import Any

import jax
import numpy as np

from trivium import activations, heads, initializers, losses, network, optimizers
from trivium.training.epochs import keys, start
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import Program
from trivium.training.split import table

random = np.random.default_rng(0)
X = random.normal(size=(20_000, 32)).astype(np.float32)
ROWS = table(X, np.tanh(X[:, :4]).sum(axis=1).astype(np.float32), None)
HEAD = heads.regressor_head(losses.squared_error, None)
TURNS = 7


def compare(widths: tuple[int, ...], epochs: int) -> dict[str, Any]:
    """Seconds of a training with and without looks, the median over turns; and whether the weights are the same."""
    for watched in (False, True):  # compiles
        trained(widths, epochs, watched=watched)
    pairs = [[trained(widths, epochs, watched=watched) for watched in (False, True)] for _ in range(TURNS)]
    (_, plain), (_, watched) = pairs[-1]
    same = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), plain.state.parameters, watched.state.parameters)
    return {
        "plain_ms": 1000 * median(pair[0][0] for pair in pairs) / epochs,
        "watched_ms": 1000 * median(pair[1][0] for pair in pairs) / epochs,
        "overhead": median(pair[1][0] / pair[0][0] for pair in pairs) - 1,
        "looks": sum(look.before is not None for look in watched.looks),
        "same_bits": all(jax.tree.leaves(same)),
    }


def trained(widths: tuple[int, ...], epochs: int, *, watched: bool) -> tuple[float, Member]:
    layers = network.Perceptron(widths, activations.relu, 1, initializer=initializers.he_normal)
    program = Program(layers, HEAD, losses.squared_error, optimizers.adam, (), heads.squared_distance, 256)
    init_key, order_key = keys(0)
    numbers = {"learning_rate": 1e-3}
    state = start(program, numbers, layers.init(init_key, X), order_key)
    member = Member(program, numbers, state, ROWS, None, History("R2", 1.0), watched=watched)
    began = time.perf_counter()
    train_population([member], epochs=epochs)
    return time.perf_counter() - began, member
