"""What the machine offers: where members train, the cache of compiled programs, and advice, once, in the log."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import joblib
from threadpoolctl import ThreadpoolController

from trivium import cache, compiling

AT_ONCE = 64
"""Most members that one call trains on an accelerator, stacked."""

log = logging.getLogger("trivium")
config: Any = jax.config  # its names are made at run time


@dataclass(frozen=True, eq=False)
class Lane:
    """A place where members train: one call after another. No two are equal: each core has its own."""

    device: Any  # one of JAX's, None: wherever JAX computes by itself
    at_once: int  # members in a call


def lanes(n_members: int) -> list[Lane]:
    """Where so many members train: an accelerator each, or the cores of the CPU, as many as this process may use."""
    platform = jax.default_backend()
    if platform == "cpu":
        return [Lane(None, 1) for _ in range(min(n_members, cores()))]
    accelerators = jax.local_devices()
    if len(accelerators) == 1:
        return [Lane(None, min(n_members, AT_ONCE))]
    return [Lane(device, AT_ONCE) for device in accelerators[:n_members]]


def cores() -> int:
    """Cores that this process may use: affinity, the container's quota, and what joblib left to a worker count."""
    allowed = joblib.cpu_count()
    told = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(allowed, int(told))) if told.isdigit() else allowed


# --- the user's settings of JAX ---------------------------------------------------------------------------------------

CARRIED = (
    "default_device", "default_matmul_precision", "enable_x64", "numpy_rank_promotion", "numpy_dtype_promotion",
    "threefry_partitionable", "disable_jit", "log_compiles",
)  # fmt: skip
"""Of JAX, what `with` may set for a while, in the thread that says so alone."""

_of_thread = threading.local()


def threads(n: int) -> ThreadPoolExecutor:
    """A pool of n threads in which the settings of JAX that hold here hold too."""
    here = {name: getattr(config, f"jax_{name}") for name in CARRIED}

    def enter() -> None:
        _of_thread.settings = ExitStack()  # kept as long as the thread, lest they end before it
        for name, value in here.items():
            if getattr(config, f"jax_{name}") != value:
                _of_thread.settings.enter_context(getattr(jax, name)(value))

    return ThreadPoolExecutor(n, "trivium", initializer=enter)


class Inline:
    """A pool of no threads: the call runs here and now, where Ctrl-C reaches it."""

    def __enter__(self) -> "Inline":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def submit(self, function: Callable, *arguments: Any) -> Future:
        future: Future = Future()
        future.set_result(function(*arguments))
        return future


class _Unthreaded:
    """How many are within `unthreaded`, and what the first of them found."""

    def __init__(self) -> None:
        self.lock, self.within, self.before = threading.Lock(), 0, ExitStack()
        self.controller, self.n_modules = None, 0

    def limit(self) -> Any:
        """One thread for each library that is loaded: to look for them takes ten milliseconds, and none comes without
        modules."""
        if self.controller is None or self.n_modules != len(sys.modules):
            self.controller, self.n_modules = ThreadpoolController(), len(sys.modules)
        return self.controller.limit(limits=1)


_unthreaded = _Unthreaded()


@contextmanager
def unthreaded() -> Iterator[None]:
    """While the libraries under NumPy take one thread for a product.

    Threads of ours that multiply side by side would else wait for each other's threads: measured on 2 cores, twice as
    long, and ten times where another process is at work. It holds for the process, from the first that enters until the
    last leaves: were each to put back what it had found, a limit found could outlive them all.
    """
    with _unthreaded.lock:
        if not _unthreaded.within:
            _unthreaded.before.enter_context(_unthreaded.limit())
        _unthreaded.within += 1
    try:
        yield
    finally:
        with _unthreaded.lock:
            _unthreaded.within -= 1
            if not _unthreaded.within:
                _unthreaded.before.close()


UNDISTURBING: dict[str, tuple[Any, ...]] = {
    "debug_nans": (False,),
    "debug_infs": (False,),
    "default_prng_impl": ("threefry2x32",),
    **{f"transfer_guard_{way}": (None, "allow") for way in ("host_to_device", "device_to_device", "device_to_host")},
}
"""Settings of JAX, with the values at which they leave a training alone."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Without the settings of JAX that would end a training: numbers that are not finite are an ending and no error,
    keys are threefry's, of two words, and rows go to the device without being asked."""
    if all(getattr(config, f"jax_{name}") in usual for name, usual in UNDISTURBING.items()):
        yield  # to set what stands so anyway took a quarter of the time of predicting a row
        return
    keys, rows = jax.default_prng_impl("threefry2x32"), jax.transfer_guard("allow")
    with jax.debug_nans(False), jax.debug_infs(False), keys, rows:
        yield


_prepared = threading.Lock()
_ready = False


def prepare() -> None:
    """Before the first computation: the cache, and advice. Cheap from the second call on.

    Raises RuntimeError in a process forked after JAX had started: it would wait for threads that are not there.
    """
    global _ready, _counted
    if _forked:
        raise RuntimeError(
            "training must run in a process that was not forked after JAX had started, got such a fork: it would hang. "
            "Start the workers before the first fit, or start them fresh: joblib's 'loky' (its default), or "
            "multiprocessing.get_context('spawn')."
        )
    with _prepared:
        if not _ready:
            _ready = True
            cache.set_up()
            _advise()
        elif time.monotonic() - _counted > BETWEEN_COUNTS:
            _counted = time.monotonic()
            _make_room()


# --- room for compiled programs --------------------------------------------------------------------------------------

MOST_MAPPINGS = 30_000
"""Of a process in memory: a compiled program takes a dozen, and at 65,530 of them Linux gives no more."""

BETWEEN_COUNTS = 2.0
"""Seconds: to count takes some milliseconds, and a second compiles a few hundred mappings at most."""

_counted = -BETWEEN_COUNTS


def _make_room() -> None:
    """Let go of every compiled program where a long process has come to hold thousands; a cache on disk has them."""
    try:
        with open("/proc/self/maps", "rb") as lines:
            held = sum(1 for _ in lines)
    except OSError:  # no Linux
        return
    if held > MOST_MAPPINGS:
        log.info("Compiled programs were let go: %d mappings in memory, of 65,530 that Linux allows.", held)
        compiling.let_go()


# --- forks -----------------------------------------------------------------------------------------------------------

_forked = False


def _backend_has_started() -> bool:
    """Whether JAX's threads run already; JAX has no public way to ask without starting them."""
    try:
        from jax._src.xla_bridge import backends_are_initialized

        return backends_are_initialized()
    except ImportError:
        return _ready


def _in_forked_child() -> None:
    global _forked
    _forked = _forked or _backend_has_started()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


# --- advice ----------------------------------------------------------------------------------------------------------


def _advise() -> None:
    """What would make training faster here, each once per process."""
    if config.jax_disable_jit:
        log.warning("JAX runs without its compiler, many times slower: unset JAX_DISABLE_JIT.")
    if jax.default_backend() != "cpu":
        return
    allowed, used = joblib.cpu_count(), cores()
    if used < allowed:
        log.info(
            "Training uses %d of %d cores, as OMP_NUM_THREADS says. Set it to %d for more.", used, allowed, allowed
        )
    if Path("/proc/driver/nvidia/version").exists():
        log.info('A GPU is here, but JAX was installed without it: pip install "jax[cuda12]".')
