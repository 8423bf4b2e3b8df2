"""Networks: pure functions of parameters and rows, from encoded rows to what the last layer puts out.

A network is a frozen, hashable object with the methods of `Network`; equal ones share compiled programs.
"""

from trivium.network.front import Front as Front
from trivium.network.front import Layout as Layout
from trivium.network.interface import Network as Network
from trivium.network.interface import Numbers as Numbers
from trivium.network.interface import Parameters as Parameters
from trivium.network.perceptron import Perceptron as Perceptron
from trivium.network.perceptron import apply as apply
from trivium.network.perceptron import init as init
from trivium.network.perceptron import is_random as is_random
from trivium.network.tabm import TabM as TabM
from trivium.network.tabular import Tabular as Tabular
