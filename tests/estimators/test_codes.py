"""Numbers that are codes: where levels tell what size does not, they are embedded as well; smooth functions are not."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from export.onnx_runs import run_estimator
from trivium import NeuralClassifier, NeuralRegressor, levels, load
from trivium.export.scoring import encoded_rows
from trivium.relevance import ALPHAS, Fold
from trivium.tables import encode
from trivium.tables.schema import as_category

KINDS = 200
OF_PLACE, OF_PRICE = np.random.default_rng(8).normal(size=(2, KINDS))
PRICES = np.unique(np.round(np.random.default_rng(9).gamma(2, 30, 2 * KINDS), 2))[:KINDS]
OPTIONS: dict = {
    "hidden_widths": (32,), "epochs": 40, "patience": None, "learning_rate": 5e-3, "random_state": 0,
    "on_problem": "ignore", "embed_above": "adaptive",
}  # fmt: skip


def table(n=4000, seed=0):
    """A code of whole numbers, one of decimals with gaps, a number that tells by its size, a measure."""
    random = np.random.default_rng(seed)
    place, price, day = random.integers(0, KINDS, (3, n))
    y = OF_PLACE[place] + OF_PRICE[price] + 2 * np.sin(day / 60) + 0.2 * random.normal(size=n)
    frame = pd.DataFrame({"zip": 10_000 + 7 * place, "price": PRICES[price], "day": day, "x": random.normal(size=n)})
    frame.loc[random.random(n) < 0.03, "price"] = np.nan
    return frame, y


def odd_rows():
    """Rows with codes that the fit did not see, and none."""
    rows = table(60, seed=3)[0].astype({"zip": float})
    rows.loc[:3, "zip"] = [1.0, 10_003.0, 10_007.5, np.nan]
    rows.loc[4:6, "price"] = [np.nan, -5.0, 1e9]
    return rows


@pytest.fixture(scope="module")
def model():
    return NeuralRegressor(**OPTIONS).fit(*table())


def test_codes_are_found_among_numbers_and_what_a_number_tells_by_its_size_is_none(model):
    assert [(column.name, column.kind) for column in model.schema_.columns] == [
        ("zip", "number"), ("price", "number"), ("day", "number"), ("x", "number"),
        ("zip", "category"), ("price", "category"),
    ]  # fmt: skip
    new, truth = table(seed=1)
    plain = NeuralRegressor(**OPTIONS | {"embed_above": None}).fit(*table())
    assert len(plain.schema_.columns) == 4
    assert model.score(new, truth) > plain.score(new, truth) + 0.3
    assert model.n_features_in_ == 4


def test_classes_are_told_by_codes_too():
    frame, y = table()
    labels = np.where(y > 1, "high", np.where(y < -1, "low", "between"))
    assert NeuralClassifier(**OPTIONS | {"epochs": 2}).fit(frame, labels)._coded == ["zip", "price"]


def test_rows_in_another_order_make_the_same_model(model):
    frame, y = table()
    order = np.random.default_rng(2).permutation(len(y))
    again = NeuralRegressor(**OPTIONS).fit(frame.iloc[order], y[order])
    assert_array_equal(again.predict(odd_rows()), model.predict(odd_rows()))


def test_rows_are_read_alike_in_every_precision_and_as_texts(model):
    rows, said = odd_rows(), model.predict(odd_rows())
    assert_allclose(model.predict(rows.astype({"price": np.float32, "zip": np.float32})), said, rtol=1e-5, atol=1e-5)
    texts = rows.assign(**{name: [None if v != v else repr(v) for v in rows[name]] for name in ("zip", "price")})
    assert_array_equal(model.predict(texts), said)


def test_codes_that_the_fit_did_not_see_are_one_code_and_missing_ones_another(model):
    found = encode.codes(model.schema_, encode.named(model.feature_names_in_, odd_rows().to_numpy()))
    assert_array_equal(found[:4, 0], [1, 1, 1, 0])
    assert_array_equal(found[4:7, 1], [0, 1, 1])
    assert found[7:, 0].min() >= 2
    assert found.max(axis=0)[0] < model.schema_.cardinalities[0]


@pytest.mark.parametrize("as_array", [False, True])
def test_they_are_saved_and_exported(model, as_array, tmp_path):
    rows = odd_rows()
    if as_array:
        frame, y = table()
        model, rows = NeuralRegressor(**OPTIONS | {"epochs": 4}).fit(frame.to_numpy(), y), rows.to_numpy()
        assert model._coded == ["x0", "x1"]
    said = model.predict(rows)
    assert_array_equal(np.concatenate([model.predict(rows[:9]), model.predict(rows[9:])]), said)
    model.save(tmp_path / "m.trivium")
    assert_array_equal(load(tmp_path / "m.trivium").predict(rows), said)
    assert_allclose(np.ravel(run_estimator(model, rows)["prediction"]), said, rtol=2e-5, atol=2e-5)
    exported = model.export_scoring().call(encoded_rows(model, rows))
    assert_allclose(np.asarray(exported).ravel(), said, rtol=2e-5, atol=2e-5)


def test_the_model_card_names_the_codes(model):
    assert f"and {KINDS - 5} more" in model.model_card()
    assert "| zip | code |" in model.model_card()
    assert model.schema_.counts() == {"number": 4, "code": 2}


def test_numbers_too_large_for_float32_are_told_apart():
    values = np.repeat([123_456_789_012.0, 123_456_789_013.0], 3)
    column = as_category(values[:, None], "x0")
    assert column.levels == ("123456789012", "123456789013")
    given = encode.arrow_column(np.array([[123_456_789_012], [123_456_789_013], [123_456_789_014]]), "x0")
    assert_array_equal(encode.places(column, given), [0, 1, 2])


def test_decimals_are_named_as_they_are_written():
    column = as_category(np.array([[0.1, 0.1, 2.5, 2.5, 2.5, 7, 9.99, np.nan]]).T, "x0")
    assert column.levels == ("2.5", "0.1")
    assert column.missing


def test_measures_pixels_and_sparse_tables_are_left_alone():
    random = np.random.default_rng(0)
    pixels = random.integers(0, 100, (600, 40))
    y = pixels[:, 0] + random.normal(size=600)
    for X in (y[:, None] + random.normal(size=(600, 3)), pixels, csr_array(pixels[:, :3])):
        assert NeuralRegressor(**OPTIONS | {"epochs": 5}).fit(X, y)._coded == []


def test_what_a_linear_model_lacks_is_that_of_ridge_regression_on_rows_unseen():
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 5)).astype(np.float32)
    wanted = np.stack([X @ random.normal(size=5) + random.normal(size=300), X[:, 0] ** 2], axis=1)
    parts = [Fold(np.arange(100, 300), np.arange(100)), Fold(np.arange(100), np.arange(100, 300))]
    found = levels._Ridge(X, wanted, parts)

    def by_sklearn(columns, alpha):
        lacking = np.empty_like(wanted)
        for part in parts:
            ridge = Ridge(alpha=alpha).fit(X[np.ix_(part.train, columns)].astype(float), wanted[part.train])
            lacking[part.test] = wanted[part.test] - ridge.predict(X[np.ix_(part.test, columns)].astype(float))
        return lacking

    tried = [by_sklearn(range(5), alpha) for alpha in ALPHAS]
    best = min(range(len(tried)), key=lambda place: np.square(tried[place]).sum())
    assert_allclose(found.lacking, tried[best], rtol=1e-6, atol=1e-8)
    assert_allclose(found.without([1, 3]), by_sklearn([0, 2, 4], ALPHAS[best]), rtol=1e-6, atol=1e-8)


def with_names(n=2500, seed=0):
    """A category of many levels that tells nothing beside one that tells something."""
    random = np.random.default_rng(seed)
    town = random.integers(0, 100, n)
    frame = pd.DataFrame(
        {"name": [f"n{one}" for one in random.integers(0, 900, n)], "town": [f"t{one}" for one in town]}
    )
    frame["x"] = random.normal(size=n)
    return frame, 0.3 * OF_PLACE[town] + frame.x.to_numpy() ** 2 + 0.5 * random.normal(size=n)


def test_categories_of_many_levels_that_tell_nothing_are_left_out_where_columns_are_screened():
    frame, y = with_names()
    model = NeuralRegressor(**OPTIONS | {"epochs": 3}, screening=True).fit(frame, y)
    assert [dropped.name for dropped in model.schema_.dropped] == ["name"]
    assert "levels tell nothing" in model.schema_.dropped[0].reason
    assert_array_equal(model.predict(frame.drop(columns="name")), model.predict(frame))
    assert not NeuralRegressor(**OPTIONS | {"epochs": 3}).fit(frame, y).schema_.dropped


@pytest.mark.filterwarnings("ignore:the network learned nothing")
def test_the_only_column_stays():
    frame, y = with_names()
    assert not NeuralRegressor(**OPTIONS | {"epochs": 3}, screening=True).fit(frame[["name"]], y).schema_.dropped


def test_nearness_takes_the_number_and_not_its_code():
    frame, y = table(900)
    again = np.random.default_rng(1).integers(0, 900, 3000)
    options = OPTIONS | {"epochs": 12, "bagging": 3, "neighbours": True}
    model = NeuralRegressor(**options).fit(frame.iloc[again], y[again])
    assert "zip" in model._coded
    assert model.nearby_ is not None
    assert model.nearby_.cardinalities == (0,) * len(model._coded)
    assert model.nearby_.points.shape[1] == len(model.schema_.feature_names_out)
    said = model.predict(frame)
    assert_allclose(np.ravel(run_estimator(model, frame)["prediction"]), said, rtol=1e-4, atol=1e-4)


def test_free_texts_are_left_out_where_their_words_tell_nothing_and_stay_where_they_do():
    random = np.random.default_rng(0)
    nouns, places = ([f"{kind}{one}" for one in range(40)] for kind in ("noun", "place"))
    n = 1200
    frame = pd.DataFrame({"x": random.normal(size=n)})
    frame["note"] = [f"{a} {b} {c}" for a, b, c in zip(*random.choice(nouns, (3, n)), strict=True)]
    frame["said"] = [f"{a} at {b} {c}" for a, b, c in zip(*random.choice(places, (2, n)), range(n), strict=True)]
    at_home = frame.said.str.contains("place[0-4] ").to_numpy()
    y = frame.x.to_numpy() + 2 * at_home + 0.3 * random.normal(size=n)
    model = NeuralRegressor(**OPTIONS | {"epochs": 2}, screening=True).fit(frame, y)
    assert [dropped.name for dropped in model.schema_.dropped] == ["note"]


@pytest.mark.parametrize("size", [1e30, 1e39, 1e200])
def test_numbers_beyond_float32_are_codes_or_none_and_the_fit_goes_on(size):
    place = np.random.default_rng(0).integers(0, 150, 1500)
    X, y = (1 + place[:, None]) * size, OF_PLACE[place]
    model = NeuralRegressor(**OPTIONS | {"epochs": 3}).fit(X, y)
    assert model._coded == (["x0"] if size < 1e35 else [])
    assert np.isfinite(model.predict(X)).all()
