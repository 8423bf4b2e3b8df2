"""A network of the user's own in the place of ours: two functions, or what makes a module of Flax NNX or Equinox.

`get` reads what the user handed over. The file for a library is imported where its networks are used, and only there.
"""

from trivium.network.own.kinds import OURS as OURS
from trivium.network.own.kinds import Kind as Kind
from trivium.network.own.kinds import foreign as foreign
from trivium.network.own.kinds import get as get
from trivium.network.own.kinds import name_of as name_of
from trivium.network.own.network import OwnNetwork as OwnNetwork
