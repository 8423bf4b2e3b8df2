"""Losses for sequences whose alignment with the targets is unknown."""

from typing import Annotated

import jax.numpy as jnp
from annotated_types import Ge, Interval
from jax import Array, lax

from trivium.losses._contract import SampleWeight, weighted, within
from trivium.losses._exact import widened
from trivium.losses._sums import Pair, log_add, log_softmax_pair, two_sum

PaddedLabels = Annotated[Array, Ge(-1)]
"""Targets (..., labels): class numbers in their order, then -1 up to the length of the longest."""


def ctc(
    logits: Array,
    targets: PaddedLabels,
    *,
    blank: Annotated[int, Ge(0)] = 0,
    where: Array | None = None,
    sample_weight: SampleWeight = None,
) -> Array:
    """CTC: -log(sum over alignments of product over frames of softmax(logits)[frame, label of the alignment]).

    An alignment says one label or the blank in every frame; taking out repetitions and then blanks leaves the targets.

    logits   (batch, frames, classes), the blank being one of the classes
    targets  (batch, labels): integers without the blank, -1 where a shorter sequence is filled up at its end
    blank    the number of the blank
    where    (batch, frames), False for frames that only fill a shorter sequence up
    Returns (batch,), one loss per sequence, in nats; infinite, without a gradient, where the frames are too few for
    the labels and for the blanks between equal ones. Raises ValueError where the shapes do not fit.
    Proper: yes, it is minus the log of the probability of the labels.
    Trap: a long sequence weighs more than a short one; torch divides each by its number of labels by default.
    Source: Graves et al. 2006, "Connectionist temporal classification: labelling unsegmented sequence data with
    recurrent neural networks".
    """
    if logits.ndim != 3 or targets.ndim != 2 or targets.shape[0] != logits.shape[0]:
        raise ValueError(
            f"logits must have shape (batch, frames, classes) and targets (batch, labels), got {logits.shape} and "
            f"{targets.shape}. Fill shorter targets up with -1."
        )
    domain = Annotated[Array, Interval(ge=-1, lt=logits.shape[-1])]
    targets = within("targets", jnp.asarray(targets), domain)
    real = jnp.ones(logits.shape[:2], bool) if where is None else jnp.asarray(where) != 0
    if real.shape != logits.shape[:2]:
        raise ValueError(
            f"where must have shape (batch, frames), got {real.shape} for logits of {logits.shape}. "
            "Hand over one truth value per frame."
        )
    logs = log_softmax_pair(widened(logits))
    # States: blank, label 1, blank, label 2, ..., blank.
    batch, labels = targets.shape
    states = jnp.full((batch, 2 * labels + 1), blank, targets.dtype).at[:, 1::2].set(jnp.maximum(targets, 0))
    skips = jnp.zeros(states.shape, bool).at[:, 3::2].set(targets[:, 1:] != targets[:, :-1])
    length = 2 * (targets >= 0).sum(axis=1)
    impossible = jnp.asarray(_IMPOSSIBLE, logs[0].dtype)
    places = jnp.broadcast_to(states[:, None, :], (*real.shape, states.shape[1]))
    emitted = tuple(jnp.moveaxis(jnp.take_along_axis(part, places, axis=2), 1, 0) for part in logs)
    start = jnp.full(states.shape, impossible).at[:, 0].set(0), jnp.zeros(states.shape, logs[0].dtype)

    def moved(pair: Pair, by: int) -> Pair:
        fill = ((0, 0), (by, 0))
        return jnp.pad(pair[0], fill, constant_values=impossible)[:, :-by], jnp.pad(pair[1], fill)[:, :-by]

    def frame(forward: Pair, now: tuple[Pair, Array]) -> tuple[Pair, None]:
        emission, is_real = now
        two = moved(forward, 2)
        reached = log_add(log_add(forward, moved(forward, 1)), (jnp.where(skips, two[0], impossible), two[1]))
        value, lost = two_sum(reached[0], emission[0])
        lost = jnp.where(value > impossible, lost + reached[1] + emission[1], 0)
        kept = is_real[:, None]
        return (
            jnp.where(kept, jnp.maximum(value, impossible), forward[0]),
            lax.stop_gradient(jnp.where(kept, lost, forward[1])),
        ), None

    forward, _ = lax.scan(frame, start, (emitted, real.T))
    last = tuple(jnp.take_along_axis(part, length[:, None], axis=1)[:, 0] for part in forward)
    before = tuple(jnp.take_along_axis(part, jnp.maximum(length - 1, 0)[:, None], axis=1)[:, 0] for part in forward)
    value, rest = log_add(last, (jnp.where(length > 0, before[0], impossible), before[1]))
    loglikelihood = value + rest
    possible = ~(loglikelihood <= impossible / 2)  # NaN stays
    losses = jnp.where(possible, -jnp.where(possible, loglikelihood, 0), jnp.inf)
    return weighted(losses.astype(logits.dtype), sample_weight)


_IMPOSSIBLE = -1e30
"""The log of 0, kept finite so that differences of two of them are 0 and not NaN."""
