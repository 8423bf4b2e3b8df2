"""Columns of every kind become finite arrays, or a clear error."""

import datetime
import decimal
import json
import warnings
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.tables.encode import check_frame, encode, named
from trivium.tables.free_texts import LEVEL_COLUMNS
from trivium.tables.read import TableError, as_frame, read_table, write_table
from trivium.tables.schema import MOST_LEVELS, Schema, learn_schema

TABLES = sorted((Path(__file__).parents[3] / "shared" / "data").glob("*.parquet"))

FRAME = pd.DataFrame(
    {
        "size": [1.0, 2.0, None, 5.0, 2.0, 2.0],
        "count": [1, 2, 3, 4, 5, 9],
        "flag": [True, False, True, True, False, True],
        "colour": ["red", "blue", "red", "blue", "green", "green"],
        "side": ["left", "right", None, "left", "right", "left"],
        "id": list("abcdef"),
        "same": [7] * 6,
        "empty": [None] * 6,
    }
)


def arrays(X):
    frame = as_frame(X)
    frame = X if frame is None else frame
    schema = learn_schema(frame)
    return schema, encode(schema, frame)


def test_every_library_and_a_file_give_the_same_bits(tmp_path):
    _, expected = arrays(FRAME)
    write_table(nw.from_native(FRAME), tmp_path / "a.csv")
    write_table(nw.from_native(FRAME), tmp_path / "a.parquet")
    others = [pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME), FRAME.convert_dtypes()]
    others += [FRAME.astype({"colour": "category"}), read_table(tmp_path / "a.csv"), read_table(tmp_path / "a.parquet")]
    for other in others:
        np.testing.assert_array_equal(arrays(other)[1], expected)


def test_what_each_column_becomes():
    schema, X = arrays(FRAME)
    assert schema.feature_names_out == [
        "size", "count", "flag", "size is missing", "colour=blue", "colour=green", "colour=red", "side=left",
    ]  # fmt: skip
    assert {entry.name: entry.reason for entry in schema.dropped} == {
        "id": "no value occurs twice",
        "same": "every value is the same",
        "empty": "every value is missing",
    }
    assert X.dtype == np.float32
    assert X.flags.c_contiguous
    np.testing.assert_allclose(X[:, :3].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(X[:, 1:3].std(axis=0), 1, rtol=1e-6)
    assert X[2, 0] == 0  # a missing number is at the mean
    np.testing.assert_array_equal(X[:, 3], [0, 0, 1, 0, 0, 0])
    np.testing.assert_array_equal(X[:, 4:7].sum(axis=1), 1)
    np.testing.assert_array_equal(X[:, 7], [1, -1, 0, 1, -1, 1])


def test_a_schema_goes_through_json():
    schema, X = arrays(FRAME)
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    np.testing.assert_array_equal(encode(again, as_frame(FRAME)), X)


def test_rare_levels_share_a_column_and_unseen_ones_are_safe():
    texts = [f"c{i % 100}" for i in range(300)] + ["once"]
    schema, X = arrays(pd.DataFrame({"c": texts}))
    assert X.shape[1] == MOST_LEVELS + LEVEL_COLUMNS
    np.testing.assert_array_equal(np.abs(X[:-1]).sum(axis=1), 1)
    assert not X[-1].any()
    assert not encode(schema, as_frame(pd.DataFrame({"c": ["new", "c1", None]})))[::2].any()
    schema, X = arrays(pd.DataFrame({"c": [f"c{i % 50}" for i in range(300)] + ["once"]}))
    assert X.shape[1] == 50 + 1
    assert X[-1, -1] == 1
    assert encode(schema, as_frame(pd.DataFrame({"c": ["new", None]}))).sum(axis=1).tolist() == [1, 0]
    schema, _ = arrays(FRAME)
    assert np.isfinite(encode(schema, as_frame(FRAME[:1].assign(colour="purple")))).all()
    later = FRAME.assign(colour=["purple", *FRAME["colour"][1:]], size=None, side=None)
    assert np.isfinite(encode(schema, as_frame(later))).all()


def test_times_decimals_and_nullable_columns():
    day = datetime.date(2024, 1, 1)
    frame = pl.DataFrame(
        {
            "day": [day, day + datetime.timedelta(days=1), None],
            "moment": [datetime.datetime(2024, 1, 1, h, tzinfo=datetime.UTC) for h in (1, 2, 3)],
            "clock": [datetime.time(h) for h in (1, 2, 3)],
            "length": [datetime.timedelta(hours=h) for h in (1, 2, 3)],
            "price": [decimal.Decimal("1.10"), decimal.Decimal("2.20"), None],
        }
    )
    schema, X = arrays(frame)
    assert schema.counts() == {"time": 4, "number": 1}
    np.testing.assert_allclose(X[:, 1], [-1.2247449, 0, 1.2247449], rtol=1e-6)
    by_name = {column.name: column for column in schema.columns}
    assert by_name["day"].centre == pytest.approx(datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC).timestamp())
    assert by_name["length"].centre == pytest.approx(7200)
    assert by_name["price"].centre == pytest.approx(1.65)


def test_arrays_of_numbers_texts_and_objects():
    numbers = np.array([[1, 2.5], [np.nan, 3], [3, 9]])
    schema, X = arrays(numbers)
    assert schema.feature_names_out == ["x0", "x1", "x0 is missing"]
    for other in (numbers.astype(object), np.array([["1", "2.5"], ["nan", "3"], ["3", "9"]])):
        np.testing.assert_allclose(arrays(other)[1][:, :2], X[:, :2], rtol=1e-6)
    mixed = np.array([[1, "a"], [2, "b"], [3, "a"], [5, "b"]], dtype=object)
    assert arrays(mixed)[0].counts() == {"number": 1, "category": 1}
    named_frame = named(["a", "b"], numbers)
    np.testing.assert_array_equal(encode(learn_schema(named_frame), named_frame), X)


def test_huge_values_and_huge_columns_stay_finite():
    _, X = arrays(pd.DataFrame({"a": pd.Series([2**70, 1, 3], dtype=object)}))
    assert np.isfinite(X).all()
    _, X = arrays(np.array([[1e300, 1], [2e300, 2], [3e300, 1]]))
    assert np.isfinite(X).all()
    schema, _ = arrays(np.random.default_rng(0).normal(size=(50, 3)))
    assert np.isfinite(encode(schema, np.full((1, 3), 1e308))).all()


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ([1.0, np.inf, 2.0], r"column 'a' must be finite, got inf in row 1"),
        ([1, "x", 2.5], r"column 'a' must hold one type, got a mixture: .*'x' \(str\)"),
        ([[1], [2], [3]], "column 'a' must hold numbers, texts, booleans or times, got list"),
        ([b"x", b"y", b"x"], "got binary"),
        ([5, 5, 5], r"must have a column that varies, got none \(a: every value is the same\)"),
    ],
)
def test_a_column_that_cannot_be_learned_is_named(column, words):
    frame = pd.DataFrame({"a": pd.Series(column, dtype=object if isinstance(column[1], str) else None)})
    with pytest.raises(ValueError, match=words):
        arrays(frame)


def test_an_infinite_value_in_an_array_is_found_at_fit_and_later():
    X = np.random.default_rng(0).normal(size=(20, 3))
    schema = learn_schema(X)
    X[7, 2] = -np.inf
    for work in (learn_schema, lambda X: encode(schema, X)):
        with pytest.raises(ValueError, match="column 'x2' must be finite, got -inf in row 7"):
            work(X)


def test_all_wrong_columns_of_a_later_table_are_told_at_once():
    schema, _ = arrays(FRAME)
    frame = as_frame(FRAME.drop(columns=["size", "flag"]).rename(columns={"count": "counts"}))
    with pytest.raises(ValueError, match=r"(?s)'size'.*'count'.*Did you mean 'counts'.*'flag'"):
        check_frame(schema, frame)
    wrong = as_frame(FRAME.assign(size="big", count="many"))
    with pytest.raises(ValueError, match=r"(?s)'size' must hold numbers, got 'big' in row 0.*'count'.*'many'"):
        encode(schema, wrong)
    with pytest.raises(ValueError, match="column 'count' must hold numbers as at fit, got"):
        encode(schema, as_frame(FRAME.assign(count=pd.Timestamp("2024-01-01"))))


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3), st.dates(), st.just([1])
)
columns = st.one_of(
    st.lists(st.floats(), min_size=4, max_size=4),
    st.lists(st.none() | st.integers(-(2**60), 2**60), min_size=4, max_size=4),
    st.lists(st.none() | st.booleans(), min_size=4, max_size=4),
    st.lists(st.none() | st.text(max_size=2), min_size=4, max_size=4),
    st.lists(st.none() | st.dates(), min_size=4, max_size=4),
    st.lists(cells, min_size=4, max_size=4),
)


@settings(max_examples=150)
@given(st.dictionaries(st.text(max_size=3), columns, min_size=1, max_size=3))
def test_odd_frames_give_finite_arrays_or_a_clear_error(content):
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in content.items()})
    try:
        _, X = arrays(frame)
    except (ValueError, TypeError) as error:
        assert any(repr(name) in str(error) for name in content) or "X must have a column" in str(error)
        return
    assert np.isfinite(X).all()
    assert X.shape[0] == 4


def test_polars_categories_are_categories():
    texts = ["x", "y", "x", None, "y", "y"]
    _, expected = arrays(pl.DataFrame({"a": texts}))
    for kind in (pl.Categorical, pl.Enum(["x", "y"])):
        np.testing.assert_array_equal(arrays(pl.DataFrame({"a": texts}, schema={"a": kind}))[1], expected)


def test_texts_in_a_column_of_numbers_are_read_or_told():
    schema = learn_schema(as_frame(pd.DataFrame({"a": [1.0, 2.0, 3.0]})))
    given, blank = (as_frame(pd.DataFrame({"a": [text, "1", "2"]})) for text in ("3", " 3 "))
    np.testing.assert_array_equal(encode(schema, given), encode(schema, blank))
    for text in ("1_000", "７", "3,5", "three", ""):
        with pytest.raises(TableError, match=f"column 'a' must hold numbers, got '{text}' in row 1"):
            encode(schema, as_frame(pd.DataFrame({"a": ["1", text, "2"]})))
    learned = learn_schema(np.array([["1_000"], ["2"], ["2"]]))
    assert learned.columns[0].kind == "category"


def test_a_small_spread_far_from_zero_is_no_constant():
    schema, X = arrays(pd.DataFrame({"a": 1e15 + np.arange(50.0), "b": [1e15] * 49 + [1e15 + 1]}))
    assert [column.name for column in schema.columns] == ["a", "b"]
    np.testing.assert_allclose(X[:, 0], (np.arange(50) - 24.5) / np.arange(50).std(), rtol=1e-6)
    assert schema.columns[1].scale == pytest.approx(np.sqrt(49) / 50)


def test_iso_texts_are_times():
    days = ["2026-01-31", "2026-02-28", None, "2027-03-01"]
    schema, X = arrays(pd.DataFrame({"day": days}))
    assert schema.columns[0].kind == "time"
    _, expected = arrays(pa.table({"day": pa.array(days).cast(pa.timestamp("s"))}))
    np.testing.assert_array_equal(X, expected)
    with pytest.raises(TableError, match="'day' must hold dates and times as at fit, got 'tomorrow' in row 1"):
        encode(schema, as_frame(pd.DataFrame({"day": ["2026-01-31", "tomorrow"]})))
    assert arrays(pd.DataFrame({"day": ["2026-01-31", "soon", "soon"]}))[0].columns[0].kind == "category"


def test_a_category_without_any_known_value_is_told():
    schema = learn_schema(as_frame(pd.DataFrame({"a": ["01", "02", "01", "02"]})))
    with pytest.warns(UserWarning, match="'a' holds no value that the fit saw: '1' and the like.*saw '01'"):
        encode(schema, as_frame(pd.DataFrame({"a": [1, 2]})))
    for texts in (["True", "False", "True", "False"], ["true", "false", "true", "false"]):
        schema = learn_schema(as_frame(pd.DataFrame({"a": texts})))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.abs(encode(schema, as_frame(pd.DataFrame({"a": [True, False]})))).min() == 1


@pytest.mark.parametrize(
    "X",
    [
        np.array([["2026-01-01"], ["2026-01-02"]], "datetime64[D]"),
        np.array([[1 + 2j], [3]]),
        np.array([[b"\xff"], [b"b"]]),
        np.array([[(1, 2)], [(3, 4)]], dtype=[("a", int), ("b", int)]),
    ],
    ids=lambda X: str(X.dtype),
)
def test_arrays_of_odd_types_are_taken_or_told(X):
    try:
        assert np.isfinite(encode(learn_schema(X), X)).all()
    except ValueError as error:
        assert "x0" in str(error)


@pytest.mark.skipif(not TABLES, reason="needs the real tables in shared/data beside the checkout")
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_real_table_comes_back_from_csv(path, tmp_path):
    frame = read_table(path)
    write_table(frame, tmp_path / "a.csv")
    again = read_table(tmp_path / "a.csv")
    schema, X = arrays(frame)
    assert [column.name for column in learn_schema(again).columns] == [column.name for column in schema.columns]
    np.testing.assert_allclose(encode(schema, again), X, rtol=1e-6, atol=1e-6)
