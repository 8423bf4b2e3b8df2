"""Losses, one file per task: the task of a loss is the file it stands in.

The name of a loss's first parameter says what the network puts out (`logits`, `predictions`, `log_rates`, ...).
"""

from .binary import *
from .counts import *
from .distributions import *
from .divergences import *
from .margins import *
from .multiclass import *
from .noise import *
from .ordinal import *
from .overlap import *
from .pairs import *
from .quantiles import *
from .ranking import *
from .regression import *
from .sequences import *
from .sparse import *
from .survival import *


def __dir__() -> list[str]:  # completion shows the members, not what their files import
    return [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
