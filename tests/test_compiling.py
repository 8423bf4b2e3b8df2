"""What is compiled quickly computes the same, under JAX's transformations and without the compiler's options too."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from trivium import cache, compiling, identity

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


# --- programs on disk -------------------------------------------------------------------------------------------------

traced = []


def tree(power, x, more):
    traced.append(power)
    return {"a": (x**power, None), "b": [more["c"] - x]}


ARGUMENTS = (2, np.arange(4, dtype=np.float32), {"c": np.float32(1)})


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_in_use", tmp_path)
    monkeypatch.setattr(identity, "KNOWN", (*identity.KNOWN, __name__))
    traced.clear()
    return tmp_path


def fresh(function=tree, static=("power",)):
    """As another process would have it."""
    return compiling.compiled(function, static=static)


def check(made, power=2):
    np.testing.assert_array_equal(made["a"][0], ARGUMENTS[1] ** power)
    np.testing.assert_array_equal(made["b"][0], 1 - ARGUMENTS[1])
    assert made["a"][1] is None


def test_a_program_on_disk_is_not_traced_again(disk):
    one = fresh()
    for _ in range(2):
        check(one(*ARGUMENTS))
    assert len(list(disk.iterdir())) == 1
    for other in (fresh(), compiling.compiled(tree, static=("power",))):
        check(other(*ARGUMENTS))
        check(other(2, more={"c": np.float32(1)}, x=ARGUMENTS[1]))
    assert traced == [2]


def test_programs_are_told_apart_by_all_on_which_they_depend(disk):
    x = ARGUMENTS[1]
    check(fresh()(*ARGUMENTS))
    check(fresh()(3, *ARGUMENTS[1:]), power=3)
    check(fresh()(2, x.astype(np.int32), {"c": np.int32(1)}))
    assert fresh()(2, x[:2], {"c": np.float32(1)})["b"][0].shape == (2,)
    assert compiling.quickly(tree, static=("power",))(*ARGUMENTS)["b"][0].shape == (4,)
    with jax.enable_x64(True):
        assert fresh()(2, x.astype(float), {"c": 1.0})["a"][0].dtype == float
    with jax.default_matmul_precision("bfloat16"):
        fresh()(*ARGUMENTS)
    assert len(list(disk.iterdir())) == 7


@pytest.mark.parametrize("damage", [lambda entry: entry[:100], lambda entry: b"", lambda entry: entry[::-1]])
def test_a_damaged_entry_is_made_anew(disk, damage):
    fresh()(*ARGUMENTS)
    [entry] = disk.iterdir()
    before = entry.read_bytes()
    entry.write_bytes(damage(before))
    check(fresh()(*ARGUMENTS))
    assert traced == [2, 2]
    assert len(entry.read_bytes()) == pytest.approx(len(before), rel=0.1)


def test_an_entry_that_cannot_be_loaded_is_made_anew(disk):
    fresh()(*ARGUMENTS)
    [entry] = disk.iterdir()
    cache.keep(entry.name.removesuffix(cache.OURS), b"no pickle")
    check(fresh()(*ARGUMENTS))
    check(fresh()(*ARGUMENTS))
    assert traced == [2, 2]


def test_a_program_that_does_not_run_is_made_anew(disk):
    fresh()(*ARGUMENTS)
    [entry] = disk.iterdir()
    _, n, result = pickle.loads(cache.kept(entry.name.removesuffix(cache.OURS)))
    fresh()(2, ARGUMENTS[1][:2], ARGUMENTS[2])
    [other] = [path for path in disk.iterdir() if path != entry]
    wrong = pickle.loads(cache.kept(other.name.removesuffix(cache.OURS)))[0]
    cache.keep(entry.name.removesuffix(cache.OURS), pickle.dumps((wrong, n, result)))
    check(fresh()(*ARGUMENTS))


def test_a_folder_that_vanishes_does_not_end_a_call(disk):
    one = fresh()
    disk.rmdir()
    check(one(*ARGUMENTS))
    check(fresh()(*ARGUMENTS))


def test_functions_of_users_and_other_devices_are_compiled_as_ever(disk, monkeypatch):
    with jax.default_device(jax.devices()[0]):
        check(fresh()(*ARGUMENTS))
    monkeypatch.setattr(identity, "KNOWN", ())
    check(fresh()(*ARGUMENTS))
    assert not list(disk.iterdir())


def test_arguments_that_are_left_out_or_named_are_those_of_the_function(disk):
    x = ARGUMENTS[1]
    for make in (compiling.compiled, compiling.quickly):
        slope = make(jax.grad(lambda x, of=jnp.cos: of(x).sum()))
        np.testing.assert_allclose(slope(x), -np.sin(x), rtol=1e-5, atol=1e-6)
        one = make(plus, static=("power",))
        np.testing.assert_array_equal(one(x), x**2)
        np.testing.assert_array_equal(one(x, 3), x**3)
        np.testing.assert_array_equal(one(x, power=3), x**3)
        np.testing.assert_array_equal(one(x=x, more=1.0), x**2 + 1)
        np.testing.assert_array_equal(one(x, more=1.0, power=3), x**3 + 1)


def plus(x, power=2, *, more=0.0):
    return x**power + more


def test_threads_share_a_program(disk):
    one = fresh()
    with ThreadPoolExecutor(4) as pool:
        for made in pool.map(lambda _: one(*ARGUMENTS), range(8)):
            check(made)
    assert len(list(disk.iterdir())) == 1


def test_what_was_let_go_comes_back(disk):
    one = fresh()
    check(one(*ARGUMENTS))
    compiling.let_go()
    assert not one.programs
    check(one(*ARGUMENTS))
    assert traced == [2]


def test_a_function_of_its_last_array_knows_every_kind_and_what_was_let_go(disk):
    def times(factor, x):
        return factor * x

    whole = compiling.compiled(times)
    double = whole.of_last(np.float32(2))
    for kind in (np.float32([1, 2]), np.float32([[3]]), np.int32([4, 5])):
        for _ in range(2):
            made = double(kind)
            np.testing.assert_array_equal(made, 2 * kind)
            assert made.dtype == np.float32
    assert len(double.known) == 3
    with jax.enable_x64(True):
        assert double(np.float64([1])).dtype == np.float64
    assert double(np.float64([1])).dtype == np.float32
    compiling.let_go()
    assert not whole.programs
    np.testing.assert_array_equal(double(np.float32([7])), [14])
    assert len(double.known) == 1
