"""The command line: what it prints, what it writes, and how it answers mistakes."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

import trivium
from trivium.cli import app
from trivium.tables.read import read_table

FAST = ["--hidden-widths", "8", "--epochs", "15", "--learning-rate", "0.02", "--quiet"]
random = np.random.default_rng(0)
SIZE, COLOUR = random.normal(size=200), random.choice(["red", "green"], 200)
COLUMNS = {"size": SIZE, "colour": COLOUR, "kind": np.where(SIZE + (COLOUR == "red") > 0.5, "big", "small")}


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "things.parquet"
    pyarrow.parquet.write_table(pa.table(COLUMNS | {"price": 3 * SIZE + (COLOUR == "red")}), path)
    return path


@pytest.fixture
def model(table, tmp_path):
    result = run("train", table, "--target", "kind", *FAST, "--out", tmp_path / "m.trivium")
    assert result.exit_code == 0, result.output
    return tmp_path / "m.trivium"


def test_trains_scores_and_tells_who_chose_what(table, tmp_path):
    result = run("train", table, "--target", "kind", *FAST, "--activation", "tanh", "--out", tmp_path / "m.trivium")
    assert result.exit_code == 0
    text = " ".join(result.stdout.replace("│", " ").split())
    assert "classification of kind: its values are texts" in text
    assert "144 train, 16 validation, 40 test" in text
    assert "2 number, 1 category" in text
    assert re.search("you chose hidden_widths 8, activation tanh, learning_rate 0.02", text)
    assert re.search("defaults loss binary_cross_entropy, optimizer adamw", text)
    for measure in ("accuracy", "log-loss", "ROC AUC", "majority"):
        assert measure in text
    page = (tmp_path / "m.html").read_text()
    assert "What was taken for what" in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)  # nothing is fetched


def test_json_and_terminal_and_page_hold_the_same_numbers(table, tmp_path):
    arguments = ["train", table, "--target", "price", *FAST, "--report", tmp_path / "r.html"]
    record = json.loads(run(*arguments, "--json").stdout)
    assert record["task"] == "regression"
    assert [score["name"] for score in record["scores"]] == ["R2", "RMSE", "MAE"]
    shown = run(*arguments).stdout
    for score in record["scores"]:
        assert f"{score['model']:.4g}" in shown
        assert f"{score['model']:.4g}" in (tmp_path / "r.html").read_text()


def test_predictions_of_a_new_process_are_those_of_the_estimator_to_the_bit(table, tmp_path):
    out = tmp_path / "m.trivium"
    assert run("train", table, "--target", "price", *FAST, "--out", out).exit_code == 0
    frame = read_table(table)
    expected = trivium.load(out).predict(frame.drop("price"))
    command = [sys.executable, "-m", "trivium", "predict", str(out), str(table)]
    stdout = subprocess.run(command, check=True, capture_output=True).stdout.decode().splitlines()
    assert stdout[0] == "price"
    np.testing.assert_array_equal(np.array(stdout[1:], float), expected)
    for name in ("p.csv", "p.parquet"):
        assert run("predict", out, table, "--out", tmp_path / name).exit_code == 0
        np.testing.assert_array_equal(read_table(tmp_path / name)["price"].to_numpy(), expected)


def test_predicts_classes_and_probabilities(model, table, tmp_path):
    out = tmp_path / "p.csv"
    assert run("predict", model, table, "--probabilities", "--out", out).exit_code == 0
    predictions = read_table(out)
    assert predictions.columns == ["kind", "P(big)", "P(small)"]
    shares = predictions.select("P(big)", "P(small)").to_numpy()
    np.testing.assert_array_equal(shares, trivium.load(model).predict_proba(read_table(table).drop("kind")))
    result = run("train", table, "--target", "price", *FAST, "--out", tmp_path / "r.trivium")
    result = run("predict", tmp_path / "r.trivium", table, "--probabilities")
    assert result.exit_code == 2
    assert "--probabilities must go with a classifier" in result.stderr


def test_evaluates_beside_the_baseline(model, table):
    result = json.loads(run("evaluate", model, table, "--json").stdout)
    assert result["rows"] == 200
    scores = {score["name"]: score for score in result["scores"]}
    assert scores["accuracy"]["model"] > scores["accuracy"]["baseline"]
    assert "ROC AUC" in run("evaluate", model, table).stdout


def test_demo_ends_with_what_to_do_next(tmp_path):
    result = run("demo", "--report", tmp_path / "demo.html")
    assert result.exit_code == 0
    assert "trivium train houses.csv --target price" in result.stdout
    assert "What was taken for what" in (tmp_path / "demo.html").read_text()


def test_help_teaches_and_comes_at_once():
    for verb in ("train", "predict", "evaluate", "demo"):
        assert run(verb, "--help").exit_code == 0
    assert "Examples: trivium train houses.csv" in " ".join(run("train", "--help").stdout.split())
    assert run("--version").stdout.strip() == f"trivium {trivium.__version__}"
    program = "import sys, trivium.cli; sys.exit('jax' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


MISTAKES = {
    "missing file": (["train", "{dir}/thing.parquet", "--target", "kind"], "Did you mean .*things"),
    "typo in the target": (["train", "{table}", "--target", "knid"], "got 'knid'. Did you mean 'kind'"),
    "typo in a name": (["train", "{table}", "--target", "kind", "--activation", "rleu"], "did you mean 'relu'"),
    "negative rate": (["train", "{table}", "--target", "kind", "--learning-rate", "-1"], "learning_rate must be"),
    "widths": (["train", "{table}", "--target", "kind", "--hidden-widths", "8;8"], "got '8;8'. Try 256,256"),
    "test share": (["train", "{table}", "--target", "kind", "--test-fraction", "1"], "test_fraction must be"),
    "no folder": (["train", "{table}", "--target", "kind", "--out", "{dir}/no/m"], "folder of .* must exist"),
    "report folder": (["train", "{table}", "--target", "kind", "--report", "{dir}/no/m"], "folder of .* must exist"),
    "task": (["train", "{table}", "--target", "kind", "--task", "regression"], "must hold numbers, got 'small'|'big'"),
    "model": (["predict", "{table}", "{table}"], "must be a whole Trivium model file"),
    "no model": (["predict", "{dir}/m", "{table}"], "model file must exist"),
    "ending": (["predict", "{model}", "{table}", "--out", "{dir}/p.xlsx"], "must end in one of"),
    "no option": (["train", "{table}", "--traget", "kind"], "No such option"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_message_and_exit_code_2(mistake, table, model, tmp_path):
    arguments, words = MISTAKES[mistake]
    result = run(*(argument.format(dir=tmp_path, table=table, model=model) for argument in arguments))
    assert result.exit_code == 2
    message = " ".join(result.stderr.replace("│", " ").split())
    assert re.search(words, message), message
    assert "Traceback" not in result.output
    assert result.stdout == ""


TABLES = {
    "empty.csv": ("", "the empty file"),
    "header.csv": ("a,kind\n", "only the header"),
    "one_row.csv": ("a,kind\n1,x\n", "at least two rows"),
    "one_class.csv": ("a,kind\n" + "".join(f"{i},x\n" for i in range(9)), "at least two classes, got one class: 'x'"),
    "no_target.csv": ("a,b,kind\n1,2,x\n2,3,\n3,4,y\n", "y must be known in every row, got 1 missing"),
    "missing.csv": ("a,kind\n" + ",x\n,y\n" * 5, r"a column that varies, got none \(a: every value is missing"),
    "infinite.csv": ("a,kind\n1,x\n2,y\ninf,x\n4,y\n5,x\n6,y\n", "column 'a' must be finite, got inf"),
    "twice.csv": ("a,a,kind\n1,2,x\n", "column names must differ"),
    "ragged.csv": ("a,kind\n1,x\n2\n", "could not be read as .csv"),
    "only.csv": ("kind\nx\ny\n", "a column beside the target"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_cannot_be_learned_from_is_told(name, tmp_path):
    content, words = TABLES[name]
    (tmp_path / name).write_text(content)
    result = run("train", tmp_path / name, "--target", "kind", "--test-fraction", "0", *FAST)
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert re.search(words, message), message


def test_later_tables_are_checked_against_the_model(model, table, tmp_path):
    frame = read_table(table)
    later = tmp_path / "later.parquet"
    pyarrow.parquet.write_table(frame.drop("size").to_arrow(), later)
    result = run("predict", model, later)
    assert result.exit_code == 2
    assert "column 'size' must be there as at fit" in " ".join(result.stderr.split())
    pyarrow.parquet.write_table(frame.to_arrow().append_column("extra", pa.array([1] * 200)), later)
    result = run("predict", model, later)
    assert result.exit_code == 0
    assert "note: columns that were not there at fit are ignored: extra" in " ".join(result.stderr.split())


def test_ctrl_c_keeps_the_best_model_and_says_so(table, tmp_path):
    out = tmp_path / "m.trivium"
    command = [sys.executable, "-m", "trivium", "train", str(table), "--target", "kind", "--epochs", "10000000"]
    command += ["--patience", "10000000", "--hidden-widths", "4", "--out", str(out)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"COLUMNS": "200"}
    )
    started = b""
    while b"rows/s" not in started and process.poll() is None:  # the progress line shows that epochs have ended
        started += os.read(process.stderr.fileno(), 4096)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    stderr = b" ".join(stderr.split())
    assert process.returncode == 0, stderr
    assert b"training was interrupted after epoch" in stderr
    assert b"interrupted" in stdout
    assert trivium.load(out).history_.ending == "interrupted"


def test_a_reader_that_leaves_early_is_no_error(model, table):
    command = f"{sys.executable} -m trivium predict {model} {table} | head -1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["kind", "0"]
    assert "Traceback" not in result.stderr


def test_a_loss_without_probabilities_is_trained_scored_and_saved(table, tmp_path):
    model = tmp_path / "h.trivium"
    trained = run("train", table, "--target", "kind", "--loss", "hinge", *FAST, "--out", model, "--json")
    scores = json.loads(trained.stdout)["scores"]
    assert [score["name"] for score in scores] == ["accuracy", "balanced accuracy"]
    assert all(score["model"] > score["baseline"] + 0.1 for score in scores)
    assert run("evaluate", model, table, "--json").exit_code == 0
    assert {line.strip('"') for line in run("predict", model, table).stdout.split()} == {"kind", "big", "small"}
    refused = run("predict", model, table, "--probabilities")
    assert refused.exit_code == 2
    assert "--probabilities must go with a loss that knows them" in " ".join(refused.stderr.split())


OPEN = ["--dropout", "auto", "--learning-rate", "auto", "--population", "6", "--ensemble", "3", "--random-state", "1"]


def test_a_search_is_told_in_the_terminal_on_the_page_and_in_json(table, tmp_path):
    arguments = ["train", table, "--target", "price", *FAST[:4], "--quiet", *OPEN, "--report", tmp_path / "r.html"]
    record = json.loads(run(*arguments, "--json").stdout)
    search = record["search"]
    assert search["open"] == ["dropout", "learning_rate"]
    assert {len(column) for column in search["table"].values()} == {6}
    assert sum(search["table"]["weight"]) == pytest.approx(1)
    scores = [np.inf if score is None else score for score in search["table"]["score"]]
    assert search["winner"] == np.argmin(scores)
    makers = {choice["name"]: choice["by"] for choice in record["choices"]}
    assert makers["learning_rate"] == "search"
    assert makers["epochs"] == "you"
    assert makers["optimizer"] == "default"
    shown = " ".join(run(*arguments).stdout.replace("│", " ").split())
    page = (tmp_path / "r.html").read_text()
    assert "6 networks were tried" in shown
    assert "found learning_rate" in shown
    for said in search["words"]:
        assert said in shown
        assert said in page.replace("&#x27;", "'")
    assert "The best of 6 networks" in page


def test_a_file_of_options_trains_what_the_flags_do(table, tmp_path):
    arguments = [table, "--target", "kind", *FAST[:-1], "--optimizer", "sgd", "--class-weight", "big=2,small=1"]
    arguments += ["--optimizer-options", "momentum=0.9,nesterov=true", "--normalisation", "layer", "--residual", "on"]
    (tmp_path / "run.toml").write_text(run("train", *arguments, "--print-config").stdout)
    by_flags, by_file = (
        json.loads(run("train", *given, "--json", "--quiet").stdout)
        for given in (arguments, ["--config", tmp_path / "run.toml"])
    )
    for record in (by_flags, by_file):
        for changing in ("seconds", "history"):
            record.pop(changing)
    assert by_flags == by_file
    makers = {choice["name"]: (choice["value"], choice["by"]) for choice in by_file["choices"]}
    assert makers["momentum"] == ("0.9", "you")
    assert makers["class_weight"] == ("big=2 small=1", "you")


def test_weights_of_classes_that_are_numbers_find_them(tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("size,kind\n" + "".join(f"{size},{int(size > 0)}\n" for size in SIZE))
    arguments = ["train", path, "--target", "kind", "--task", "classification", *FAST]
    assert run(*arguments, "--class-weight", "0=1,1=50", "--json").exit_code == 0
    result = run(*arguments, "--class-weight", "0=1,2=50")
    assert result.exit_code == 2
    assert "class_weight must name classes of y, got '2'" in " ".join(result.stderr.split())


def test_a_parameter_of_the_other_task_is_told(table):
    result = run("train", table, "--target", "price", *FAST, "--label-smoothing", "0.1")
    assert result.exit_code == 2
    assert "label_smoothing must be left out for a regression" in " ".join(result.stderr.split())


def test_a_sweep_needs_its_other_choices_made(table):
    result = run("sweep", table, "--target", "price", "--optimizer", "auto", "--quiet")
    assert result.exit_code == 2
    assert "optimizer must be chosen for a sweep, got 'auto'" in " ".join(result.stderr.split())


def test_a_finding_on_the_learning_rate_stands_beside_losses_at_other_rates(table, tmp_path):
    chosen = ["--hidden-widths", "8", "--optimizer", "sgd", "--epochs", "6", "--quiet", "--report", tmp_path / "r.html"]
    swept = "the same network at other learning rates".capitalize()
    result = run("train", table, "--target", "kind", *chosen, "--learning-rate", "1e-7", "--json")
    assert json.loads(result.stdout)["diagnosis"]["findings"][0]["family"] == "learning_rate"
    assert swept in (tmp_path / "r.html").read_text()
    run("train", table, "--target", "kind", *FAST, "--report", tmp_path / "r.html")
    assert swept not in (tmp_path / "r.html").read_text()


def test_where_nothing_is_chosen_the_recipe_and_its_folds_are_told(table):
    said = json.loads(run("train", table, "--target", "kind", "--quiet", "--json").stdout)
    told = {choice["name"]: (choice["value"], choice["by"]) for choice in said["choices"]}
    assert told["preset"] == ("default", "default")
    assert told["bagging"] == ("8", "preset")
    assert told["activation"] == ("silu", "preset")


def test_what_a_preset_chose_is_told_as_its(table):
    arguments = ["--preset", "realmlp_small", "--hidden-widths", "8", "--epochs", "3", "--quiet", "--json"]
    record = json.loads(run("train", table, "--target", "kind", *arguments).stdout)
    makers = {choice["name"]: choice["by"] for choice in record["choices"]}
    assert makers["hidden_widths"] == makers["epochs"] == makers["preset"] == "you"
    assert makers["activation"] == makers["learning_rate"] == "preset"
    assert record["rows"] == {"train": 128, "validation": 32, "test": 40}
    assert len(record["history"]["train_loss"]) == 3
