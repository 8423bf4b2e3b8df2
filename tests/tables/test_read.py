"""Tables from files and frames, and the messages about those that cannot be read."""

import gzip
import os
import stat

import jax.numpy as jnp
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from trivium.files import check_writable
from trivium.tables.read import TableError, as_array, as_frame, read_table, write_table

TEXT = "size,colour\n1.5,red\n,blue\n3,\n"


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "houses.csv"
    path.write_text(TEXT)
    return path


def test_every_kind_of_file_gives_the_same_table(csv, tmp_path):
    frame = read_table(csv)
    with gzip.open(tmp_path / "houses.csv.gz", "wt") as file:
        file.write(TEXT)
    write_table(frame, tmp_path / "houses.parquet")
    write_table(frame, tmp_path / "again.csv")
    write_table(frame, tmp_path / "again.csv.gz")
    for name in ("houses.csv.gz", "houses.parquet", "again.csv", "again.csv.gz"):
        other = read_table(tmp_path / name)
        assert other["size"].to_list() == [1.5, None, 3.0]
        assert other["colour"].to_list()[:2] == ["red", "blue"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "the empty file"),
        ("header.csv", b"a,b\n", "only the header"),
        ("twice.csv", b"a,a\n1,2\n", r"column names must differ, got \['a'\]"),
        ("ragged.csv", b"a,b\n1,2\n3\n", "could not be read as .csv: .*2 columns, got 1"),
        ("broken.parquet", b"PAR1nonsense", "could not be read as .parquet"),
        ("header.latin.csv", "größe,b\n1,2\n".encode("latin-1"), "must be text in UTF-8.* in its header.*iconv"),
        ("value.latin.csv", "a,b\nMüller,2\n".encode("latin-1"), "must be text in UTF-8.* in column 'a'"),
        ("houses.xlsx", b"x", r"must end in one of \.csv.*houses.xlsx"),
    ],
)
def test_a_file_that_is_no_table_is_told(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=words):
        read_table(tmp_path / name)


def test_a_missing_file_suggests_the_nearest(csv):
    with pytest.raises(TableError, match=r"must exist, got .*housse.csv.*Did you mean .*houses.csv"):
        read_table(csv.parent / "housse.csv")
    with pytest.raises(TableError, match="There is no folder"):
        read_table(csv.parent / "nowhere" / "a.csv")
    (csv.parent / "folder.csv").mkdir()
    with pytest.raises(TableError, match="must be a file, got the folder"):
        read_table(csv.parent / "folder.csv")


def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path):
    with pytest.raises(ValueError, match="folder of .* must exist.*mkdir -p"):
        check_writable(tmp_path / "nowhere" / "a.csv")
    with pytest.raises(ValueError, match="got a folder"):
        check_writable(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_litter(csv, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TableError, match="No space left on device. Nothing was changed"):
        write_table(nw.from_native(pa.table({"a": [1]})), csv)
    assert csv.read_text() == TEXT
    assert [entry.name for entry in csv.parent.iterdir()] == ["houses.csv"]


def test_frames_are_told_from_arrays():
    frame = pd.DataFrame({"a": [1]})
    assert as_frame(frame).columns == ["a"]
    assert as_frame(pa.table({"a": [1]})).columns == ["a"]
    assert as_frame(frame.to_numpy()) is None
    assert as_frame(pd.DataFrame([[1, 2]])) is None  # names that are no strings, as in scikit-learn
    assert as_frame([[1]]) is None
    with pytest.raises(TableError, match=r"must differ, got \['a'\]"):
        as_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_texts_of_several_lines_come_back_from_a_large_file(tmp_path):
    texts = ['first\nsecond, "third"' * 5] * 60_000
    write_table(nw.from_native(pa.table({"a": texts})), tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv")["a"].to_list() == texts


def test_what_a_file_cannot_hold_is_told_and_leaves_no_litter(tmp_path):
    with pytest.raises(TableError, match="could not be written as .csv: .*list.*Expand or drop"):
        write_table(nw.from_native(pa.table({"a": [[1]]})), tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_permissions_and_links_stay(tmp_path):
    frame, old = nw.from_native(pa.table({"a": [1]})), os.umask(0o027)
    try:
        write_table(frame, tmp_path / "new.csv")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o640
    (tmp_path / "new.csv").chmod(0o604)
    (tmp_path / "link.csv").symlink_to("new.csv")
    write_table(nw.from_native(pa.table({"a": [2]})), tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert read_table(tmp_path / "new.csv")["a"].to_list() == [2]
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o604


def test_record_batches_and_whatever_streams_them_are_frames():
    class Stream:
        def __arrow_c_stream__(self, requested_schema=None):
            return pa.table({"a": [1, 2]}).__arrow_c_stream__(requested_schema)

    for X in (pa.record_batch({"a": [1, 2]}), Stream()):
        assert as_frame(X)["a"].to_list() == [1, 2]
    for series in (pa.chunked_array([[1, 2]]), pl.Series([1, 2]), pd.Series([1, 2])):
        assert as_frame(series) is None


def test_a_structured_array_is_told_what_to_become():
    X = np.zeros(3, [("a", int), ("b", float)])
    with pytest.raises(TableError, match=r"structured array with the fields a, b. Make it .* pandas.DataFrame\(X\)"):
        as_frame(X)
    assert as_frame(pd.DataFrame(X)).columns == ["a", "b"]


def test_small_floats_of_jax_become_numbers():
    assert as_array(jnp.ones((2, 2), jnp.bfloat16)).dtype == np.float32
    assert as_array([[1]]) == [[1]]
