"""`trivium catalog`: the lists, the cards, and how it answers mistakes."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import trivium
from trivium import cards, catalog
from trivium.cli import app


def run(*arguments):
    result = CliRunner().invoke(app, ["catalog", *arguments], env={"COLUMNS": "80"})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_lists_everything_that_there_is_in_80_columns():
    result = run()
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for place in cards.CATALOGS:
        assert f"{place} ({len(cards.entries(place))})" in lines
        for name in cards.entries(place):
            assert any(f" {name} " in line for line in lines), name
    assert max(map(len, lines)) <= 80
    assert "trivium catalog elu" in " ".join(result.stdout.split())


def test_lists_one_catalog_and_json():
    assert "relu" not in run("schedules").stdout.split()
    everything = json.loads(run("--json").stdout)
    assert {place: set(found) for place, found in everything.items()} == {
        place: set(cards.entries(place)) for place in cards.CATALOGS
    }
    assert everything["activations"]["relu"] == {"family": "rectifiers", "first_line": "ReLU: max(z, 0)."}
    assert list(json.loads(run("losses", "--json").stdout)) == ["losses"]


def test_a_card_shows_what_the_record_holds():
    shown = run("mish").stdout
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.split())
    (record,) = json.loads(run("mish", "--json").stdout)
    assert record == json.loads(json.dumps(cards.card("activations", "mish").to_json()))
    for said in (record["formula"], record["range"], record["derivative"], *record["traps"], *record["facts"].values()):
        assert said in words
    for name in record["peers"].values():
        assert name in words
    assert any(0x2800 < ord(character) <= 0x28FF for character in shown)


@pytest.mark.parametrize(("name", "picture"), [("huber", True), ("cosine", True), ("gd", True), ("dice", False)])
def test_a_picture_stands_where_there_is_one(name, picture):
    assert any(0x2800 < ord(character) <= 0x28FF for character in run(name).stdout) == picture


def test_a_name_in_several_catalogs_shows_all_of_them_and_one_can_be_picked():
    found = {(record["catalog"], record["name"]) for record in json.loads(run("exponential", "--json").stdout)}
    assert found == {(place, "exponential") for place in cards.CATALOGS if "exponential" in cards.entries(place)}
    assert len(found) >= 2
    (one,) = json.loads(run("schedules.exponential", "--json").stdout)
    assert one["catalog"] == "schedules"
    assert "exp(z)" not in run("schedules.exponential").stdout


def test_speaks_chinese_and_keeps_formulas():
    shown = run("relu", "--lang", "zh").stdout
    assert "梯度" in shown
    assert "max(z, 0)" in shown
    assert "陷阱" in shown
    assert "激活函数" in run("--lang", "zh").stdout
    (record,) = json.loads(run("relu", "--lang", "zh", "--json").stdout)
    assert record["language"] == "zh"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rleu"], "unknown entry 'rleu': did you mean 'relu'"),
        (["losses.hubre"], "did you mean 'huber'"),
        (["relu", "--lang", "xx"], "lang must be one of en, zh, got 'xx'. Leave it out for English."),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(arguments, words):
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert result.stdout == ""


def test_what_is_piped_holds_no_colours():
    command = [sys.executable, "-m", "trivium", "catalog", "relu"]
    environment = {**os.environ, "COLUMNS": "80", "JAX_PLATFORMS": "cpu"}
    assert b"\x1b" not in subprocess.run(command, check=True, capture_output=True, env=environment).stdout


def test_schedules_stand_at_the_front_door():
    assert trivium.schedules.cosine in catalog.members(trivium.schedules).values()
