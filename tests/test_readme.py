"""The README's commands and code do what it says."""

import re
from pathlib import Path

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
    cli = (ROOT / "src" / "trivium" / "cli.py").read_text()
    for verb in re.findall(r"^trivium (\w+)", commands, re.MULTILINE):
        assert f"\ndef {verb}(" in cli
