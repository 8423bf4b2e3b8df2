"""Convolutions in the order that a CPU has fast give the numbers of any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from numpy.testing import assert_allclose

from trivium.training.convolutions import ordered

random = np.random.default_rng(0)
KERNEL = jnp.asarray(random.normal(size=(3, 3, 2, 5)), jnp.float32)
ROWS = jnp.asarray(random.normal(size=(4, 9, 7, 2)), jnp.float32)
CHOICES = {
    "plain": {},
    "strides": {"window_strides": (2, 3)},
    "dilation": {"rhs_dilation": (2, 1)},
    "transposed": {"lhs_dilation": (2, 2)},
    "groups": {"feature_group_count": 2, "kernel": KERNEL[:, :, :1, :4]},
}


@pytest.mark.parametrize("layout", [("NHWC", "HWIO", "NHWC"), ("NCHW", "OIHW", "NCHW"), ("CHWN", "OHWI", "NHWC")])
@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_values_and_gradients_stay(layout, choices):
    kernel = choices.get("kernel", KERNEL)
    further = {"window_strides": (1, 1), **{name: value for name, value in choices.items() if name != "kernel"}}
    rows = ROWS.transpose(["NHWC".index(axis) for axis in layout[0]])
    kernel = kernel.transpose(["HWIO".index(axis) for axis in layout[1]])

    @jax.jit
    def convolved(kernel, rows):
        return lax.conv_general_dilated(rows, kernel, padding=((1, 1), (2, 0)), dimension_numbers=layout, **further)

    def objective(arrays):
        made = jax.nn.relu(convolved(*arrays))
        return jnp.square(made).sum(), made

    derive = jax.value_and_grad(objective, has_aux=True)
    usual = jax.jit(derive)((kernel, rows))
    reordered = jax.jit(ordered(derive))((kernel, rows))
    assert jax.tree.structure(usual) == jax.tree.structure(reordered)
    for one, other in zip(jax.tree.leaves(usual), jax.tree.leaves(reordered), strict=True):
        assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_many_at_once_and_one_dimension():
    rows = jnp.asarray(random.normal(size=(3, 6, 10, 2)), jnp.float32)
    kernels = jnp.asarray(random.normal(size=(3, 4, 2, 5)), jnp.float32)

    def objective(arrays):
        kernel, rows = arrays
        made = lax.conv_general_dilated(rows, kernel, (1,), "VALID", dimension_numbers=("NHC", "HIO", "NHC"))
        return jnp.square(made).sum()

    derive = jax.grad(objective)
    usual, reordered = jax.vmap(derive)((kernels, rows)), jax.vmap(ordered(derive))((kernels, rows))
    for one, other in zip(usual, reordered, strict=True):
        assert_allclose(one, other, rtol=1e-5, atol=1e-4)
