"""Rules: each a public function from signals to a finding or None, one file per family; a catalog like the others.

A new rule is one function in one file. Its name is the name of its finding, its first line says what it looks for, its
last line where the threshold comes from. "Margin" tells how far the runs of `benchmarks/diagnosis.py` are from it.
"""

from .activation import *
from .batch import *
from .data import *
from .fit import *
from .initialisation import *
from .learning_rate import *
from .loss import *
from .numbers import *
from .optimizer import *
