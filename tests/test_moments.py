"""Moments read in blocks are those of the whole."""

import numpy as np
import pytest

from trivium import moments


@pytest.mark.parametrize("shape", [(1000,), (1000, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_blocks_give_the_moments_of_the_whole(shape, dtype, monkeypatch):
    random = np.random.default_rng(0)
    values, weights = (
        (1e3 + 5 * random.normal(size=shape)).astype(dtype),
        random.integers(0, 3, 1000).astype(np.float32),
    )
    repeated = np.repeat(values, weights.astype(int), axis=0)
    for block in (moments.BLOCK, 7):
        monkeypatch.setattr(moments, "BLOCK", block)
        for found, whole in (((values,), values), ((values, weights), repeated), ((values, 0 * weights), values)):
            mean, variance = moments.mean_and_variance(*found)
            np.testing.assert_allclose(mean, whole.mean(axis=0, dtype=np.float64), rtol=1e-12)
            np.testing.assert_allclose(variance, whole.var(axis=0, dtype=np.float64), rtol=1e-9)
