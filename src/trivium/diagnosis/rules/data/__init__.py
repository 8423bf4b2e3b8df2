"""Faults in the data: found in the tables themselves, before and beside any training."""

from .inputs import *
from .targets import *
