"""Numbers come to the scale of the network: by definition, to the same bits in every block, and at every size."""

import jax
import narwhals as nw
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from scipy.stats import iqr
from sklearn.preprocessing import QuantileTransformer

from trivium import NeuralRegressor
from trivium.tables.arrays import taken
from trivium.tables.encode import block_encoder, encode
from trivium.tables.schema import learn_schema

random = np.random.default_rng(0)


def odd_numbers(n=3000):
    """Skewed, discrete, far from zero, with outliers, with gaps, and a constant with gaps."""
    return np.column_stack(
        [
            random.lognormal(size=n),
            random.integers(0, 3, n),
            1e9 + random.normal(size=n),
            np.where(random.random(n) < 0.01, 1e12, random.normal(size=n)),
            np.where(random.random(n) < 0.3, np.nan, random.normal(size=n)),
            np.where(random.random(n) < 0.3, np.nan, 4.0),
        ]
    )


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_has_the_same_bits_alone_and_among_others(scaling, dtype):
    X = odd_numbers().astype(dtype)
    schema = learn_schema(X, scaling=scaling)
    whole, encoded = encode(schema, X), block_encoder(schema, X)
    assert np.isfinite(whole).all()
    for rows in (slice(0, 1), slice(7, 8), slice(100, 357), slice(1, None)):
        np.testing.assert_array_equal(encoded(X[rows], rows.start), whole[rows])
    np.testing.assert_array_equal(encode(schema, np.asfortranarray(X)), whole)


def test_standard_is_the_mean_and_the_standard_deviation():
    X = odd_numbers()
    encoded = encode(learn_schema(X), X)
    columns = np.ascontiguousarray(X.T)  # along its memory NumPy sums in pairs, and keeps the digits beside 1e9
    spread = np.nanstd(columns, axis=1)
    expected = (X - np.nanmean(columns, axis=1)) / np.where(spread > 0, spread, 1)
    np.testing.assert_allclose(encoded[:, :6], np.nan_to_num(expected), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(encoded[:, 6:], np.isnan(X[:, 4:]))


def test_robust_is_the_formula_of_its_paper():
    X = odd_numbers()
    X[:, 1] = random.random(len(X)) < 0.1  # no range between the quartiles
    encoded = encode(learn_schema(X, scaling="robust"), X)
    spread = iqr(X, axis=0, nan_policy="omit")
    spread[1], spread[5] = 0.5, 1  # half the range; and a constant, which is 0
    z = (X - np.nanmedian(X, axis=0)) / spread
    expected = np.nan_to_num(z / np.sqrt(1 + (z / 3) ** 2))
    np.testing.assert_allclose(encoded[:, :6], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(encoded).max() <= 3


def test_quantile_ranks_are_gaussian_as_scikit_learn_has_them():
    X = odd_numbers()[:, :5]
    encoded = encode(learn_schema(X, scaling="quantile"), X)
    theirs = QuantileTransformer(n_quantiles=257, output_distribution="normal", subsample=None).fit_transform(X)
    between = np.abs(theirs) < 2.5  # beyond, a knot is a single row
    np.testing.assert_allclose(encoded[:, :5][between], theirs[between], atol=0.01)
    assert encoded[:, 0].std() == pytest.approx(1, abs=0.05)


def test_an_unknown_scaling_is_told():
    with pytest.raises(
        ValueError, match="scaling must be 'standard', 'robust', 'quantile' or 'adaptive', got 'rank'. Try"
    ):
        learn_schema(np.eye(3), scaling="rank")


@pytest.mark.parametrize("make", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_matrix])
@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_a_sparse_matrix_is_its_dense_self(make, scaling):
    dense = scipy.sparse.random(5000, 30, 0.1, random_state=0).toarray()
    dense[3, 4] = np.nan
    schema = learn_schema(make(dense), scaling=scaling)
    assert schema == learn_schema(dense, scaling=scaling)
    np.testing.assert_array_equal(encode(schema, make(dense)), encode(schema, dense))
    dense[11, 7] = np.inf
    for work in (learn_schema, lambda X: encode(schema, X)):
        with pytest.raises(ValueError, match="column 'x7' must be finite, got inf in row 11"):
            work(make(dense))


def test_a_sparse_matrix_that_is_too_large_once_dense_is_told_before():
    X = scipy.sparse.csr_matrix((10**7, 10**5))
    schema = learn_schema(np.eye(3))
    wide = type(schema)(schema.columns[:1] * 10**5, ())
    with pytest.raises(ValueError, match=r"X must fit into memory .*got 10,000,000 x 100,000: 3725.3 GiB"):
        encode(wide, X)


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float16", "bool", "longdouble"])
def test_every_type_of_number_is_taken(dtype):
    X = random.integers(0, 2, (50, 3)).astype(dtype)
    expected = encode(learn_schema(X.astype(float)), X.astype(float))
    np.testing.assert_array_equal(encode(learn_schema(X), X), expected)


def test_rows_with_room_behind_them_go_to_the_device_without_a_copy():
    X = odd_numbers(300)
    schema = learn_schema(X)
    plain, roomy = encode(schema, X), encode(schema, X, room=704)
    np.testing.assert_array_equal(roomy, plain)
    np.testing.assert_array_equal(roomy.whole, np.resize(plain, (704, plain.shape[1])))
    places = np.arange(0, 300, 3)
    some = taken(roomy, places, 128)
    np.testing.assert_array_equal(some, plain[places])
    np.testing.assert_array_equal(some.whole, np.resize(plain[places], (128, plain.shape[1])))
    for rows in (roomy, some):
        on_device = jax.device_put(rows.whole, jax.devices("cpu")[0])
        assert on_device.unsafe_buffer_pointer() == rows.ctypes.data
    assert roomy[:5].whole is None
    assert (roomy + 1).whole is None


def test_adaptive_is_standard_unless_a_value_drowns_its_column():
    random = np.random.default_rng(0)
    X = random.normal(size=(500, 3))
    for table in (X, X * 1e9 + 1e12, np.exp(X), (X > 2).astype(float), np.where(X > 0, np.nan, X)):
        kinds = {column.scaling for column in learn_schema(table, scaling="adaptive").columns}
        assert kinds == {"standard"}
        np.testing.assert_array_equal(
            encode(learn_schema(table, scaling="adaptive"), table), encode(learn_schema(table), table)
        )
    for wild in (1e3, -1e9, 1e300):
        X[7, 1] = wild
        for table in (X, pd.DataFrame(X, columns=["x0", "x1", "x2"])):
            learned = learn_schema(nw.from_native(table, eager_only=True) if table is not X else X, scaling="adaptive")
            assert {column.scaling for column in learned.columns} == {"robust"}
        encoded = encode(learn_schema(X, scaling="adaptive"), X)
        np.testing.assert_array_equal(encoded, encode(learn_schema(X, scaling="robust"), X))
        assert abs(encoded).max() <= 3
        assert encoded[:7, 1].std() > 0.3


def test_a_single_wild_value_does_not_spoil_the_recipes():
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 3))
    y = X[:, 0] + np.tanh(X[:, 1])
    X[3, 0], X[5, 1] = 1e9, -1e7
    model = NeuralRegressor(preset="fast", epochs=20, random_state=0, on_problem="ignore").fit(X, y)
    assert model.score(X[10:], y[10:]) > 0.8
    assert abs(model.predict(np.full((1, 3), 1e12))).max() < 30
