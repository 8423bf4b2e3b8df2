"""A fit and its diagnosis: what is told, raised, mended and kept."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trivium import NeuralClassifier, load
from trivium.diagnosis.record import RunRecord
from trivium.estimators.diagnosing import TrainingError
from trivium.report.notes import DiagnosisWarning

XOR_X, XOR_Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 25, float), np.array([0, 1, 1, 0] * 25)
LINEAR = {"hidden_widths": (), "epochs": 60, "learning_rate": 0.1, "random_state": 0}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_linear_model_on_xor_is_told_what_it_lacks_and_mended_on_request(tmp_path):
    with pytest.warns(DiagnosisWarning, match="missing nonlinearity"):
        model = NeuralClassifier(**LINEAR).fit(XOR_X, XOR_Y)
    assert model.diagnosis_.first.name == "missing_nonlinearity"
    assert model.repairs_ == []
    with pytest.raises(TrainingError, match="missing nonlinearity"):
        NeuralClassifier(**LINEAR | {"on_problem": "raise"}).fit(XOR_X, XOR_Y)
    mended = NeuralClassifier(**LINEAR | {"on_problem": "fix"}).fit(XOR_X, XOR_Y)
    assert mended.score(XOR_X, XOR_Y) == 1
    kept = [repair for repair in mended.repairs_ if repair.kept]
    assert kept[0].finding == "missing_nonlinearity"
    assert kept[0].after < kept[0].before
    assert mended.get_params()["hidden_widths"] == ()  # the user's choice stays what it was
    assert mended.choices_["hidden_widths"] != []
    mended.save(tmp_path / "mended")
    for model in (mended, load(tmp_path / "mended")):  # what mended it stands for further rows
        model.partial_fit(XOR_X, XOR_Y)
        assert model.choices_["hidden_widths"] != []
        assert model.score(XOR_X, XOR_Y) == 1


def test_a_healthy_run_is_left_in_peace_and_its_record_can_be_saved(tmp_path):
    X, y = load_digits(return_X_y=True)
    model = NeuralClassifier((32,), epochs=25, learning_rate=0.005, random_state=0).fit(X, y)
    assert model.diagnosis_.first is None
    assert "Healthy" in model.diagnosis_.healthy
    model.record_.save(tmp_path / "run")
    again = RunRecord.load(tmp_path / "run")
    np.testing.assert_array_equal(again.update_ratio, model.record_.update_ratio)
    assert again.layers == model.record_.layers


def test_watching_changes_no_bit_of_the_result():
    X, y = load_digits(return_X_y=True)
    fits = [
        NeuralClassifier((16,), epochs=8, learning_rate=0.01, random_state=0, on_problem=on_problem).fit(X, y)
        for on_problem in ("ignore", "warn")
    ]
    np.testing.assert_array_equal(*(fit.predict_proba(X) for fit in fits))
    assert fits[0].record_ is None
    assert fits[0].diagnosis_ is None


def test_a_mend_of_the_loss_takes_the_output_activation_with_it():
    X, y = np.array([[1, 1], [1, 0], [0, 0], [0, 1]], float), [0, 1, 0, 1]
    model = NeuralClassifier(
        (4,), activation="sigmoid", loss="mae", output_activation="sigmoid", optimizer="sgd", learning_rate=0.05,
        epochs=300, patience=None, on_problem="fix", random_state=0,
    ).fit(X, y, validation_data=(X, y))  # fmt: skip
    assert any(repair.finding == "loss_output_mismatch" and repair.kept for repair in model.repairs_)
