"""What is compiled quickly computes the same, under JAX's transformations and without the compiler's options too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trivium import compiling

X = jnp.linspace(-3, 3, 50)


def wave(x, power):
    return jnp.tanh(jnp.sin(x) @ jnp.cos(x)) * x**power


@pytest.fixture
def quick_wave():
    compiling.quick_options.cache_clear()
    yield compiling.quickly(wave, static=("power",))
    compiling.quick_options.cache_clear()


def test_it_computes_the_same_alone_and_under_transformations(quick_wave):
    np.testing.assert_allclose(quick_wave(X, 3), wave(X, 3), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(lambda x: quick_wave(x, power=2))(X), wave(X, 2), rtol=1e-5)
    slopes = [jax.grad(lambda x, of=of: of(x, 2).sum())(X) for of in (quick_wave, wave)]
    np.testing.assert_allclose(*slopes, rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(lambda x: quick_wave(x, 2))(X[None])[0], wave(X, 2), rtol=1e-5)


def test_a_compiler_without_the_options_compiles_as_usual(quick_wave, monkeypatch):
    monkeypatch.setattr(compiling, "QUICK", {"xla_no_such_option": True})
    assert compiling.quick_options() is None
    np.testing.assert_allclose(quick_wave(X, 3), wave(X, 3), rtol=1e-5)
