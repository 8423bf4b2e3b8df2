"""What is computed of activations."""

import jax.numpy as jnp
import numpy as np
import pytest

from trivium import activations, properties
from trivium.catalog import members
from trivium.properties import Saturation

every_activation = pytest.mark.parametrize("activation", members(activations).values(), ids=members(activations))


@pytest.mark.parametrize(
    ("name", "gain"), [("relu", np.sqrt(2)), ("identity", 1), ("selu", 1.0), ("silu", 1.6765), ("crelu", np.sqrt(2))]
)
def test_gains_that_are_known(name, gain):
    # 1.6765 is what pytabkit lists for silu; selu was made for a gain of 1
    assert properties.gain(getattr(activations, name)) == pytest.approx(gain, rel=1e-4 if name != "crelu" else 1e-2)


@every_activation
def test_the_gain_keeps_the_second_moment(activation):
    rows = np.random.default_rng(1).normal(size=(20_000, 12)).astype(np.float32)
    moment = np.square(np.asarray(activation(jnp.asarray(rows)), float)).mean() * properties.gain(activation) ** 2
    assert moment == pytest.approx(1, rel=0.06)


def test_where_they_saturate_and_die():
    assert properties.saturates(activations.relu) == Saturation(0.0, None)
    assert properties.saturates(activations.tanh) == Saturation(-3.0, 3.0)
    assert properties.saturates(activations.identity) == Saturation(None, None)
    assert properties.dead_region(activations.relu) == (-np.inf, 0.0)
    assert properties.dead_region(activations.softshrink) == (-0.5, 0.5)
    assert properties.dead_region(activations.hard_sigmoid) == (3.0, np.inf)
    for smooth in (activations.sigmoid, activations.gelu, activations.gaussian, activations.softplus):
        assert properties.dead_region(smooth) is None
    assert properties.saturates(activations.glu) is None


def test_widths_and_users_own_functions():
    assert properties.width_factor(activations.glu) == 0.5
    assert properties.width_factor(activations.crelu) == 2
    assert properties.width_factor(jnp.cos) == 1
    assert properties.gain(lambda z: 2 * z) == pytest.approx(0.5)
    assert not properties.is_elementwise(activations.softmax)
    assert properties.is_monotonic(activations.elu)
    assert not properties.is_monotonic(activations.mish)
    with pytest.raises(ValueError, match=r"must map rows of units to rows of units, got \(1,\)"):
        properties.width_factor(lambda z: z.sum(axis=-1))


@every_activation
def test_the_facts_have_words(activation):
    words = properties.in_words(activation)
    assert {"Gain", "Mean output"} <= words.keys()
    assert all(words.values())
