"""Dates and times: read, brought to one clock, and the cycles they run through."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trivium.tables.read import TableError

Form = Literal["moment", "clock", "duration", ""]
"""A date or a moment, a time of day, a length of time; "" in models saved before there was a difference."""

DAY = 86_400.0
"""Seconds."""

CYCLES = ("hour", "weekday", "month", "day of year")
"""What a moment runs through, each turned into a sine and a cosine, so that 23:59 stands beside 0:00."""


def form_of(kind: pa.DataType) -> Form:
    """What a column of times holds."""
    if pa.types.is_time(kind):
        return "clock"
    return "duration" if pa.types.is_duration(kind) else "moment"


def zone_of(kind: pa.DataType) -> str:
    """The time zone of a column of moments; "" for those without one."""
    return (kind.tz or "") if pa.types.is_timestamp(kind) else ""


def check_like(name: str, kind: pa.DataType, form: Form, zone: str | None) -> None:
    """Raises TableError for times that cannot be compared with those of the fit.

    zone  that of the fit: "" for times without one, None where it is not known
    """
    given = form_of(kind)
    words = {"moment": "dates and times", "clock": "times of day", "duration": "lengths of time"}
    if form and given != form:
        raise TableError(
            f"column {name!r} must hold {words[form]} as at fit, got {kind}. Convert it to what the fit saw."
        )
    if given != "moment" or zone is None or bool(zone) == bool(zone_of(kind)):
        return
    if zone:
        raise TableError(
            f"column {name!r} must hold times with a time zone as at fit ({zone}), got times without one. Say in which "
            f"zone they were taken, in pandas: X[{name!r}].dt.tz_localize({zone!r})."
        )
    raise TableError(
        f"column {name!r} must hold times without a time zone as at fit, got times in {zone_of(kind)}. Convert them to "
        f"the zone of the fit and drop it, in pandas: X[{name!r}].dt.tz_convert('UTC').dt.tz_localize(None)."
    )


def seconds(column: pa.Array) -> np.ndarray:
    """Times as seconds, (n,) float64, NaN where missing: since 1970 (in UTC, where they have a zone), since midnight,
    or as long as they last."""
    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
        kind = column.type
    unit = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
    whole = pa.int32() if pa.types.is_time32(kind) else pa.int64()
    return column.cast(whole).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) / unit


def by_the_clock(name: str, column: pa.Array, zone: str | None) -> np.ndarray:
    """Seconds as a clock in that zone shows them, for the cycles; those of times without a zone as they are."""
    if not zone or not zone_of(column.type):
        return seconds(column)
    try:
        return seconds(pc.call_function("local_timestamp", [column.cast(pa.timestamp(column.type.unit, zone))]))
    except pa.ArrowException as error:
        raise TableError(
            f"column {name!r} must be in a time zone that this machine knows, got {zone!r}. Install its table of zones "
            "(the system's package tzdata), or convert the column to UTC."
        ) from error


def position(cycle: str, clock: np.ndarray) -> np.ndarray:
    """How far in its cycle each moment stands, from 0 to below 1; NaN where it is missing."""
    with np.errstate(invalid="ignore"):
        days = np.floor(clock / DAY)
        if cycle == "hour":
            return clock / DAY - days
        if cycle == "weekday":
            return (days + 3) % 7 / 7  # 1970 began on a Thursday
        present = np.isfinite(days) & (np.abs(days) < 1e12)
        dates = np.where(present, days, 0).astype(np.int64).astype("datetime64[D]")
    if cycle == "month":
        found = dates.astype("datetime64[M]").astype(np.int64) % 12 / 12
    else:
        found = (dates - dates.astype("datetime64[Y]")).astype(np.int64) / 366
    return np.where(present, found, np.nan)


def cycles_that_vary(clock: np.ndarray, form: Form) -> tuple[str, ...]:
    """Those of CYCLES in which these times differ: dates at midnight have no hour, a duration has none at all."""
    known: Sequence[str] = {"moment": CYCLES, "clock": CYCLES[:1]}.get(form, ())
    clock = clock[~np.isnan(clock)]
    return tuple(cycle for cycle in known if len(clock) and np.ptp(position(cycle, clock)) > 0)


def fill(out: np.ndarray, clock: np.ndarray, cycles: Sequence[str]) -> None:
    """Sine and cosine of each cycle into out (n, 2 * cycles); 0 where the time is missing."""
    for place, cycle in enumerate(cycles):
        angle = 2 * np.pi * position(cycle, clock)
        out[:, 2 * place] = np.nan_to_num(np.sin(angle))
        out[:, 2 * place + 1] = np.nan_to_num(np.cos(angle))
