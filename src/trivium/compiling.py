"""Compiled functions: those that only run for moments are compiled in a fraction of the time."""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, TypeVar

import jax
from jax.core import Tracer

T = TypeVar("T")

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
"""Options of XLA under which an epoch compiles in a quarter of the time, and runs two to three times as long."""


@cache
def quick_options() -> dict[str, Any] | None:
    """QUICK on a CPU whose compiler knows them, else None: the usual ones."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=QUICK).lower(0.0).compile()
    except RuntimeError:  # options come and go with the versions of XLA
        return None
    return QUICK


def quickly(function: Callable[..., T], *, static: tuple[str, ...] = ()) -> Callable[..., T]:
    """`jax.jit` of what runs once, or for moments only.

    static  names of the arguments that are no arrays
    Under another transformation of JAX it is `jax.jit` and nothing else: options are for whole programs.
    """
    usual = jax.jit(function, static_argnames=static)

    @cache
    def quick() -> Callable[..., T]:
        options = quick_options()
        return usual if options is None else jax.jit(function, static_argnames=static, compiler_options=options)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> T:
        traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        return (usual if traced else quick())(*args, **kwargs)

    return call
