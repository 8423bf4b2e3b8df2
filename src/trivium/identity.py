"""A name for static choices that is the same in every process, so that what was made of them can be found again."""

import functools
import hashlib
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import numpy as np

KNOWN = ("trivium", "jax", "optax", "numpy")
"""Packages whose code is told by its name, as their versions are known; of code from elsewhere nothing is."""


class UnknownIdentityError(Exception):
    """Something that another process could not tell from something else."""


def identity(value: Any) -> str:
    """Equal in two processes only for values that behave alike: numbers, texts, containers, and code of ours.

    Raises UnknownIdentityError for what is not known to: a function of the user's, or an object with a life of its own.
    """
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | Enum):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        array = np.asarray(value)
        return f"array {array.shape} {array.dtype} {hashlib.sha256(array.tobytes()).hexdigest()}"
    if isinstance(value, np.dtype):
        return f"dtype {value}"
    if isinstance(value, tuple | list):
        return f"{_name(type(value))} [{', '.join(map(identity, value))}]"
    if isinstance(value, Mapping):
        return f"{_name(type(value))} {{{', '.join(f'{identity(key)}: {identity(value[key])}' for key in value)}}}"
    if is_dataclass(value) and not isinstance(value, type):
        own = ", ".join(f"{field.name}={identity(getattr(value, field.name))}" for field in fields(value))
        return f"{_name(type(value))} ({own})"
    if isinstance(value, functools.partial):
        return f"partial {identity(value.func)} {identity(value.args)} {identity(value.keywords)}"
    if isinstance(value, ModuleType) and value.__name__.split(".")[0] in KNOWN:
        return f"module {value.__name__}"
    if isinstance(value, MethodType):
        return f"method {identity(value.__self__)} {value.__name__}"
    try:
        return _name(value)
    except UnknownIdentityError:
        if isinstance(value, FunctionType) and _is_known(value):
            return _of_local(value)
        raise


def _is_known(value: Any) -> bool:
    return (getattr(value, "__module__", None) or "").split(".")[0] in (*KNOWN, "builtins", "collections")


def _name(value: Any) -> str:
    """Of a function or class that stands under its name in a known module."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if _is_known(value) and isinstance(name, str):
        found: Any = sys.modules.get(module or "")
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is value or (isinstance(value, BuiltinFunctionType) and found == value):
            return f"{module}.{name}"
    raise UnknownIdentityError(f"{value!r}")


def _of_local(function: FunctionType) -> str:
    """Of a function made within another: its code, and what it holds on to."""
    held = [cell.cell_contents for cell in function.__closure__ or ()]
    own = (held, function.__defaults__, function.__kwdefaults__)
    return f"{function.__module__}.{function.__qualname__} {_of_code(function.__code__)} {identity(own)}"


def _of_code(code: CodeType) -> str:
    constants = [_of_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    text = repr((code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants))
    return hashlib.sha256(text.encode()).hexdigest()
