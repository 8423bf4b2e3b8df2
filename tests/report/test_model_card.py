"""Model cards say what the estimator says."""

import numpy as np
import pandas as pd
import pytest

from trivium import NeuralClassifier, NeuralRegressor
from trivium.report.model_card import model_card
from trivium.report.scores import in_digits

OPTIONS = {"hidden_widths": (8,), "epochs": 5, "learning_rate": 0.05, "random_state": 0, "on_problem": "ignore"}
pytestmark = pytest.mark.filterwarnings("ignore:the network learned nothing")
random = np.random.default_rng(0)
N = 200
FRAME = pd.DataFrame({"size": random.normal(50, 10, N), "a|b": random.choice(["<i>", "y", "z"], N), "same": 1})
FRAME["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, N), unit="D")
FRAME.loc[::9, "size"] = None
SIZES = FRAME["size"].fillna(50)


def rows_of(card, heading):
    """The cells of the first table below a heading."""
    lines = card.split(f"## {heading}\n")[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if line.startswith("|")]


def test_a_regressors_card_says_columns_choices_training_and_scores():
    model = NeuralRegressor(**OPTIONS).fit(FRAME, SIZES.rename("weight"))
    card = model_card(model, FRAME, SIZES)
    assert card.startswith("# NeuralRegressor of weight\n")
    columns = {name: (kind, what) for name, kind, what in rows_of(card, "Data")[2:5]}
    assert columns["size"][0] == "number"
    assert columns["size"][1].endswith("; with gaps")
    assert columns["a\\|b"] == ("category", columns["a\\|b"][1])
    assert set(columns["a\\|b"][1].split(", ")) == {"&lt;i>", "y", "z"}
    assert columns["day"][1].startswith("around 2024-")
    assert ["same", "every value is the same"] in rows_of(card, "Data")
    assert ["learning_rate", "0.05"] in rows_of(card, "Choices")
    history = model.history_
    assert rows_of(card, "Training")[2][:2] == ["train", in_digits(history.train_loss[0])]
    assert rows_of(card, "Training")[3][2] == in_digits(history.validation_loss[history.best_epoch])
    scores = {row[0]: row[1:] for row in rows_of(card, "Scores")[2:]}
    assert scores["R2"] == [in_digits(model.score(FRAME, SIZES)), "0", "higher"]


def test_a_classifiers_card_names_classes_and_the_baseline():
    y = np.where(SIZES > 55, "big", "small")
    model = NeuralClassifier(**OPTIONS).fit(FRAME, y)
    card = model_card(model, FRAME, y)
    assert "tells 2 classes apart by a neural network: big, small." in card
    assert "A category that was not there at fit" in card
    scores = {row[0]: row[1:] for row in rows_of(card, "Scores")[2:]}
    assert scores["accuracy"][:2] == [in_digits(model.score(FRAME, y)), in_digits((y == "small").mean())]
    assert "## Scores" not in model_card(model)


def test_labels_several_numbers_and_no_rows_kept_aside():
    truths = np.column_stack([SIZES > 50, SIZES > 60]).astype(int)
    card = model_card(NeuralClassifier(**OPTIONS).fit(FRAME, truths), FRAME, truths)
    assert rows_of(card, "Scores")[2][0] == "accuracy of labels"
    several = np.column_stack([SIZES, -SIZES])
    card = model_card(NeuralRegressor(**OPTIONS, validation_fraction=0).fit(FRAME, several), FRAME, several)
    assert [row[0] for row in rows_of(card, "Scores")[2:]][3] == "R2 of output 1"
    assert "No rows were kept aside" in card


def test_rows_without_targets_are_refused():
    model = NeuralRegressor(**OPTIONS).fit(FRAME, SIZES)
    with pytest.raises(ValueError, match="y must come with X, got None. Hand over both, or neither."):
        model_card(model, FRAME)
