"""Cards: every entry has one, and a function that is put into a catalog is listed, carded and chosen at once."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from annotated_types import Gt, Interval

from trivium import activations, cards, catalog, losses
from trivium.report.cards import facts_of
from trivium.report.curves import NOT_IN_A_PLANE, curves, path
from trivium.report.plot import plot
from trivium.translations import languages, translation

EVERY = [(place, name) for place in cards.CATALOGS for name in cards.entries(place)]
every_entry = pytest.mark.parametrize(("place", "name"), EVERY)
FEW = [("relu", "activations"), ("swiglu", "activations"), ("cross_entropy", "losses"), ("one_cycle", "schedules")]
OF_LABELS = {"derivative", *" ".join(cards.LABELS).split()}
WITHOUT_SOURCE = {"zeros": "nobody proposed it", "fitting": "a choice between others, which name theirs"}


@every_entry
def test_every_entry_has_a_card(place, name):
    card = cards.card(place, name, computed=False)
    assert card.title
    assert card.formula
    assert bool(card.source) == (name not in WITHOUT_SOURCE)
    assert not card.formula.endswith(".")
    taken = inspect.signature(cards.entries(place)[name]).parameters
    assert [argument.name for argument in card.arguments][: len(taken)] == list(taken)
    if place == "activations" and name in catalog.members(activations):
        assert card.range[0] in "[("
        assert card.range[-1] in "])"
        assert card.derivative
        assert card.traps


@every_entry
def test_a_card_loses_no_word_of_the_docstring(place, name):
    card = cards.card(place, name, computed=False)
    shown = " ".join([card.title, card.formula, card.about, *(said for _, said in facts_of(card))])
    for word in inspect.getdoc(cards.entries(place)[name]).split():
        if word.strip(".:") not in OF_LABELS:
            assert word.strip(".:;,") in shown, word


def test_a_card_says_what_docstring_and_signature_say():
    card = cards.card("activations", "leaky_relu")
    assert (card.title, card.formula) == ("Leaky ReLU", "z if z > 0 else negative_slope * z")
    assert (card.family, card.range) == ("rectifiers", "(-inf, inf)")
    assert card.derivative == "1 above zero, negative_slope up to and at zero"
    assert card.arguments[1] == cards.Argument("negative_slope", "0.01", "at least 0", "")
    assert card.facts["Gain"].startswith("1.41")
    assert card.traps == ("with a slope of 1 it is the identity, and the network linear.",)
    assert card.source.startswith("Maas, Hannun & Ng 2013")
    assert card.peers["torch"] == "torch.nn.functional.leaky_relu"
    assert cards.card("losses", "squared_error").aliases == ("mse", "mean_squared_error")
    assert cards.card("losses", "cross_entropy").link
    assert "first  <- beta1 * first" in cards.card("optimizers", "adam").about


def test_parts_may_take_several_lines_and_stand_in_any_order(monkeypatch):
    def bent(z, *, knob=1.0, other=2):
        """Bent: a line, with a colon: here.

            update = z
                     + knob

        knob, other  of both
                     arguments
        Trap: the first
        goes on. Memory: none.
        Range (0, 1]; derivative 0.
        Trap: the second.
        Differs from others: in a way.

        And more.
        Source: a book.
        """

    bent.__annotations__ = {"knob": "Annotated[float, Gt(0)]", "other": "Annotated[int, Interval(ge=0, lt=9)]"}
    bent.__globals__.update(Gt=Gt, Interval=Interval)
    monkeypatch.setitem(bent.__globals__, "Annotated", __import__("typing").Annotated)
    monkeypatch.setattr(cards, "entries", lambda place: {"bent": bent})
    card = cards.card("activations", "bent")
    assert (card.title, card.formula) == ("Bent", "a line, with a colon: here")
    assert card.about == "    update = z\n             + knob\n\nAnd more."
    assert card.traps == ("the first goes on.", "the second.")
    assert (card.range, card.derivative, card.memory) == ("(0, 1]", "0", "none.")
    assert card.differs == ("others: in a way.",)
    assert card.source == "a book."
    assert card.arguments[1:] == (
        cards.Argument("knob", "1.0", "above 0", "of both arguments"),
        cards.Argument("other", "2", "in [0, 9)", "of both arguments"),
    )


@pytest.fixture
def scratch(monkeypatch):
    """An activation that stands in no file of the catalog until now."""

    def dented(z: jax.Array) -> jax.Array:
        """Dented: z * |z|.

        Range (-inf, inf); derivative 2 * |z|.
        Trap: flat at zero.
        Source: nobody.
        """
        return z * jnp.abs(z)

    dented.__module__ = "trivium.activations.scratch"
    for known in (catalog.members, catalog.wrappers, catalog._names):
        known.cache_clear()
    monkeypatch.setattr(activations, "dented", dented, raising=False)
    yield dented
    monkeypatch.undo()
    for known in (catalog.members, catalog.wrappers, catalog._names):
        known.cache_clear()


def test_a_new_activation_is_listed_carded_drawn_and_chosen(scratch):
    assert "dented" in cards.entries("activations")
    assert cards.find("Dented") == [("activations", "dented")]
    assert cards.first_line("activations", "dented", "zh") == "Dented: z * |z|."
    card = cards.card("activations", "dented", "zh")
    assert (card.formula, card.family, card.language) == ("z * |z|", "scratch", "en")
    assert card.facts["Monotonic"] == "yes"
    assert card.peers == {}
    drawn = curves("activations", "dented")
    np.testing.assert_allclose(drawn.lines["derivative"], 2 * np.abs(drawn.places), atol=1e-5)
    assert catalog.get(activations, "dented", "activation") is scratch


def test_names_are_found_as_where_a_model_is_trained():
    assert cards.find("Leaky-ReLU") == [("activations", "leaky_relu")]
    assert cards.find("mse") == [("losses", "squared_error")]
    assert {place for place, _ in cards.find("exponential")} >= {"activations", "schedules"}
    assert cards.find("schedules.exponential") == [("schedules", "exponential")]
    with pytest.raises(ValueError, match="unknown entry 'rleu': did you mean 'relu'"):
        cards.find("rleu")
    with pytest.raises(ValueError, match="lists all of them"):
        cards.find("qqqqqqqq")


@pytest.mark.parametrize("language", languages()[1:])
def test_translations_are_of_entries_that_exist(language):
    words = translation(language)
    assert set(words) - {"labels", "phrases"} <= set(cards.CATALOGS)
    share = {}
    for place in cards.CATALOGS:
        entries = cards.entries(place)
        assert set(words[place]) <= set(entries), "a translation of what is not there"
        for name, said in words[place].items():
            assert {"title", "what"} <= set(said) <= {"title", "what", "trap"}
            assert "trap" not in said or cards.card(place, name, computed=False).traps
        share[place] = len(words[place]) / len(entries)
    print(language, {place: f"{part:.0%}" for place, part in share.items()})
    assert min(share.values()) > 0.8  # a new entry need not wait for its translation


def test_a_translated_card_keeps_what_has_no_language():
    english, chinese = cards.card("losses", "huber"), cards.card("losses", "huber", "zh")
    assert "损失" in chinese.title
    assert chinese.what
    assert chinese.traps != english.traps
    assert (chinese.formula, chinese.source, chinese.arguments) == (english.formula, english.source, english.arguments)
    with pytest.raises(ValueError, match="lang must be one of en, zh, got 'xx'"):
        cards.card("losses", "huber", "xx")


@pytest.mark.parametrize(("name", "place"), FEW)
def test_curves_are_those_of_the_entry(name, place):
    drawn = curves(place, name)
    assert all(values.shape == drawn.places.shape for values in drawn.lines.values())
    if name == "relu":
        np.testing.assert_array_equal(drawn.lines["value"], np.maximum(drawn.places, 0))
    if len(drawn.lines) == 2:
        value, slope = drawn.lines.values()
        differences = np.gradient(value, drawn.places)
        assert np.median(np.abs(differences - slope)) < 1e-3


def test_losses_over_pairs_have_no_curve_and_those_of_one_output_have():
    drawn = {name for name in catalog.members(losses) if curves("losses", name) is not None}
    assert {"squared_error", "binary_cross_entropy", "cross_entropy"} <= drawn
    assert not {"triplet", "nt_xent", "dice", "ctc", "listmle"} & drawn


@pytest.mark.parametrize("name", ["gd", "adam", "lbfgs"])
def test_an_optimizer_goes_down_the_valley(name):
    way = path(name)
    assert way.steps.shape == (61, 2)
    assert way.losses[-1] < way.losses[0] / 100
    assert path(next(iter(NOT_IN_A_PLANE))) is None


def test_a_plot_sets_a_dot_for_every_column_and_fits_its_width():
    places = np.linspace(0, 1, 50)
    text = plot(places, {"line": places}, "x", width=40, height=5)
    rows = text.plain.splitlines()
    assert len(rows) == 8
    assert all(len(row) <= 40 for row in rows)
    drawn = "".join(rows[1:6])
    assert sum(0x2800 < ord(character) <= 0x28FF for character in drawn) >= 36
    flat = plot(places, {"flat": np.full(50, 3.0), "none": np.full(50, np.nan)}, "x", width=40)
    assert "3.5" in flat.plain
