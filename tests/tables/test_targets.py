"""The target: found, checked, and the task guessed."""

import csv
import datetime
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from trivium.tables.read import TableError, read_table
from trivium.tables.targets import as_classes, as_numbers, guess_task, split_target

DATA = Path(__file__).parents[3] / "shared" / "data"


def series(values):
    return nw.from_native(pa.chunked_array([pa.array(values)]), series_only=True)


@pytest.mark.parametrize(
    ("values", "task", "reason"),
    [
        (["a", "b", "a"], "classification", "its values are texts"),
        ([True, False, True], "classification", "its values are booleans"),
        ([0.5, 1.5, 2.25], "regression", "its values are numbers with fractions"),
        ([0, 1, 1, 0], "classification", "it has only 2 different values"),
        ([0.0, 1.0, None, 0.0], "classification", "it has only 2 different values"),
        ([0, 1, 2] * 20, "classification", "its values are the whole numbers from 0 to 2"),
        ([-1, 0, 1] * 20, "classification", "its values are the whole numbers from -1 to 1"),
        ([3, 7, 20] * 20, "regression", "its values are whole numbers, 3 different ones"),
        (list(range(100)), "regression", "its values are whole numbers, 100 different ones"),
    ],
)
def test_guesses_the_task_and_says_why(values, task, reason):
    assert guess_task(series(values)) == (task, reason)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the real tables in {DATA.name} beside the checkout")
def test_guesses_the_task_of_every_real_table():
    for row in csv.DictReader((DATA / "index.csv").read_text().splitlines()):
        target = read_table(DATA / f"{row['name']}.parquet")[row["target"]]
        expected = "regression" if row["task"] == "regression" else "classification"
        assert guess_task(target)[0] == expected, row["name"]


def test_splits_off_the_target_or_suggests_the_nearest_name():
    frame = nw.from_native(pa.table({"size": [1], "price": [2]}))
    features, target = split_target(frame, "price")
    assert features.columns == ["size"]
    assert target.to_list() == [2]
    with pytest.raises(TableError, match="got 'prise'. Did you mean 'price'"):
        split_target(frame, "prise")
    with pytest.raises(TableError, match="a column beside the target"):
        split_target(features, "size")


def test_targets_become_plain_arrays():
    assert as_classes(series(["b", "a"])).tolist() == ["b", "a"]
    assert as_classes(np.array([1, 2], dtype=object)).dtype.kind == "i"
    assert as_classes(pa.array([True, False])).dtype == bool
    assert as_numbers(["1", "2.5"]).tolist() == [1.0, 2.5]
    for wrong, words in (
        ([1.0, None, 2.0], "1 missing, the first in row 1"),
        ([], "0 sample"),
        ([1.0, np.inf], "finite, got inf in row 1"),
    ):
        with pytest.raises(ValueError, match=words):
            as_numbers(np.array(wrong, dtype=object))


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series(["a", pd.NA, "b"], dtype=object),
        pd.array([1, None, 3], dtype="Int64"),
        pd.Series([1.5, None]),
        pd.Series(pd.Categorical(["a", None, "b"])),
    ],
    ids=lambda values: str(values.dtype),
)
def test_a_missing_value_of_any_library_is_told(values):
    for read in (as_classes, as_numbers):
        with pytest.raises(TableError, match="1 missing, the first in row 1"):
            read(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([datetime.date(2026, 1, 1)] * 3, "'y' must hold numbers, texts or booleans, got Date"),
        ([[1], [2]], "must hold numbers, texts or booleans, got List"),
        ([b"a", b"b"], "must hold numbers, texts or booleans, got Binary"),
        ([None, None], "must hold values, got only missing ones"),
    ],
)
def test_a_target_of_no_task_is_told(values, words):
    target = nw.from_native(pa.table({"y": values}), eager_only=True)["y"]
    with pytest.raises(TableError, match=words):
        guess_task(target)
