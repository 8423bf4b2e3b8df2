"""Optimizers: functions that return an Optax gradient transformation. Every number may be a traced array."""

from . import full_batch as full_batch
from .adaptive import *
from .descent import *
from .full_batch import *
from .parameter_free import *
from .preconditioned import *
from .schedule_free import *


def __dir__() -> list[str]:  # completion shows the members, not what their files import
    return [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
