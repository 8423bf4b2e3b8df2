"""The compiled function of encoded rows: it runs where only JAX is."""

import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

from trivium import NeuralClassifier, NeuralRegressor
from trivium.export.scoring import encoded_rows, export_scoring

OPTIONS = {"hidden_widths": (8,), "epochs": 3, "learning_rate": 0.05, "random_state": 0, "on_problem": "ignore"}
pytestmark = pytest.mark.filterwarnings("ignore:the network learned nothing")
random = np.random.default_rng(0)
FRAME = pd.DataFrame({"size": random.normal(size=120), "colour": random.choice(["red", "green", "blue"], 120)})
SIZES = FRAME["size"] * 30 + 7


@pytest.mark.parametrize(
    "estimator",
    [
        NeuralRegressor(**OPTIONS),
        NeuralRegressor(**OPTIONS, population=3, ensemble=3),
        NeuralClassifier(**OPTIONS),
        NeuralRegressor(**OPTIONS, preset="tabm", embed_above=2, clamp=True),
    ],
    ids=["numbers", "an average", "classes", "copies, codes and bounds"],
)
def test_any_number_of_rows_is_scored_as_by_the_estimator(estimator):
    classes = isinstance(estimator, NeuralClassifier)
    estimator.fit(FRAME, FRAME["colour"] if classes else SIZES)
    rows = encoded_rows(estimator, FRAME)
    scored = export_scoring(estimator)
    ours = estimator.predict_proba(FRAME) if classes else estimator.predict(FRAME)
    for n in (120, 1, 33):
        np.testing.assert_allclose(scored.call(rows[:n]), ours[:n], rtol=1e-5, atol=1e-5)


def test_labels_several_numbers_and_a_temperature():
    truths = np.column_stack([SIZES > 0, SIZES > 20]).astype(int)
    tempered = {**OPTIONS, "calibration": "temperature"}
    for estimator, y in (
        (NeuralClassifier(**tempered), truths),
        (NeuralClassifier(**tempered), SIZES > 0),
        (NeuralClassifier(**tempered), FRAME["colour"]),
        (NeuralRegressor(**OPTIONS), np.column_stack([SIZES, -SIZES])),
    ):
        ours = estimator.fit(FRAME, y)
        ours = ours.predict(FRAME) if isinstance(estimator, NeuralRegressor) else ours.predict_proba(FRAME)
        found = export_scoring(estimator).call(encoded_rows(estimator, FRAME))
        np.testing.assert_allclose(found, ours, rtol=1e-5, atol=1e-5)


def test_two_classes_have_two_columns_and_it_loads_without_trivium(tmp_path):
    estimator = NeuralClassifier(**OPTIONS).fit(FRAME, SIZES > 0)
    rows = encoded_rows(estimator, FRAME)
    scored = export_scoring(estimator)
    assert scored.platforms == ("cpu", "cuda", "tpu")
    (tmp_path / "model.jax").write_bytes(scored.serialize())
    np.save(tmp_path / "rows.npy", rows)
    program = (
        "import sys, jax, jax.export, numpy as np; from pathlib import Path; folder = Path(sys.argv[1]); "
        "score = jax.export.deserialize((folder / 'model.jax').read_bytes()).call; "
        "np.save(folder / 'out.npy', score(np.load(folder / 'rows.npy'))); assert 'trivium' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    found = np.load(tmp_path / "out.npy")
    np.testing.assert_allclose(found, estimator.predict_proba(FRAME), atol=1e-6)


def test_rows_of_another_width_are_refused():
    estimator = NeuralRegressor(**OPTIONS).fit(FRAME, SIZES)
    with pytest.raises(ValueError, match="shape"):
        jax.block_until_ready(export_scoring(estimator).call(np.zeros((3, 2), np.float32)))
