"""Optimizers: functions that return an Optax gradient transformation. Every number may be a traced array."""

from . import full_batch as full_batch
from ._working import evaluation_parameters as evaluation_parameters
from .adam_bounds import *
from .adam_kin import *
from .adaptive import *
from .descent import *
from .dual_averaging import *
from .factored import *
from .full_batch import *
from .hessian import *
from .layerwise import *
from .momenta import *
from .parameter_free import *
from .preconditioned import *
from .schedule_free import *
from .signs import *
from .wrappers import *


def __dir__() -> list[str]:  # completion shows the members, not what their files import
    return [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
