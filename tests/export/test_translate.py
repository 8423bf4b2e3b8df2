"""JAX functions as ONNX: every activation, and what else networks are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from export.onnx_runs import run, run_function
from trivium import activations
from trivium.catalog import learned_parameters, members
from trivium.export import idioms
from trivium.export.graph import ExportError, Graph
from trivium.export.quantiles import gaussian_ranks
from trivium.export.translate import symbol
from trivium.tables.scaling import Scaler

random = np.random.default_rng(0)
X = np.concatenate([random.normal(0, scale, (40, 8)) for scale in (0.1, 1, 10)]).astype(np.float32)
X[0] = [0, -0.0, 1, -1, 88, -88, 1e-20, -1e-20]

NOT_EXPORTED: dict[str, str] = {}
"""Activations that ONNX cannot have, with the reason."""

every_activation = pytest.mark.parametrize("name", members(activations))


def differences(ours, theirs):
    """Relative to the larger of 1 and the value; what is equal, infinities among it, differs by 0."""
    size = np.maximum(1, np.abs(ours))
    return (
        np.where(ours == theirs, 0, np.abs(np.subtract(theirs, ours, where=ours != theirs, out=np.zeros_like(size))))
        / size
    )


@every_activation
def test_an_activation_is_exported_to_1e_5_or_the_reason_is_known(name):
    activation = members(activations)[name]
    if name in NOT_EXPORTED:
        with pytest.raises(ExportError):
            run_function(activation, X)
        return
    assert differences(np.asarray(activation(X)), run_function(activation, X)).max() <= 1e-5


@pytest.mark.parametrize("name", [name for name, f in members(activations).items() if learned_parameters(f)])
def test_a_learned_number_per_unit_is_exported(name):
    activation = members(activations)[name]
    numbers = {key: random.uniform(0.5, 1.5, 8).astype(np.float32) for key in learned_parameters(activation)}

    def layer(rows):
        return activation(rows, **{key: jnp.asarray(value) for key, value in numbers.items()})

    assert differences(np.asarray(layer(X)), run_function(layer, X)).max() <= 1e-5


@pytest.mark.parametrize("activation", idioms._WORDS)
def test_where_onnx_has_words_they_are_found(activation):
    assert len(idioms._programs((3, 8))) == len(idioms._WORDS)
    found = jax.make_jaxpr(activation)(np.zeros((3, 8), np.float32)).jaxpr
    calls = [equation for equation in found.eqns if equation.primitive.name == "custom_jvp_call"]
    assert idioms.idiom(calls[0], calls[0].params["call_jaxpr"]) is idioms._WORDS[activation]


def test_gaussian_ranks_are_those_of_the_tables():
    knots = np.sort(np.concatenate([random.normal(size=(2, 200)), np.full((2, 57), 0.25)], axis=1), axis=1)
    knots[1, :30], knots[1, -40:] = knots[1, 30], knots[1, -41]
    scaler = Scaler(("a", "b"), np.zeros(2), np.ones(2), np.zeros(2, bool), "quantile", knots)
    values = np.concatenate([random.normal(size=(300, 2)) * 2, knots.T, np.full((1, 2), 0.25)])
    ours = np.empty(values.shape, np.float32)
    scaler.fill(ours, values)
    graph = Graph(symbol())
    graph.output(
        gaussian_ranks(graph, graph.input("values", (graph.batch, 2), float), knots), "ranks", (graph.batch, 2)
    )
    np.testing.assert_allclose(run(graph.model("ranks", "", {}), {"values": values})["ranks"], ours, atol=1e-6)


KERNEL = random.normal(size=(3, 3, 1, 4)).astype(np.float32)
TABLE = random.normal(size=(8, 5)).astype(np.float32)
THREE = random.normal(size=(8, 3, 5)).astype(np.float32)


def image(rows):
    return jnp.pad(rows, ((0, 0), (0, 56))).reshape(-1, 8, 8, 1)


def convolved(rows):
    return lax.conv_general_dilated(image(rows), KERNEL, (2, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def pooled(rows):
    return lax.reduce_window(convolved(rows), -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def mean_pooled(rows):
    return lax.reduce_window(convolved(rows), 0.0, lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "SAME")


OPERATIONS = {
    "a layer": lambda rows: rows @ TABLE + TABLE[:1],
    "a layer, transposed": lambda rows: jnp.einsum("nk,jk->nj", rows, TABLE.T),
    "sums of products": lambda rows: jnp.einsum("nk,kij->nij", rows, THREE),
    "products within rows": lambda rows: jnp.einsum("nij,njk->nik", rows.reshape(-1, 2, 4), rows.reshape(-1, 4, 2)),
    "copies": lambda rows: jax.vmap(lambda table: rows @ table, in_axes=1, out_axes=1)(THREE).mean(axis=1),
    "norm of rows": lambda rows: (rows - rows.mean(axis=1)[:, None]) * lax.rsqrt(jnp.var(rows, axis=1) + 1)[:, None],
    "rows several times": lambda rows: (
        (jnp.broadcast_to(rows[:, None], (rows.shape[0], 3, 8)).reshape(-1, 8) + jnp.zeros((3 * rows.shape[0], 1)))
        .reshape(-1, 3, 8)
        .sum(axis=1)
    ),
    "a convolution": convolved,
    "pooling by the largest": pooled,
    "pooling by the mean": mean_pooled,
    "columns by places": lambda rows: rows[:, np.array([3, 1, 1])],
    "one column": lambda rows: rows[..., 2],
    "a look-up": lambda rows: jnp.asarray(TABLE)[jnp.clip(jnp.abs(rows).astype(jnp.int32), 0, 7)].sum(axis=1),
    "one place of each row": lambda rows: jnp.take_along_axis(rows, jnp.argmin(rows, axis=1)[:, None], axis=1),
    "sorted, with partners": lambda rows: lax.sort((rows, rows * 2), dimension=1, num_keys=1)[1],
    "the largest": lambda rows: lax.top_k(rows, 3)[0],
    "running products": lambda rows: jnp.cumprod(rows, axis=1),
    "running largest": lambda rows: lax.cummax(rows, axis=1, reverse=True),
    "running sums, backwards": lambda rows: lax.cumsum(rows, axis=1, reverse=True),
    "differences": lambda rows: jnp.diff(rows, axis=1, prepend=0, append=1),
    "backwards": lambda rows: rows[:, ::-1],
    "every second": lambda rows: rows[:, 1:7:2],
    "stacked": lambda rows: jnp.stack([rows, rows + 1], axis=1).transpose(0, 2, 1).reshape(-1, 16),
    "repeated": lambda rows: jnp.broadcast_to(rows[:, :, None], (*rows.shape, 3)).sum(axis=1),
    "tiled and taken apart": lambda rows: jnp.add(*jnp.unstack(jnp.tile(rows, (1, 2))[:, 3:5], axis=1)),
    "a column put first": lambda rows: jnp.moveaxis(rows[:, None, 2:4], 2, 1),
    "constant": lambda rows: jnp.ones((rows.shape[0], 2)) * 3,
    "cases": lambda rows: lax.select_n((rows > 0).astype(jnp.int32) + (rows > 1), rows, rows * 2, rows * 3),
    "logic": lambda rows: jnp.where((rows > 0) ^ (rows > 1) | ~(rows < 5) & (rows != 2), 1.0, rows),
    "choice of truths": lambda rows: jnp.where(rows > 0, rows > 1, rows < -1).all(axis=1) | (rows > 9).any(axis=1),
    "whole numbers": lambda rows: (rows.astype(jnp.int32) & 6 | 1) % 4,
    "roundings": lambda rows: jnp.round(rows) + jnp.floor(rows) + jnp.ceil(rows) + lax.round(rows),
    "powers": lambda rows: jnp.cbrt(rows) + jnp.exp2(rows / 99) + rows**3 + jnp.abs(rows) ** 0.3 + 1 / (3 + rows**2),
    "logarithms": lambda rows: jnp.log1p(jnp.abs(rows)) + jnp.expm1(-jnp.abs(rows)) + jnp.log(1 + rows**2),
    "curves": lambda rows: jnp.tan(jnp.tanh(rows)) + lax.erf(rows) + lax.erfc(rows) + jnp.arcsinh(rows),
    "signs": lambda rows: jnp.sign(rows) + jnp.signbit(rows - 0.3) + jnp.copysign(2.0, rows - 0.3),
    "within bounds": lambda rows: lax.clamp(-1.0, rows, 2.0) + jnp.nan_to_num(rows) + rows % 3.0,
    "maximum along rows": lambda rows: rows.prod(axis=1) / (1 + rows.max(axis=1) - rows.min(axis=1)),
    "the place of the largest": lambda rows: jax.nn.one_hot(jnp.argmax(rows, axis=1), 8),
    "checkpointed": jax.checkpoint(lambda rows: jnp.sin(rows) * 2),
}  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_what_networks_are_made_of_is_exported(operation):
    rows = np.clip(X, -20, 20)
    ours, theirs = np.asarray(operation(jnp.asarray(rows))), run_function(operation, rows)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    scale = max(1, np.abs(ours).max())
    np.testing.assert_allclose(theirs.astype(float) / scale, ours.astype(float) / scale, atol=1e-5)


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (lambda rows: jax.scipy.special.erfinv(rows), "got the primitive 'erf_inv'. Choose another activation"),
        (lambda rows: rows + jax.random.normal(jax.random.key(0), (1, 8)), "random numbers"),
        (lambda rows: rows * jnp.arange(len(rows))[:, None], "for any number of rows"),
        (lambda rows: lax.bitcast_convert_type(rows, jnp.int32) * 3, "arithmetic on bits, got mul"),
        (lambda rows: rows * jnp.arange(rows.shape[0])[:, None], "count rows"),
        (lambda rows: rows - rows[:1], "take every row"),
        (lambda rows: lax.fori_loop(0, 9, lambda _, z: jnp.sin(z), rows), "got the primitive"),
    ],
)
def test_what_has_no_translation_is_told(operation, said):
    with pytest.raises(ExportError, match=said):
        run_function(operation, X)
