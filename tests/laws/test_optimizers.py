"""Laws that every optimizer obeys. A new optimizer is tested because it exists."""

import inspect
import re
import typing
from collections.abc import Callable
from functools import cache, partial

import annotated_types as at
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import recurrences
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from trivium import optimizers
from trivium.catalog import members, parameter_domains

MEMBERS = members(optimizers)
every_optimizer = pytest.mark.parametrize("name", MEMBERS)

adan_as_in_the_paper = {"beta1": 0.98, "beta2": 0.92, "beta3": 0.99, "weight_decay": 0.1}
PEERS = {
    "gd": [(0.01, {}, optax.sgd)],
    "sgd": [
        (0.01, {}, optax.sgd),
        (0.01, {"momentum": 0.9}, partial(optax.sgd, momentum=0.9)),
        (0.01, {"momentum": 0.9, "nesterov": True}, partial(optax.sgd, momentum=0.9, nesterov=True)),
        (
            0.01,
            {"momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1},
            partial(recurrences.torch_sgd, momentum=0.8, dampening=0.3, weight_decay=0.1),
        ),
        (
            0.01,
            {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
            partial(recurrences.torch_sgd, momentum=0.8, nesterov=True, weight_decay=0.1),
        ),
    ],
    "qhm": [(0.05, {}, recurrences.qhm)],
    "adam": [
        (1e-3, {}, optax.adam),
        (1e-2, {"beta1": 0.8, "beta2": 0.95}, partial(optax.adam, b1=0.8, b2=0.95)),
        (1e-2, {}, recurrences.torch_adam),
    ],
    "adamw": [
        (1e-2, {"weight_decay": 0.1}, partial(optax.adamw, weight_decay=0.1)),
        (1e-2, {}, partial(recurrences.torch_adam, weight_decay=1e-2)),
    ],
    "adagrad": [
        (0.01, {}, recurrences.torch_adagrad),
        (0.01, {"start_value": 0.1}, partial(recurrences.torch_adagrad, start=0.1)),
    ],
    "adadelta": [(1.0, {}, optax.adadelta), (1.0, {}, recurrences.torch_adadelta)],
    "rmsprop": [
        (0.01, {}, recurrences.torch_rmsprop),
        (0.01, {"beta2": 0.9}, partial(optax.rmsprop, decay=0.9, eps_in_sqrt=False)),
        (
            0.01,
            {"momentum": 0.9, "centered": True},
            partial(recurrences.torch_rmsprop, momentum=0.9, centered=True),
        ),
    ],
    "amsgrad": [
        (0.01, {}, partial(recurrences.torch_adam, amsgrad=True)),
        (0.01, {"weight_decay": 0.1}, partial(recurrences.torch_adam, amsgrad=True, weight_decay=0.1)),
    ],
    "adamax": [
        (2e-3, {}, optax.adamax),
        (2e-3, {"weight_decay": 0.1}, partial(optax.adamaxw, weight_decay=0.1)),
        (2e-3, {}, recurrences.torch_adamax),
    ],
    "nadam": [(2e-3, {"weight_decay": 0.1}, partial(recurrences.torch_nadam, weight_decay=0.1))],
    "radam": [(1e-2, {}, optax.radam)],
    "adabelief": [(1e-2, {}, optax.adabelief)],
    "yogi": [(1e-2, {}, recurrences.yogi)],
    "diffgrad": [(1e-2, {}, recurrences.diffgrad)],
    "adabound": [(1e-3, {"closing": 0.05}, partial(recurrences.adabound, gamma=0.05))],
    "padam": [(0.1, {}, recurrences.padam)],
    "laprop": [(1e-2, {}, recurrences.laprop)],
    "adopt": [(1e-2, {}, optax.contrib.adopt)],
    "adam_atan2": [(1e-2, {}, recurrences.adam_atan2)],
    "stable_adamw": [(1e-2, {"weight_decay": 0.1}, partial(recurrences.stable_adamw, weight_decay=0.1))],
    "adamp": [
        (1e-2, {"threshold": t, "weight_decay": 0.1}, partial(recurrences.adamp, delta=t, weight_decay=0.1))
        for t in (0.1, 0.5, 1.5)
    ],
    "qhadam": [(1e-2, {}, recurrences.qhadam), (1e-2, {"share2": 0.9}, partial(recurrences.qhadam, nu2=0.9))],
    "aggmo": [(0.01, {}, recurrences.aggmo)],
    "optimistic_gradient": [
        (0.01, {}, optax.optimistic_gradient_descent),
        (0.01, {"optimism": 0.5}, partial(optax.optimistic_gradient_descent, beta=0.5)),
    ],
    "adan": [(1e-2, {"weight_decay": 0.1}, partial(recurrences.adan, weight_decay=0.1))],
    "ademamix": [
        (1e-3, {}, optax.contrib.ademamix),
        (1e-3, {"warmup": 100.0}, recurrences.ademamix),
    ],
    "mars": [(3e-3, {"weight_decay": 0.1}, partial(recurrences.mars, weight_decay=0.1))],
    "lion": [(1e-3, {"weight_decay": 0.1}, partial(optax.lion, weight_decay=0.1))],
    "signum": [(1e-3, {}, partial(optax.signum, beta=0.9)), (1e-3, {"momentum": 0.0}, optax.sign_sgd)],
    "lamb": [(1e-2, {}, optax.lamb), (1e-2, {"weight_decay": 0.1}, partial(optax.lamb, weight_decay=0.1))],
    "lars": [
        (1.0, {}, optax.lars),
        (1.0, {"nesterov": True}, partial(optax.lars, nesterov=True)),
        (1.0, {"weight_decay": 0.1}, partial(recurrences.lars, weight_decay=0.1)),
    ],
    "novograd": [
        (1e-2, {"beta1": 0.9, "beta2": 0.25, "epsilon": 1e-6}, optax.novograd),
        (1e-2, {"weight_decay": 0.1}, partial(recurrences.novograd, weight_decay=0.1)),
    ],
    "fromage": [(1e-2, {}, optax.fromage)],
    "madgrad": [
        (1e-2, {}, recurrences.madgrad),
        (1e-2, {}, lambda rate: optax.contrib.madgrad(rate - 1e-6)),
    ],
    "ftrl": [(0.1, {}, recurrences.ftrl), (0.1, {"l1": 0.5, "l2": 0.1}, partial(recurrences.ftrl, l1=0.5, l2=0.1))],
    "adafactor": [
        (1e-2, {"weight_decay": 0.1}, partial(recurrences.adafactor, weight_decay=0.1)),
        (
            1e-2,
            {},
            lambda rate: optax.adafactor(
                rate, min_dim_size_to_factor=1, dtype_momentum=jnp.float64, clipping_threshold=1.0
            ),
        ),
    ],
    "came": [(1e-3, {}, recurrences.came)],
    "sm3": [
        (0.1, {}, lambda rate: optax.chain(optax.scale_by_sm3(b1=0.9, eps=0.0), optax.scale(-rate))),
    ],
    "sophia": [(1e-2, {}, None)],
}
del PEERS["sophia"]
"""Learning rate, our options, the same in Optax (a function of the rate) or in `recurrences`."""
