"""The pages of the catalogs say what the code says. After a change of words: `python docs/make.py --text`."""

import importlib.util
import re
from pathlib import Path

import pytest

from trivium import cards
from trivium.translations import label, languages

DOCS = Path(__file__).parents[1] / "docs"
COMPUTED = ("Gain", "Mean output", "Saturates", "Dead region", "Monotonic", "Width")
SMALL = 15_000
HEADING = r"^## (\w+)$"


def module(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


make = module("make")


def sections(text, language):
    """Entry -> its lines on a page, without what took computing."""
    computed = tuple(f"- {label(name, language)}: " for name in COMPUTED)
    found = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        name, *lines = part.strip().splitlines()
        found[name] = [line for line in lines if not line.startswith(computed)]
    return found


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("catalog", make.PAGES)
def test_pages_are_current(catalog, language):
    path = make.page_path(catalog, language)
    written = sections(path.read_text(encoding="utf-8"), language)
    made = sections(make.page(catalog, language, computed=False), language)
    assert len(written) > 10
    for name, lines in written.items():  # one that is not on the page yet is no fault of the function
        assert lines == made.get(name), f"{name} on {path.name}: run `python docs/make.py --text`"


def test_computed_facts_stand_on_the_page():
    card = cards.card("activations", "tanh")
    page = make.page_path("activations", "en").read_text()
    section = page.partition("\n## tanh\n")[2].partition("\n## ")[0]
    for name, said in card.facts.items():
        assert f"- {name}: {said}" in section


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_links_and_pictures_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = set(re.findall(HEADING, text, re.MULTILINE))
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        target, _, anchor = link.partition("#")
        assert not target or (page.parent / target).exists(), link
        there = (
            set(re.findall(HEADING, (page.parent / target).read_text(), re.MULTILINE))
            if target and anchor
            else headings
        )
        assert not anchor or anchor in there, link


def test_pictures_are_small_and_belong_to_an_entry():
    pictures = list((DOCS / "catalog" / "pictures").glob("*.svg"))
    assert len(pictures) > 100
    for picture in pictures:
        catalog, name = picture.stem.split("-")
        assert name in cards.entries(catalog)
        assert picture.stat().st_size < SMALL, picture.name
        assert "<svg" in picture.read_text()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_picture_has_the_same_bytes_each_time(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    pictures = module("pictures")
    few = {"activations": ["relu"], "optimizers": ["gd"], "schedules": ["reduce_on_plateau"]}
    monkeypatch.setattr(pictures.cards, "entries", lambda catalog, of=cards.entries: {
        name: of(catalog)[name] for name in few.get(catalog, [])
    })  # fmt: skip
    drawn = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        pictures.draw_all(folder)
        drawn.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert set(drawn[0]) == {"activations-relu.svg", "optimizers-gd.svg"}
    assert drawn[0] == drawn[1]


def test_the_table_of_peers_names_everything_and_shows_errors_where_they_were_measured(tmp_path, monkeypatch):
    assert "ulp" not in make.peers_page().split("##")[1] or make.PRECISION.exists()
    measured = tmp_path / "precision.json"
    measured.write_text(
        '{"activations": {"relu": {"ours": {"value": 0, "derivative": 0.5}, "jax": null, '
        '"torch": {"value": 1.25, "derivative": 1e9}}}}'
    )
    monkeypatch.setattr(make, "PRECISION", measured)
    page = make.peers_page()
    for catalog in cards.CATALOGS:
        for name in cards.entries(catalog):
            assert f"| `{name}` |" in page
    line = next(line for line in page.splitlines() if line.startswith("| `relu` |"))
    assert line.endswith("| 0 / 0.5 | 1.25 / all digits |")
