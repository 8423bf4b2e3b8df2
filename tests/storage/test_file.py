"""Model files: what is saved comes back to the bit, and what is no model file is told."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save as save_tensors

import trivium
from trivium import NeuralClassifier, NeuralRegressor, activations
from trivium.storage import file
from trivium.storage.file import ModelFileError

OPTIONS = {"hidden_widths": (8,), "epochs": 10, "learning_rate": 0.05, "random_state": 0}
random = np.random.default_rng(0)
FRAME = pd.DataFrame({"size": random.normal(size=80), "colour": random.choice(["red", "green", "blue"], 80)})
Y = np.where(FRAME["size"] > 0, "big", "small")


@pytest.fixture(scope="module")
def model():
    return NeuralClassifier(**OPTIONS).fit(FRAME, pd.Series(Y, name="kind"))


@pytest.fixture
def path(model, tmp_path):
    place = tmp_path / "houses.trivium"
    model.save(place)
    return place


def test_comes_back_to_the_bit_here_and_in_a_new_process(model, path, tmp_path):
    again = trivium.load(path)
    np.testing.assert_array_equal(again.predict_proba(FRAME), model.predict_proba(FRAME))
    assert again.get_params() == model.get_params()
    assert again.history_ == model.history_
    assert again.schema_ == model.schema_
    assert (again.target_name_, again.n_iter_, list(again.classes_)) == ("kind", model.n_iter_, ["big", "small"])
    FRAME.to_parquet(tmp_path / "rows.parquet")
    program = (
        "import sys, trivium, pandas as pd, numpy as np; "
        "np.save(sys.argv[3], trivium.load(sys.argv[1]).predict_proba(pd.read_parquet(sys.argv[2])))"
    )
    out = tmp_path / "out.npy"
    subprocess.run([sys.executable, "-c", program, path, tmp_path / "rows.parquet", out], check=True)
    np.testing.assert_array_equal(np.load(out), model.predict_proba(FRAME))


@pytest.mark.parametrize("y", [Y == "big", (Y == "big").astype(int), np.where(Y == "big", 2.5, 1.0)])
def test_classes_keep_their_type(y, tmp_path):
    fitted = NeuralClassifier(**OPTIONS).fit(FRAME, (y == y.max()) if y.dtype == float else y)
    fitted.save(tmp_path / "a")
    again = trivium.load(tmp_path / "a")
    assert again.classes_.dtype == fitted.classes_.dtype
    np.testing.assert_array_equal(again.predict(FRAME), fitted.predict(FRAME))


def test_a_regressor_goes_on_training_after_loading(tmp_path):
    fitted = NeuralRegressor(**OPTIONS, activation=activations.tanh).fit(FRAME, FRAME["size"])
    fitted.save(tmp_path / "a")
    again = trivium.load(tmp_path / "a")
    np.testing.assert_array_equal(again.predict(FRAME), fitted.predict(FRAME))
    for _ in range(20):
        again.partial_fit(FRAME, FRAME["size"])
    assert again.score(FRAME, FRAME["size"]) > fitted.score(FRAME, FRAME["size"])


def test_a_file_cut_short_or_changed_anywhere_is_told(path):
    whole = path.read_bytes()
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match="whole Trivium model file"):
            trivium.load(path)
    for place in np.linspace(8, len(whole) - 1, 60).astype(int):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(ModelFileError):
            trivium.load(path)


def test_foreign_and_newer_files_are_told(path, model, tmp_path):
    foreign = tmp_path / "foreign"
    foreign.write_bytes(save_tensors({"a": np.zeros(3)}))
    with pytest.raises(ModelFileError, match="of another program"):
        trivium.load(foreign)
    arrays, record = file.read(path)
    text = json.dumps(record | {"format_version": 99})
    foreign.write_bytes(save_tensors(arrays, metadata={"trivium": text, "digest": file._digest(arrays, text)}))
    with pytest.raises(
        ModelFileError, match=f"format version 99, this Trivium reads up to {file.FORMAT_VERSION}. Install a newer"
    ):
        trivium.load(foreign)
    with pytest.raises(ModelFileError, match="must exist"):
        trivium.load(tmp_path / "nothing")


def test_a_failed_save_leaves_the_old_file_and_no_litter(path, model, monkeypatch):
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ModelFileError, match="No space left on device. Nothing was changed"):
        model.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with pytest.raises(ModelFileError, match="folder of .* must exist"):
        model.save(path.parent / "nowhere" / "a")


def test_functions_of_your_own_cannot_be_saved_and_the_parameter_is_named(tmp_path):
    own = NeuralRegressor(**OPTIONS, activation=lambda z: z * (z > 0)).fit(FRAME, FRAME["size"])
    with pytest.raises(ModelFileError, match="activation must be a name to be saved"):
        own.save(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_codes_of_a_file_that_had_no_room_for_more_are_read(tmp_path):
    """Files of before format 5 hold as many learned numbers as there are codes."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 40, 600)
    frame = pd.DataFrame({"kind": [f"k{kind}" for kind in kinds], "other": random.choice(list("abcdefghij"), 600)})
    options = {"epochs": 12, "learning_rate": 0.02, "random_state": 0, "on_problem": "ignore"}
    fitted = NeuralRegressor((8,), embed_above=5, **options).fit(frame, np.sin(kinds))
    fitted.save(tmp_path / "today")
    arrays, record = file.read(tmp_path / "today")
    (name,) = (name for name in arrays if name.endswith(".categories"))
    (front,) = (model.network.front for model in fitted.models_)
    whole, rooms = dict(arrays), front.layout.cardinalities
    sizes = fitted.schema_.cardinalities
    assert sum(sizes) < sum(rooms) == len(arrays[name])
    starts = np.cumsum([0, *rooms[:-1]])
    whole[name] = np.concatenate([arrays[name][at : at + size] for at, size in zip(starts, sizes, strict=True)])
    text = json.dumps(record | {"format_version": 4})
    (tmp_path / "before").write_bytes(
        save_tensors(whole, metadata={"trivium": text, "digest": file._digest(whole, text)})
    )
    np.testing.assert_array_equal(trivium.load(tmp_path / "before").predict(frame), fitted.predict(frame))
