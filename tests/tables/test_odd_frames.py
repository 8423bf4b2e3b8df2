"""Whatever data frame comes: finite numbers of the right shape, or an error that names the column. Nothing else."""

import datetime
import decimal
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trivium.tables.encode import block_encoder, check_frame, codes, encode
from trivium.tables.read import as_frame
from trivium.tables.schema import Schema, learn_schema

pytestmark = pytest.mark.slow

N = 24
"""Rows: enough for texts to be looked into."""

whole = st.integers(-(2**62), 2**62)
small = st.integers(0, 5)
floats = st.floats(width=32) | st.floats()
tame = st.floats(-1e3, 1e3)
texts = st.text(max_size=4) | st.sampled_from(["a", "b", "12 kg", "2026-01-31", "1e5", "nan", "", " ", "\x00", "ß"])
sentences = st.lists(st.sampled_from("the quick brown fox 7 jumps over".split()), max_size=5).map(" ".join)
moments = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2250, 1, 1))
far_moments = st.datetimes()
dates = st.dates()
clocks = st.times()
durations = st.timedeltas(datetime.timedelta(-(10**4)), datetime.timedelta(10**4))
decimals = st.decimals(-(10**8), 10**8, places=3) | st.just(decimal.Decimal("NaN"))
anything = st.one_of(
    st.none(), st.booleans(), whole, st.integers(2**64, 2**70), floats, texts, dates, far_moments, durations, decimals,
    st.binary(max_size=2), st.just([1]), st.just({"a": 1}), st.complex_numbers(max_magnitude=9), st.just(pd.NA),
    st.just(pd.NaT), st.just(np.float32(2)), st.just(np.datetime64("NaT")), st.just(object),
)  # fmt: skip

ARROW = {
    "large text": (texts, pa.large_string()),
    "half": (st.floats(width=16), pa.float16()),
    "decimal": (st.decimals(-(10**8), 10**8, places=2), pa.decimal128(12, 2)),
    "decimal256": (st.decimals(-(10**8), 10**8, places=2), pa.decimal256(50, 2)),
    "day": (dates, pa.date64()),
    "clock": (clocks, pa.time64("us")),
    "moment": (moments, pa.timestamp("us", "Asia/Kolkata")),
    "duration": (durations, pa.duration("us")),
    "list": (st.just([1]), pa.list_(pa.int64())),
    "map": (st.just([("a", 1)]), pa.map_(pa.string(), pa.int64())),
    "binary": (st.binary(max_size=2), pa.binary()),
    "codes": (texts, pa.dictionary(pa.int8(), pa.string())),
    "codes of numbers": (small, pa.dictionary(pa.int32(), pa.int64())),
    "nothing": (st.none(), pa.null()),
}
PANDAS = {
    "float64": (floats, "float64"),
    "tame": (tame, "float64"),
    "float32": (floats, "float32"),
    "nullable float": (tame, "Float64"),
    "int8": (small, "int8"),
    "nullable integer": (whole, "Int64"),
    "unsigned": (st.integers(0, 2**64 - 1), "uint64"),
    "bool": (st.booleans(), "bool"),
    "nullable boolean": (st.booleans(), "boolean"),
    "text": (texts, "string"),
    "sentences": (sentences, "string"),
    "object texts": (texts, object),
    "category": (texts, "category"),
    "category of numbers": (small, "category"),
    "ordered": (small, pd.CategoricalDtype([5, 3, 1, 0], ordered=True)),
    "moment": (moments, "datetime64[us]"),
    "moment in ns": (moments, "datetime64[ns]"),
    "moment in Berlin": (moments, pd.DatetimeTZDtype("us", "Europe/Berlin")),
    "moment in UTC": (moments, pd.DatetimeTZDtype("us", "UTC")),
    "duration": (durations, "timedelta64[us]"),
    "period": (dates, "period[D]"),
    "sparse": (small, pd.SparseDtype("float64", 0.0)),
    "complex": (st.complex_numbers(max_magnitude=9), "complex128"),
    "decimal": (decimals, object),
    "dates": (dates, object),
    "clocks": (clocks, object),
    "durations": (durations, object),
    "bytes": (st.binary(max_size=2), object),
    "anything": (anything, object),
    "two kinds": (small | texts, object),
    "numbers with gaps": (tame | st.none() | st.just(pd.NA), object),
    "wide integers": (st.integers(-(2**70), 2**70), object),
} | {f"arrow {name}": (values, pd.ArrowDtype(kind)) for name, (values, kind) in ARROW.items()}
POLARS = {
    "float": (floats, pl.Float64),
    "float32": (tame, pl.Float32),
    "int": (whole, pl.Int64),
    "int128": (st.integers(-(2**100), 2**100), pl.Int128),
    "unsigned": (st.integers(0, 2**64 - 1), pl.UInt64),
    "bool": (st.booleans(), pl.Boolean),
    "text": (texts, pl.String),
    "sentences": (sentences, pl.String),
    "category": (texts, pl.Categorical),
    "enum": (st.sampled_from("xyz"), pl.Enum(["z", "y", "x"])),
    "date": (dates, pl.Date),
    "moment": (far_moments, pl.Datetime("us")),
    "moment in ms": (moments, pl.Datetime("ms", "America/New_York")),
    "clock": (clocks, pl.Time),
    "duration": (durations, pl.Duration),
    "decimal": (st.decimals(-(10**8), 10**8, places=2), pl.Decimal(20, 2)),
    "list": (st.just([1]), pl.List(pl.Int64)),
    "struct": (st.just({"a": 1}), pl.Struct({"a": pl.Int64})),
    "array": (st.just([1, 2]), pl.Array(pl.Int64, 2)),
    "binary": (st.binary(max_size=2), pl.Binary),
    "object": (anything, pl.Object),
    "nothing": (st.none(), pl.Null),
}


def values_of(kind, strategy, gaps):
    """N values, few of them different in some columns, and with gaps in some."""
    values = st.lists(strategy, min_size=N, max_size=N)
    few = st.lists(strategy, min_size=1, max_size=3).flatmap(
        lambda known: st.lists(st.sampled_from(known), min_size=N, max_size=N)
    )
    values = st.one_of(values, few)
    if gaps:
        values = st.tuples(values, st.sets(st.integers(0, N - 1))).map(
            lambda drawn: [None if place in drawn[1] else value for place, value in enumerate(drawn[0])]
        )
    return values


@st.composite
def frames(draw, names):
    """A frame with these columns, of pandas or polars, each of any type."""
    library = draw(st.sampled_from(["pandas", "polars"]))
    known = PANDAS if library == "pandas" else POLARS
    columns, kinds = {}, {}
    for name in names:
        kinds[name] = kind = draw(st.sampled_from(sorted(known)))
        strategy, dtype = known[kind]
        values = draw(values_of(kind, strategy, draw(st.booleans())))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make = pd.Series if library == "pandas" else pl.Series
                columns[name] = make(values, dtype=dtype)
        except (ValueError, TypeError, OverflowError, ArithmeticError, pa.ArrowException, pl.exceptions.PolarsError):
            assume(False)  # the library itself does not take these values
    return (pd.DataFrame if library == "pandas" else pl.DataFrame)(columns), kinds


def told(error, names):
    """Whether a message names a column, or says that none is left."""
    return any(repr(name) in str(error) for name in names) or "X must have a column that varies" in str(error)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["standard", "robust", "quantile"]))
def test_any_frame_becomes_finite_numbers_or_an_error_that_names_the_column(data, scaling):
    names = data.draw(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=3, unique=True))
    first, _ = data.draw(frames(names))
    later, _ = data.draw(frames(names))
    warnings.simplefilter("error")
    try:
        schema = learn_schema(as_frame(first), scaling=scaling)
        X = encode(schema, as_frame(first))
    except ValueError as error:
        assert told(error, names), error
        return
    assert X.shape == (N, len(schema.feature_names_out))
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    assert (np.ptp(X, axis=0) > 0).any()
    assert len(set(schema.feature_names_out)) == X.shape[1]
    numbers = codes(schema, as_frame(first))
    assert ((numbers >= 0) & (numbers < np.array(schema.cardinalities))).all()
    again = Schema.from_json(schema.to_json())
    np.testing.assert_array_equal(encode(again, as_frame(first)), X)
    order = np.random.default_rng(0).permutation(N)
    shuffled = first.iloc[order] if isinstance(first, pd.DataFrame) else first[order]
    np.testing.assert_allclose(encode(schema, as_frame(shuffled)), X[order], rtol=1e-6, atol=1e-7)
    warnings.filterwarnings("ignore", "column .* holds no value that the fit saw", UserWarning)
    try:
        X = encode(schema, check_frame(schema, as_frame(later)))
    except ValueError as error:
        assert told(error, names), error
        return
    assert np.isfinite(X).all()


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, object, "U3", "S3", "M8[D]"]))
def test_any_array_becomes_finite_numbers_or_an_error_that_names_the_column(data, dtype):
    values = data.draw(st.lists(st.lists(floats | small, min_size=2, max_size=2), min_size=N, max_size=N))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            X = np.array(values, dtype=object if dtype is object else float).astype(dtype)
        except (ValueError, TypeError, OverflowError):
            assume(False)
    try:
        schema = learn_schema(X)
        encoded = encode(schema, X)
    except ValueError as error:
        assert told(error, ["x0", "x1"]), error
        return
    assert np.isfinite(encoded).all()
    streamed = block_encoder(schema, X)
    if streamed is not None:
        np.testing.assert_array_equal(streamed(X[5:9], 5), encoded[5:9])


@pytest.mark.parametrize("kinds", [PANDAS, POLARS], ids=["pandas", "polars"])
def test_every_listed_type_is_reached(kinds):
    assert len(kinds) > 20
