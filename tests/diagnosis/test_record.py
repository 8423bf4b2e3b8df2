"""A record goes to a file and comes back; a series stays small."""

import numpy as np
import pytest

from trivium.diagnosis.record import ARRAYS, Layer, RunRecord, Series, column, plain


def test_a_record_survives_its_file(tmp_path):
    layers = (Layer("first", "dense", 4, 8, "relu"), Layer("last", "dense", 8, 3, output=True))
    record = RunRecord(
        layers=layers,
        step=np.arange(5),
        step_loss=np.array([1.0, np.nan, np.inf, 0.5, 0.1]),
        dead=np.array([[0.1, np.nan], [0.2, np.nan]]),
        facts={"run": {"rows": np.int64(7), "lost": float("nan")}, "loss": {"link": ("softmax",)}},
    )
    record.save(tmp_path / "run.npz")
    again = RunRecord.load(tmp_path / "run.npz")
    assert again.layers == layers
    assert again.facts == {"run": {"rows": 7, "lost": None}, "loss": {"link": ["softmax"]}}
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(again, name), getattr(record, name))


def test_another_file_is_refused_in_words(tmp_path):
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"RunRecord.save"):
        RunRecord.load(tmp_path / "other.npz")


def test_a_series_keeps_its_beginning_and_stays_bounded():
    series = Series(64)
    for number in range(10_000):
        series.append(number, {"value": number})
    numbers = series.numbers
    assert len(series) <= 64
    assert numbers[:32].tolist() == list(range(32))
    assert numbers[-1] > 9000
    assert np.all(np.diff(numbers) > 0)
    assert [row["value"] for row in series.rows] == numbers.tolist()


def test_a_column_has_nan_where_a_row_lacks_it():
    np.testing.assert_array_equal(column([{"a": 1.0}, {}], "a"), [1.0, np.nan])
    np.testing.assert_array_equal(column([{"a": [1, None]}, {}], "a"), [[1, np.nan], [np.nan, np.nan]])


def test_plain_is_strict_json():
    assert plain({1: np.float32(2), "b": [float("inf"), np.array([1, 2])]}) == {"1": 2.0, "b": [None, [1, 2]]}
