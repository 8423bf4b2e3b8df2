"""Categories that are declared and yet like no other in any row are read as the free texts that they are."""

import numpy as np
import pandas as pd
import pyarrow as pa

from trivium.tables.read import as_frame
from trivium.tables.schema import learn_schema

random = np.random.default_rng(0)
N = 300
NAMES = [f"{title} {one:04d}" for title, one in zip(random.choice(["Mr", "Mrs", "Dr"], N), range(N), strict=True)]
SHOPS = [f"shop{one}" for one in random.integers(0, 120, N)]


def kinds(column) -> list[str]:
    frame = pd.DataFrame({"x": np.arange(N, dtype=float), "c": column})
    return [column.kind for column in learn_schema(as_frame(frame)).columns[1:]]


def test_names_with_words_that_come_again_are_texts():
    assert kinds(pd.Categorical(NAMES)) == kinds(NAMES) == ["text"]


def test_levels_that_come_again_stay_levels():
    assert kinds(pd.Categorical(SHOPS)) == ["category"]
    assert kinds(pd.Categorical(NAMES[:150] + SHOPS[:150])) == ["category"]


def test_an_order_and_numbers_stay_a_category_which_tells_nothing():
    assert kinds(pd.Categorical(NAMES, NAMES, ordered=True)) == []
    assert kinds(pd.Categorical(random.permutation(N))) == []


def test_identifiers_of_one_length_are_left_out():
    assert kinds(pd.Categorical([f"{one:08x}" for one in random.permutation(N)])) == []
    frame = pa.table({"x": np.arange(N, dtype=float), "c": pa.array(NAMES).dictionary_encode()})
    assert [column.kind for column in learn_schema(as_frame(frame)).columns] == ["number", "text"]
