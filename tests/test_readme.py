"""The README's commands and code do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from typer.testing import CliRunner

from trivium.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_code_runs(capsys):
    names = {}
    first, *further = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(first, "README.md", "exec"), names)
    assert float(capsys.readouterr().out) > 0.93
    for code in further:
        exec(compile(code, "README.md", "exec"), names)
    accuracy, words = capsys.readouterr().out.split("\n", 1)
    assert float(accuracy) > 0.95
    assert words.startswith("Left open: activation, learning_rate. 12 networks were tried")
    assert len(names["table"]) == 12


@pytest.mark.slow
def test_its_commands_run_one_after_the_other(tmp_path):
    size = np.random.default_rng(0).normal(size=300)
    for name in ("houses.csv", "new_houses.csv", "houses_of_next_year.csv"):
        pyarrow.csv.write_csv(pa.table({"size": size, "garden": size**2, "price": 3 * size + 1}), tmp_path / name)
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL)).replace("\\\n", " ")
    said = [line for line in commands.splitlines() if line.startswith("trivium ")]
    assert len(said) >= 8
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in said:
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, env=environment)
    assert {path.name for path in tmp_path.iterdir()} >= {"houses.trivium", "houses.html", "prices.csv", "sweep.html"}


def test_its_commands_are_the_ones_that_are_checked():
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    assert 'pip install -e ".[dev]" && .venv/bin/pytest' in commands
    ci = (ROOT / ".ci" / "run").read_text()
    assert 'install -q -e ".[dev]"' in ci
    assert 'bin/pytest"' in ci
    said = re.findall(r"^trivium (\w+)(.*?)(?:#.*)?$", commands.replace("\\\n", " "), re.MULTILINE)
    assert said
    for verb, rest in said:
        shown = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0
        assert {flag for flag in rest.split() if flag.startswith("--")} <= set(re.findall(r"--[\w-]+", shown.stdout))
