"""Activations: pure functions of one array, exact to a few ulps in value and derivative."""

from .exponentials import *
from .gates import *
from .learned import *
from .plain import *
from .rectifiers import *
from .shrinkers import *
from .sigmoids import *
from .simplex import *
from .smooth import *
from .waves import *


def __dir__() -> list[str]:  # completion shows the members, not what their files import
    return [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
