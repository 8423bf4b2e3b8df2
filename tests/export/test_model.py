"""ONNX models: from raw columns to our predictions, whatever the columns hold."""

import json
import sys

import numpy as np
import onnx
import pandas as pd
import polars as pl
import pytest

from export.onnx_runs import run, run_estimator
from trivium import NeuralClassifier, NeuralRegressor
from trivium.export.dates import changes_of
from trivium.export.graph import ExportError
from trivium.export.model import onnx_inputs, to_onnx

OPTIONS = {"hidden_widths": (16,), "epochs": 3, "random_state": 0, "on_problem": "ignore"}
random = np.random.default_rng(0)
N = 400


def moments(n, unit="s"):
    return pd.to_datetime(random.integers(-(10**9), 2 * 10**9, n), unit=unit)


SIZE, AGE, TALL = random.normal(1e6, 3, N), random.integers(0, 90, N), random.random(N) > 0.5
NUMBERS = pd.DataFrame({"size": SIZE, "age": AGE, "tall": TALL})
FRAME = NUMBERS.assign(
    colour=random.choice(["red", "green", "blue", ""], N),
    sex=random.choice(["f", "m"], N),
    grade=pd.Categorical(random.choice(["low", "mid", "high"], N), ["low", "mid", "high"], ordered=True),
    shop=random.choice([f"shop{k}" for k in range(80)], N),
    code=pd.Categorical(random.integers(0, 5, N)),
    day=moments(N).normalize(),
    moment=moments(N),
    there=moments(N).tz_localize("UTC").tz_convert("America/New_York"),
    lasts=pd.to_timedelta(random.integers(0, 10**6, N), unit="s"),
    clock=moments(N).time,
    smokes=pd.array(random.random(N) > 0.5, "boolean"),
)
GAPS = FRAME.astype({"age": "float64", "tall": "boolean"})
for place, name in enumerate(GAPS):
    GAPS.loc[place :: 7 + place, name] = None
TARGET = NUMBERS["age"] * 2 + random.normal(size=N)
KIND = np.where(NUMBERS["age"] > 60, "old", np.where(NUMBERS["age"] > 30, "middle", "young"))

pytestmark = pytest.mark.filterwarnings(
    "ignore:the network learned nothing", "ignore:column .* holds no value that the fit saw"
)


def fitted(kind, X, y, **options):
    return kind(**{**OPTIONS, **options}).fit(X, y)


def assert_same(estimator, X, **given):
    found = run_estimator(estimator, X, **given)
    if isinstance(estimator, NeuralRegressor):
        ours = estimator.predict(X)
        np.testing.assert_allclose(found["prediction"], ours, atol=1e-5 * max(1, np.abs(ours).max()))
        return
    labels = estimator.predict(X)
    np.testing.assert_array_equal(found["label"], labels)
    if estimator.labels_ or all(model.head.probabilistic for model in estimator.models_):
        np.testing.assert_allclose(found["probabilities"], estimator.predict_proba(X), atol=1e-5)
    else:
        assert set(found) == {"label"}


def test_columns_of_every_kind_are_encoded_in_the_model(whole):
    assert {column.kind for column in whole.schema_.columns} == {"number", "boolean", "time", "category"}
    assert {column.form for column in whole.schema_.columns} == {"moment", "clock", "duration", ""}
    assert any(column.hashed for column in whole.schema_.columns)
    assert_same(whole, FRAME)


@pytest.mark.parametrize("X", [FRAME, GAPS], ids=["whole", "with gaps"])
def test_values_that_the_fit_did_not_see(X):
    classifier = fitted(NeuralClassifier, X[100:], KIND[100:])
    assert_same(classifier, X)
    assert_same(classifier, X[X.columns[::-1]][:1])


@pytest.fixture(scope="module")
def whole():
    return fitted(NeuralRegressor, FRAME, TARGET)


def test_another_librarys_frame_is_the_same(whole):
    frame = pl.from_pandas(FRAME.drop(columns=["clock"])).with_columns(clock=pl.Series(FRAME["clock"].tolist()))
    np.testing.assert_allclose(run_estimator(whole, frame)["prediction"], whole.predict(FRAME), rtol=1e-5)


BOOLEAN = {"tall": "double", "smokes": "double"}
"""Columns without gaps at fit, which are truths to ONNX unless it is told otherwise."""


def test_gaps_where_the_fit_saw_none(whole):
    assert_same(whole, GAPS, types=BOOLEAN)
    assert_same(whole, GAPS.head(3).assign(**dict.fromkeys(GAPS)), types=BOOLEAN)
    with pytest.raises(ExportError, match="column 'tall' must be there in every row, got a missing value in row 2"):
        onnx_inputs(whole, GAPS)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bool"])
def test_an_array_is_one_input(dtype):
    X = np.maximum(0, random.normal(size=(N, 6)) * 3).astype(dtype)
    X[:, 2] = 1  # dropped
    if dtype == "float64":
        X[::5, 4] = np.nan
    estimator = fitted(NeuralClassifier, X, random.random(N) > 0.5)
    assert [entry.name for entry in to_onnx(estimator).graph.input] == ["X"]
    assert_same(estimator, X)


def test_an_array_of_objects_has_an_input_per_column():
    X = FRAME[["size", "colour"]].to_numpy(dtype=object)
    estimator = fitted(NeuralRegressor, X, TARGET)
    assert [entry.name for entry in to_onnx(estimator).graph.input] == ["x0", "x1"]
    assert_same(estimator, X)


@pytest.mark.parametrize("classes", [[False, True], [3, 5], [-1.0, 2.0, 7.0], ["a", "b", "ü"]])
def test_labels_keep_their_type(classes):
    estimator = fitted(NeuralClassifier, NUMBERS, random.choice(classes, N))
    assert_same(estimator, NUMBERS)
    kind = np.asarray(classes).dtype.kind
    assert run_estimator(estimator, NUMBERS)["label"].dtype.kind == ("O" if kind == "U" else kind)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (NeuralClassifier, {"loss": "hinge"}),
        (NeuralClassifier, {"loss": "multiclass_hinge"}),
        (NeuralClassifier, {"loss": "corn"}),
        (NeuralClassifier, {"loss": "cumulative_logit"}),
        (NeuralClassifier, {"loss": "mse", "output_activation": "softmax"}),
        (NeuralClassifier, {"loss": "entmax15_loss"}),
        (NeuralRegressor, {"loss": "poisson"}),
        (NeuralRegressor, {"loss": "gaussian_nll"}),
        (NeuralRegressor, {"loss": "msle"}),
        (NeuralRegressor, {"output_activation": "softplus"}),
        (NeuralRegressor, {"normalisation": "batch", "residual": True, "hidden_widths": (16, 16, 16)}),
        (NeuralRegressor, {"normalisation": "layer", "activation": "geglu"}),
        (NeuralRegressor, {"population": 3, "ensemble": 3, "activation": "auto"}),
        (NeuralClassifier, {"population": 3, "ensemble": 3, "activation": "auto"}),
        (NeuralRegressor, {"hidden_widths": ()}),
        (NeuralClassifier, {"calibration": "temperature"}),
    ],
    ids=lambda part: part.__name__ if isinstance(part, type) else "-".join(map(str, part.values())),
)
def test_every_end_and_shape_of_a_network(kind, options):
    y = np.abs(TARGET) if kind is NeuralRegressor else KIND if options.get("loss") != "hinge" else KIND == "old"
    assert_same(fitted(kind, NUMBERS, y, **options), NUMBERS)


@pytest.mark.parametrize("preset", ["realmlp", "realmlp_small", "tabm"])
def test_presets_with_embeddings_codes_copies_and_bounds(preset):
    options = {"preset": preset, "hidden_widths": (16,), "embed_above": 3, "epochs": 2}
    assert_same(fitted(NeuralRegressor, GAPS, TARGET, clamp=True, **options), FRAME, types=None)
    if preset != "realmlp_small":
        assert_same(fitted(NeuralClassifier, GAPS, KIND, **options), FRAME)


@pytest.mark.parametrize("calibration", [None, "temperature"])
def test_several_labels_or_two_classes(calibration):
    truths = np.column_stack([AGE > 30, AGE > 60, TALL]).astype(int)
    assert_same(fitted(NeuralClassifier, NUMBERS, truths, calibration=calibration, learning_rate=0.03), NUMBERS)
    assert_same(fitted(NeuralClassifier, NUMBERS, AGE > 45, calibration=calibration, learning_rate=0.03), NUMBERS)


def test_several_numbers():
    assert_same(fitted(NeuralRegressor, NUMBERS, np.column_stack([TARGET, SIZE * 10])), NUMBERS)


def test_inputs_may_have_other_types():
    X = NUMBERS.assign(code=pd.Categorical(random.integers(0, 5, N)), yes=pd.Categorical(random.random(N) > 0.5))
    estimator = fitted(NeuralRegressor, X, TARGET)
    types = {"age": "int64", "tall": "double", "code": "int32", "yes": "bool", "size": "float"}
    inputs = onnx_inputs(estimator, X, types=types)
    assert {name: values.dtype.name for name, values in inputs.items()} == {
        "size": "float32", "age": "int64", "tall": "float64", "code": "int32", "yes": "bool"
    }  # fmt: skip
    assert_same(estimator, X.astype({"size": "float32"}), types=types)
    with pytest.raises(ExportError, match="types must name inputs, got 'agee'. There are size, age"):
        to_onnx(estimator, types={"agee": "int64"})
    with pytest.raises(ExportError, match="for 'code', got 'double'"):
        to_onnx(estimator, types={"code": "double"})
    with pytest.raises(ExportError, match="column 'age' must be there in every row, got a missing value in row 0"):
        onnx_inputs(estimator, X.assign(age=np.nan), types=types)


def test_a_free_text_is_refused_or_enters_as_numbers():
    words = ["small house", "large house", "garden", "near the sea", "quiet", "old", "sunny", "central"]
    X = NUMBERS.assign(text=[" ".join([*random.choice(words, 5), str(place)]) for place in range(N)])
    estimator = fitted(NeuralRegressor, X, TARGET)
    assert {column.kind for column in estimator.schema_.columns} >= {"text"}
    with pytest.raises(ExportError, match="column 'text' must not hold free texts .* texts_encoded=True"):
        to_onnx(estimator)
    found = run(to_onnx(estimator, texts_encoded=True), onnx_inputs(estimator, X))["prediction"]
    np.testing.assert_allclose(found, estimator.predict(X), rtol=1e-5)


def test_names_may_be_those_of_outputs():
    X = NUMBERS.rename(columns={"size": "prediction", "age": "/Sub_0"})
    estimator = fitted(NeuralRegressor, X, TARGET)
    np.testing.assert_allclose(run_estimator(estimator, X)["prediction_"], estimator.predict(X), rtol=1e-5, atol=1e-4)


def test_the_file_says_what_it_is(tmp_path):
    estimator = fitted(NeuralClassifier, GAPS, pd.Series(KIND, name="kind"))
    model = to_onnx(estimator, tmp_path / "model.onnx")
    assert onnx.load(tmp_path / "model.onnx") == model
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert (said["estimator"], said["target"], json.loads(said["classes"])) == (
        "NeuralClassifier", "kind", ["middle", "old", "young"]
    )  # fmt: skip
    columns = {column["name"]: column for column in json.loads(said["columns"])}
    assert columns["colour"] == {
        "name": "colour", "input": "colour", "type": "string", "holds": "a text; '<missing>' where missing"
    }  # fmt: skip
    assert columns["sex"]["holds"] == "a text; '' where missing"
    assert columns["moment"]["holds"] == "seconds since 1970 in UTC; NaN where missing"
    with pytest.raises(ExportError, match="folder of .* must exist"):
        to_onnx(estimator, tmp_path / "nowhere" / "model.onnx")


def test_without_onnx_the_extra_is_named(monkeypatch):
    estimator = fitted(NeuralRegressor, NUMBERS, TARGET)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'trivium\[onnx\]'"):
        to_onnx(estimator)


def test_clocks_are_changed_when_they_are():
    changes, ahead = changes_of("Europe/Berlin")
    place = np.searchsorted(changes, pd.Timestamp("2024-07-01", tz="UTC").timestamp())
    assert ahead[place] == 7200
    assert changes[place - 1] == pd.Timestamp("2024-03-31 01:00", tz="UTC").timestamp()
    assert changes_of("UTC")[0].size == changes_of(None)[0].size == 0
