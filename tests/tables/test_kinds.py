"""Dates, categories and texts: what each becomes, and what a later table may and may not change about them."""

import datetime
import json
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from trivium.tables.encode import check_frame, codes, encode
from trivium.tables.free_texts import LEVEL_COLUMNS, WORD_COLUMNS, facts, place_and_sign
from trivium.tables.read import TableError, as_frame, read_table
from trivium.tables.schema import MOST_LEVELS, Schema, learn_schema

random = np.random.default_rng(0)
HOURS = pd.date_range("2023-11-01", periods=5000, freq="h")


def learned(frame, **options):
    schema = learn_schema(as_frame(pd.DataFrame(frame)), **options)
    return schema, encode(schema, as_frame(pd.DataFrame(frame)))


def later(schema, frame):
    return encode(schema, check_frame(schema, as_frame(pd.DataFrame(frame))))


# --- times ------------------------------------------------------------------------------------------------------------


def test_a_moment_becomes_elapsed_time_and_the_cycles_that_vary():
    schema, X = learned({"t": HOURS})
    names = [
        f"t {cycle} {wave}" for cycle in ("hour", "weekday", "month", "day of year") for wave in ("sine", "cosine")
    ]
    assert schema.feature_names_out == ["t", *names]
    assert schema.get_feature_names_out().tolist() == ["t", *names]
    assert schema.columns[0].centre == pd.Series(HOURS).median().timestamp()
    np.testing.assert_allclose(np.hypot(X[:, 1::2], X[:, 2::2]), 1, rtol=1e-6)
    for place, position in enumerate((HOURS.hour / 24, HOURS.day_of_week / 7, (HOURS.month - 1) / 12)):
        np.testing.assert_allclose(X[:, 1 + 2 * place], np.sin(2 * np.pi * position), atol=1e-6)
        np.testing.assert_allclose(X[:, 2 + 2 * place], np.cos(2 * np.pi * position), atol=1e-6)
    np.testing.assert_allclose(X[:, 7], np.sin(2 * np.pi * (HOURS.day_of_year - 1) / 366), atol=1e-6)


def test_dates_at_midnight_have_no_hour_and_durations_no_cycle():
    days = HOURS[::24]
    for frame in ({"t": days}, {"t": days.date}, {"t": days.strftime("%Y-%m-%d")}):
        assert [cycle for column in learned(frame)[0].columns for cycle in column.cycles] == [
            "weekday", "month", "day of year",
        ]  # fmt: skip
    assert learned({"t": HOURS - HOURS[0]})[0].feature_names_out == ["t"]
    assert learned({"t": HOURS[:20].time})[0].feature_names_out == ["t", "t hour sine", "t hour cosine"]
    same_day = learned({"t": pd.to_datetime(["2024-05-01", "2024-05-08"])})[0]
    assert same_day.feature_names_out == ["t", "t day of year sine", "t day of year cosine"]


def test_a_missing_moment_is_at_the_centre_and_in_no_cycle():
    given = pd.Series(HOURS).where(np.arange(len(HOURS)) % 5 > 0)
    schema, X = learned({"t": given})
    assert schema.feature_names_out[:2] == ["t", "t is missing"]
    np.testing.assert_array_equal(X[::5], np.eye(10)[1][None].repeat(1000, 0))


def test_another_zone_is_the_same_moment_and_its_hour_is_read_in_the_zone_of_the_fit():
    berlin = HOURS.tz_localize("UTC").tz_convert("Europe/Berlin")
    schema, X = learned({"t": berlin})
    np.testing.assert_allclose(X[:, 1], np.sin(2 * np.pi * berlin.hour / 24), atol=1e-6)
    for zone in ("UTC", "Asia/Tokyo", "+05:30"):
        np.testing.assert_array_equal(later(schema, {"t": berlin.tz_convert(zone)}), X)
    texts = [moment.isoformat() for moment in berlin.tz_convert("UTC")]
    np.testing.assert_allclose(later(schema, {"t": texts}), X, atol=1e-6)


def test_times_with_and_without_a_zone_do_not_compare():
    aware = learned({"t": HOURS.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward")})[0]
    with pytest.raises(
        TableError, match=r"'t' must hold times with a time zone.*Berlin.*dt.tz_localize\('Europe/Berlin'\)"
    ):
        later(aware, {"t": HOURS})
    naive = learned({"t": HOURS})[0]
    with pytest.raises(
        TableError, match=r"'t' must hold times without a time zone.*got times in UTC.*tz_localize\(None\)"
    ):
        later(naive, {"t": HOURS.tz_localize("UTC")})
    with pytest.raises(TableError, match="'t' must hold dates and times as at fit, got duration"):
        later(naive, {"t": HOURS - HOURS[0]})


def test_dates_in_a_csv_are_dates(tmp_path):
    content = "day,moment,y\n" + "\n".join(f"2024-0{m}-11,2024-01-01 0{m}:30:00,{m}" for m in range(1, 9))
    (tmp_path / "a.csv").write_text(content)
    schema = learn_schema(read_table(tmp_path / "a.csv"))
    assert schema.counts() == {"time": 2, "number": 1}


# --- categories -------------------------------------------------------------------------------------------------------


def test_an_ordered_category_has_its_place_in_the_order_beside_its_levels():
    values = random.choice(["low", "middle", "high"], 300)
    kind = pd.CategoricalDtype(["low", "middle", "high"], ordered=True)
    schema, X = learned({"c": pd.Series(values).astype(kind)})
    assert schema.feature_names_out[0] == "c in order"
    place = {"low": 0, "middle": 1, "high": 2}
    expected = np.array([place[value] for value in values])
    np.testing.assert_allclose(X[:, 0], (expected - expected.mean()) / expected.std(), rtol=1e-5)
    assert X.shape[1] == 4
    np.testing.assert_array_equal(later(schema, {"c": values}), X)  # as texts
    unordered = learned({"c": values})[0]
    assert len(unordered.feature_names_out) == 3
    enum = pl.DataFrame({"c": pl.Series(values, dtype=pl.Enum(["low", "middle", "high"]))})
    np.testing.assert_array_equal(encode(schema, as_frame(enum)), X)


def test_codes_and_cardinalities():
    frame = pd.DataFrame({"a": ["x", "x", "x", "y", "y", None, "once"], "n": range(7), "b": list("uuvvvuv")})
    schema, _ = learned(frame)
    assert schema.cardinalities == (4, 4)
    found = codes(schema, as_frame(frame))
    assert found.dtype == np.int32
    assert found[:, 0].tolist() == [2, 2, 2, 3, 3, 0, 1]
    assert found[:, 1].tolist() == [3, 3, 2, 2, 2, 3, 2]
    assert codes(schema, as_frame(frame.assign(b="new")))[:, 1].tolist() == [1] * 7


def test_many_levels_take_a_bounded_number_of_columns_and_are_all_told_apart_by_their_codes():
    values = [f"level {i % 1000}" for i in range(3000)]
    schema, X = learned({"c": values})
    assert X.shape[1] == MOST_LEVELS + LEVEL_COLUMNS
    np.testing.assert_array_equal(np.abs(X).sum(axis=1), 1)
    assert len(np.unique(X[:1000], axis=0)) == MOST_LEVELS + 2 * LEVEL_COLUMNS
    assert schema.cardinalities == (1002,)
    assert len(np.unique(codes(schema, as_frame(pd.DataFrame({"c": values}))))) == 1000
    assert not later(schema, {"c": ["level 1001", "level 3"]})[0].any()


def test_whole_numbers_that_a_gap_turned_into_floats_are_the_same_levels():
    schema, X = learned({"c": pd.Series(random.choice([1, 2, 3], 99)).astype("category")})
    values = pd.Series(random.choice([1.0, 2.0, np.nan], 99))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoded = later(schema, {"c": values.astype("category")})
    np.testing.assert_array_equal(encoded.sum(axis=1), values.notna())
    assert X.shape[1] == 3


# --- texts ------------------------------------------------------------------------------------------------------------


def reviews(n=400):
    good, bad = "fine great lovely splendid".split(), "awful broken poor sad".split()
    kind = random.random(n) < 0.5
    texts = [
        f"The {random.choice(good if k else bad)} product {i}, {random.choice(good if k else bad)}!"
        for i, k in enumerate(kind)
    ]
    return texts, kind


def test_free_texts_are_hashed_words_and_measures_and_say_what_they_mean():
    texts, kind = reviews()
    schema, X = learned({"t": texts})
    assert schema.counts() == {"text": 1}
    assert schema.feature_names_out == ["t length", *(f"t#{place}" for place in range(WORD_COLUMNS))]
    weights = np.linalg.lstsq(X[:200, 1:], np.where(kind[:200], 1.0, -1.0), rcond=None)[0]
    assert ((X[200:, 1:] @ weights > 0) == kind[200:]).mean() > 0.95
    later_on = later(schema, {"t": ["never heard words", None, "", "the fine product"]})
    assert not later_on[1].any()
    assert np.isfinite(later_on).all()


def test_a_hash_is_the_same_in_every_process_and_so_is_what_a_text_becomes():
    assert [place_and_sign(word, 32) for word in ("fine", "größe", "")] == [(18, 1), (9, -1), (0, -1)]
    texts, _ = reviews(60)
    schema, X = learned({"t": texts})
    program = (
        "import sys, json, pandas as pd; from trivium.tables.record import Schema;"
        "from trivium.tables.encode import encode;"
        "from trivium.tables.read import as_frame; schema, texts = json.load(sys.stdin);"
        "print(json.dumps(encode(Schema.from_json(schema), as_frame(pd.DataFrame({'t': texts}))).tolist()))"
    )
    given = json.dumps([schema.to_json(), texts])
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, text=True, check=True)
    np.testing.assert_array_equal(np.array(json.loads(done.stdout), np.float32), X)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12.5 kg", 12.5), ("$1,200", 1200), ("-3", -3), ("A17", 17), ("none", np.nan), ("3 of 4", np.nan), ("", np.nan)],
)
def test_the_number_in_a_text(text, number):
    np.testing.assert_equal(facts([text])["number"][0], number)


def test_amounts_written_with_units_are_numbers():
    amounts = random.integers(1, 10**6, 100)
    schema, X = learned({"t": [f"{amount:,} km" for amount in amounts]})
    place = schema.feature_names_out.index("t number")
    np.testing.assert_allclose(X[:, place], (amounts - amounts.mean()) / amounts.std(), rtol=1e-4)


def test_names_that_are_all_different_say_nothing():
    schema, _ = learned({"id": [f"{chr(97 + i)}{chr(97 + j)}" for i in range(20) for j in range(5)], "x": range(100)})
    assert [(entry.name, entry.reason) for entry in schema.dropped] == [("id", "no value occurs twice")]


# --- the saved form ---------------------------------------------------------------------------------------------------


def test_a_schema_of_every_kind_goes_through_json_and_old_ones_are_read():
    frame = pd.DataFrame(
        {
            "t": HOURS[:200].tz_localize("UTC"),
            "c": [f"c{i % 90}" for i in range(200)],
            "o": pd.Categorical(random.choice(list("abc"), 200), ordered=True),
            "text": reviews(200)[0],
            "x": random.normal(size=200),
        }
    )
    for scaling in ("standard", "robust", "quantile"):
        schema, X = learned(frame, scaling=scaling)
        assert list(schema.counts()) == ["time", "category", "text", "number"]
        again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
        assert again == schema
        np.testing.assert_array_equal(encode(again, as_frame(frame)), X)
    old = {
        "columns": [
            {"name": "t", "kind": "time", "centre": 1.0, "scale": 2.0, "missing": False, "levels": [], "other": False},
            {
                "name": "c",
                "kind": "category",
                "centre": 0.0,
                "scale": 1.0,
                "missing": True,
                "levels": ["a", "b"],
                "other": True,
            },
        ],
        "dropped": [],
    }
    schema = Schema.from_json(old)
    for zone in (None, datetime.UTC):
        moments = [datetime.datetime(1970, 1, 1, 0, 0, second, tzinfo=zone) for second in (1, 3)]
        table = pa.table({"t": moments, "c": ["b", "z"]})
        np.testing.assert_array_equal(encode(schema, as_frame(table)), [[0, 0, 1, 0], [1, 0, 0, 1]])
