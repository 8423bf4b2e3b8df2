"""What people see of a diagnosis: terminal, page, command line."""

import json
import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from plotly.offline import get_plotlyjs
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from report.runs import fading, learned, sorted_and_holed
from trivium.cli import app
from trivium.diagnosis.ranking import Diagnosis, diagnose
from trivium.diagnosis.rules.learning_rate import lr_too_low
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both
from trivium.report.diagnosis import grouped, print_diagnosis
from trivium.report.diagnosis_page import figure_of, page, section
from trivium.report.evidence import HEIGHTS, Picture, picture_of
from trivium.report.lines import draw
from trivium.report.prose import Prose


def printed(diagnosis, lang="en", width=100):
    console = Console(file=StringIO(), width=width, color_system=None)
    print_diagnosis(diagnosis, console, lang)
    return console.file.getvalue()


def test_a_healthy_run_is_one_line():
    said = printed(diagnose(learned()), width=200)
    assert said.startswith("✓ Healthy: accuracy 0.920")
    assert said.count("\n") == 1


def test_the_root_comes_with_its_proof_and_what_follows_from_it_below():
    diagnosis = diagnose(fading())
    assert diagnosis.findings[0].name == "vanishing_gradient"
    said = printed(diagnosis)
    places = [
        said.index(words)
        for words in ("Vanishing gradient", "how we know", "1e-09", "bound 0.002", "Glorot &", "log scale",
                      "why", "what to do", "activation='relu'", "trivium explain vanishing_gradient", "follow from it")
    ]  # fmt: skip
    assert places == sorted(places)
    followers = [finding for finding in diagnosis.findings if finding.because_of]
    assert followers
    assert all(f"↳ {words}" in said for words in ("Underfitting",))


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(lang, width):
    for record in (fading(), learned(), sorted_and_holed()):
        said = printed(diagnose(record), lang, width)
        assert max(map(cell_len, said.splitlines())) <= width


def test_every_finding_stands_once():
    diagnosis = diagnose(sorted_and_holed())
    assert len(diagnosis.findings) >= 4
    groups = grouped(diagnosis.findings)
    shown = [finding.name for root, rest in groups for finding in (root, *rest)]
    assert sorted(shown) == sorted(finding.name for finding in diagnosis.findings)
    assert groups[0][0] is diagnosis.findings[0]


def test_a_page_has_each_root_beside_a_picture_and_fetches_nothing():
    diagnosis = diagnose(sorted_and_holed())
    text = page(diagnosis, "en")
    roots = [root for root, _ in grouped(diagnosis.findings)]
    assert text.count('<div class="finding ') == len(roots)
    assert text.count('<div class="figure">') == len(roots)
    assert not re.search(r'(src|href)="http', text.replace(get_plotlyjs(), ""))
    assert "prefers-color-scheme: dark" in text
    assert '<html lang="en">' in text
    assert '<html lang="zh">' in page(diagnosis, "zh")
    assert "Plotly.newPlot" in section(diagnosis, "en")


def test_a_page_says_of_a_healthy_run_that_it_is():
    assert "✓ Healthy: accuracy 0.920" in page(diagnose(learned()), "en")


def test_words_of_a_record_cannot_become_markup():
    record = fading(optimizer={"name": "<script>alert(1)</script>"})
    assert "<script>alert" not in page(diagnose(record), "en")


def test_the_bound_is_drawn_where_the_rule_has_it():
    diagnosis = diagnose(fading())
    picture = picture_of(diagnosis.findings[0], diagnosis.signals)
    assert picture is not None
    lines = list(picture.lines.values())
    np.testing.assert_allclose(picture.levels["bound"], 2e-3 * lines[-1])
    assert (lines[0] < picture.levels["bound"]).all()
    assert picture.logarithmic
    assert len(picture.lines) == 6  # of ten layers
    assert next(iter(picture.lines)).startswith("layer0")


def test_the_ratio_drawn_is_the_one_that_the_rule_compares():
    """A layer that starts at zero grows by its own size at any rate, which is no news of the rate."""
    record = fading()
    norms, ratios = record.weight_norm.copy(), record.update_ratio * 1e-3
    norms[:, -1], ratios[1:, -1] = 1e-4 * record.moment, 1 / record.moment[1:]
    run = Signals(replace(record, weight_norm=norms, update_ratio=ratios))
    found = lr_too_low(run)
    assert found is not None
    picture = picture_of(found, run)
    assert picture is not None
    assert picture.height == HEIGHTS["update_ratio"]
    assert max(np.nanmax(values) for values in picture.lines.values()) < 1e-4


def test_without_a_record_there_are_words_alone():
    diagnosis = diagnose(fading())
    bare = Diagnosis(diagnosis.findings, [], "", None)
    assert "Vanishing gradient" in printed(bare)
    assert "figure" not in section(bare, "en").replace(".figure", "")


@pytest.mark.parametrize("signal", HEIGHTS)
def test_every_signal_that_evidence_may_name_is_a_field_of_the_record(signal):
    assert hasattr(fading(), signal) or signal == "time_gradient"


def test_lines_are_where_their_values_are():
    diagnosis = diagnose(learned())
    finding = diagnose(fading()).findings[0]
    picture = picture_of(finding, diagnosis.signals)
    assert picture is not None
    rows = draw(picture, "en", width=90, height=4).plain.splitlines()
    assert len(rows) == 2 + 4 + 1
    upper = rows[2].partition("┤")[2]
    assert set(upper.strip()) & set("⠉⠒⠤⠊⠁⠈⠑")  # all gradients are 1, the highest value


def test_chinese_is_wrapped_between_characters_and_no_line_begins_with_a_mark():
    console = Console(file=StringIO(), width=21, color_system=None)
    text = "在平坦区，斜率几乎为零，梯度也几乎为零。ReLU 的斜率要么是 0，要么是 1。"
    console.print(Prose(text))
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line[0] in "，。" for line in lines)
    assert max(map(cell_len, lines)) <= 21
    assert min(map(cell_len, lines[:-1])) >= 16


def test_texts_add_up_in_both_languages():
    text = both("one", "一") + ", " + both("two", "二")
    assert (text, text.zh) == ("one, two", "一, 二")


class TestCommands:
    def run(self, *words, **env):
        return CliRunner().invoke(app, list(words), env={"COLUMNS": "120", "LC_ALL": "C.UTF-8", **env})

    @pytest.fixture
    def file(self, tmp_path):
        path = tmp_path / "run.record"
        fading().save(path)
        return path

    def test_findings_are_exit_code_1_and_health_is_0(self, file, tmp_path):
        failed = self.run("diagnose", str(file))
        assert failed.exit_code == 1
        assert "Vanishing gradient" in failed.stdout
        learned().save(tmp_path / "good.record")
        good = self.run("diagnose", str(tmp_path / "good.record"))
        assert good.exit_code == 0
        assert "Healthy" in good.stdout

    def test_what_is_no_record_is_exit_code_2(self, tmp_path):
        other = tmp_path / "table.csv"
        other.write_text("a,b\n1,2\n")
        for path in (other, tmp_path / "missing"):
            wrong = self.run("diagnose", str(path))
            assert wrong.exit_code == 2
            assert str(path.name) in wrong.stderr.replace("\n", "")
        assert self.run("diagnose", str(other), "--lang", "xx").exit_code == 2

    def test_json_is_the_verdict_and_nothing_else(self, file):
        found = json.loads(self.run("diagnose", str(file), "--json").stdout)
        assert found["findings"][0]["name"] == "vanishing_gradient"
        assert found["findings"][0]["evidence"][0]["threshold"] == 2e-3

    def test_a_page_is_written(self, file, tmp_path):
        target = tmp_path / "run.html"
        assert self.run("diagnose", str(file), "--html", str(target), "--lang", "zh").exit_code == 1
        assert "梯度消失" in target.read_text(encoding="utf-8")
        assert self.run("diagnose", str(file), "--html", str(tmp_path / "no" / "x.html")).exit_code == 2

    def test_the_locale_chooses_the_language(self, file):
        assert "梯度消失" in self.run("diagnose", str(file), LC_ALL="zh_CN.UTF-8").stdout
        assert "Vanishing gradient" in self.run("diagnose", str(file), LC_ALL="de_DE.UTF-8").stdout
        assert "Vanishing gradient" in self.run("diagnose", str(file), "--lang", "en", LC_ALL="zh_CN.UTF-8").stdout


def test_a_training_run_is_diagnosed_in_the_terminal_in_the_page_and_from_its_record(tmp_path):
    """XOR in a table: a linear model cannot, a hidden layer can."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(300, 2))
    lines = [f"{a:.3f},{b:.3f},{'yes' if a * b > 0 else 'no'}" for a, b in rows]
    table, record, report = tmp_path / "xor.csv", tmp_path / "xor.record", tmp_path / "xor.html"
    table.write_text("\n".join(["a,b,same", *lines]))
    words = ["train", str(table), "--target", "same", "--quiet", "--epochs", "40", "--learning-rate", "0.03"]
    words += ["--record", str(record), "--report", str(report)]
    environment = {"COLUMNS": "100", "LC_ALL": "C.UTF-8"}
    failed = CliRunner().invoke(app, [*words, "--hidden-widths", "none"], env=environment)
    assert failed.exit_code == 0
    assert "A linear model  error" in failed.stdout
    assert failed.stdout.count("The network is a linear model") == 1  # and not among the notes as well
    page_text = report.read_text(encoding="utf-8")
    assert '<div class="finding error"><h3>A linear model' in page_text
    again = CliRunner().invoke(app, ["diagnose", str(record)], env=environment)
    assert again.exit_code == 1
    assert "A linear model" in again.stdout
    unseen = CliRunner().invoke(app, [*words, "--on-problem", "ignore"], env=environment)
    assert unseen.exit_code == 2
    assert "Set on_problem to warn" in " ".join(unseen.stderr.split())


def test_a_line_of_one_place_is_a_dot():
    training, validation = both("training loss", "训练损失"), both("validation loss", "验证损失")
    series = {training: np.array([3.0, np.nan]), validation: np.array([2.0, 1.0])}
    picture = Picture(both("loss", "损失"), both("epoch", "轮"), np.array([1.0, 2.0]), series)
    rows = draw(picture, "en", width=60, height=4).plain.splitlines()
    assert sum(ord(character) > 0x2800 for character in rows[2]) == 1  # at the top, where the first loss lies alone
    modes = [trace.mode for trace in figure_of(picture, "en").data]
    assert modes == ["markers", "lines"]
