"""Reports of a run in Chinese: the same facts, in the terminal and in the page."""

import re
from typing import get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from trivium.cli import app
from trivium.report.scores import classification_scores, regression_scores
from trivium.report.terminal import MAKERS
from trivium.training.history import Ending
from trivium.translations import languages, phrase, translation

OTHERS = [language for language in languages() if language != "en"]
UNLIKE_WORDS = {"R2", "RMSE", "MAE", "ROC AUC"}
HOLES = re.compile(r"#|\{\w+\}")


@pytest.mark.parametrize("language", OTHERS)
def test_every_phrase_has_the_same_holes_in_both_languages(language):
    for english, other in translation(language)["phrases"].items():
        assert sorted(HOLES.findall(english)) == sorted(HOLES.findall(other)), english


@pytest.mark.parametrize("language", OTHERS)
def test_what_a_run_can_say_of_itself_is_translated(language):
    y, shares = np.array([0, 1, 1]), np.array([0.4, 0.6])
    of_classes = classification_scores(y, y, np.tile(shares, (3, 1)), np.array([0, 1]), shares)
    names = {score.name for score in [*of_classes, *regression_scores(y, y * 1.0, 0.5)]} - UNLIKE_WORDS
    kinds = {"number", "category", "code", "text", "time", "dropped"}
    for english in {*get_args(Ending), *MAKERS, *MAKERS.values(), *names, *kinds, "mean", "majority"}:
        assert phrase(english, language) != english, english


def test_numbers_keep_their_place_and_names_their_digits():
    assert phrase("40 epochs, best epoch 37", "zh") == "40 轮，最佳为第 37 轮"
    assert phrase("on 1,294 held-out rows", "zh") == "在 1,294 行留出数据上"
    assert phrase("its values are the whole numbers from -3 to 9", "zh") == "取值是从 -3 到 9 的整数"
    assert phrase("40 epochs", "en") == "40 epochs"
    assert phrase("R2", "zh") == "R2"
    assert phrase("what nobody has translated, 7 times", "zh") == "what nobody has translated, 7 times"


@pytest.mark.parametrize(
    ("target", "values"), [("class", ["yes", "no"] * 60), ("number", [f"{k % 7 + 0.5}" for k in range(120)])]
)
def test_a_run_speaks_chinese_where_the_locale_does(tmp_path, target, values):
    random = np.random.default_rng(0)
    lines = [f"{a:.3f},{b:.3f},1,{value}" for (a, b), value in zip(random.normal(size=(120, 2)), values, strict=True)]
    table, report = tmp_path / "small.csv", tmp_path / "small.html"
    table.write_text("\n".join([f"a,b,same,{target}", *lines]))
    words = ["train", str(table), "--target", target, "--quiet", "--epochs", "3", "--report", str(report)]
    words += ["--hidden-widths", "8", "--out", str(tmp_path / "small.trivium")]
    chinese, english = ({"COLUMNS": "100", "LC_ALL": locale} for locale in ("zh_CN.UTF-8", "C.UTF-8"))
    run = CliRunner().invoke(app, words, env=chinese)
    assert run.exit_code == 0, run.output
    task = "分类" if target == "class" else "回归"
    for told in (
        f"{target} 的{task}",
        "训练 86，验证 10，测试 24",
        "same（所有值都相同）",
        "3 轮，最佳为第",
        "在 24 行留出数据上",
    ):
        assert told in run.stdout, told
    page = report.read_text(encoding="utf-8")
    assert '<html lang="zh">' in page
    body = page[page.index("<body>") :]
    for told in ("学习曲线", "得分", "选择", "未使用的列", "所有值都相同"):
        assert f">{told}<" in body, told
    assert not re.search(r"<h2>[^<]*[a-z]{3}", body)
    assert "Learning curves" in _page_of(words, report, english)
    scored = CliRunner().invoke(app, ["evaluate", str(tmp_path / "small.trivium"), str(table)], env=chinese)
    assert "在 120 行数据上" in scored.stdout


def _page_of(words, report, environment):
    assert CliRunner().invoke(app, words, env=environment).exit_code == 0
    return report.read_text(encoding="utf-8")
