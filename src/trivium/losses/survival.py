"""Losses for times until an event, where some rows were only watched for a while and had none (censored)."""

from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from annotated_types import Ge, Le
from jax import Array, lax

from trivium.losses._contract import SampleWeight, weighted, within
from trivium.losses._exact import log1p_exp, widened
from trivium.losses._suffixes import leaf, log_sum_over_own, suffix_sums
from trivium.losses._sums import exp_of_difference

TimeAndEvent = Annotated[Array, Ge(0)]
"""Targets (..., 2): the time, or the number of its interval, then 1 for the event, 0 for the end of watching."""


def cox_partial_likelihood(
    log_hazards: Array,
    targets: TimeAndEvent,
    *,
    ties: Literal["efron", "breslow"] = "efron",
    sample_weight: SampleWeight = None,
) -> Array:
    """Cox: log(sum over rows at risk of exp(log_hazards)) - log_hazards, for every row with an event.

    At risk at a time are the rows whose own time is that or later.

    log_hazards    (n,), relative: a constant added to all changes nothing
    targets        (n, 2): time and event; the whole batch is compared, so that batches should be large
    ties           events at one time: "efron" lets them leave the risk set one after another, each an average one;
                   "breslow" keeps them all in it
    sample_weight  (n,), the weight of each row among those at risk; constants, without a derivative
    Returns (n,): 0 for a censored row, so that the sum is minus the log partial likelihood; tied rows share their
    group's terms equally; each term times its row's weight. Takes O(n log n).
    Raises ValueError where the shapes do not fit.
    Proper: yes for the order of the hazards, which is all that it sees; the baseline hazard is left open.
    Trap: a row of weight 2 is the row twice with "breslow" only; with "efron" the two would be a tie, and its terms are
    weighted by the mean weight of the tied rows, as R's coxph does. A row of weight 0 is absent with both.
    Source: Cox 1972, "Regression models and life-tables"; ties after Efron 1977, "The efficiency of Cox's likelihood
    function for censored data".
    """
    if ties not in ("efron", "breslow"):
        raise ValueError(f"ties must be 'efron' or 'breslow', got {ties!r}. Use 'efron'.")
    if log_hazards.ndim != 1 or targets.shape != (*log_hazards.shape, 2):
        raise ValueError(
            f"log_hazards must have shape (n,) and targets (n, 2), got {log_hazards.shape} and {targets.shape}. "
            "Hand over one log hazard per row, and time and event as two columns."
        )
    targets = within("targets", jnp.asarray(targets), TimeAndEvent)
    scores = widened(log_hazards)
    weights = jnp.ones_like(scores) if sample_weight is None else jnp.asarray(sample_weight).astype(scores.dtype)
    if weights.shape != scores.shape:
        raise ValueError(
            f"sample_weight must have one weight per row, got {weights.shape} for log_hazards of {scores.shape}. "
            f"Hand over an array of shape {scores.shape}."
        )
    weights = lax.stop_gradient(weights)
    scores = jnp.where(weights > 0, scores, 0)  # what is absent may be NaN
    times, events = targets[:, 0], (targets[:, 1] > 0) & (weights > 0)
    order = jnp.lexsort((~events, times))  # by time, events before what was censored then
    terms = _terms_in_order(scores[order], weights[order], times[order], events[order], ties == "efron")
    terms = jnp.zeros_like(terms).at[order].set(terms).astype(log_hazards.dtype)
    return weighted(terms, sample_weight)


def discrete_hazard(logits: Array, targets: TimeAndEvent, *, sample_weight: SampleWeight = None) -> Array:
    """Discrete hazard: sum over k < interval of -log(1 - h[k]), and where the event came -log(h[interval]).

    h = sigmoid(logits): the chance of the event in an interval for a row that has reached it.

    logits   (..., intervals)
    targets  (..., 2): the number of the interval and 1 where the event came in it. For a censored row the number of
             intervals that it survived, from 0 (it says nothing) to intervals (it survived them all)
    Returns (...), one loss per row, in nats. Raises ValueError where the shapes do not fit.
    Proper: yes, it is minus the log of the row's probability under the hazards.
    Trap: a row that was censored within an interval did not survive it; counting it as survived lowers the hazard.
    Source: Gensheimer & Narasimhan 2019, "A scalable discrete-time survival model for neural networks".
    """
    if logits.ndim == 0 or targets.shape != (*logits.shape[:-1], 2):
        raise ValueError(
            f"logits must have shape (..., intervals) and targets (..., 2), got {logits.shape} and {targets.shape}. "
            "Hand over the number of the interval and the event as two columns."
        )
    targets = within("targets", jnp.asarray(targets), TimeAndEvent)
    within("targets", targets[..., 0], Annotated[Array, Le(logits.shape[-1])])
    reached, events = targets[..., :1], targets[..., 1:] > 0
    interval = lax.broadcasted_iota(reached.dtype, logits.shape, logits.ndim - 1)
    hazard = events & (interval == reached)
    terms = log1p_exp(jnp.where(hazard, -logits, logits))
    return weighted(jnp.where(hazard | (interval < reached), terms, 0).sum(axis=-1), sample_weight)


def _terms_in_order(scores: Array, weights: Array, times: Array, events: Array, efron: bool) -> Array:
    """Cox's terms of rows sorted by time, the events of a time first."""
    n = len(scores)
    place = jnp.arange(n)
    starts = jnp.concatenate([jnp.ones(1, bool), times[1:] != times[:-1]])
    group = jnp.cumsum(starts) - 1
    first = lax.cummax(jnp.where(starts, place, 0))

    def in_group(values: Array) -> Array:
        return jax.ops.segment_sum(values, group, num_segments=n, indices_are_sorted=True)[group]

    tied = in_group(events.astype(place.dtype))
    alone = log_sum_over_own(scores, weights)
    largest, rest = (
        jnp.concatenate([pair, jnp.full(1, empty, pair.dtype)])[first + tied]
        for pair, empty in zip(suffix_sums(*leaf(scores, weights)), (-jnp.inf, 0), strict=True)
    )
    units, parts = (
        jnp.where(events, pair, empty) for pair, empty in zip(leaf(scores, weights), (-jnp.inf, 0), strict=True)
    )
    top = jax.ops.segment_max(units, group, num_segments=n, indices_are_sorted=True)[group]
    top = jnp.maximum(largest, top)
    dying = in_group(parts * exp_of_difference(units, top))
    gone = ((place - first) / jnp.maximum(tied, 1)).astype(scores.dtype) if efron else 0
    at_risk = rest * exp_of_difference(largest, top) + (1 - gone) * dying
    among_ties = events & (tied > 1)
    logs = in_group(jnp.where(among_ties, jnp.log(jnp.where(among_ties, at_risk, 1)), 0))
    together = jnp.where(among_ties, top - scores, 0) + logs / jnp.maximum(tied, 1).astype(scores.dtype)
    return jnp.where(among_ties, together, jnp.where(events, alone, 0))
