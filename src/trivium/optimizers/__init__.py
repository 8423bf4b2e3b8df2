"""Optimizers: functions that return an Optax gradient transformation. Every number may be a traced array."""

from collections.abc import Callable

from . import full_batch as full_batch
from . import wrappers as wrappers
from .adaptive import *
from .descent import *
from .full_batch import *
from .parameter_free import *
from .preconditioned import *
from .schedule_free import *
from .wrappers import *


def _offers(function: Callable) -> bool:
    """Whether users choose it by name: a wrapper goes around what they chose."""
    return function.__module__ != wrappers.__name__


def __dir__() -> list[str]:  # completion shows the members, not what their files import
    return [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
