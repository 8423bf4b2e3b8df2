"""Compiled functions: kept on disk between processes; those that run for moments are compiled in less time."""

import hashlib
import inspect
import logging
import os
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial, update_wrapper
from operator import attrgetter
from typing import Any, Generic, TypeVar

import jax
from jax.core import Tracer
from jax.experimental import serialize_executable

from trivium import cache as disk
from trivium.identity import UnknownIdentityError, identity

T = TypeVar("T")

QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
"""Options of XLA under which an epoch compiles in a quarter of the time, and runs two to three times as long."""

SETTINGS = (
    "enable_x64", "default_matmul_precision", "numpy_rank_promotion", "numpy_dtype_promotion", "default_prng_impl",
    "threefry_partitionable", "softmax_custom_jvp", "debug_nans", "debug_infs",
)  # fmt: skip
"""Of JAX, what decides on a compiled function and may be set for a while."""

settings_now = attrgetter(*(f"jax_{name}" for name in (*SETTINGS, "default_device", "disable_jit")))
"""Of JAX's config, what decides on which program a call means."""

MOST = 128
"""Most programs that a process holds per function."""

log = logging.getLogger("trivium")
config: Any = jax.config  # its names are made at run time


def in_eighths(n: int) -> int:
    """The size that n is filled up to, so that like sizes share a program: eight between a number and its double."""
    step = 1 << max(0, (n - 1).bit_length() - 4)
    return -(-n // step) * step


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


class Compiled(Generic[T]):
    """`jax.jit` of a function of ours that another process need neither trace nor lower again.

    Both take a second for an epoch, whose compiled program comes from the disk in a tenth of one. So where there is a
    cache, programs are kept there by all on which they depend: the function and its static arguments by their
    `identity`, the kinds of its arrays, the settings of JAX, the versions of everything. Choices without an identity,
    arguments that are being traced, and devices other than the first CPU get `jax.jit` and nothing else.
    """

    def __init__(self, function: Callable[..., T], static: Sequence[str], quick: bool) -> None:
        update_wrapper(self, function)
        self.function, self.quick = function, quick
        self.signature = inspect.signature(function)
        self.static = {name: list(self.signature.parameters).index(name) for name in static}
        self.plain = jax.jit(function, static_argnames=tuple(static))
        self.programs: dict[Any, _Program | None] = {}
        _every.append(self)

    def __call__(self, *args: Any, **kwargs: Any) -> T:
        return self.ready(*args, **kwargs)()

    def ready(self, *args: Any, **kwargs: Any) -> Callable[[], T]:
        """The call as a function without arguments; what is not compiled yet is traced."""
        if kwargs:
            bound = self.signature.bind(*args, **kwargs)
            if bound.kwargs:  # by name alone, or behind one that is left out
                traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, kwargs)))
                return partial(self.plain if traced else self._usual(), *args, **kwargs)
            args = bound.args
        fixed = {place: args[place] for place in self.static.values() if place < len(args)}
        leaves, form = jax.tree.flatten([value for place, value in enumerate(args) if place not in fixed])
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return partial(self.plain, *args)  # options are for whole programs
        if not disk.is_on() or jax.default_backend() != "cpu" or config.jax_default_device or config.jax_disable_jit:
            return partial(self._usual(), *args)
        kinds = tuple(str(jax.typeof(leaf)) for leaf in leaves)
        about = (form, kinds, tuple(str(getattr(config, f"jax_{name}")) for name in SETTINGS))
        kind = (tuple(fixed.items()), *about)
        if kind not in self.programs:
            if len(self.programs) >= MOST:
                self.programs.clear()
            key = self._key(fixed, about)
            flat = _Flat(self.function, len(args), fixed, form, key)
            self.programs[kind] = None if key is None else _Program(key, flat, leaves, self.quick)
        program = self.programs[kind]
        return partial(self._usual(), *args) if program is None else partial(program, *leaves)

    def of_last(self, *args: Any) -> "OfLast[T]":
        """The function of its last array alone, for whoever calls it often: to tell which program is meant takes longer
        than to predict a row."""
        return OfLast(self, args)

    def _key(self, fixed: dict[int, Any], about: Any) -> str | None:
        """The name of the program on disk, None where it can have none."""
        try:
            what = identity((self.function, fixed, self.quick))
        except UnknownIdentityError:
            return None
        settings = [(name, str(getattr(config, name, None))) for name in sorted(config.values) if not _of_files(name)]
        every = (what, str(about), settings, os.environ.get("XLA_FLAGS"), disk.versions())
        return hashlib.sha256(repr(every).encode()).hexdigest()

    @cache  # noqa: B019 (these live as long as the process)
    def _usual(self) -> Callable[..., T]:
        """What compiles it for this process alone."""
        options = quick_options() if self.quick else None
        if options is None:
            return self.plain
        return jax.jit(self.function, static_argnames=tuple(self.static), compiler_options=options)


class OfLast(Generic[T]):
    """A compiled function of one array, whose other arguments are given: a program for each kind that comes.

    given  the arguments before the array, static ones included
    known  by shape, type and settings of JAX, what a call of that kind runs; empty again when programs are let go
    """

    def __init__(self, function: Compiled[T], given: Sequence[Any]) -> None:
        self.function, self.given = function, tuple(given)
        self.known: dict[Any, Callable[[Any], T]] = {}
        self.era = _era

    def __call__(self, array: Any) -> T:
        if self.era != _era:
            self.known.clear()
            self.era = _era
        kind = (array.shape, array.dtype, settings_now(config))
        call = self.known.get(kind)
        if call is None:
            call = self.known[kind] = self._of_kind(array)
        return call(array)

    def _of_kind(self, array: Any) -> Callable[[Any], T]:
        found = self.function.ready(*self.given, array)
        assert isinstance(found, partial)
        return partial(found.func, *found.args[:-1])


class _Flat:
    """A function of the leaves of its arrays that makes a list of leaves, for trees are hard to keep."""

    def __init__(self, function: Callable, count: int, fixed: dict[int, Any], form: Any, key: str | None) -> None:
        self.function, self.count, self.fixed, self.form = function, count, fixed, form
        self.result: Any = None  # a tree of what was made, with the places of the leaves
        self.__name__ = f"{function.__name__}_{key}"  # which JAX's own cache never has

    def __call__(self, *leaves: Any) -> list[Any]:
        arrays = iter(jax.tree.unflatten(self.form, leaves))
        args = [self.fixed[place] if place in self.fixed else next(arrays) for place in range(self.count)]
        made, structure = jax.tree.flatten(self.function(*args))
        self.result = jax.tree.unflatten(structure, range(len(made)))
        return made


class _Program:
    """A function of leaves, compiled for one kind of them: fetched, or traced at once and compiled when called."""

    def __init__(self, key: str, flat: _Flat, leaves: Sequence[Any], quick: bool) -> None:
        self.key, self.flat, self.quick, self.lock = key, flat, quick, threading.Lock()
        self.executable, self.result = _fetched(key)
        self.proven = self.executable is None  # whether it is known to run
        self.traced = self._traced(leaves) if self.executable is None else None

    def __call__(self, *leaves: Any) -> Any:
        if self.proven and self.executable is not None:
            made = self.executable(*leaves)
        else:
            with self.lock:
                made = self._first(leaves)
        if isinstance(self.result, int):
            return made[self.result]
        return jax.tree.map(lambda place: made[place], self.result)

    def _first(self, leaves: Sequence[Any]) -> list[Any]:
        if self.executable is not None:
            try:
                made = self.executable(*leaves)
                self.proven = True
                return made
            except (jax.errors.JaxRuntimeError, TypeError, ValueError) as error:  # whoever wrote it down was wrong
                log.info("A compiled program on disk did not run, and is made anew: %s", error)
                self.traced = self._traced(leaves)
        assert self.traced is not None
        with _unseen_by_jax():
            self.executable, self.proven = self.traced.lower().compile(), True
        _keep(self.key, self.executable, self.result)
        return self.executable(*leaves)

    def _traced(self, leaves: Sequence[Any]) -> Any:
        options = quick_options() if self.quick else None  # to ask for them takes some milliseconds
        traced = jax.jit(self.flat, compiler_options=options).trace(*leaves)
        self.result = self.flat.result
        return traced


@contextmanager
def _unseen_by_jax() -> Iterator[None]:
    """Without JAX's cache: XLA cannot write down again what it has read from there (`Function ... not found`)."""
    try:
        from jax._src.config import persistent_cache_min_compile_time_secs as least  # what `jax.config` sets for all
    except ImportError:
        yield
        return
    with least(1e9):
        yield


def _fetched(key: str) -> tuple[Any, Any]:
    entry = disk.kept(key)
    if entry is None:
        return None, None
    try:
        program, n_leaves, result = pickle.loads(entry)
        taken = jax.tree.structure((tuple(range(n_leaves)), {}))
        made = jax.tree.structure(list(range(len(jax.tree.leaves(result)))))
        device = jax.devices("cpu")[:1]
        return serialize_executable.deserialize_and_load(program, taken, made, execution_devices=device), result
    except Exception as error:  # of another build of JAX or of a tree that is no more; it is compiled again
        log.info("A compiled program on disk could not be loaded: %s", error)
        return None, None


def _keep(key: str, executable: Any, result: Any) -> None:
    try:
        program, taken, _ = serialize_executable.serialize(executable)
        disk.keep(key, pickle.dumps((program, taken.num_leaves, result)))
    except Exception as error:  # what XLA or pickle cannot write down
        log.info("A compiled program was not kept on disk: %s", error)


def _of_files(name: str) -> bool:
    """Whether a setting of JAX is about files that it writes, and so not about programs."""
    return "cache" in name or "dump" in name or "log" in name


_every: list[Compiled] = []
_era = 0
"""How often programs were let go."""


def let_go() -> None:
    """Forget every compiled program of this process; what is needed again comes from the disk."""
    global _era
    _era += 1
    for one in _every:
        one.programs.clear()
    jax.clear_caches()


def quickly(function: Callable[..., T], *, static: Sequence[str] = ()) -> Compiled[T]:
    """What runs once, or for moments only.

    static  names of the arguments that are no arrays
    """
    return Compiled(function, static, quick=True)


def compiled(function: Callable[..., T], *, static: Sequence[str] = ()) -> Compiled[T]:
    """What runs for long; `static` as for `quickly`."""
    return Compiled(function, static, quick=False)
