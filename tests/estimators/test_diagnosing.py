"""A fit and its diagnosis: what is told, raised, mended and kept."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification
from sklearn.metrics import balanced_accuracy_score

from trivium import NeuralClassifier, NeuralRegressor, load
from trivium.candidates import Candidate
from trivium.diagnosis.record import RunRecord
from trivium.estimators.diagnosing import TrainingError
from trivium.estimators.mending import Proposal, pairs
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


RARE = {"n_features": 20, "n_informative": 4, "weights": [0.97], "flip_y": 0, "random_state": 2}
LOST = {"hidden_widths": (16,), "optimizer": "sgd", "epochs": 15, "patience": None, "random_state": 0}


@pytest.mark.parametrize("bagging", [None, 3])
def test_a_lost_class_is_found_again_as_the_mend_is_judged_by_classes_alike(bagging):
    X, y = make_classification(3000, **RARE)
    model = NeuralClassifier(**LOST, learning_rate=0.01, batch_size=64, on_problem="fix", bagging=bagging)
    model.fit(X[:2000], y[:2000])
    kept = [repair for repair in model.repairs_ if repair.kept]
    assert kept[0].finding == "class_imbalance"
    assert any("class_weight" in repair.change for repair in kept)
    assert balanced_accuracy_score(y[2000:], model.predict(X[2000:])) > 0.75
    assert len(model.models_) == (bagging or 1)
    assert model.get_params()["class_weight"] is None


def test_a_mend_trains_as_long_as_it_says():
    X, y = load_digits(return_X_y=True)
    model = NeuralClassifier(
        (16,), optimizer="sgd", learning_rate=1e-4, epochs=3, patience=None, on_problem="fix", random_state=0
    ).fit(X, y)
    longer = [repair for repair in model.repairs_ if "epochs" in repair.change]
    assert longer
    assert len(model.history_) in {3, *(repair.change["epochs"] for repair in longer)}


def test_two_changes_are_made_at_once_where_neither_helps_alone():
    given = {"learning_rate": 0.1, "hidden_widths": (4,), "activation": "tanh", "epochs": 5}
    candidate = Candidate({**NeuralClassifier()._given, **given}, None, 0)
    changes = [{"learning_rate": 0.3}, {"learning_rate": None, "epochs": 20}, {"hidden_widths": (64, 64)}]
    single = [Proposal(str(place), change, candidate) for place, change in enumerate(changes)]
    found = pairs(single, candidate)
    assert [one.finding for one in found] == ["0 + 2", "1 + 2"]
    assert found[0].candidate.choices.hidden_widths == (64, 64)
    assert found[0].candidate.choices.numbers["learning_rate"] == 0.3


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_last_layer_that_starts_at_zero_is_no_vanishing_gradient():
    X = np.random.default_rng(0).normal(size=(300, 4))
    choices = {"hidden_widths": (16, 16), "zero_last_layer": True, "start": "random_biases", "learning_rate": 1e-5}
    model = NeuralRegressor(**choices, epochs=1, random_state=0).fit(X, X[:, 0])
    assert "vanishing_gradient" not in [finding.name for finding in model.diagnosis_.findings]
