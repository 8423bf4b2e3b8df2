"""What is said of a search agrees with its table: who won, by how much, and why."""

import re
from html import unescape

import numpy as np
import pytest

from trivium.candidates import LADDER
from trivium.report import searched
from trivium.report.search import described, search, summary

N = 12


def table(**changes):
    """A search over activations and rates; network 0 has the defaults, 3 wins, 5 comes next."""
    scores = [0.5, 0.9, None, 0.25, 0.7, 0.3, 0.6, 0.8, 0.95, 0.65, 0.75, 0.85]
    columns = {
        "activation": ["relu", "mish", "tanh", "mish", "relu", "tanh"] * 2,
        "learning_rate": [0.001, 0.02, 5.0, 0.004, 0.003, 0.0015, 0.01, 0.025, 0.03, 0.04, 0.05, 0.06],
        "best_epoch": [9, 3, -1, 7, 4, 8, 1, 1, 1, 1, 1, 1],
        "train_loss": scores,
        "validation_loss": scores,
        "final_train_loss": scores,
        "epochs": [10, 4, 1, 10, 5, 10, 2, 2, 2, 2, 2, 2],
        "ending": ["all epochs", "overtaken", "not finite", "all epochs", "overtaken", "all epochs"]
        + ["overtaken"] * 6,
        "seconds": [1.0] * N,
        "score": scores,
        "weight": [float(place == 3) for place in range(N)],
    }
    return columns | changes


OPEN = ("activation", "learning_rate")


def test_it_says_what_was_open_how_many_were_tried_and_what_became_of_them():
    assert summary(table(), OPEN).splitlines()[0] == (
        "Left open: activation, learning_rate. 12 networks were tried: 1 diverged and 8 left early, overtaken by "
        "better ones."
    )


def test_the_winner_stands_beside_the_defaults_and_the_runner_up():
    found = search(table(), OPEN)
    assert (found.winner, found.default, found.runner_up) == (3, 0, 5)
    text = " ".join(found.words)
    assert "The winner: activation mish, learning_rate 0.004; validation loss 0.25 in epoch 8 of 10." in text
    assert "The plain defaults (activation relu, learning_rate 0.001) reached 0.5: the winner's is 50.0% lower." in text
    assert "The runner-up (activation tanh, learning_rate 0.0015) reached 0.3: the winner's is 16.7% lower." in text


def test_why_it_won_is_told_by_the_best_that_kept_each_default_the_dearest_first():
    text = " ".join(search(table(), OPEN).words)
    with_relu = text.index("The best of 4 networks with activation relu reached 0.5: the winner's is 50.0% lower.")
    with_rate = text.index("The best of 2 networks with learning_rate near 0.001 reached 0.3")
    assert with_relu < with_rate


def test_one_that_left_the_race_is_not_compared_in_per_cent():
    endings = table()["ending"]
    text = " ".join(search(table(ending=["overtaken", *endings[1:]], epochs=[3, *table()["epochs"][1:]]), OPEN).words)
    assert "The plain defaults (activation relu, learning_rate 0.001) left the race after 3 epochs at 0.5" in text
    assert "50.0%" not in text


def test_the_defaults_may_win_and_then_nothing_is_explained():
    scores = [0.1, *table()["score"][1:]]
    found = search(table(score=scores, validation_loss=scores, weight=[1.0] + [0.0] * (N - 1)), OPEN)
    assert found.winner == found.default == 0
    assert "These are the plain defaults: nothing else that was tried beat them." in found.words
    assert not any("near" in said for said in found.words)


def test_negative_scores_are_compared_by_their_difference():
    scores = [-0.5 if score is None else score - 1 for score in table()["score"]]
    text = " ".join(search(table(score=scores), OPEN).words)
    assert "score (lower is better) -0.75" in text
    assert "the winner's is 0.25 lower" in text


def test_an_average_is_told_with_its_weights():
    weights = [0.0] * N
    weights[3], weights[5] = 0.75, 0.25
    said = search(table(weight=weights), OPEN).words[-1]
    assert said == (
        "The answer averages 2 networks: 75% activation mish, learning_rate 0.004; 25% activation tanh, "
        "learning_rate 0.0015."
    )
    assert "4% of 1 more" in search(table(weight=[0.16] * 6 + [0.04] + [0.0] * 5), OPEN).words[-1]


def test_where_nothing_was_finite_nothing_is_boasted_of():
    none = [None] * N
    found = search(table(score=none, validation_loss=none, weight=[1.0] + [0.0] * (N - 1)), OPEN)
    assert found.words[1:] == ["No network had a finite loss: try lower learning rates."]
    assert found.runner_up is None


def test_on_the_ladder_the_default_is_the_optimizers_own_rate():
    rates = (0.001 * LADDER).tolist()
    n = len(rates)
    columns = {name: [values[0]] * n for name, values in table().items()}
    columns |= {"learning_rate": rates, "score": [1.0 + abs(place - 18) for place in range(n)]}
    columns |= {"weight": [float(place == 18) for place in range(n)]}
    found = search(columns, ("learning_rate",))
    assert rates[found.default] == pytest.approx(0.001)
    assert found.winner == 18


def test_seeds_alone_have_no_defaults():
    found = search(table(), ())
    assert "Nothing was left open but the seed." in found.words[0]
    assert not any("defaults" in said for said in found.words)
    assert described(table(), (), 3) == "network 4"


def test_the_picture_has_each_network_at_its_rate_and_loss():
    columns = table()
    picture = searched.figure(search(columns, OPEN), {"optimizer": "adamw"}, 1.0)
    drawn = {trace.name: trace for trace in picture.data if trace.name in ("relu", "mish", "tanh")}
    assert {trace.mode for trace in drawn.values()} == {"markers"}  # those that left early had less time
    assert drawn["mish"].marker.symbol[:2] == ("circle", "circle-open")
    low, high = picture.layout.yaxis.range
    assert all(10**low < loss < 10**high for trace in drawn.values() for loss in trace.y if np.isfinite(loss))
    mish = sorted(
        (rate, loss)
        for name, rate, loss in zip(*(columns[c] for c in ("activation", "learning_rate", "score")), strict=True)
        if name == "mish"
    )
    assert list(zip(drawn["mish"].x, drawn["mish"].y, strict=True)) == mish
    (star,) = [trace for trace in picture.data if trace.name == "best"]
    assert (star.x[0], star.y[0]) == (0.004, 0.25)


def test_only_networks_that_differ_in_the_rate_alone_are_a_line():
    ended = {"ending": ["all epochs"] * N, "dropout": [0.0, 0.1] * 6}
    for left_open, mode in ((OPEN, "lines+markers"), ((*OPEN, "dropout"), "markers")):
        drawn = searched.figure(search(table(**ended), left_open), {}, 1.0).data
        assert {trace.mode for trace in drawn if trace.name in ("relu", "mish", "tanh")} == {mode}


def test_networks_of_several_losses_are_drawn_by_their_scores_without_a_constant():
    found = search(table(loss=["focal", "brier"] * 6, score=[1.0 + place for place in range(N)]), (*OPEN, "loss"))
    picture = searched.figure(found, {}, 0.01)
    assert [t.visible for t in picture.data if t.name == "constant prediction"] == [False]
    assert {y for t in picture.data if t.name in ("relu", "tanh", "mish") for y in t.y if np.isfinite(y)} <= {
        1.0 + place for place in range(N)
    }


def test_one_rate_is_no_picture():
    assert searched.figure(search(table(learning_rate=[0.1] * N), ("activation",)), {}, 1.0) is None


def test_the_table_holds_the_best_ten_in_order_and_the_defaults():
    scores = [99.0, *[1.0 + place for place in range(1, N)]]
    weights = [0.0, 1.0] + [0.0] * (N - 2)
    head, rows = searched.best(search(table(score=scores, weight=weights), OPEN))
    assert head == ("", "activation", "learning rate", "score (lower is better)", "epoch kept", "epochs", "ending")
    assert [row[3] for row in rows] == [*(str(1 + place) for place in range(1, 11)), "99"]
    assert rows[0][0] == "winner"
    assert rows[-1][0] == "defaults"
    assert rows[1][4] == "none"


def test_the_part_of_the_page_says_the_same_words():
    from types import SimpleNamespace

    found = search(table(), OPEN)
    summary_of_run = SimpleNamespace(search=found, choices=[], history=SimpleNamespace(baseline_loss=1.0))
    page = unescape("".join(searched.sections(summary_of_run, "en")))
    assert " ".join(found.words) in page
    assert len(re.findall("<tr>", page)) == 11
    assert "Crosses at the top" in page
