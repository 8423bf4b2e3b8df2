"""Activations: pure functions of one array, applied to each element, exact to a few ulps in value and derivative."""

from .rectifiers import *
from .sigmoids import *


def __dir__() -> list[str]:  # completion shows the members, not what their files import
    return [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
