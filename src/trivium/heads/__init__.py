"""The end of a network: what its last layer puts out, how a loss reads it, and how it becomes a prediction."""

from trivium.heads.baseline import baseline_loss as baseline_loss
from trivium.heads.head import Head as Head
from trivium.heads.head import link_in_words as link_in_words
from trivium.heads.head import network_puts_out as network_puts_out
from trivium.heads.meaning import centre_and_scale as centre_and_scale
from trivium.heads.meaning import check_targets as check_targets
from trivium.heads.meaning import encoded as encoded
from trivium.heads.meaning import moves_with as moves_with
from trivium.heads.meaning import takes_shares as takes_shares
from trivium.heads.metrics import accuracy as accuracy
from trivium.heads.metrics import labels_right as labels_right
from trivium.heads.metrics import squared_distance as squared_distance
from trivium.heads.tasks import classifier_head as classifier_head
from trivium.heads.tasks import labels_head as labels_head
from trivium.heads.tasks import regressor_head as regressor_head
