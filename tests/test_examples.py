"""The examples run, save their pictures and show what they say."""

import importlib
import math
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def results(request, monkeypatch, tmp_path):
    """What the main function of an example returns, after it saved its picture."""
    if request.param.startswith("watch"):
        pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[bench]'")
    for library in ("equinox", "flax"):
        if request.param.endswith(library):
            pytest.importorskip(library, reason=f"{library} is not installed: pip install '.[examples]'")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    show = importlib.import_module("_show")
    monkeypatch.setattr(show, "PICTURES", tmp_path)
    answer = importlib.import_module(request.param).main()
    assert (tmp_path / f"{request.param}.png").stat().st_size > 10_000
    return answer


def example(name):
    return pytest.mark.parametrize("results", [name], indirect=True, ids=[name])


def test_every_example_is_in_the_readme_and_under_test():
    names = {path.stem for path in EXAMPLES.glob("[!_]*.py")}
    readme, here = (EXAMPLES / "README.md").read_text(), Path(__file__).read_text()
    assert names
    for name in names:
        assert f"examples/{name}.py" in readme
        assert f'@example("{name}")' in here


@example("xor_linear")
def test_a_logistic_regression_stays_at_ln_2_and_says_why(results, capsys):
    assert results["AND"] < 0.1
    assert results["XOR"] == pytest.approx(math.log(2), abs=1e-6)


@example("xor_hidden")
def test_a_hidden_layer_learns_xor(results):
    assert results == {"tanh": 1.0, "relu": 1.0, "sigmoid": 1.0}


@example("dead_relu")
def test_a_zero_start_is_dead_and_a_hidden_layer_mends_it(results):
    dead, linear, still_dead, mended = results.values()
    assert dead == 0.5
    assert linear >= 0.24
    assert still_dead == pytest.approx(0.25, abs=1e-3)
    assert mended < 1e-3


@example("vanishing_gradients")
def test_hardly_any_gradient_comes_through_ten_sigmoids(results):
    assert results["sigmoid"] < 1e-5
    assert results["relu"] > 0.02
    assert results["textbook at the start, off by"] < 1e-5  # what vanishes there, vanishes in float64 too
    assert results["textbook slope at 17"] == 0  # what float32 loses
    assert results["true slope at 17, off by"] < 1e-6
    assert results["stuck"] == 1
    assert results["freed"] < 1e-6


@example("mse_for_classes")
def test_the_squared_error_hardly_pulls_back_what_is_sure_and_wrong(results):
    assert results["squared / cross at -10"] < 1e-3
    assert results["squared error"] > 3 * results["cross-entropy"]


@example("learning_rates")
def test_only_the_right_learning_rate_learns(results):
    assert results["right"] < 0.2
    assert results["too small"] > 0.5
    assert results["too large"] > 5 * results["right"]


@example("descent_or_sgd")
def test_more_steps_per_pass_come_further(results):
    losses = list(results.values())
    assert losses == sorted(losses, reverse=True)


@example("own_loop_jax")
def test_parts_serve_a_loop_of_ones_own(results):
    assert min(results.values()) > 0.93


@example("optimizer_in_equinox")
def test_optimizers_serve_an_equinox_model(results):
    assert min(results.values()) > 0.93


@example("optimizer_in_flax")
def test_optimizers_serve_a_flax_model(results):
    assert min(results.values()) > 0.2


@example("optax_in_estimator")
def test_optimizers_of_optax_serve_the_estimator(results):
    assert min(results.values()) > 0.95


@example("own_network_flax")
def test_a_convolution_of_ones_own_reads_digits_best(results):
    line, ours, convolution = results.values()
    assert line > 0.9
    assert ours > 0.95
    assert convolution > 0.98


@example("watch_xor_linear")
def test_a_line_on_xor_is_named_in_a_loop_and_in_an_estimator(results):
    assert results == {"loop": "missing_nonlinearity", "estimator": "missing_nonlinearity"}


@example("watch_dead_relu")
def test_a_dead_output_is_named_in_a_loop_and_in_an_estimator(results):
    assert results == {"loop": "dying_relu", "estimator": "dying_relu"}
