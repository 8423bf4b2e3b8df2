"""The README's commands and code do what it says."""

import re
from pathlib import Path

from typer.testing import CliRunner

from trivium.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_code_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert float(capsys.readouterr().out) > 0.93


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
