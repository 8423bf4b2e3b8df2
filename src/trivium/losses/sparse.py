"""Losses whose probabilities can be exactly 0. The network puts out a row of `logits`.

Their link is not the softmax: `sparsemax_loss` goes with the sparsemax, `entmax15_loss` with the 1.5-entmax. The
gradient of each is its probabilities minus the target's, so that a class that is ruled out stops moving.
"""

from jax import Array

from trivium.losses._contract import Label, SampleWeight, one_per_row, weighted
from trivium.losses._sparse import entmax15_fenchel_young, sparsemax_fenchel_young


def sparsemax_loss(logits: Array, targets: Label, *, sample_weight: SampleWeight = None) -> Array:
    """Sparsemax loss: |onehot - logits|^2 / 2 - |p - logits|^2 / 2, p = sparsemax(logits).

    p = max(0, logits - threshold), the threshold chosen so that p adds up to 1.

    logits   (..., classes)
    targets  (...), integers from 0 to classes - 1
    Returns (...), one loss per row; 0 as soon as the target leads by 1. Raises ValueError where the shapes do not fit.
    Proper: yes, least at logits whose sparsemax is the distribution; not strictly in the logits, which it flattens.
    Trap: logits that were right by 1 or more no longer learn: confidence beyond that is neither rewarded nor possible.
    Source: Martins & Astudillo 2016, "From softmax to sparsemax: A sparse model of attention and multi-label
    classification".
    """
    targets = one_per_row("logits", logits, targets)
    return weighted(sparsemax_fenchel_young(logits, targets), sample_weight)


def entmax15_loss(logits: Array, targets: Label, *, sample_weight: SampleWeight = None) -> Array:
    """Entmax loss for 1.5: sum(p * logits) - logits[target] + 4 / 3 * (1 - sum(p^1.5)), p = entmax15(logits).

    p = max(0, logits / 2 - threshold)^2, the threshold chosen so that p adds up to 1: between softmax and sparsemax.

    logits   (..., classes)
    targets  (...), integers from 0 to classes - 1
    Returns (...), one loss per row; 0 as soon as the target leads by 2. Raises ValueError where the shapes do not fit.
    Proper: yes, least at logits whose entmax is the distribution; not strictly in the logits, which it flattens.
    Trap: a class of probability 0 has no gradient; where it should come back, only its own rows can bring it.
    Source: Peters, Niculae & Martins 2019, "Sparse sequence-to-sequence models".
    """
    targets = one_per_row("logits", logits, targets)
    return weighted(entmax15_fenchel_young(logits, targets), sample_weight)
