"""Embeddings of numbers: each column of a table becomes several, by functions that the network learns column by column.

An embedding is a frozen record with `init(key, X)` and `apply(arrays, X)`, X (n, n_columns) of scaled numbers; its
arrays are a dict by name. What it takes from the rows themselves is found by NumPy, in `facts(X)`, so that no program
is compiled for every number of rows. `embeddings.get("pbld")` makes one by its name.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.core import Tracer

from trivium.network.waves import cosine_of_turns

Arrays = dict[str, Array]


class Embedding(Protocol):
    """What a network asks of an embedding; equal ones share compiled programs."""

    @property
    def width(self) -> int:
        """Numbers that a column becomes."""
        ...

    def facts(self, X: Any) -> Arrays:
        """Those of its arrays that are no matter of chance, from rows to train on, (n, n_columns), not traced."""
        ...

    def init(self, key: Array, X: Array, facts: Arrays | None = None) -> Arrays:
        """Fresh arrays for the columns of X (n, n_columns), rows to train on.

        facts  of these or of more rows; None: found here
        """
        ...

    def apply(self, arrays: Arrays, X: Array) -> Array:
        """(n, n_columns) -> (n, n_columns * width); what a column becomes stands together."""
        ...

    def rates(self) -> dict[str, float]:
        """A factor on the steps of each array."""
        ...


@dataclass(frozen=True)
class PBLD:
    """PBLD, periodic with bias, linear, dense: [x, cos(2 pi f x + p) W + b] per column; f, p, W and b learned.

    frequencies  f of each column, drawn from N(0, spread^2); p from U(-pi, pi), W and b from U(+-1 / sqrt(frequencies))
    outputs      beside x itself
    Trap: `spread` is for robustly scaled columns, whose middle half is 1 wide; on others it wants to be tuned.
    Source: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and boosted trees on
    tabular data", section 3.
    """

    frequencies: int = 16
    outputs: int = 3
    spread: float = 0.1

    @property
    def width(self) -> int:
        return 1 + self.outputs

    def facts(self, X: Any) -> Arrays:
        return {}

    def init(self, key: Array, X: Array, facts: Arrays | None = None) -> Arrays:
        first, second, third = jax.random.split(key, 3)
        shape = (X.shape[1], self.frequencies)
        return {
            "frequencies": self.spread * jax.random.normal(first, shape, X.dtype),
            "phases": jax.random.uniform(second, shape, X.dtype, -np.pi, np.pi),
            **_linear_init(third, X.shape[1], self.frequencies, self.outputs, X.dtype),
        }

    def apply(self, arrays: Arrays, X: Array) -> Array:
        return _flat(self.columns(arrays, X))

    def columns(self, arrays: Arrays, X: Array) -> Array:
        """(n, n_columns) -> (n_columns, width, n)."""
        turns = arrays["frequencies"][:, :, None] * X.T[:, None, :]
        waves = cosine_of_turns(turns + arrays["phases"][:, :, None] * np.float32(0.5 / np.pi))
        return jnp.concatenate([X.T[:, None, :], _linear(arrays, waves)], axis=1)

    def rates(self) -> dict[str, float]:
        return dict.fromkeys(("frequencies", "phases", "mixing", "offsets"), 0.1)


@dataclass(frozen=True)
class Periodic:
    """Periodic: relu([sin(2 pi f x), cos(2 pi f x)] W + b) per column; f, W and b learned.

    frequencies  f of each column, drawn from N(0, spread^2)
    outputs      of the linear layer
    Trap: `spread` decides how wiggly the functions are that come easily, and is the number to tune, from 0.01 to 1.
    Source: Gorishniy, Rubachev & Babenko 2022, "On embeddings for numerical features in tabular deep learning",
    section 3.3.
    """

    frequencies: int = 48
    outputs: int = 24
    spread: float = 0.1

    @property
    def width(self) -> int:
        return self.outputs

    def facts(self, X: Any) -> Arrays:
        return {}

    def init(self, key: Array, X: Array, facts: Arrays | None = None) -> Arrays:
        first, second = jax.random.split(key)
        shape = (X.shape[1], self.frequencies)
        return {
            "frequencies": self.spread * jax.random.normal(first, shape, X.dtype),
            **_linear_init(second, X.shape[1], 2 * self.frequencies, self.outputs, X.dtype),
        }

    def apply(self, arrays: Arrays, X: Array) -> Array:
        turns = arrays["frequencies"][:, :, None] * X.T[:, None, :]
        waves = jnp.concatenate([cosine_of_turns(turns - np.float32(0.25)), cosine_of_turns(turns)], axis=1)
        return _flat(jnp.maximum(_linear(arrays, waves), 0))

    def rates(self) -> dict[str, float]:
        return {}


@dataclass(frozen=True)
class PiecewiseLinear:
    """Piecewise linear: [e_1, ..., e_bins] W + b per column, e_t = (x - low_t) / (high_t - low_t) cut to [0, 1].

    bins     between quantiles of the rows to train on, see `edges_of`; what falls together is no bin and
             counts for nothing
    outputs  of the linear layer, whose W and b are learned
    The first bin is not cut below nor the last one above, so that the function goes on beyond the rows seen.
    Source: Gorishniy, Rubachev & Babenko 2022, "On embeddings for numerical features in tabular deep learning",
    sections 3.1 and 3.2.1.
    """

    bins: int = 48
    outputs: int = 16

    @property
    def width(self) -> int:
        return self.outputs

    def facts(self, X: Any) -> Arrays:
        return {"edges": edges_of(X, self.bins)}

    def init(self, key: Array, X: Array, facts: Arrays | None = None) -> Arrays:
        drawn = _linear_init(key, X.shape[1], self.bins, self.outputs, X.dtype)
        return {**(self.facts(X) if facts is None else facts), **drawn}

    def apply(self, arrays: Arrays, X: Array) -> Array:
        return _flat(self.columns(arrays, X))

    def columns(self, arrays: Arrays, X: Array) -> Array:
        """(n, n_columns) -> (n_columns, width, n)."""
        return _linear(arrays, piecewise_linear_code(arrays["edges"], X))

    def rates(self) -> dict[str, float]:
        return {"edges": 0.0}


@dataclass(frozen=True)
class Joined:
    """Joined: what `PBLD` makes of a column beside what `PiecewiseLinear` makes of it.

    Waves follow smooth functions, bins find steps and heavy tails; a network has both at hand.
    frequencies, waves, spread  of PBLD, with waves as its outputs
    bins, outputs               of PiecewiseLinear
    """

    frequencies: int = 16
    waves: int = 3
    spread: float = 0.1
    bins: int = 32
    outputs: int = 8

    @property
    def width(self) -> int:
        return sum(part.width for part in self._parts.values())

    @property
    def _parts(self) -> "dict[str, PBLD | PiecewiseLinear]":
        waves = PBLD(self.frequencies, self.waves, self.spread)
        return {"wave": waves, "bin": PiecewiseLinear(self.bins, self.outputs)}

    def facts(self, X: Any) -> Arrays:
        return _named({name: part.facts(X) for name, part in self._parts.items()})

    def init(self, key: Array, X: Array, facts: Arrays | None = None) -> Arrays:
        facts = self.facts(X) if facts is None else facts
        parts = zip(jax.random.split(key, 2), self._parts.items(), strict=True)
        return _named({name: part.init(one, X, _of(name, facts)) for one, (name, part) in parts})

    def apply(self, arrays: Arrays, X: Array) -> Array:
        columns = [part.columns(_of(name, arrays), X) for name, part in self._parts.items()]
        return _flat(jnp.concatenate(columns, axis=1))

    def rates(self) -> dict[str, float]:
        return _named({name: part.rates() for name, part in self._parts.items()})


def edges_of(X: Any, bins: int) -> Array:
    """Rising edges of bins, (n_columns, bins + 1), from the least to the largest of each column of X (n, n_columns).

    Bins hold equal shares of the rows, where no number counts for more than one bin: of a column that is 0 in nine rows
    of ten the bins tell apart what is in the tenth, where plain quantiles would nearly all be 0. Without numbers that
    many rows share these are the quantiles of Gorishniy, Rubachev & Babenko 2022, section 3.2.1.
    """
    if isinstance(X, Tracer):
        raise TypeError(
            "bins must be laid through rows that are at hand, got traced ones. Call init or facts outside of jit."
        )
    n, n_columns = X.shape
    rows = min(max(MOST_NUMBERS // max(1, n_columns), FEWEST_ROWS), MOST_ROWS)
    X = np.asarray(X[:: max(1, n // rows)])
    edges = np.empty((X.shape[1], bins + 1), X.dtype)
    for place, column in enumerate(X.T):
        edges[place] = _edges_of_column(column, bins)
    return jnp.asarray(edges)


def _edges_of_column(column: np.ndarray, bins: int) -> np.ndarray:
    values, counts = np.unique(column, return_counts=True)
    counts = counts.astype(np.float64)
    for _ in range(ROUNDS):
        counts = np.minimum(counts, counts.sum() / bins)
    below = np.cumsum(counts)
    places = np.searchsorted(below, below[-1] * np.linspace(0, 1, bins + 1)[1:-1] * (1 - 1e-12))
    return values[[0, *places, -1]]


MOST_NUMBERS, FEWEST_ROWS, MOST_ROWS = 1 << 22, 1 << 12, 1 << 16
"""That edges are taken from, rows at even distances: of wide tables fewer."""

ROUNDS = 4
"""Of cutting down what counts for more than a bin: each makes less of all rows, and so of a bin. More change little."""


def piecewise_linear_code(edges: Array, X: Array) -> Array:
    """The e_t of `PiecewiseLinear`, (n_columns, bins, n), from rising edges (n_columns, bins + 1), which do not learn.

    Source: Gorishniy, Rubachev & Babenko 2022, equation 1.
    """
    edges = jax.lax.stop_gradient(edges)
    low, high = edges[:, :-1, None], edges[:, 1:, None]
    width = high - low
    steepness = jnp.where(width > NARROWEST, 1 / jnp.maximum(width, NARROWEST), 0)  # what is no bin is flat
    least = jnp.where(low == edges[:, :1, None], -jnp.inf, 0).astype(X.dtype)
    most = jnp.where(high == edges[:, -1:, None], jnp.inf, 1).astype(X.dtype)
    return jnp.minimum(jnp.maximum((X.T[:, None, :] - low) * steepness, least), most)


NARROWEST = 1e-30
"""Width of what is a bin at all: its inverse is still a float32."""


EMBEDDINGS: dict[str, type] = {
    "pbld": PBLD, "periodic": Periodic, "piecewise_linear": PiecewiseLinear, "joined": Joined
}  # fmt: skip


def get(choice: Any) -> Embedding | None:
    """From a name, an entry {"name": "pbld", "frequencies": 8}, an embedding itself or None.

    Raises ValueError for a name or a number that there is not.
    """
    if choice is None or (hasattr(choice, "init") and hasattr(choice, "apply") and hasattr(choice, "width")):
        return choice
    entry = dict(choice) if isinstance(choice, Mapping) else {"name": choice}
    name = entry.pop("name", None)
    key = name.lower().replace("-", "_").replace(" ", "_") if isinstance(name, str) else None
    if key not in EMBEDDINGS:
        near = get_close_matches(key or "", EMBEDDINGS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(EMBEDDINGS)}, or leave it out."
        raise ValueError(f"unknown embedding {name!r}: {hint}")
    kind = EMBEDDINGS[key]
    known = kind.__dataclass_fields__
    for option, value in entry.items():
        if option not in known:
            raise ValueError(f"unknown entry {option!r} in embedding: choose from {', '.join(known)}.")
        whole = known[option].type is int
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or value <= 0:
            sort = "a whole number" if whole else "a number"
            raise ValueError(
                f"embedding[{option!r}] must be {sort} above 0, got {value!r}. Try {known[option].default!r}."
            )
    return kind(**entry)


def in_words(embedding: Embedding | None) -> dict[str, Any] | None:
    """The entry from which `get` makes an equal one. Raises ValueError for an embedding from elsewhere."""
    if embedding is None:
        return None
    for name, kind in EMBEDDINGS.items():
        if type(embedding) is kind:
            return {"name": name, **asdict(embedding)}  # pyright: ignore[reportArgumentType]
    raise ValueError(f"embedding must be one of {', '.join(EMBEDDINGS)} to be saved, got {embedding!r}. Choose one.")


def name_of(embedding: Embedding) -> str:
    """What people call an embedding."""
    kind = type(embedding)
    return next((name for name, known in EMBEDDINGS.items() if known is kind), kind.__name__)


def described(embedding: Embedding) -> str:
    """Its name, and what of it is not as usual: "joined (bins 64)"."""
    known = fields(embedding) if is_dataclass(embedding) else ()
    unusual = [(one.name, getattr(embedding, one.name)) for one in known if one.default != getattr(embedding, one.name)]
    words = ", ".join(f"{name} {value}" for name, value in unusual)
    return f"{name_of(embedding)} ({words})" if words else name_of(embedding)


def _linear_init(key: Array, n_columns: int, n_in: int, outputs: int, dtype: Any) -> Arrays:
    """A linear layer per column, drawn from U(+-1 / sqrt(n_in)) as PyTorch does."""
    first, second = jax.random.split(key)
    edge = float(n_in**-0.5)
    return {
        "mixing": jax.random.uniform(first, (n_columns, n_in, outputs), dtype, -edge, edge),
        "offsets": jax.random.uniform(second, (n_columns, outputs), dtype, -edge, edge),
    }


def _linear(arrays: Arrays, inputs: Array) -> Array:
    """(n_columns, n_in, n) -> (n_columns, outputs, n), each column by its own layer.

    Rows stand last, as there are many more of them than of anything else: measured on a CPU, half the time of a step.
    """
    return jnp.einsum("cio,cin->con", arrays["mixing"], inputs) + arrays["offsets"][:, :, None]


def _named(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What belongs to each part, under the part's name and its own."""
    return {f"{part}_{name}": value for part, own in parts.items() for name, value in own.items()}


def _of(part: str, arrays: Arrays) -> Arrays:
    """The arrays of a part, by their own names."""
    return {name.removeprefix(f"{part}_"): array for name, array in arrays.items() if name.startswith(f"{part}_")}


def _flat(columns: Array) -> Array:
    """(n_columns, width, n) -> (n, n_columns * width).

    As an array of its own: the product that follows is then XLA's usual one, faster than that of a transposed array.
    """
    return lax.optimization_barrier(columns.reshape(-1, columns.shape[2]).T)
