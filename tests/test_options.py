"""Every option of `trivium train`: the estimators' parameters, a flag and a key of a file for each."""

import inspect
import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

from trivium import NeuralClassifier, NeuralRegressor
from trivium.candidates import OPEN
from trivium.cli import app
from trivium.cli.config import read_config, written
from trivium.cli.options import OPTIONS, PARAMETERS, RUN, UNREACHED, by_name, read_all
from trivium.session import Wanted

SIGNATURES = [inspect.signature(kind).parameters for kind in (NeuralClassifier, NeuralRegressor)]
DEFAULTS = {name: parameter.default for signature in SIGNATURES for name, parameter in signature.items()}

every_parameter = pytest.mark.parametrize("option", PARAMETERS, ids=lambda option: option.name)


def run(*arguments, **more):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "150"}, **more)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_parameter_of_the_estimators_is_an_option_or_has_a_reason_not_to_be():
    assert set(DEFAULTS) == {option.name for option in PARAMETERS} | set(UNREACHED)
    assert not {option.name for option in PARAMETERS} & set(UNREACHED)


@every_parameter
def test_it_has_the_estimators_default(option):
    assert option.default == DEFAULTS[option.name]
    assert type(option.default) is type(DEFAULTS[option.name])


@every_parameter
def test_auto_is_taken_where_a_search_knows_candidates(option):
    searched = {name for kinds in OPEN.values() for name in kinds} | {"learning_rate"}
    assert option.open == (option.name in searched)
    if option.open:
        assert option.read("auto") == "auto"
    if option.default is None:
        assert option.read("none") is None


def test_a_run_is_told_nothing_else():
    assert {option.name for option in RUN} == {*inspect.signature(Wanted).parameters} - {"chosen", "chosen_by"}
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_each_option_is_in_the_help():
    shown = run("train", "--help").stdout
    for option in OPTIONS:
        assert option.name == "table" or f"{option.flag} " in shown
        assert option.panel in shown


READ = {
    "hidden_widths": [("256,128", (256, 128)), ("none", ()), ("32", (32,)), ([8, 8], (8, 8)), ([], ()), (64, (64,))],
    "residual": [("on", True), ("off", False), ("True", True), (False, False)],
    "learning_rate": [("1e-3", 0.001), ("AUTO", "auto"), ("none", None), (1, 1.0)],
    "patience": [("none", None), ("3", 3), (3, 3)],
    "optimizer_options": [
        ("momentum=0.9, nesterov=true,n=3,w=none", {"momentum": 0.9, "nesterov": True, "n": 3, "w": None}),
        ("mode=x", {"mode": "x"}),
        ({"momentum": 0.9}, {"momentum": 0.9}),
    ],
    "class_weight": [("balanced", "balanced"), ("yes=5,no=1", {"yes": 5.0, "no": 1.0}), ({"1": 2}, {"1": 2.0})],
    "normalisation": [("batch", "batch"), ("none", None)],
    "target": [("none", "none")],
}


@pytest.mark.parametrize(("name", "said", "meant"), [(name, *pair) for name in READ for pair in READ[name]])
def test_texts_and_values_of_a_file_are_read(name, said, meant):
    found = by_name()[name].read(said)
    assert found == meant
    assert type(found) is type(meant)


WRONG = {
    "hidden_widths": ["8;8", "8,x", True, 1.5],
    "residual": ["perhaps", 1],
    "learning_rate": ["fast", True, [0.1]],
    "epochs": ["1.5", "none", "auto", 1.5, True],
    "dropout": ["none"],
    "optimizer_options": ["momentum", "momentum=", "=1", 3],
    "class_weight": ["yes=much", "heavy"],
    "normalisation": ["group"],
    "activation": [1, " "],
}


@pytest.mark.parametrize(("name", "said"), [(name, said) for name in WRONG for said in WRONG[name]])
def test_what_cannot_be_read_is_told_with_what_to_try(name, said):
    with pytest.raises(ValueError, match=f"^{name} must be .* got .* Try "):
        by_name()[name].read(said)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ValueError, match="epochs must be .*\nunknown option 'ptience': did you mean 'patience'"):
        read_all({"epochs": "many", "ptience": 3})


def test_a_printed_configuration_says_the_defaults_and_is_taken_back(tmp_path):
    printed = run("train", "--print-config").stdout
    said = tomllib.loads(printed)
    assert set(said) == {option.name for option in OPTIONS} - {"table", "target", "out", "report", "record"}
    assert read_all(said) == {name: by_name()[name].default for name in said}
    (tmp_path / "run.toml").write_text(printed)
    assert read_config(tmp_path / "run.toml", OPTIONS) == {}
    for option in OPTIONS:
        assert option.about.replace("`", "").split()[0] in printed


CHOSEN = {
    "table": 'odd "name" \\ with \x7f and ü\U0001f600.csv',
    "target": "none",
    "hidden_widths": (),
    "activation": "auto",
    "residual": True,
    "optimizer_options": {"momentum": 0.9, "nesterov": True},
    "learning_rate": 1e-05,
    "patience": None,
    "class_weight": {"a b": 2.0, 'q"': 1.0},
    "time_limit": 3600.0,
}


def test_a_written_configuration_is_read_as_it_was_meant(tmp_path):
    (tmp_path / "run.toml").write_text(written(OPTIONS, CHOSEN), encoding="utf-8")
    assert read_config(tmp_path / "run.toml", OPTIONS) == CHOSEN


def test_flags_win_over_the_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('table = "houses.csv"\ntarget = "price"\nepochs = 7\nhidden-widths = "8,8"\nactivation = "relu"\n')
    said = tomllib.loads(run("train", "--config", file, "--epochs", "9", "--loss", "mae", "--print-config").stdout)
    wanted = {"table": "houses.csv", "target": "price", "epochs": 9, "hidden_widths": [8, 8], "loss": "mae"}
    assert {name: said[name] for name in wanted} == wanted


MISTAKES = {
    "unknown": ("hiden_widths = 8\n", "unknown option 'hiden_widths' in .*: did you mean 'hidden_widths'?"),
    "type": ("epochs = [1]\n", "epochs must be a whole number"),
    "no TOML": ("epochs: 3\n", "config must be TOML"),
    "no table": ('target = "price"\n', "table must be given"),
    "no target": ('table = "houses.csv"\n', "target must be given"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file_is_one_clear_message_and_exit_code_2(mistake, tmp_path):
    content, words = MISTAKES[mistake]
    (tmp_path / "run.toml").write_text(content)
    result = run("train", "--config", tmp_path / "run.toml")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert np.all([part in " ".join(result.stderr.split()) for part in words.split(".*")]), result.stderr


def test_a_file_that_is_not_there_is_told(tmp_path):
    result = run("train", "--config", tmp_path / "no.toml")
    assert result.exit_code == 2
    assert "config must be a file that can be read" in " ".join(result.stderr.split())
