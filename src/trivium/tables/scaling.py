"""Columns of numbers: what is learned of each, and how blocks of rows come to the scale of a network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from trivium.tables.read import TableError

Scaling = Literal["standard", "robust", "quantile", "adaptive"]

FARTHEST = 1e6
"""Most that an encoded number may be, so that float32 can square it; standard deviations under "standard"."""

LARGEST_SINGLE = 1e30
"""Size of a centre, a scale or its inverse up to which numbers may be scaled in float32."""

IN_CACHE = 1 << 15
"""Numbers worked on at once: as float64 they take a quarter of a megabyte, which a core keeps close."""

NUMBERS_FOR_QUANTILES = 1 << 24
"""Most numbers that are kept to learn quantiles from; of longer tables they are evenly spread rows."""

ROWS_FOR_QUANTILES = 1 << 14
"""Fewest rows that are kept nevertheless, of wide tables; more of them change quantiles by less than a percent."""

SUSPICIOUS, WILD = 15.0, 250.0
"""Standard deviations beyond which a value may be wild; and ranges between the quartiles beyond which it is."""

KNOTS = 257
"""Quantiles kept of a column under "quantile", from the smallest to the largest number."""

NEAREST_SHARE = 1e-7
"""Share of the rows beyond which a Gaussian rank is not carried: it ends at 5.2 standard deviations."""

Read = Callable[[int, int], np.ndarray]
"""Rows from a first to before a last: (rows, columns) of numbers of any type, NaN where missing."""


class Learned(NamedTuple):
    """What `learn` finds of every column, each (columns,)."""

    n_present: np.ndarray
    varies: np.ndarray  # whether they differ
    centre: np.ndarray  # the mean, or the median
    scale: np.ndarray  # the standard deviation or, under "robust", the range between the quartiles
    knots: list[tuple[float, ...]]  # under "quantile"
    wild: np.ndarray  # under "adaptive", whether a value lies so far off that it would drown the others


def learn(read: Read, n: int, names: Sequence[str], scaling: Scaling = "standard") -> Learned:
    """Centre and scale of columns of n rows, read in blocks, so that memory does not grow with the table.

    Under "robust" the scale is half the range where the quartiles are one. A constant has scale 1. "adaptive" is
    "standard", and says where that would not do.
    Raises TableError for an infinite value, naming column, row and value.
    Source of "robust": Holzmüller, Grinsztajn & Steinwart 2024, "Better by default", appendix B.
    """
    low, high, count = _extent(read, n, names)
    bottom = np.where(count > 0, low, 0.0)
    varies = high > low
    centre, spread = _moments(
        read, n, bottom, np.maximum(np.abs(bottom), np.abs(np.where(count > 0, high, 0.0))), count
    )
    knots: list[tuple[float, ...]] = [()] * len(names)
    wild = np.zeros(len(names), bool)
    if scaling == "adaptive":
        top = np.where(count > 0, high, 0.0)
        if _beyond(SUSPICIOUS, bottom, top, centre, spread).any():
            middle, range_between, _ = _quantiles(read, n, bottom, high, "robust")
            wild = _beyond(WILD, bottom, top, middle, range_between)
    elif scaling != "standard":
        centre, spread, knots = _quantiles(read, n, bottom, high, scaling)
    scale = np.where(varies & (spread > 0), spread, 1.0)
    return Learned(count, varies, centre, scale, knots, wild)


def _beyond(most: float, low: np.ndarray, high: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Whether a column has values that many scales from its centre."""
    return np.maximum(centre / 2 - low / 2, high / 2 - centre / 2) > most / 2 * scale  # halves, which cannot overflow


@dataclass(frozen=True, eq=False)
class Scaler:
    """Columns of numbers on their way to the network: centre and scale of each, (columns,) float64.

    missing  whether a further column says where a value was missing, (columns,)
    knots    of each column under "quantile", (columns, KNOTS)
    """

    names: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    missing: np.ndarray
    scaling: Scaling = "standard"
    knots: np.ndarray | None = None

    @property
    def width(self) -> int:
        return len(self.names) + int(self.missing.sum())

    def fill(self, out: np.ndarray, values: np.ndarray, first: int = 0) -> None:
        """Encode values (rows, columns), NaN where missing, into out (rows, width) of float32.

        first  the number of the first row, for messages
        A row comes out the same to the bit, in whatever block it stands. Missing numbers are 0.
        Raises TableError for an infinite value, naming column, row and value.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            if values.size <= IN_CACHE:
                self._fill_block(out, values, first)
                return
            length = max(1, IN_CACHE // len(self.names))
            for start in range(0, len(values), length):
                self._fill_block(out[start : start + length], values[start : start + length], first + start)

    @cached_property
    def _single(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Centre, what float32 loses of it, and 1 / scale, as blocks of rows: they scale numbers of float32 in a
        quarter of the time, to two units of the last place. None where float32 does not hold them.
        """
        sizes = np.concatenate([np.abs(self.centre), self.scale, 1 / self.scale])
        if self.scaling != "standard" or not np.all(sizes < LARGEST_SINGLE):
            return None
        centre = self.centre.astype(np.float32)
        rows = (centre, (self.centre - centre).astype(np.float32), (1 / self.scale).astype(np.float32))
        one, two, three = (np.tile(row, (max(1, IN_CACHE // len(self.names)), 1)) for row in rows)
        return one, two, three

    def _scaled(self, values: np.ndarray, wide: np.ndarray) -> np.ndarray:
        """The same in every block, as the way taken depends on the type of the values alone; perhaps in `wide`."""
        if values.dtype == np.float32 and self._single is not None:
            n, (centre, lost, factor) = len(values), self._single
            scaled = np.subtract(values, centre[:n], out=wide)  # exact near the centre
            scaled -= lost[:n]
            scaled *= factor[:n]
            return scaled
        scaled = np.subtract(values, self.centre, dtype=np.float64)
        scaled /= self.scale
        return scaled

    def _fill_block(self, out: np.ndarray, values: np.ndarray, first: int) -> None:
        wide = out[:, : len(self.names)]
        scaled = self._scaled(values, wide)
        if self.scaling == "standard" and values.size:
            if scaled is not wide:
                wide[...] = scaled
            least, most = np.minimum.reduce(wide, axis=None), np.maximum.reduce(wide, axis=None)
            if least >= -FARTHEST and most <= FARTHEST:  # neither missing, infinite nor far: most blocks
                out[:, len(self.names) :] = 0
                return
        refuse_infinite(values, self.names, first)
        absent = np.isnan(values)
        np.clip(scaled, -FARTHEST, FARTHEST, out=scaled)
        if self.scaling == "robust":
            scaled /= np.sqrt(1 + np.square(scaled / 3))
        elif self.knots is not None:
            scaled = _gaussian_ranks(values, self.knots)
        scaled[absent] = 0.0
        wide[...] = scaled
        out[:, len(self.names) :] = absent[:, self.missing]


def refuse_infinite(values: np.ndarray, names: Sequence[str], first: int = 0) -> None:
    """Raises TableError for an infinite value, naming column, row (from `first` on) and value."""
    infinite = np.isinf(values)
    if infinite.any():
        row, place = np.argwhere(infinite)[0]
        raise TableError(
            f"column {names[place]!r} must be finite, got {values[row, place]} in row {first + row}. Replace it by a "
            "number, or by nothing where it stands for a missing one."
        )


def _blocks(read: Read, n: int, columns: int):
    """(number of the first row, block in float64), all rows."""
    length = max(1, IN_CACHE // max(1, columns))
    for first in range(0, n, length):
        yield first, read(first, min(n, first + length)).astype(np.float64, copy=False)


def _extent(read: Read, n: int, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest and largest of the values present, infinities where there is none, and how many there are."""
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    count = np.full(len(names), n)
    for first, block in _blocks(read, n, len(names)):
        least, most = block.min(axis=0), block.max(axis=0)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            refuse_infinite(block, names, first)
            absent = np.isnan(block)
            count -= absent.sum(axis=0)
            least, most = np.where(absent, np.inf, block).min(axis=0), np.where(absent, -np.inf, block).max(axis=0)
        np.minimum(low, least, out=low)
        np.maximum(high, most, out=high)
    return low, high, count


def _moments(
    read: Read, n: int, bottom: np.ndarray, largest: np.ndarray, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, taken above the smallest value, so that a small spread far from zero keeps its
    digits, and in units of a power of two, which loses none, so that no square overflows."""
    unit = np.ldexp(0.5, np.frexp(np.maximum(largest, 1e-300))[1])
    counted = np.maximum(count, 1)
    bottom = bottom / unit

    def mean(of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        total = np.zeros(len(unit))
        for _, block in _blocks(read, n, len(unit)):
            values = of(block / unit - bottom)
            values[np.isnan(values)] = 0.0
            total += values.sum(axis=0)
        return total / counted

    rise = _rounded(mean(lambda above: above))
    spread = _rounded(np.sqrt(mean(lambda above: np.square(above - rise))))
    return (bottom + rise) * unit, spread * unit


def _rounded(sums: np.ndarray) -> np.ndarray:
    """To 36 bits: as many as anybody needs, and the same in whatever order a sum was taken."""
    parts, powers = np.frexp(sums)
    return np.ldexp(np.round(np.ldexp(parts, 36)), powers - 36)


def _quantiles(
    read: Read, n: int, low: np.ndarray, high: np.ndarray, scaling: Scaling
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, ...]]]:
    """Median, range between the quartiles and, under "quantile", the knots of every column."""
    step = -(-n // max(ROWS_FOR_QUANTILES, NUMBERS_FOR_QUANTILES // len(low)))
    rows = np.empty((-(-n // step), len(low)), read(0, 1).dtype)
    for first, block in _blocks(read, n, len(low)):
        chosen = block[-first % step :: step]
        rows[-(-first // step) :][: len(chosen)] = chosen
    shares = [0.25, 0.5, 0.75, *(np.linspace(0, 1, KNOTS) if scaling == "quantile" else ())]
    centre, spread = np.zeros(len(low)), np.zeros(len(low))
    knots: list[tuple[float, ...]] = []
    for place in range(len(low)):
        values = rows[:, place].astype(np.float64)
        values = values[~np.isnan(values)]
        found = np.quantile(values, shares) if len(values) else np.zeros(len(shares))
        centre[place] = found[1]
        spread[place] = found[2] / 2 - found[0] / 2 or (high[place] / 2 - low[place] / 2) / 2
        knots.append(tuple(found[3:].tolist()))
    return centre, 2 * np.minimum(spread, np.finfo(np.float64).max / 2), knots


def _gaussian_ranks(values: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Each value's share of the rows below it, as the standard normal number of that share.

    Between equal knots it takes the middle of their shares. As in scikit-learn's QuantileTransformer.
    """
    from scipy.special import ndtri  # a tenth of a second that other scalings need not wait for

    shares = np.linspace(0, 1, knots.shape[1])
    ranks = np.empty(values.shape)
    for place, ends in enumerate(knots):
        column = values[:, place]
        upper = np.interp(column, ends, shares)
        ranks[:, place] = (upper - np.interp(-column, -ends[::-1], -shares[::-1])) / 2
    return ndtri(np.clip(ranks, NEAREST_SHARE, 1 - NEAREST_SHARE))
