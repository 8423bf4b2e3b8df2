"""What stands in front of the first layer: embeddings of numbers and categories, gates, and a learned scale."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from trivium.network import gates
from trivium.network.embeddings import Embedding

CATEGORY_OUTPUTS = 8
"""Numbers that a category becomes; as in RealMLP (Holzmüller et al. 2024)."""

RESERVED = 2
"""Codes that are no level of a category: 0 for a missing value, 1 for a level that the fit did not see."""

SCALE_RATE = 6.0
"""Factor on the steps of the front scale; as in RealMLP (Holzmüller et al. 2024)."""

SMALL = 0.1
"""Standard deviation at which learned numbers of a category start, but beside a front scale, where it is 1 as in
RealMLP: levels with few rows then mean little until rows say otherwise."""

ROWS = 4096
"""Most rows that parameters are started from."""


class Layout(NamedTuple):
    """What stands where in an encoded row: numbers first, codes of categories last, anything else between them."""

    numbers: int = 0  # columns that an embedding of numbers takes
    cardinalities: tuple[int, ...] = ()  # codes of each category, the reserved ones included


@dataclass(frozen=True)
class Front:
    """From encoded rows (n, n_inputs) to the inputs of the first layer, (n, width).

    embedding  of the numbers; None leaves them as they are
    scale      whether each input of the first layer has a learned factor, 1 at the start
    gated      whether a learned gate per encoded column can close it, see `gates`
    Codes are whole numbers as floats; each becomes CATEGORY_OUTPUTS learned numbers, those of reserved codes 0 at the
    start, so that a level never seen stays at 0.
    """

    layout: Layout = field(default_factory=Layout)
    embedding: Embedding | None = None
    scale: bool = False
    gated: bool = False

    @property
    def learns(self) -> bool:
        """Whether it has parameters at all: without, nothing of it stands among the layers."""
        return self.scale or self.gated or bool(self.layout.cardinalities) or self.embeds

    def facts(self, X: Any) -> dict[str, Array]:
        """What an embedding takes from encoded rows (n, n_inputs), which are not traced."""
        find = getattr(self.embedding, "facts", None) if self.embeds else None
        return {} if find is None else find(self._parts(X)[0])

    def init(self, key: Array, X: Array, facts: dict[str, Array] | None = None) -> dict[str, Array]:
        """Fresh parameters from encoded rows (n, n_inputs).

        facts  of these or of more rows; None: found here
        """
        numbers, others, _ = self._parts(X)
        arrays: dict[str, Array] = {}
        if self.embeds:
            assert self.embedding is not None
            facts = self.facts(X) if facts is None else facts
            found = (facts,) if facts else ()  # an embedding from elsewhere need not know of them
            arrays |= self.embedding.init(jax.random.fold_in(key, 0), numbers, *found)
        if self.layout.cardinalities:
            size = (sum(self.layout.cardinalities), CATEGORY_OUTPUTS)
            drawn = jax.random.normal(jax.random.fold_in(key, 1), size, X.dtype)
            size_at_start = 1.0 if self.scale else SMALL
            arrays["categories"] = jnp.where(self._reserved()[:, None], 0, size_at_start * drawn)
        if self.gated:
            arrays["gates"] = gates.init(X.shape[1], X.dtype)
        if self.scale:
            of_number = self.embedding.width if self.embedding is not None else 1
            embedded = numbers.shape[1] * of_number + len(self.layout.cardinalities) * CATEGORY_OUTPUTS
            arrays["front_scale"] = jnp.ones(embedded + others.shape[1], X.dtype)
        return arrays

    def apply(self, arrays: dict[str, Array], X: Array, key: Array | None = None) -> Array:
        """(n, n_inputs) -> (n, width); with a key as in training, where gates are noisy."""
        numbers, others, codes = self._parts(X)
        parts = [numbers, others]
        if self.embeds:
            assert self.embedding is not None
            parts[0] = self.embedding.apply(arrays, numbers)
        if self.layout.cardinalities:
            offsets = np.cumsum([0, *self.layout.cardinalities[:-1]], dtype=np.int32)
            most = np.asarray(self.layout.cardinalities, np.int32) - 1
            places = jnp.clip(jnp.round(codes).astype(jnp.int32), 0, most[None]) + offsets[None]
            parts.append(arrays["categories"][places].reshape(X.shape[0], len(offsets) * CATEGORY_OUTPUTS))
        inputs = jnp.concatenate([part for part in parts if part.shape[1]], axis=1)
        if self.gated:
            opened = gates.opened(arrays["gates"], X.shape[0], key)
            sections = self.sections(inputs.shape[1])
            inputs = inputs * jnp.repeat(opened, sections, axis=1, total_repeat_length=inputs.shape[1])
        return inputs * arrays["front_scale"][None] if self.scale else inputs

    def rates(self, arrays: dict[str, Array]) -> dict[str, float]:
        """A factor on the steps of each array."""
        known = {"front_scale": SCALE_RATE} | (self.embedding.rates() if self.embedding is not None else {})
        return {name: known.get(name, 1.0) for name in arrays}

    def decays(self, arrays: dict[str, Array]) -> dict[str, float]:
        """How strongly weight decay shrinks each array.

        The scale shrinks by its rate once more than its steps do, as in the authors' own code: without it, scales of
        columns that tell nothing wander far at the large rates of RealMLP.
        """
        return {name: _DECAYS.get(name, 0.0) for name in arrays}

    @property
    def embeds(self) -> bool:
        """Whether there are numbers that are embedded."""
        return self.embedding is not None and self.layout.numbers > 0

    def _parts(self, X: Any) -> tuple[Any, Any, Any]:
        first, last = self.layout.numbers, X.shape[1] - len(self.layout.cardinalities)
        return X[:, :first], X[:, first:last], X[:, last:]

    def sections(self, width: int) -> np.ndarray:
        """How many of the inputs of the first layer, `width` in all, each encoded column becomes."""
        of_number = self.embedding.width if self.embedding is not None else 1
        numbers, codes = self.layout.numbers, len(self.layout.cardinalities)
        others = width - numbers * of_number - codes * CATEGORY_OUTPUTS
        return np.asarray([of_number] * numbers + [1] * others + [CATEGORY_OUTPUTS] * codes)

    def _reserved(self) -> np.ndarray:
        codes = np.concatenate([np.arange(cardinality) for cardinality in self.layout.cardinalities])
        return codes < RESERVED


_DECAYS = {"front_scale": SCALE_RATE, "categories": 1.0}


def sample(X: np.ndarray | Array) -> Array:
    """Rows at even distances to start parameters from, a power of two of them, so that like tables share a program."""
    size = min(ROWS, 1 << (X.shape[0].bit_length() - 1))
    if size == X.shape[0]:
        return jnp.asarray(X)
    places = np.arange(size) * X.shape[0] // size
    return jnp.asarray(np.asarray(X[places]))
