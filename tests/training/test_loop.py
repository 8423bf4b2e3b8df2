"""The evaluation of many rows: in blocks, which may be encoded on their way."""

import jax
import numpy as np

from trivium.tables.encode import block_encoder, encode
from trivium.tables.schema import learn_schema
from trivium.training.loop import evaluate

random = np.random.default_rng(0)


def test_rows_encoded_block_by_block_give_the_same_bits_as_the_whole_and_as_each_alone():
    X = random.normal(size=(9000, 5)).astype(np.float32)
    X[::7, 2] = np.nan
    schema = learn_schema(X)
    weights = random.normal(size=(6, 3)).astype(np.float32)
    apply = jax.jit(lambda rows: jax.numpy.tanh(rows @ weights))
    whole = evaluate(apply, encode(schema, X))
    np.testing.assert_array_equal(evaluate(apply, X, block_encoder(schema, X)), whole)
    for row in (0, 7, 4095, 4096, 8999):
        alone = evaluate(apply, X[row : row + 1], block_encoder(schema, X))
        np.testing.assert_array_equal(alone[0], whole[row])


def test_the_row_of_a_wrong_value_is_told_by_its_place_in_the_whole():
    X = random.normal(size=(9000, 5))
    schema = learn_schema(X)
    X[8500, 3] = np.inf
    try:
        evaluate(lambda rows: rows, X, block_encoder(schema, X))
    except ValueError as error:
        assert "column 'x3' must be finite, got inf in row 8500" in str(error)
    else:
        raise AssertionError("an infinite value passed")
