"""Networks that train at the same time: each is measured as if it were alone."""

from functools import partial

import numpy as np
import pytest

from trivium import NeuralRegressor
from trivium.estimators import bagging
from trivium.training.loop import evaluate
from trivium.training.program import predictor


def test_rows_kept_aside_are_measured_by_the_networks_own_numbers(monkeypatch):
    """Products of many rows, parted among threads, came out wrong while another network trained beside."""
    members, train = [], bagging.trained

    def watched(some, *args, **kwargs):
        train(some, *args, **kwargs)
        members.extend(some)

    monkeypatch.setattr(bagging, "trained", watched)
    random = np.random.default_rng(0)
    X = random.normal(size=(100_000, 30)).astype(np.float32)
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.5 * random.normal(size=100_000)
    choices = {"hidden_widths": (32,), "embedding": {"name": "joined", "bins": 64}, "learning_rate": 5e-3}
    beside = {"bagging": 4, "epochs": 2, "random_state": 0, "on_problem": "ignore"}
    NeuralRegressor(**choices, **beside).fit(X, y)
    for member in members:
        rows, program = member.aside.places, member.program
        say = partial(predictor(program.network, program.head), member.state.parameters)
        said = evaluate(say, np.asarray(member.aside.X)[rows])
        again = ((said.ravel() - member.aside.targets[rows].ravel()) ** 2).mean()
        assert member.history.validation_loss[-1] == pytest.approx(again, rel=1e-4)
