"""What the layers of a run show: how signal and gradient pass through them, how far their weights move."""

import math
from functools import cached_property
from typing import Any

import numpy as np

from trivium.diagnosis.record import Array, RunRecord

EARLY = 12
"""Updates that count as the start of a run."""


def number(value: Any) -> float:
    """As a float, NaN where nothing is known."""
    return math.nan if value is None else float(value)


def share(values: Array, condition: Array) -> float:
    return float(np.mean(condition)) if len(values) else math.nan


class LayerSignals:
    """The part of the signals that comes from the snapshots of the layers."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.run, self.loss = record.section("run"), record.section("loss")
        self.output, self.optimizer = record.section("output"), record.section("optimizer")
        self.targets, self.data = record.section("targets"), record.section("data")

    @cached_property
    def hidden(self) -> list[int]:
        """Places of the layers with weights before the last one, embeddings left out."""
        layers = self.record.layers
        return [place for place, layer in enumerate(layers) if not layer.output and layer.kind != "embedding"]

    @cached_property
    def bent(self) -> list[int]:
        """Hidden layers with a known activation."""
        return [p for p in self.hidden if self.record.layers[p].activation not in (None, "identity")]

    def _table(self, name: str) -> Array:
        values = getattr(self.record, name)
        fits = values.ndim == 2 and values.shape == (len(self.record.moment), len(self.record.layers))
        return values if fits else np.zeros((0, len(self.record.layers)))

    def at_start(self, name: str) -> Array:
        """A layer-wise signal before the first update."""
        values = self._table(name)
        return values[0] if len(values) else np.full(len(self.record.layers), math.nan)

    def at_end(self, name: str) -> Array:
        values = self._table(name)
        return values[-1] if len(values) else np.full(len(self.record.layers), math.nan)

    def early(self, name: str) -> Array:
        """Median over the first updates, by layer."""
        return self._early(self._table(name))

    def _early(self, values: Array) -> Array:
        return _medians(values[self.record.moment <= EARLY]) if len(values) else values.reshape(0)

    def throughout(self, name: str) -> Array:
        """Median over the run, by layer."""
        return _medians(self._table(name))

    @cached_property
    def gradient_ratio(self) -> float:
        """RMS of the gradient in the first layer / in the last one, early in the run.

        A last layer of zeros lets next to nothing through until it has grown: then in the last one before it.
        """
        rms = self.early("gradient_rms")
        places = [p for p in range(len(rms)) if self.record.layers[p].kind != "embedding" and np.isfinite(rms[p])]
        if len(places) < 3:
            return math.nan
        if self.at_start("weight_norm")[places[-1]] == 0:
            places.pop()
        if not rms[places[-1]] > 0:
            return math.nan
        return float(rms[places[0]] / rms[places[-1]])

    @cached_property
    def early_gradient_norm(self) -> float:
        """Largest norm of the whole gradient in the first updates."""
        norms, moments = self.record.gradient_norm, self.record.moment
        return _largest(norms[moments <= EARLY]) if len(norms) == len(moments) else math.nan

    @cached_property
    def through_time(self) -> float:
        """For recurrent networks: gradient at the first time step / at the last one, median over the run."""
        pairs = np.array(self.run.get("time_gradient") or [], dtype=float).reshape(-1, 2)
        pairs = pairs[np.isfinite(pairs).all(1) & (pairs[:, 1] > 0)]
        return float(np.median(pairs[:, 0] / pairs[:, 1])) if len(pairs) else math.nan

    @cached_property
    def shrunk(self) -> float:
        """Norm of the weights at the last look / at the first one: the layer that shrank most."""
        values = self._table("weight_norm")
        values = values[np.isfinite(values).any(1)] if len(values) else values
        if len(values) < 2:
            return math.nan
        ratio = values[-1] / np.where(values[0] > 0, values[0], math.nan)
        ratio = ratio[np.isfinite(ratio)]
        return float(ratio.min()) if len(ratio) else math.nan

    @cached_property
    def silent(self) -> bool:
        """Whether no parameter has ever got a gradient that is not exactly zero, in two looks and more."""
        norms = self.record.gradient_norm[np.isfinite(self.record.gradient_norm)]
        return len(norms) >= 2 and not norms.any()

    @property
    def frozen(self) -> bool:
        """Whether the optimizer lacks weights of the network, or they are marked as needing no gradient."""
        return bool(self.run.get("never_given") or self.run.get("frozen"))

    @cached_property
    def signal_ratio(self) -> float:
        """Spread over the rows in the last hidden layer / in the first one, at the start."""
        spread = self.at_start("unit_std")
        places = [p for p in self.hidden if p < len(spread) and np.isfinite(spread[p])]
        if len(places) < 2 or not spread[places[0]] > 0:
            return math.nan
        return float(spread[places[-1]] / spread[places[0]])

    @cached_property
    def gains(self) -> Array:
        """Root mean square of the starting weights x sqrt(inputs), by layer: about 1 for tanh, 1.4 for ReLU."""
        known = self.run.get("gain") or {}
        return np.array([number(known.get(f"{layer.name}.weight")) for layer in self.record.layers])

    @cached_property
    def update_ratio(self) -> Array:
        """Update / weights by look and layer. At any learning rate a layer that starts at zero begins by growing by its
        own size: its weights count as no less than those that another start would have given it, of variance 1 / inputs
        (LeCun et al. 1998, "Efficient backprop")."""
        values, norms = self._table("update_ratio"), self._table("weight_norm")
        if not len(norms) or len(norms) != len(values):
            return values
        usual = np.sqrt([layer.width for layer in self.record.layers])
        with np.errstate(invalid="ignore"):
            return np.where(norms[0] == 0, values * norms / np.maximum(norms, usual), values)

    @cached_property
    def update_early(self) -> float:
        """Largest layer's update / its weights, median over the first updates."""
        return _largest(self._early(self.update_ratio))

    @cached_property
    def update_all(self) -> float:
        """The same over the whole run."""
        return _largest(_medians(self.update_ratio))

    @cached_property
    def travel(self) -> float:
        """How far the layer that moved most could have come: updates x their size relative to the weights."""
        values = self.update_ratio
        if not len(values) or not np.isfinite(values).any():
            return math.nan
        with np.errstate(invalid="ignore"):
            largest = np.array([_largest(row) for row in values])
        known = np.isfinite(largest)
        if not known.any():
            return math.nan
        steps = np.arange(1, self.steps + 1)
        return float(np.interp(steps, self.record.moment[known], largest[known]).sum())

    @cached_property
    def dead(self) -> tuple[float, int]:
        """(largest share of dead units in a hidden layer that rectifies, its place), at the start or the end."""
        places = [p for p in self.bent if not self.record.layers[p].saturates]
        found = (math.nan, -1)
        for values in (self.at_end("dead"), self.at_start("dead")):
            for place in places:
                if place < len(values) and np.isfinite(values[place]) and not values[place] <= found[0]:
                    found = (float(values[place]), place)
        return found

    @cached_property
    def saturated(self) -> tuple[float, int]:
        """(largest share of saturated entries in a hidden layer, its place): the less of start and end."""
        both = np.minimum(
            self.at_start("saturated"), _fallback(self.throughout("saturated"), self.at_start("saturated"))
        )
        places = [p for p in self.bent if p < len(both) and np.isfinite(both[p])]
        place = max(places, key=lambda p: both[p], default=-1)
        return (float(both[place]), place) if place >= 0 else (math.nan, -1)

    @property
    def steps(self) -> int:
        return int(self.run.get("steps") or (self.record.step[-1] + 1 if len(self.record.step) else 0))


def _medians(values: Array) -> Array:
    if not len(values):
        return np.full(values.shape[1:], math.nan)
    known = np.isfinite(values)
    return np.array(
        [float(np.median(values[known[:, c], c])) if known[:, c].any() else math.nan for c in range(values.shape[1])]
    )


def _largest(values: Array) -> float:
    values = values[np.isfinite(values)]
    return float(values.max()) if len(values) else math.nan


def _fallback(values: Array, otherwise: Array) -> Array:
    return np.where(np.isfinite(values), values, otherwise)
