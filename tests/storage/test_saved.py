"""Files of past versions are read by this one, and predict what they predicted."""

import json

import numpy as np
import pytest

import trivium
from storage.saved.make import FOLDER, rows
from trivium.storage.file import FORMAT_VERSION

SAVED = sorted(FOLDER.glob("*.trivium"))


def test_there_are_files_of_every_format():
    formats = {int(path.name.split("-format-")[1].split("-")[0]) for path in SAVED}
    assert formats == set(range(1, FORMAT_VERSION + 1)), "run tests/storage/saved/make.py"


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_file_of_a_past_version_predicts_what_it_did(path):
    model, table = trivium.load(path), rows()
    X = np.column_stack([table["size"].fillna(50) * 2] * 2) if "array" in path.name else table
    said = model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
    kept = np.asarray(json.loads(path.with_suffix(".json").read_text()))
    np.testing.assert_allclose(said, kept, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(np.isfinite(said), True)
