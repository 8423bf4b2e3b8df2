"""Embeddings of numbers, against their formulas in NumPy; what stands in front of a network."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from trivium.network import Front, Layout, embeddings, gates
from trivium.network.embeddings import PBLD, Joined, Periodic, PiecewiseLinear
from trivium.network.waves import cosine_of_turns

X = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
ALL = [PBLD(), Periodic(), PiecewiseLinear(bins=8, outputs=4), Joined(bins=8, outputs=4)]


def made(embedding, rows=X):
    arrays = embedding.init(jax.random.key(0), rows)
    return jax.tree.map(np.float64, arrays), np.asarray(jax.jit(embedding.apply)(arrays, rows))


def test_cosines_of_turns_and_their_slopes_are_right_far_out():
    turns = np.random.default_rng(1).normal(0, 300, 2000).astype(np.float32)
    exact = 2 * np.pi * np.float64(turns)
    assert_allclose(jax.jit(cosine_of_turns)(turns), np.cos(exact), atol=1e-6)
    slopes = jax.jit(jax.vmap(jax.grad(cosine_of_turns)))(turns)
    assert_allclose(slopes, -2 * np.pi * np.sin(exact), atol=5e-6)


def test_pbld_is_its_formula_and_keeps_the_number_itself():
    arrays, out = made(PBLD())
    assert out.shape == (64, 3 * 4)
    for column in range(3):
        x = np.float64(X[:, column])
        waves = np.cos(2 * np.pi * x[:, None] * arrays["frequencies"][column] + arrays["phases"][column])
        expected = waves @ arrays["mixing"][column] + arrays["offsets"][column]
        assert_array_equal(out[:, 4 * column], X[:, column])
        assert_allclose(out[:, 4 * column + 1 : 4 * column + 4], expected, atol=1e-5)


def test_pbld_starts_as_in_the_paper():
    arrays = PBLD().init(jax.random.key(1), jnp.zeros((2, 500)))
    assert arrays["frequencies"].shape == (500, 16)
    assert float(arrays["frequencies"].std()) == pytest.approx(0.1, rel=0.05)
    assert float(jnp.abs(arrays["phases"]).max()) == pytest.approx(np.pi, rel=0.01)
    for name in ("mixing", "offsets"):
        assert 0.24 < float(jnp.abs(arrays[name]).max()) <= 0.25
    assert PBLD().rates() == dict.fromkeys(arrays, 0.1)


def test_joined_is_both_beside_each_other():
    arrays, out = made(Joined(frequencies=4, waves=2, bins=8, outputs=4))
    parts = {"wave": PBLD(frequencies=4, outputs=2), "bin": PiecewiseLinear(bins=8, outputs=4)}
    first, second = (
        part.apply({k.removeprefix(f"{name}_"): v for k, v in arrays.items() if k.startswith(name)}, X)
        for name, part in parts.items()
    )
    columns = out.reshape(64, 3, 7)
    assert_allclose(columns[:, :, :3], np.reshape(first, (64, 3, 3)), atol=1e-5)
    assert_allclose(columns[:, :, 3:], np.reshape(second, (64, 3, 4)), atol=1e-5)
    assert Joined().rates()["bin_edges"] == 0
    assert Joined().rates()["wave_frequencies"] == 0.1


def test_periodic_is_its_formula():
    arrays, out = made(Periodic(frequencies=5, outputs=7))
    for column in range(3):
        angles = 2 * np.pi * np.float64(X[:, column])[:, None] * arrays["frequencies"][column]
        waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        expected = np.maximum(waves @ arrays["mixing"][column] + arrays["offsets"][column], 0)
        assert_allclose(out[:, 7 * column : 7 * column + 7], expected, atol=1e-5)


def test_the_piecewise_linear_code_is_its_formula_and_goes_on_beyond_the_rows_seen():
    edges = jnp.float32([[0.0, 1.0, 3.0, 4.0]])
    x = np.float32([-1.0, 0.5, 2.0, 3.5, 6.0])
    code = embeddings.piecewise_linear_code(edges, jnp.asarray(x)[:, None])[0].T
    assert_allclose(code, [[-1, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5], [1, 1, 3]], atol=1e-6)


def test_quantiles_that_fall_together_make_no_bin():
    edges = jnp.float32([[0.0, 0.0, 0.0, 2.0, 5.0, 5.0]])
    code = embeddings.piecewise_linear_code(edges, jnp.float32([[-2.0], [1.0], [8.0]]))[0].T
    assert_allclose(code, [[0, 0, -1, 0, 0], [0, 0, 0.5, 0, 0], [0, 0, 1, 2, 0]], atol=1e-6)


def test_bins_are_quantiles_of_the_rows_and_do_not_learn():
    arrays, out = made(PiecewiseLinear(bins=8, outputs=4))
    between = np.quantile(X, np.linspace(0, 1, 9), axis=0, method="inverted_cdf").T
    assert_allclose(arrays["edges"], between, atol=1e-6)
    code = np.asarray(embeddings.piecewise_linear_code(jnp.float32(arrays["edges"]), jnp.asarray(X)))
    expected = np.einsum("cbn,cbo->nco", code, arrays["mixing"]) + arrays["offsets"]
    assert_allclose(out, expected.reshape(64, 12), atol=1e-5)
    embedding = PiecewiseLinear(bins=8, outputs=4)
    arrays = jax.tree.map(jnp.float32, arrays)
    gradients = jax.grad(lambda arrays: embedding.apply(arrays, jnp.asarray(X)).sum())(arrays)
    assert not gradients["edges"].any()
    assert gradients["mixing"].any()
    assert embedding.rates()["edges"] == 0


def test_a_number_counts_for_no_more_than_a_bin():
    """Nine rows of ten are 0: bins tell apart the numbers in the tenth."""
    random = np.random.default_rng(0)
    rare = random.choice([1.0, 2.0, 5.0, 7.0, 11.0], 100)
    X = np.concatenate([np.zeros(900), rare])[random.permutation(1000)].astype(np.float32)[:, None]
    edges = np.unique(embeddings.edges_of(X, 12)[0])
    assert_allclose(edges, [0, 1, 2, 5, 7, 11])
    assert len(np.unique(np.quantile(X, np.linspace(0, 1, 13)))) < 4  # plain quantiles see two of the five


def test_edges_are_of_all_rows_and_not_found_in_a_trace():
    X = np.arange(20_000, dtype=np.float32)[:, None]
    assert_allclose(embeddings.edges_of(X, 4)[0], [0, 5000, 10_000, 15_000, 19_999], atol=1)
    with pytest.raises(TypeError, match=r"Call init or facts outside of jit"):
        jax.jit(Joined().init)(jax.random.key(0), X)
    facts = Joined().facts(X)
    arrays = jax.jit(Joined().init)(jax.random.key(0), X[:2], facts)
    assert_array_equal(arrays["bin_edges"], facts["bin_edges"])


@pytest.mark.parametrize("X", [np.zeros((5, 2)), np.ones((1, 3)), [[0.0], [1.0]]])
def test_edges_rise_in_small_and_constant_tables_too(X):
    X = np.asarray(X, np.float32)
    edges = np.asarray(embeddings.edges_of(X, 4))
    assert edges.shape == (X.shape[1], 5)
    assert (np.diff(edges) >= 0).all()
    assert_allclose(edges[:, 0], X.min(axis=0))
    assert_allclose(edges[:, -1], X.max(axis=0))


@pytest.mark.parametrize("embedding", ALL, ids=lambda one: type(one).__name__)
def test_a_column_is_embedded_by_itself(embedding):
    arrays = embedding.init(jax.random.key(0), jnp.asarray(X))
    apply = jax.jit(embedding.apply)
    before, after = (np.asarray(apply(arrays, rows)) for rows in (X, X + np.float32([0, 1, 0])))
    changed = (before != after).any(axis=0).reshape(3, embedding.width)
    assert_array_equal(changed.any(axis=1), [False, True, False])


@pytest.mark.parametrize("embedding", ALL, ids=lambda one: type(one).__name__)
def test_a_name_or_an_entry_makes_an_equal_one(embedding):
    assert embeddings.get(embeddings.in_words(embedding)) == embedding
    assert embeddings.get(embedding) is embedding
    assert embeddings.get("piecewise-linear") == PiecewiseLinear()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ("pbdl", "unknown embedding 'pbdl': did you mean 'pbld'?"),
        (3, "unknown embedding 3: choose from"),
        ({"name": "pbld", "frequency": 3}, "unknown entry 'frequency' in embedding: choose from frequencies"),
        ({"name": "pbld", "outputs": 0}, "embedding['outputs'] must be a whole number above 0, got 0. Try 3."),
        ({"name": "periodic", "spread": "wide"}, "embedding['spread'] must be a number above 0, got 'wide'. Try 0.1."),
    ],
)
def test_what_is_no_embedding_is_told(choice, message):
    with pytest.raises(ValueError, match="embedding") as told:
        embeddings.get(choice)
    assert str(told.value).startswith(message)


LAYOUT = Layout(numbers=2, cardinalities=(5, 4))
ROWS = np.float32([[0.1, 0.2, 7, 2, 3], [0.3, 0.4, 8, 4, 0], [0.5, 0.6, 9, 1, 2]])


def test_the_front_puts_numbers_others_and_categories_in_a_row():
    front = Front(LAYOUT, None, scale=True)
    arrays = front.init(jax.random.key(0), jnp.asarray(ROWS))
    assert arrays["categories"].shape == (9, 8)
    assert arrays["front_scale"].shape == (3 + 2 * 8,)
    scale = np.arange(19, dtype=np.float32)
    out = np.asarray(jax.jit(front.apply)(arrays | {"front_scale": jnp.asarray(scale)}, ROWS)) / np.maximum(scale, 1)
    assert_allclose(out[:, 1:3], ROWS[:, 1:3], rtol=1e-6)
    table = np.asarray(arrays["categories"])
    assert_allclose(out[:, 3:11], table[[2, 4, 1]], rtol=1e-5)
    assert_allclose(out[:, 11:], table[[5 + 3, 5 + 0, 5 + 2]], rtol=1e-5)


def test_codes_of_no_level_start_at_zero_and_codes_beyond_the_last_do_not_reach_the_next_category():
    front = Front(LAYOUT)
    arrays = front.init(jax.random.key(0), jnp.asarray(ROWS))
    of_reserved = np.asarray(arrays["categories"])[[0, 1, 5, 6]]
    assert not of_reserved.any()
    beyond = front.apply(arrays, jnp.float32([[0, 0, 0, 99, -1]]))[0]
    assert_array_equal(beyond[3:11], arrays["categories"][4])
    assert_array_equal(beyond[11:], arrays["categories"][5])


def test_a_gate_that_is_shut_closes_all_that_its_column_becomes():
    front = Front(LAYOUT, PBLD(), gated=True)
    arrays = front.init(jax.random.key(0), jnp.asarray(ROWS))
    whole = np.asarray(front.apply(arrays | {"gates": jnp.full(5, 2.0)}, jnp.asarray(ROWS)))
    some = np.asarray(front.apply(arrays | {"gates": jnp.float32([2, -0.1, 0.5, 0, 2])}, jnp.asarray(ROWS)))
    assert_array_equal(some[:, :4], whole[:, :4])
    assert not some[:, 4:8].any()
    assert_allclose(some[:, 8], whole[:, 8] / 2)
    assert not some[:, 9:17].any()
    assert_array_equal(some[:, 17:], whole[:, 17:])


def test_gates_are_noisy_in_training_and_their_pull_is_the_slope_of_the_chance_to_be_open():
    one = jnp.float32([0.5, 0.0])
    noisy = np.asarray(gates.opened(jnp.repeat(one, 20_000), 1, jax.random.key(0))).reshape(2, -1)
    assert_allclose((noisy > 0).mean(axis=1), [0.8413, 0.5], atol=0.02)
    chance = [0.5 * (1 + np.vectorize(math.erf)((np.float64(one) + h) / 0.5 / 2**0.5)) for h in (1e-4, -1e-4)]
    assert_allclose(gates.pull(one), (chance[0] - chance[1]) / 2e-4, rtol=1e-3)
