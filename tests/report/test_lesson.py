"""Lessons: every rule has one, in both languages, and a picture says what was measured."""

import importlib
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import trivium
from trivium.catalog import members
from trivium.cli import app
from trivium.diagnosis import rules
from trivium.lessons import PARTS, lesson, lessons
from trivium.report.evidence import HEIGHTS, picture_of_lesson
from trivium.report.lesson import FAMILIES

DOCS = Path(__file__).parents[2] / "docs"

every_lesson = pytest.mark.parametrize("name", lessons())


def test_every_rule_has_a_lesson_and_every_lesson_a_rule():
    assert set(lessons()) == set(members(rules))
    assert len(lessons()) > 30


@every_lesson
def test_both_languages_say_it_with_the_same_numbers(name):
    found = lesson(name)
    assert found.family in FAMILIES
    for part in PARTS:
        text = getattr(found, part)
        assert re.search(r"[\u4e00-\u9fff]", text.zh), part
        assert not re.search(r"[\u4e00-\u9fff]", text), part
    for part in ("what", "mend"):
        english, chinese = (
            set(re.findall(r"\d[\d,.]*\d|\d", words)) for words in (getattr(found, part), getattr(found, part).zh)
        )
        assert english <= chinese | {"2", "10"}, part


@every_lesson
def test_there_is_something_to_read_on(name):
    for work in lesson(name).reading:
        assert re.search(r"\d{4}|^PyTorch|^CS231n", work)
    assert lesson(name).reading


@every_lesson
def test_a_picture_shows_a_difference(name):
    found = lesson(name)
    assert found.signal in HEIGHTS
    fails, mended = found.runs
    for run in (fails, mended):
        assert len(run.places) == len(run.values) >= 2
        assert list(run.places) == sorted(set(run.places))
        assert np.isfinite(run.values).all()
    assert fails.about != mended.about
    assert fails.values[-1] != mended.values[-1] or len(fails.values) != len(mended.values)
    picture = picture_of_lesson(found)
    assert picture is not None
    for line, run in zip(picture.lines.values(), found.runs, strict=True):
        assert line[np.isfinite(line)].tolist() == list(run.values)


def test_every_lesson_has_a_picture_and_no_picture_is_without_a_lesson():
    pictures = json.loads((files("trivium.lessons") / "pictures.json").read_text(encoding="utf-8"))
    assert set(pictures) == set(lessons())


def test_the_pages_say_what_the_lessons_say_and_show_their_pictures(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    pages = importlib.import_module("diagnosis_pages")
    assert len(pages.texts()) == 2 * (1 + len(FAMILIES))
    for path, text in pages.texts().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `python docs/make.py --text`"
    drawn = {path.stem for path in (DOCS / "diagnosis" / "pictures").glob("*.svg")}
    assert drawn == {name for name, lesson in lessons().items() if lesson.runs}, "run `python docs/make.py`"


def test_explain_says_it_in_python():
    said = str(trivium.explain("Vanishing-Gradient", lang="en"))
    for words in ("Vanishing gradient", "What", "Why", "The mend", "Further reading", "Glorot & Bengio 2010"):
        assert words in said
    assert "梯度消失" in repr(trivium.explain("vanishing_gradient", lang="zh"))
    with pytest.raises(ValueError, match="unknown finding 'vanish': did you mean 'vanishing_gradient'"):
        trivium.explain("vanish")


def test_explain_says_it_in_the_shell():
    run = CliRunner().invoke(app, ["explain", "dying_relu", "--lang", "zh"])
    assert run.exit_code == 0
    assert "延伸阅读" in run.stdout
    everything = CliRunner().invoke(app, ["explain"], env={"COLUMNS": "100"}).stdout
    assert all(name in everything for name in lessons())
    assert CliRunner().invoke(app, ["explain", "no such"]).exit_code == 2
