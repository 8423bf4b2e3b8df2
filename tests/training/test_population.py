"""A population: each member as if it were alone, whoever trains beside it."""

import threading
from dataclasses import replace
from functools import partial
from itertools import pairwise

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trivium import activations, heads, losses, network, optimizers
from trivium.initializers import glorot_uniform
from trivium.training import devices, population
from trivium.training.devices import Lane
from trivium.training.epochs import run, start
from trivium.training.history import History
from trivium.training.population import Member, train_population
from trivium.training.program import Program
from trivium.training.split import table

random = np.random.default_rng(0)
X = random.normal(size=(300, 4)).astype(np.float32)
Y = np.tanh(X @ np.float32([1, -2, 0.5, 0])).astype(np.float32)
ROWS, ASIDE = table(X[:230], Y[:230], None), table(X[230:], Y[230:], None)
HEAD = heads.regressor_head(losses.squared_error, None)
CORES = [Lane(None, 1), Lane(None, 1)]
STACKED = [Lane(None, 64)]


def program(optimizer=optimizers.adam, activation=activations.tanh):
    return Program(
        network.Perceptron((8,), activation, 1), HEAD, losses.squared_error, optimizer, (), heads.squared_distance, 32
    )


def member(seed=0, learning_rate=0.01, choices=None, rows=ROWS, aside=ASIDE):
    choices, numbers = choices or program(), {"learning_rate": learning_rate}
    init_key, order_key = jax.random.split(jax.random.PRNGKey(seed))
    state = start(choices, numbers, network.init(init_key, (4, 8, 1), glorot_uniform), order_key)
    return Member(choices, numbers, state, rows, aside, History("R2", 1.0))


def members():
    """They differ in seed, learning rate, rows and row weights."""
    fold = np.arange(0, 230, 2)
    weighted = ROWS._replace(weights=np.linspace(0, 2, 230, dtype=np.float32))
    yield member(0, 0.01)
    yield member(1, 0.1)
    yield member(2, 0.003, rows=ROWS._replace(places=fold), aside=ROWS._replace(places=fold + 1))
    yield member(3, 0.03, rows=weighted)
    yield member(4, 1e30)  # not finite
    yield member(5, 0.01, rows=ROWS._replace(places=fold[:-7]), aside=None)


def assert_same(one, other, same=assert_array_equal):
    jax.tree.map(same, one.state.parameters, other.state.parameters)
    jax.tree.map(same, one.state.best, other.state.best)
    for name in ("train_loss", "train_metric", "validation_loss", "validation_metric"):
        same(getattr(one.history, name), getattr(other.history, name))
    assert one.history.best_epoch == other.history.best_epoch
    assert one.history.ending == other.history.ending


def test_a_member_is_the_same_to_the_bit_in_any_company():
    together = list(members())
    train_population(together, epochs=60, patience=2, lanes=CORES)
    for alone, beside in zip(members(), together, strict=True):
        train_population([alone], epochs=60, patience=2)
        assert_same(alone, beside)
    assert {beside.history.ending for beside in together} >= {"not finite", "no progress"}


def test_stacked_members_are_those_alone_up_to_rounding():
    together = [one for one in members() if one.numbers["learning_rate"] < 1]
    train_population(together, epochs=6, lanes=STACKED)
    for alone, beside in zip((one for one in members() if one.numbers["learning_rate"] < 1), together, strict=True):
        train_population([alone], epochs=6)
        assert_same(alone, beside, partial(assert_allclose, rtol=2e-3, atol=1e-5))


def test_stacked_members_end_one_by_one():
    noise = table(X[230:], np.float32(random.normal(size=70)), None)  # nothing to learn from 230 other rows
    together = [member(seed, 0.05, aside=noise) for seed in range(5)] + [member(9, 1e30, aside=noise)]
    train_population(together, epochs=100, patience=3, lanes=STACKED)
    assert together[-1].history.ending == "not finite"
    for one in together[:-1]:
        assert one.history.ending == "no progress"
        assert one.history.best_epoch == int(np.argmin(one.history.validation_loss)) == len(one.history) - 4


def test_members_of_other_programs_train_beside_each_other():
    def mixed():
        return [
            member(0),
            member(1, choices=program(optimizers.sgd)),
            member(2, choices=program(activation=activations.relu)),
            member(3),
        ]

    for lanes in (CORES, STACKED):
        together = mixed()
        train_population(together, epochs=3, lanes=lanes)
        for alone, beside in zip(mixed(), together, strict=True):
            train_population([alone], epochs=3)
            assert_same(alone, beside, partial(assert_allclose, rtol=1e-3, atol=1e-6))


def test_a_population_compiles_once_and_copies_its_rows_once(monkeypatch):
    train_population([member(0)], epochs=1)
    before, copied = run.plain._cache_size(), []
    put = jax.device_put
    monkeypatch.setattr(jax, "device_put", lambda *given: copied.append(given) or put(*given))
    train_population([member(seed, 0.01 * seed) for seed in range(1, 6)], epochs=3, lanes=CORES)
    assert run.plain._cache_size() == before
    assert len(copied) == 6  # X, targets and weights, of the rows and of those kept aside


@pytest.mark.parametrize("lanes", [CORES, STACKED])
def test_halving_keeps_the_better_half_at_each_rung(lanes):
    together = [member(0, learning_rate) for learning_rate in (0.01, 1e-7, 0.02, 1e-6, 0.03, 1e-5, 1e-4, 2e-7)]
    train_population(together, epochs=20, first_rung=4, lanes=lanes)
    lengths = [len(one.history) for one in together]
    assert sorted(lengths) == [4, 4, 4, 4, 8, 8, 16, 20]
    best = sorted(together, key=lambda one: min(one.history.validation_loss))
    assert len(best[0].history) == 20
    assert best[0].history.ending == "all epochs"
    for one in best[1:]:
        assert one.history.ending == "overtaken"
    assert max(min(one.history.validation_loss[:4]) for one in together if len(one.history) > 4) < min(
        min(one.history.validation_loss) for one in together if len(one.history) == 4
    )


def test_a_time_limit_is_one_for_all():
    train_population([member(seed) for seed in range(6)], epochs=2, lanes=CORES)  # compiles, for every device
    together = [member(seed) for seed in range(6)]
    train_population(together, epochs=10**6, time_limit=1.0, lanes=CORES)
    assert {one.history.ending for one in together} == {"time limit"}
    lengths = [len(one.history) for one in together]
    even = max(lengths) - min(lengths) <= 1  # of a machine so slow that one epoch takes the time
    assert even or min(lengths) > max(lengths) / 10  # each had its share
    assert max(one.history.seconds[-1] for one in together) < 10


def test_an_interruption_keeps_what_every_member_has():
    seen = []

    def interrupt(one):
        seen.append(one)
        if len(seen) == 7:
            raise KeyboardInterrupt

    together = [member(seed) for seed in range(3)]
    train_population(together, epochs=10**5, on_progress=interrupt, lanes=CORES)
    assert {one.history.ending for one in together} == {"interrupted"}
    assert all(len(one.history) == int(one.state.epoch) for one in together)
    assert sum(len(one.history) for one in together) >= 7


def test_an_error_in_a_lane_reaches_the_caller_and_leaves_no_thread():
    def raises(predictions, targets):
        raise ZeroDivisionError("mine")

    broken = Program(
        network.Perceptron((8,), activations.tanh, 1), HEAD, raises, optimizers.adam, (), heads.squared_distance, 32
    )
    with pytest.raises(ZeroDivisionError, match="mine"):
        train_population([member(choices=broken), member(1)], epochs=10, lanes=CORES)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("trivium")]


def test_training_goes_on_where_it_stood():
    whole, halves = [[member(seed) for seed in range(3)] for _ in range(2)]
    train_population(whole, epochs=12, lanes=CORES)
    train_population(halves, epochs=5, lanes=CORES)
    train_population(halves, epochs=7, lanes=CORES)
    for one, other in zip(whole, halves, strict=True):
        assert_same(one, other)
        assert len(other.history) == 12


def test_lanes_share_members_evenly():
    calls = []
    lanes = [Lane(None, 8), Lane(None, 8)]
    advance = population._Run.advance
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(population._Run, "advance", lambda *given: calls.append(len(given[1])) or advance(*given))
        train_population([member(seed) for seed in range(6)], epochs=1, lanes=lanes)
    assert sum(calls) == 6
    assert max(calls) == 3


def test_a_lane_goes_on_while_another_is_busy(monkeypatch):
    """Also where both are cores of one CPU."""
    monkeypatch.setattr(devices, "cores", lambda: 2)
    over, usual = threading.Event(), population._Run.advance
    slow, quick = member(0), member(1)

    def advance(run, group, lane):
        assert group[0].member is quick or over.wait(60)
        usual(run, group, lane)

    monkeypatch.setattr(population._Run, "advance", advance)
    train_population([slow, quick], epochs=12, on_progress=lambda one: len(one.history) == 12 and over.set())
    assert len(slow.history) == len(quick.history) == 12


def test_two_lanes_compile_a_program_once(monkeypatch):
    choices, traced = program(), []

    def counting(outputs, targets):
        traced.append(threading.get_ident())
        return losses.squared_error(outputs, targets)

    alone, both = [replace(choices, loss=partial(counting)) for _ in range(2)]
    train_population([member(0, choices=alone)], epochs=3, lanes=CORES[:1])
    of_one = len(traced)
    train_population([member(seed, choices=both) for seed in range(2)], epochs=3, lanes=CORES)
    assert len(traced) == 2 * of_one


def test_a_schedule_ends_with_the_time_limit(monkeypatch):
    """On a clock on which an epoch takes a second, of 100 epochs some 20 are run, and the rate falls to nothing."""
    now, steps, usual = [0.0], [], population.programs.run

    def slow(*args):
        now[0] += args[-2] - args[2].epoch  # epochs
        return usual(*args)

    monkeypatch.setattr(population.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(population.programs, "run", slow)
    monkeypatch.setattr(population, "BRIEF", 0.0)
    falling = replace(program(), schedules=(("learning_rate", linear_to_nothing),))
    one = member(choices=falling)

    def after(one):
        steps.append(np.asarray(one.state.parameters[0]["weights"]))

    train_population([one], epochs=100, time_limit=20, on_epoch=after, lanes=CORES[:1])
    assert one.history.ending == "time limit"
    assert 15 <= len(one.history) <= 21
    moved = [np.abs(new - old).max() for old, new in pairwise(steps)]
    assert moved[-1] < 0.1 * moved[0]
    whole = member(choices=falling)
    train_population([whole], epochs=5, lanes=CORES[:1])
    assert whole.history.ending == "all epochs"


def linear_to_nothing(value, steps):
    return lambda step: value * (1 - step / steps)
