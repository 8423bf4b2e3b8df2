"""A sweep of learning rates: each member is the fit with that rate, and the table, picture and page tell the same."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.base import clone
from typer.testing import CliRunner

import trivium
from trivium import NeuralClassifier, NeuralRegressor, learning_rate_sweep
from trivium.candidates import LADDER
from trivium.cli import app

random = np.random.default_rng(0)
X = random.normal(size=(300, 4))
NUMBERS = X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2])
CLASSES = np.where(NUMBERS > 0.3, "high", np.where(NUMBERS < -0.3, "low", "middle"))
RATES = [0.001, 0.01, 0.1, 1e6]
REGRESSOR = NeuralRegressor((16,), optimizer="sgd", epochs=8, batch_size=64, random_state=3, validation_fraction=0.2)


@pytest.fixture(scope="module")
def sweep():
    return learning_rate_sweep(REGRESSOR, X, NUMBERS, RATES, ["relu", "tanh"])


def test_a_wrong_target_is_told_by_the_number_of_its_row():
    y = np.ones(60)
    y[37] = -2.0
    with pytest.raises(ValueError, match="got -2.0 in row 37"):
        learning_rate_sweep(NeuralRegressor((4,), loss="poisson"), np.random.default_rng(0).normal(size=(60, 2)), y)


def test_each_member_is_the_fit_with_its_learning_rate(sweep):
    for place in (1, 2, 6):
        activation, rate = sweep.table["activation"][place], sweep.table["learning_rate"][place]
        alone = clone(REGRESSOR).set_params(activation=activation, learning_rate=rate).fit(X, NUMBERS)
        kept = alone.history_.best_epoch
        assert sweep.table["best_epoch"][place] == kept
        assert sweep.table["validation_loss"][place] == pytest.approx(alone.history_.validation_loss[kept], rel=1e-5)
        assert sweep.table["final_train_loss"][place] == pytest.approx(alone.history_.train_loss[-1], rel=1e-5)


def test_a_classifier_and_frames_sweep_as_well():
    network = NeuralClassifier((8,), epochs=3, random_state=np.random.RandomState(5))
    frame = pa.table({f"x{place}": X[:, place] for place in range(4)} | {"kind": CLASSES})
    found = learning_rate_sweep(network, frame, CLASSES, [0.01, 0.1])
    alone = network.set_params(learning_rate=0.1).fit(frame, CLASSES)
    assert found.table["validation_loss"][1] == pytest.approx(min(alone.history_.validation_loss), rel=1e-5)
    assert found.activations == ["relu"]


def test_rates_that_diverge_are_marked_and_are_not_stable(sweep):
    diverged = sweep.table["ending"] == "not finite"
    assert diverged.tolist() == (sweep.table["learning_rate"] == 1e6).tolist()
    assert set(sweep.highest_stable) == {"relu", "tanh"}
    assert all(rate == 0.1 for rate in sweep.highest_stable.values())
    crosses = [trace for trace in sweep.figure().data if trace.name.endswith(" diverged")]
    assert [list(trace.x) for trace in crosses] == [[1e6], [1e6]]
    assert "2 of the 8 networks diverged" in str(sweep)


def test_the_best_has_the_lowest_validation_loss(sweep):
    place = np.nanargmin(sweep.table["validation_loss"])
    assert sweep.best == (sweep.table["activation"][place], sweep.table["learning_rate"][place])
    assert f"{sweep.best.activation} at {sweep.best.learning_rate:.3g}" in str(sweep)


def test_where_all_diverge_there_is_no_best(tmp_path):
    found = learning_rate_sweep(REGRESSOR, X, NUMBERS, [1e20, 1e25])
    assert found.best is None
    assert found.highest_stable == {"relu": None}
    assert "Try lower rates" in str(found)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["best"] is None
    found.write_html(tmp_path / "sweep.html")


def test_left_out_the_rates_surround_the_optimizers_own():
    found = learning_rate_sweep(clone(REGRESSOR).set_params(optimizer="adam"), X, NUMBERS, epochs=1)
    assert found.default_rate == 0.001
    np.testing.assert_allclose(found.table["learning_rate"], 0.001 * LADDER)
    assert found.default_rate in found.table["learning_rate"]
    assert (found.table["epochs"] == 1).all()


def test_over_many_rows_a_sweep_takes_no_more_steps_than_tell_rates_apart(monkeypatch):
    network = clone(REGRESSOR).set_params(epochs=30, patience=None)  # 4 steps an epoch
    monkeypatch.setattr("trivium.search.STEPS", 20)
    assert set(learning_rate_sweep(network, X, NUMBERS, [0.001, 0.01]).table["epochs"]) == {5}
    assert set(learning_rate_sweep(network, X, NUMBERS, [0.001], epochs=7).table["epochs"]) == {7}
    monkeypatch.setattr("trivium.search.STEPS", 1)
    assert set(learning_rate_sweep(network, X, NUMBERS, [0.001]).table["epochs"]) == {3}


def test_a_time_limit_is_kept():
    patient = clone(REGRESSOR).set_params(patience=None)
    found = learning_rate_sweep(patient, X, NUMBERS, [0.01, 0.02], epochs=100_000, time_limit=0.3)
    assert found.seconds < 10
    assert "time limit" in found.table["ending"]
    assert "more time" in str(found)


def test_the_estimator_and_its_random_numbers_are_left_alone():
    state = np.random.RandomState(1)
    network = clone(REGRESSOR).set_params(random_state=state, epochs=1)
    network.random_state, before = state, state.get_state()[1].copy()
    learning_rate_sweep(network, X, NUMBERS, [0.01])
    np.testing.assert_array_equal(state.get_state()[1], before)
    assert network.learning_rate is None
    assert not hasattr(network, "history_")


def test_the_picture_has_a_line_per_activation_on_a_logarithmic_axis(sweep):
    picture = sweep.figure()
    lines = {trace.name: trace for trace in picture.data if trace.mode == "lines+markers"}
    assert list(lines) == ["relu", "tanh"]
    assert picture.layout.xaxis.type == "log"
    relu = sweep.table["activation"] == "relu"
    np.testing.assert_array_equal(np.array(lines["relu"].y)[:3], sweep.table["validation_loss"][relu][:3])
    own = [trace for trace in picture.data if trace.name.startswith("default of sgd")]
    assert set(own[0].x) == {sweep.default_rate}


def test_the_rate_of_a_run_is_marked_beside_the_optimizers_own(sweep):
    marked = {trace.name: trace.x for trace in sweep.figure(own_rate=0.05).data if trace.mode == "lines"}
    assert marked["this run, 0.05"] == (0.05, 0.05)
    assert "this run, 0.05" not in {trace.name for trace in sweep.figure().data}


def test_the_frame_and_the_page_hold_the_table(sweep, tmp_path):
    frame = sweep.to_frame()
    assert len(frame) == 8
    assert {"activation", "learning_rate", "best_epoch", "train_loss", "validation_loss", "ending", "seconds"} <= set(
        sweep.table
    )
    sweep.write_html(tmp_path / "sweep.html")
    page = (tmp_path / "sweep.html").read_text()
    assert "By activation" in page
    assert str(sweep).split(",")[0] in page


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"learning_rates": [0.1, -1]}, "learning_rates must"),
        ({}, {"learning_rates": []}, "learning_rates must"),
        ({}, {"learning_rates": "fast"}, "learning_rates must"),
        ({}, {"learning_rates": 0.1}, "learning_rates must"),
        ({}, {"activations": "relu"}, "activations must"),
        ({}, {"activations": []}, "activations must"),
        ({}, {"activations": ["relu", "relu"]}, "activations must"),
        ({}, {"activations": ["rleu"]}, "unknown activation 'rleu': did you mean"),
        ({"hidden_widths": ()}, {"activations": ["relu", "tanh"]}, "activations must"),
        ({}, {"epochs": 0}, "epochs must"),
        ({}, {"time_limit": -1}, "time_limit must"),
        ({"batch_size": 0}, {}, "batch_size must"),
        ({"validation_fraction": 0.0}, {}, "validation_fraction must"),
        ({"optimizer_options": {"learning_rate": 0.1}}, {}, "optimizer must take a learning rate"),
    ],
)
def test_mistakes_are_named_before_training(changes, arguments, message, monkeypatch):
    monkeypatch.setattr(trivium.search, "train_population", lambda *_, **__: pytest.fail("it trained"))
    with pytest.raises(ValueError, match=message):
        learning_rate_sweep(clone(REGRESSOR).set_params(**changes), X, NUMBERS, **arguments)


def test_an_optimizer_without_a_rate_and_another_estimator_are_refused():
    import optax
    from sklearn.linear_model import Ridge

    with pytest.raises(ValueError, match="optimizer must take a learning rate"):
        learning_rate_sweep(NeuralRegressor(optimizer=optax.adam(0.1)), X, NUMBERS)
    with pytest.raises(ValueError, match="learning_rates must be given"):
        learning_rate_sweep(NeuralRegressor(optimizer=optax.adam), X, NUMBERS)
    with pytest.raises(TypeError, match="estimator must be"):
        learning_rate_sweep(Ridge(), X, NUMBERS)  # pyright: ignore[reportArgumentType]


def test_the_command_line_sweeps(tmp_path):
    table, page = tmp_path / "things.parquet", tmp_path / "sweep.html"
    pyarrow.parquet.write_table(pa.table({"size": X[:, 0], "weight": X[:, 1], "price": NUMBERS}), table)
    call = ["sweep", str(table), "--target", "price", "--learning-rates", "0.01,0.1", "--epochs", "2"]
    call += ["--hidden-widths", "8", "--quiet"]
    result = CliRunner().invoke(app, [*call, "--activations", "relu,tanh", "--out", str(page), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["table"]["activation"] == ["relu", "relu", "tanh", "tanh"]
    assert found["best"]["learning_rate"] in (0.01, 0.1)
    assert page.exists()
    plain = CliRunner().invoke(app, call)
    assert re.match(r"\d+ learning rates from 0\.01 to 0\.1 were tried", plain.stdout)
    wrong = CliRunner().invoke(app, [*call, "--activations", "rleu"])
    assert wrong.exit_code == 2
    assert "did you mean 'relu'" in wrong.stderr
    assert CliRunner().invoke(app, [*call[:4], "--learning-rates", "fast"]).exit_code == 2


def test_auto_finds_a_rate_and_its_fit(tmp_path):
    found = clone(REGRESSOR).set_params(learning_rate="auto", optimizer="adam", epochs=32).fit(X, NUMBERS)
    rate, search = found.choices_["learning_rate"], found._search_
    assert rate == search["learning_rate"][np.nanargmin(np.array(search["validation_loss"], float))]
    assert search["ending"].count("overtaken") > 12
    assert sum(search["epochs"]) < 6 * 32
    alone = clone(found).set_params(learning_rate=rate).fit(X, NUMBERS)
    assert found.history_.validation_loss == pytest.approx(alone.history_.validation_loss, rel=1e-5)
    np.testing.assert_allclose(found.predict(X), alone.predict(X), rtol=1e-4, atol=1e-5)
    own = clone(found).set_params(learning_rate=None).fit(X, NUMBERS)
    assert alone.search_ is None
    assert min(found.history_.validation_loss) < min(own.history_.validation_loss)
    found.save(tmp_path / "found.trivium")
    back = trivium.load(tmp_path / "found.trivium")
    np.testing.assert_array_equal(back.predict(X), found.predict(X))
    assert back.learning_rate == "auto"
    assert back._search_ == search
    assert len(back.search_) == 25
    back.partial_fit(X, NUMBERS)
    assert back.choices_["learning_rate"] == rate


def test_auto_where_every_rate_diverges_is_saved_as_well(tmp_path):
    numbers = {"optimizer": "sgd", "optimizer_options": {"learning_rate": 1e25}, "learning_rate": "auto"}
    with pytest.warns(UserWarning, match="no longer finite"):
        found = clone(REGRESSOR).set_params(**numbers).fit(X, NUMBERS)
    found.save(tmp_path / "found.trivium")
    assert trivium.load(tmp_path / "found.trivium").search_["validation_loss"].isna().all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": "fast"}, "learning_rate must be a number"),
        ({"learning_rate": np.array([0.1, 0.2])}, "learning_rate must be a number"),
        ({"learning_rate": "auto", "validation_fraction": 0.0}, "validation_fraction must"),
        ({"learning_rate": "auto", "optimizer_options": {"learning_rate": lambda count: 0.1}}, "learning_rate must"),
    ],
)
def test_auto_is_refused_where_it_cannot_search(changes, message):
    network = clone(REGRESSOR).set_params(**changes)
    with pytest.raises(ValueError, match=message):
        network.fit(X, NUMBERS)


def test_auto_needs_a_fit_before_a_partial_fit():
    with pytest.raises(ValueError, match="learning_rate must be chosen at the first partial_fit"):
        clone(REGRESSOR).set_params(learning_rate="auto").partial_fit(X, NUMBERS)
