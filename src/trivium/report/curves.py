"""What the picture of an entry shows, as numbers: the terminal, the pages and whoever else draws take it from here.

How each kind of entry is called for its picture follows from its signature; an entry that cannot be called so, such as
a loss over pairs of rows, has no picture.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from trivium.cards import CATALOGS, entries
from trivium.catalog import members
from trivium.compiling import quickly
from trivium.properties import is_elementwise

POINTS = 401


@dataclass(frozen=True)
class Curves:
    """Lines over one axis.

    across  what the axis means
    places  (n,)
    lines   what is drawn -> its (n,) values, which may hold NaN where there is none
    """

    across: str
    places: np.ndarray
    lines: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Path:
    """Where an optimizer went: `steps` (n, 2) in the valley, with the learning rate that it had, None for none."""

    steps: np.ndarray
    losses: np.ndarray
    learning_rate: float | None


def curves(catalog_name: str, name: str) -> Curves | None:
    """The picture of an activation, a loss or a schedule; None where it has none."""
    function = entries(catalog_name)[name]
    if name not in members(CATALOGS[catalog_name]):
        return None
    draw = {"activations": _of_activation, "losses": _of_loss, "schedules": _of_schedule}.get(catalog_name)
    return draw(function) if draw else None


def _of_activation(activation: Callable) -> Curves:
    """Value and derivative; one that mixes units is shown by its last output for the row (1, z)."""
    if is_elementwise(activation):
        across, of = "z", activation
    else:
        across, of = "z, in the units (1, z)", lambda z: activation(jnp.stack([jnp.ones_like(z), z], axis=-1))[..., -1]
    span = 5.0
    while _turns(np.asarray(of(jnp.linspace(-span, span, 10 * POINTS)))) > 12:
        span /= 2
    places = jnp.linspace(-span, span, POINTS)
    value, derivative = of(places), jax.vmap(jax.grad(of))(places)
    return Curves(across, np.asarray(places), {"value": np.asarray(value), "derivative": np.asarray(derivative)})


def _turns(values: np.ndarray) -> int:
    steps = np.sign(np.diff(values))
    return int((np.diff(steps[steps != 0]) != 0).sum())


def _of_loss(loss: Callable) -> Curves | None:
    """Loss and gradient by the first thing that the network puts out, for a target of 1, or the first of three classes.

    Further ones, such as a log scale, stand at 0.
    """
    names = list(inspect.signature(loss).parameters)
    if "targets" not in names:
        return None
    outputs = names[: names.index("targets")]
    low, high = (0.02, 0.98) if outputs[0] == "probabilities" else (-4, 4)
    places = jnp.linspace(low, high, POINTS)

    def with_one(x: jax.Array) -> jax.Array:
        return loss(x, *(jnp.zeros_like(x) for _ in outputs[1:]), jnp.ones_like(x))

    def with_three(x: jax.Array) -> jax.Array:
        row = jnp.stack([x, jnp.zeros_like(x), jnp.zeros_like(x)], axis=-1)
        if outputs[0] == "probabilities":
            row = jnp.stack([x, (1 - x) / 2, (1 - x) / 2], axis=-1)
        return loss(row, jnp.zeros(x.shape, jnp.int32))

    ways = [(with_one, f"{outputs[0]}, target 1")]
    if outputs[0] in ("logits", "probabilities", "scores"):
        ways.append((with_three, f"{outputs[0]}[0], target 0"))
    for of, across in ways:
        try:
            value = np.asarray(quickly(of)(places))
            alone = np.asarray(quickly(of)(places[:3]))
            slope = np.asarray(quickly(jax.grad(lambda x, of=of: of(x).sum()))(places))
        except (ValueError, TypeError, IndexError):
            continue
        if value.shape == places.shape and np.allclose(alone, value[:3], equal_nan=True):
            return Curves(across, np.asarray(places), {"loss": value, "gradient": slope})
    return None


_RUN: Mapping[str, Any] = {
    "value": 1.0,
    "steps": 100,
    "every": 25,
    "milestones": (30, 60, 80),
    "half_period": 20,
    "period": 20,
    "warmup_steps": 20,
}
"""The run of 100 steps for which schedules are drawn, by the names of their arguments."""


def _of_schedule(schedule: Callable) -> Curves | None:
    """The value over 100 steps; None for one that is no function of the count."""
    needed = [
        name
        for name, parameter in inspect.signature(schedule).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    given: dict[str, Any] = {name: _RUN[name] for name in needed if name in _RUN}
    if "schedule" in needed:
        given |= {"schedule": CATALOGS["schedules"].cosine(1.0, steps=80), "steps": 20}
    if set(given) != set(needed) or not needed:
        return None
    counts = np.arange(101)
    for stretch in (1, 10):  # one that hardly moves in 100 steps is shown over more
        values = np.asarray(schedule(**given)(jnp.asarray(counts * stretch)))
        if values.max() - values.min() > 0.2:
            break
    else:
        stretch, values = (1, values) if values.max() == values.min() else (stretch, values)
    return Curves("step", counts * stretch, {"value": values})


START = (-2.5, 1.5)
"""Where optimizers start in the valley."""


NOT_IN_A_PLANE = {"muon": "moves matrices; a point goes by AdamW", "soap": "turns matrices; a point goes by Adam"}
"""Optimizers without a path, and why."""


def valley(place: Any) -> Any:
    """A bent valley that falls to 0 at (1, 1), ten times as steep across as along it."""
    x, y = place[..., 0], place[..., 1]
    return (1 - x) ** 2 / 4 + 2.5 * (y - x * x / 4 - 0.75) ** 2


def path(name: str, *, steps: int = 60) -> Path | None:
    """The way of an optimizer down the valley, at the least of a dozen learning rates that arrives, else the nearest.

    None for what is no optimizer by itself, and for one that leaves the valley at all of them.
    """
    optimizer = entries("optimizers")[name]
    if name not in members(CATALOGS["optimizers"]) or name in NOT_IN_A_PLANE:
        return None
    first = next(iter(inspect.signature(optimizer).parameters))
    rates = jnp.geomspace(1e-3, 3.0, 12) if first == "learning_rate" else None

    def run(rate: Any) -> tuple[jax.Array, jax.Array]:
        transformation = optimizer(rate) if rates is not None else optimizer()
        descend = optax.with_extra_args_support(transformation).update

        def step(carry: Any, _: None) -> tuple[Any, Any]:
            place, state = carry
            value, gradient = jax.value_and_grad(valley)(place)
            updates, state = descend(gradient, state, place, value=value, grad=gradient, value_fn=valley)
            return (optax.apply_updates(place, updates), state), place

        start = jnp.asarray(START)
        _, places = jax.lax.scan(step, (start, transformation.init(start)), length=steps + 1)
        return places, valley(places)

    if rates is None:
        places, losses = run(None)
        return Path(np.asarray(places), np.asarray(losses), None)
    places, losses = map(np.asarray, quickly(jax.vmap(run))(rates))
    # Over the last quarter, so that a rate that swings around the end does not win by chance.
    late = np.where(np.isfinite(losses), losses, np.inf)[:, -steps // 4 :].mean(axis=1, dtype=float)
    arrived = np.flatnonzero(late < losses[0, 0] / 100)
    best = int(arrived[0]) if len(arrived) else int(np.argmin(late))
    return Path(places[best], losses[best], float(rates[best])) if np.isfinite(late[best]) else None
