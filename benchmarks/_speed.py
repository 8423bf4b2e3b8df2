"""How long an activation takes, inside a compiled network and alone, against the same activation of JAX."""

import itertools
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

WIDTHS, BATCH, STEPS = (32, 256, 256, 1), 256, 10  # a call shorter than the time slices of other processes
ALONE = (1024, 256)


def in_a_network(activation: Callable) -> Callable[[], object]:
    """A call that trains for some steps of SGD; compiled and warm."""
    random = np.random.default_rng(0)
    rows, targets = (jnp.asarray(random.normal(size=(BATCH, n)), jnp.float32) for n in (WIDTHS[0], WIDTHS[-1]))
    start = [
        (jnp.asarray(random.normal(size=shape) / np.sqrt(shape[0]), jnp.float32), jnp.zeros((1, shape[1])))
        for shape in itertools.pairwise(WIDTHS)
    ]

    def loss(layers):
        *hidden, (weights, biases) = layers
        z = rows
        for w, b in hidden:
            z = activation(z @ w + b)
        return jnp.mean(jnp.square(z @ weights + biases - targets))

    def step(layers, _):
        value, gradients = jax.value_and_grad(loss)(layers)
        return jax.tree.map(lambda p, g: p - 0.01 * g, layers, gradients), value

    return _warm(jax.jit(lambda layers: jax.lax.scan(step, layers, length=STEPS)), start)


def alone(activation: Callable) -> Callable[[], object]:
    """A call that computes value and derivative of 2^18 numbers; compiled and warm."""
    random = np.random.default_rng(0)
    z, tangent = (jnp.asarray(random.normal(size=ALONE) * 2, jnp.float32) for _ in range(2))

    def both(z):
        value, back = jax.vjp(activation, z)
        return value, back(tangent)[0]

    return _warm(jax.jit(both), z)


def compare(ours: Callable[[], object], theirs: Callable[[], object], repetitions: int) -> dict[str, float]:
    """Seconds of both, measured in turns, so that what else the machine does falls on both alike."""
    seconds = {"ours": [], "theirs": []}
    for repetition in range(repetitions):
        turns = [("ours", ours), ("theirs", theirs)]
        for name, call in turns if repetition % 2 else reversed(turns):
            begin = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begin)
    pairs = zip(seconds["ours"], seconds["theirs"], strict=True)
    return {
        "ours_median": statistics.median(seconds["ours"]),
        "jax_median": statistics.median(seconds["theirs"]),
        "ours_min": min(seconds["ours"]),
        "jax_min": min(seconds["theirs"]),
        "ratio": statistics.median(a / b for a, b in pairs),
        "ratio_of_min": min(seconds["ours"]) / min(seconds["theirs"]),
    }


def _warm(compiled: Callable, argument: object) -> Callable[[], object]:
    def call():
        return jax.block_until_ready(compiled(argument))

    call()
    return call
