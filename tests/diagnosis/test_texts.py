"""Every sentence of every rule stands in both languages, with the same numbers."""

import ast
import copy
import json
import pickle
import re
from pathlib import Path

import pytest

from diagnosis.runs import FAULTS, healthy
from trivium.catalog import members
from trivium.diagnosis import rules
from trivium.diagnosis.ranking import diagnose
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import Text, both, language, said

RULES = members(rules)
FILES = sorted(Path(str(rules.__file__)).parent.rglob("[!_]*.py"))
CHINESE = re.compile(r"[\u4e00-\u9fff]")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?%?")


def sentences(finding):
    yield from (finding.symptom, finding.cause, *(remedy.text for remedy in finding.remedies))
    for evidence in finding.evidence:
        yield evidence.what


@pytest.mark.parametrize("name", RULES)
def test_a_finding_speaks_both_languages_with_the_same_numbers(name):
    finding = RULES[name](Signals(FAULTS[name]))
    for text in sentences(finding):
        assert isinstance(text, Text), text
        assert CHINESE.search(text.zh) or text == text.zh, text
        assert not CHINESE.search(text), text
        assert sorted(NUMBER.findall(text)) == sorted(NUMBER.findall(text.zh)), (text, text.zh)
    for text in (finding.symptom, finding.cause, *(remedy.text for remedy in finding.remedies)):
        assert text.zh[-1] in "。？"


def calls(tree, *names):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names]


def values(node):
    """The expressions within the braces of a template, as they are written in English."""
    found = {ast.unparse(part.value) for part in ast.walk(node) if isinstance(part, ast.FormattedValue)}
    return {re.sub(r"\.zh\b|^said\((.*), 'zh'\)$", r"\1", value) for value in found}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_templates_of_both_languages_have_the_same_places(path):
    pairs = calls(ast.parse(path.read_text(encoding="utf-8")), "both")
    assert pairs
    for pair in pairs:
        english, chinese = pair.args
        missing = values(english) ^ values(chinese)
        worded = {place for place in missing if "'" in place}  # words that one of the two languages bends
        assert missing == worded, ast.unparse(pair)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_sentence_stands_in_one_language_alone(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(inner) for pair in calls(tree, "both") for inner in ast.walk(pair)}
    for call in calls(tree, "Finding", "Remedy", "Evidence"):
        spoken = [word.value for word in call.keywords if word.arg in ("symptom", "cause")]
        spoken += [] if getattr(call.func, "id", "") == "Finding" else call.args[:1]
        for node in (inner for expression in spoken for inner in ast.walk(expression)):
            alone = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
            if alone and id(node) not in told:
                assert " " not in ast.unparse(node), ast.unparse(node)


def test_a_verdict_is_told_in_chinese():
    verdict = diagnose(FAULTS["dying_relu"])
    told = verdict.text("zh")
    assert "已经死亡" in told
    assert "依据" in told
    assert "how we know" in verdict.text("en")
    assert verdict.to_json("zh")["findings"][0]["symptom"] == verdict.findings[0].symptom.zh
    assert (
        json.loads(json.dumps(verdict.to_json(), allow_nan=False))["findings"][0]["symptom"]
        == verdict.findings[0].symptom
    )
    good = diagnose(healthy())
    assert good.text("zh").startswith("健康：准确率 0.950，简单模型能达到 0.950")


def test_the_locale_is_the_default(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert language() == "en"
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert language() == "zh"
    assert str(diagnose(healthy())).startswith("健康")
    monkeypatch.setenv("LC_ALL", "C")
    assert language() == "en"
    with pytest.raises(ValueError, match="lang must be one of en, zh, got 'fr'"):
        language("fr")


def test_a_text_keeps_its_chinese():
    text = both("The loss", "损失") + " " + both("falls.", "下降。")
    for same in (text, copy.deepcopy(text), pickle.loads(pickle.dumps(text))):
        assert same == "The loss falls."
        assert said(same, "zh") == "损失 下降。"
    assert said("plain", "zh") == "plain"
    assert ("A " + both("b", "乙")).zh == "A 乙"
