"""Activations: signals and gradients that get lost on their way, and units that do not do their work."""

from .signal import *
from .units import *
