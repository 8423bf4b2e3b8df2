"""Moments in an ONNX graph: seconds since 1970 become the time on a clock, and the cycles that `tables.dates` knows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from trivium.export.graph import Graph, Tensor
from trivium.tables import dates

FIRST, LAST = -2_208_988_800, 4_102_444_800
"""From 1900 to 2100, whose changes of the clock are known; later years keep the clock of 2100."""

QUARTER = 900
"""Seconds; the clocks of all zones have changed at quarters of an hour for a century."""


def cycles(graph: Graph, seconds: Tensor, names: Sequence[str], zone: str | None) -> Tensor:
    """Sine and cosine of each cycle, (N, 2 * cycles) float32, 0 where the time is missing; seconds (N, 1) double."""
    clock = _clock(graph, seconds, zone)
    days = _floor_of(graph, clock, dates.DAY)
    waves = []
    for name in names:
        angle = graph.op("Mul", [_position(graph, name, clock, days), graph.constant(2 * np.pi)], seconds.shape)
        angle = graph.cast(angle, np.float32)
        waves += [graph.op(kind, [angle], seconds.shape) for kind in ("Sin", "Cos")]
    wide = (graph.batch, len(waves))
    joined = graph.op("Concat", waves, wide, axis=1)
    absent = graph.op("IsNaN", [seconds], seconds.shape, bool)
    return graph.op("Where", [absent, graph.constant(0, np.float32), joined], wide, np.float32)


def _clock(graph: Graph, seconds: Tensor, zone: str | None) -> Tensor:
    """What clocks of a zone show, by a table of the moments at which they were changed."""
    changes, offsets = changes_of(zone)
    if not len(changes):
        return _add(graph, seconds, float(offsets[0]))
    wide = (graph.batch, len(changes))
    past = graph.op("GreaterOrEqual", [seconds, graph.constant(changes[None], float)], wide, bool)
    count = graph.op(
        "ReduceSum", [graph.cast(past, np.int64), graph.constant([1], np.int64)], (graph.batch, 1), keepdims=1
    )
    offset = graph.op("Gather", [graph.constant(offsets, float), count], (graph.batch, 1), float, axis=0)
    return graph.op("Add", [seconds, offset], seconds.shape)


def changes_of(zone: str | None) -> tuple[np.ndarray, np.ndarray]:
    """When the clocks of a zone were changed, in seconds, (n,), and how far they were ahead of UTC before, between and
    after, (n + 1,)."""
    if not zone:
        return np.zeros(0), np.zeros(1)
    grid = np.arange(FIRST, LAST, int(dates.DAY))
    ahead = _ahead(grid, zone)
    found = []
    for start in grid[np.flatnonzero(np.diff(ahead))]:
        fine = np.arange(start, start + int(dates.DAY) + 1, QUARTER)
        found += fine[1:][np.diff(_ahead(fine, zone)) != 0].tolist()
    changes = np.array(sorted(set(found)))
    return changes, np.concatenate([ahead[:1], _ahead(changes, zone)]) if len(changes) else ahead[:1]


def _ahead(seconds: np.ndarray, zone: str) -> np.ndarray:
    moments = pa.array(seconds.astype(np.int64)).cast(pa.timestamp("s", "UTC"))
    return dates.by_the_clock("", moments, zone) - seconds


def _position(graph: Graph, cycle: str, clock: Tensor, days: Tensor) -> Tensor:
    """From 0 to below 1, (N, 1)."""
    if cycle == "hour":
        return _minus(graph, _divided(graph, clock, dates.DAY), days)
    if cycle == "weekday":
        return _divided(graph, _modulo(graph, _add(graph, days, 3), 7), 7)
    day, march_based, year = _civil(graph, days)
    if cycle == "month":
        return _divided(graph, _modulo(graph, _add(graph, march_based, 2), 12), 12)
    leap = _leap(graph, year)
    from_january = _plus(graph, _add(graph, day, 59), leap)
    after_new_year = graph.op("GreaterOrEqual", [day, graph.constant(306.0)], days.shape, bool)
    place = graph.op("Where", [after_new_year, _add(graph, day, -306), from_january], days.shape, float)
    return _divided(graph, place, 366)


def _civil(graph: Graph, days: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of days since 1970: the day of a year that begins in March, its month, and that year within 400, all from 0.

    Source: Hinnant 2014, "chrono-compatible low-level date algorithms", civil_from_days.
    """
    since = _add(graph, days, 719_468)
    of_era = _modulo(graph, since, 146_097)
    fourths, centuries, last = (_floor_of(graph, of_era, length) for length in (1460, 36_524, 146_096))
    year = _floor_of(graph, _minus(graph, _plus(graph, _minus(graph, of_era, fourths), centuries), last), 365)
    before = _times(graph, year, 365)
    before = _plus(graph, before, _floor_of(graph, year, 4))
    before = _minus(graph, before, _floor_of(graph, year, 100))
    day = _minus(graph, of_era, before)
    month = _floor_of(graph, _add(graph, _times(graph, day, 5), 2), 153)
    return day, month, year


def _leap(graph: Graph, year: Tensor) -> Tensor:
    """1 in a leap year, else 0; the year within 400."""
    fourth, hundredth = (
        graph.op("Equal", [_modulo(graph, year, step), graph.constant(0.0)], year.shape, bool) for step in (4, 100)
    )
    first = graph.op("Equal", [year, graph.constant(0.0)], year.shape, bool)
    plain = graph.op("And", [fourth, graph.op("Not", [hundredth], year.shape)], year.shape)
    return graph.cast(graph.op("Or", [plain, first], year.shape), float)


def _plus(graph: Graph, some: Tensor, others: Tensor) -> Tensor:
    return graph.op("Add", [some, others], some.shape)


def _minus(graph: Graph, some: Tensor, others: Tensor) -> Tensor:
    return graph.op("Sub", [some, others], some.shape)


def _add(graph: Graph, some: Tensor, number: float) -> Tensor:
    return some if number == 0 else graph.op("Add", [some, graph.constant(float(number))], some.shape)


def _times(graph: Graph, some: Tensor, number: float) -> Tensor:
    return graph.op("Mul", [some, graph.constant(float(number))], some.shape)


def _divided(graph: Graph, some: Tensor, number: float) -> Tensor:
    return graph.op("Div", [some, graph.constant(float(number))], some.shape)


def _floor_of(graph: Graph, some: Tensor, number: float) -> Tensor:
    """How often a number goes into it."""
    return graph.op("Floor", [_divided(graph, some, number)], some.shape)


def _modulo(graph: Graph, some: Tensor, number: float) -> Tensor:
    """What is left, from 0 to below the number."""
    return _minus(graph, some, _times(graph, _floor_of(graph, some, number), number))
