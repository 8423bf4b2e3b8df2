"""Laws that every optimizer obeys. A new optimizer is tested because it exists."""

import inspect
import re
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy
from annotated_types import Predicate

from laws import recurrences
from laws.problems import (
    TURN,
    close,
    descend,
    factors,
    follow,
    gradients_and_start,
    layers,
    network,
    points,
    product,
    quadratic,
    rosenbrock,
)
from trivium import optimizers
from trivium.catalog import members, parameter_domains
from trivium.compiling import quickly

pytestmark = pytest.mark.usefixtures("quickly_compiled")
MEMBERS = members(optimizers)
every_optimizer = pytest.mark.parametrize("name", MEMBERS)


@pytest.fixture(scope="module")
def quickly_compiled():
    """Hundreds of programs here run once each, for a blink: to optimize them would take most of the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def optax_muon(rate):
    return optax.contrib.muon(
        rate,
        nesterov=False,
        eps=1e-30,  # as ours divides by another norm, the term must not count
        weight_decay=0.1,
        adam_weight_decay=0.1,
        consistent_rms=0.2,
        muon_weight_dimension_numbers=lambda params: jax.tree.map(
            lambda p: optax.contrib.MuonDimensionNumbers() if p.ndim > 1 else None, params
        ),
    )


PEERS = {
    "gd": [(0.01, {}, optax.sgd)],
    "sgd": [
        (0.01, {}, optax.sgd),
        (0.01, {"momentum": 0.9}, partial(optax.sgd, momentum=0.9)),
        (0.01, {"momentum": 0.9, "nesterov": True}, partial(optax.sgd, momentum=0.9, nesterov=True)),
        (
            0.01,
            {"momentum": 0.8, "dampening": 0.3, "weight_decay": 0.1},
            partial(recurrences.torch_sgd, momentum=0.8, dampening=0.3, weight_decay=0.1),
        ),
        (
            0.01,
            {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
            partial(recurrences.torch_sgd, momentum=0.8, nesterov=True, weight_decay=0.1),
        ),
    ],
    "qhm": [(0.05, {}, recurrences.qhm)],
    "adam": [
        (1e-3, {}, optax.adam),
        (1e-2, {"beta1": 0.8, "beta2": 0.95}, partial(optax.adam, b1=0.8, b2=0.95)),
        (1e-2, {}, recurrences.torch_adam),
    ],
    "adamw": [
        (1e-2, {"weight_decay": 0.1}, partial(optax.adamw, weight_decay=0.1)),
        (1e-2, {}, partial(recurrences.torch_adam, weight_decay=1e-2)),
    ],
    "adagrad": [
        (0.01, {}, recurrences.torch_adagrad),
        (0.01, {"start_value": 0.1}, partial(recurrences.torch_adagrad, start=0.1)),
    ],
    "adadelta": [(1.0, {}, optax.adadelta), (1.0, {}, recurrences.torch_adadelta)],
    "rmsprop": [
        (0.01, {}, recurrences.torch_rmsprop),
        (0.01, {"beta2": 0.9}, partial(optax.rmsprop, decay=0.9, eps_in_sqrt=False)),
        (
            0.01,
            {"momentum": 0.9, "centered": True},
            partial(recurrences.torch_rmsprop, momentum=0.9, centered=True),
        ),
    ],
    "amsgrad": [
        (0.01, {}, partial(recurrences.torch_adam, amsgrad=True)),
        (0.01, {"weight_decay": 0.1}, partial(recurrences.torch_adam, amsgrad=True, weight_decay=0.1)),
    ],
    "adamax": [
        (2e-3, {}, optax.adamax),
        (2e-3, {"weight_decay": 0.1}, partial(optax.adamaxw, weight_decay=0.1)),
        (2e-3, {}, recurrences.torch_adamax),
    ],
    "nadam": [(2e-3, {"weight_decay": 0.1}, partial(recurrences.torch_nadam, weight_decay=0.1))],
    "radam": [(1e-2, {}, optax.radam)],
    "adabelief": [(1e-2, {}, optax.adabelief)],
    "yogi": [(1e-2, {}, recurrences.yogi)],
    "diffgrad": [(1e-2, {}, recurrences.diffgrad)],
    "adabound": [(1e-3, {"closing": 0.05}, partial(recurrences.adabound, gamma=0.05))],
    "padam": [(0.1, {}, recurrences.padam)],
    "laprop": [(1e-2, {}, recurrences.laprop)],
    "adopt": [(1e-2, {}, optax.contrib.adopt)],
    "adam_atan2": [(1e-2, {}, recurrences.adam_atan2)],
    "stable_adamw": [(1e-2, {"weight_decay": 0.1}, partial(recurrences.stable_adamw, weight_decay=0.1))],
    "adamp": [
        (1e-2, {"threshold": t, "weight_decay": 0.1}, partial(recurrences.adamp, delta=t, weight_decay=0.1))
        for t in (0.1, 0.5, 1.5)
    ],
    "qhadam": [(1e-2, {}, recurrences.qhadam), (1e-2, {"share2": 0.9}, partial(recurrences.qhadam, nu2=0.9))],
    "aggmo": [(0.01, {}, recurrences.aggmo)],
    "optimistic_gradient": [
        (0.01, {}, optax.optimistic_gradient_descent),
        (0.01, {"optimism": 0.5}, partial(optax.optimistic_gradient_descent, beta=0.5)),
    ],
    "adan": [(1e-2, {"weight_decay": 0.1}, partial(recurrences.adan, weight_decay=0.1))],
    "ademamix": [
        (1e-3, {}, optax.contrib.ademamix),
        (1e-3, {"warmup": 100.0}, recurrences.ademamix),
    ],
    "mars": [(3e-3, {"weight_decay": 0.1}, partial(recurrences.mars, weight_decay=0.1))],
    "lion": [(1e-3, {"weight_decay": 0.1}, partial(optax.lion, weight_decay=0.1))],
    "signum": [(1e-3, {}, partial(optax.signum, beta=0.9)), (1e-3, {"momentum": 0.0}, optax.sign_sgd)],
    "lamb": [(1e-2, {}, optax.lamb), (1e-2, {"weight_decay": 0.1}, partial(optax.lamb, weight_decay=0.1))],
    "lars": [
        (1.0, {}, optax.lars),
        (1.0, {"nesterov": True}, partial(optax.lars, nesterov=True)),
        (1.0, {"weight_decay": 0.1}, partial(recurrences.lars, weight_decay=0.1)),
    ],
    "novograd": [
        (1e-2, {"beta1": 0.9, "beta2": 0.25, "epsilon": 1e-6}, optax.novograd),
        (1e-2, {"weight_decay": 0.1}, partial(recurrences.novograd, weight_decay=0.1)),
    ],
    "fromage": [(1e-2, {}, optax.fromage)],
    "madgrad": [(1e-2, {}, recurrences.madgrad)],
    "ftrl": [(0.1, {}, recurrences.ftrl), (0.1, {"l1": 0.5, "l2": 0.1}, partial(recurrences.ftrl, l1=0.5, l2=0.1))],
    "adafactor": [
        (1e-2, {"weight_decay": 0.1}, partial(recurrences.adafactor, weight_decay=0.1)),
    ],
    "came": [(1e-3, {}, recurrences.came)],
    "sm3": [
        (0.1, {}, lambda rate: optax.chain(optax.scale_by_sm3(b1=0.9, eps=0.0), optax.scale(-rate))),
    ],
    "lbfgs": [(1.0, {"memory": 5}, lambda rate: optax.lbfgs(rate, memory_size=5))],
    "polyak": [(1.0, {}, optax.polyak_sgd)],
    "momo": [(1e-2, {"weight_decay": 0.1}, lambda rate: optax.contrib.momo(rate, weight_decay=0.1))],
    "dog": [(1.0, {"weight_decay": 0.1}, lambda rate: optax.contrib.dog(rate, weight_decay=0.1))],
    "prodigy": [(1.0, {"weight_decay": 0.1}, lambda rate: optax.contrib.prodigy(rate, weight_decay=0.1))],
    "d_adaptation": [(1.0, {"weight_decay": 0.1}, lambda rate: optax.contrib.dadapt_adamw(rate, weight_decay=0.1))],
    "schedule_free_sgd": [
        (
            1e-3,
            {"weight_decay": 0.1},
            lambda rate: optax.contrib.schedule_free_sgd(rate, weight_decay=0.1),
        )
    ],
    "schedule_free_adamw": [
        (
            1e-2,
            {"weight_decay": 0.1},
            lambda rate: optax.contrib.schedule_free_adamw(rate, weight_decay=0.1),
        )
    ],
    "muon": [(1e-3, {"weight_decay": 0.1, "nesterov": False, "epsilon": 1e-30}, optax_muon)],
}
"""Rate, options of ours, and a peer that takes the same steps: a transformation of Optax, or a recurrence."""


NEEDS = dict.fromkeys(("lbfgs", "gauss_newton", "levenberg_marquardt", "sophia", "adahessian"), "value_fn")
NEEDS |= {"polyak": "value", "momo": "value"}
"""What `update` cannot go without, beside the parameters."""


PYTORCH = "adadelta adafactor adagrad adam adamw adamax amsgrad lbfgs muon nadam radam rmsprop rprop sgd".split()
"""What PyTorch 2.13 has as well: the docstring says where it differs, or that it does not."""


def takes(name, parameter):
    return parameter in inspect.signature(MEMBERS[name]).parameters


# --- agreement ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "case"), [(name, case) for name in PEERS for case in range(len(PEERS[name]))])
def test_three_hundred_steps_agree_with_the_peer(name, case):
    rate, options, peer = PEERS[name][case]
    gradients, start = gradients_and_start()
    with jax.enable_x64(True):
        ours, theirs = MEMBERS[name](rate, **options), peer(rate)
        if name in NEEDS:
            close(
                descend(ours, 300, points(), rosenbrock)[0][0], descend(theirs, 300, points(), rosenbrock)[0][0], 1e-10
            )
            return
        gradients, start = jax.tree.map(jnp.asarray, (gradients, start))
        got = follow(ours, gradients, start)
        if not callable(theirs):
            close(got, follow(theirs, gradients, start), 1e-10)
            return
    for array in start:
        state, point = {}, np.asarray(start[array])
        for t, gradient in enumerate(np.asarray(gradients[array]), 1):
            point = theirs(state, t, gradient, point)
        close(got[array], point, 1e-10)


# --- descent -----------------------------------------------------------------------------------------------------


@every_optimizer
@pytest.mark.parametrize("problem", ["rosenbrock", "quadratic", "network"])
def test_goes_down(name, problem):
    loss, start, steps, share = {
        "rosenbrock": (rosenbrock, points(jnp.float32), 3000, 0.05),
        "quadratic": (quadratic, {"z": jnp.asarray(TURN @ np.ones(8), jnp.float32)}, 1000, 0.05),
        "network": (network, layers(widths=(3, 8, 1)), 200, 0.4),
    }[problem]
    optimizer = MEMBERS[name]
    default = inspect.signature(optimizer).parameters["learning_rate"].default
    options = {"weight_decay": 0.0} if takes(name, "weight_decay") else {}

    @quickly
    @jax.vmap
    def last(rate):
        return loss(optimizers.evaluation_parameters(*descend(optimizer(rate, **options), steps, start, loss)[0][::-1]))

    rates = default * jnp.asarray([1e-3, 1e-2, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0])
    assert jnp.nanmin(last(rates)) < share * loss(start)


# --- how they may be called ----------------------------------------------------------------------------------------


def traceable(optimizer):
    """The numbers of an optimizer that may be traced, at their defaults."""
    signature = inspect.signature(optimizer, eval_str=True)
    return {
        p.name: p.default
        for p in signature.parameters.values()
        if isinstance(p.default, float) or (isinstance(p.default, int) and "Array" in str(p.annotation))
    }


@cache
def losses_by_default(name):
    return descend(MEMBERS[name](), 10, points(jnp.float32), rosenbrock)[1]


@every_optimizer
def test_every_number_may_be_traced_so_that_a_population_shares_one_program(name):
    optimizer = MEMBERS[name]
    defaults = traceable(optimizer)
    assert "learning_rate" in defaults

    @jax.jit
    @jax.vmap
    def last(numbers):
        return descend(optimizer(**numbers), 10, points(jnp.float32), rosenbrock)[1]

    scales = np.array([0.5, 0.8, 1.0])
    population = {
        key: jnp.asarray([value] * 3 if isinstance(value, int) else value * scales, jnp.float32)
        for key, value in defaults.items()
    }
    np.testing.assert_allclose(last(population)[2], losses_by_default(name), rtol=2e-3)
    last(jax.tree.map(lambda values: values * 0.9, population))
    assert last._cache_size() == 1


@every_optimizer
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_keeps_the_type_of_the_parameters_and_mixes_it_with_traced_rates(name, dtype):
    with jax.enable_x64(dtype == jnp.float64), jax.numpy_dtype_promotion("strict"):
        start = factors(dtype)
        options = {"start_distance": jnp.float32(0.01)} if takes(name, "start_distance") else {}
        default = inspect.signature(MEMBERS[name]).parameters["learning_rate"].default
        points, states = quickly(jax.vmap(lambda rate: descend(MEMBERS[name](rate, **options), 4, start, product)[0]))(
            jnp.float32(default) * jnp.float32([0.1, 1, 30, 300])
        )  # of a small one a step may be rounded away
        assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(points))
        floats = [leaf for leaf in jax.tree.leaves(states) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        assert all(jnp.finfo(leaf.dtype).bits >= 32 for leaf in floats if leaf.dtype != dtype)
        losses = jax.vmap(product)(points)
        assert np.isfinite(np.asarray(losses, float)[:2]).all()
        assert jnp.nanmin(losses) < product(start)


@every_optimizer
def test_state_is_a_plain_tree_that_is_saved_and_loaded_to_the_last_bit_and_may_be_donated(name):
    transformation = MEMBERS[name]()
    (point, state), _ = descend(transformation, 3, points(jnp.float32), rosenbrock)
    value, gradient = jax.value_and_grad(rosenbrock)(point)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(state, point):
        updates, state = transformation.update(gradient, state, point, value=value, grad=gradient, value_fn=rosenbrock)
        return optax.apply_updates(point, updates), state

    leaves, structure = jax.tree.flatten((state, point))
    file = safetensors.numpy.save({str(number): np.asarray(leaf) for number, leaf in enumerate(leaves)})
    expected = update(state, point)
    assert jax.tree.structure(expected[1]) == structure.children()[0]
    loaded = safetensors.numpy.load(file)
    restored = structure.unflatten([jnp.asarray(loaded[str(number)]) for number in range(len(leaves))])
    jax.tree.map(np.testing.assert_array_equal, update(*restored), expected)
    assert update._cache_size() == 1


STARTS = (
    "rprop.learning_rate lbfgs.learning_rate levenberg_marquardt.damping shampoo.epsilon adagrad.start_value".split()
)
STARTS += "yogi.start_value prodigy.start_distance d_adaptation.start_distance dog.start_distance".split()
"""Numbers that are read when a run begins, or tried first in each step: no schedule can set them."""


@every_optimizer
def test_every_number_may_be_a_schedule_of_the_steps_before(name):
    def scheduled(value):
        return lambda count: jnp.where((count >= 0) & (count < 10), value, jnp.nan)

    numbers = {key: value for key, value in traceable(MEMBERS[name]).items() if isinstance(value, float)}
    schedules = {key: scheduled(value) for key, value in numbers.items() if f"{name}.{key}" not in STARTS}
    seen = descend(MEMBERS[name](**schedules), 10, points(jnp.float32), rosenbrock)[1]
    np.testing.assert_allclose(seen, losses_by_default(name), rtol=2e-3)


@every_optimizer
def test_a_learning_rate_may_be_a_schedule_of_the_steps_before(name):
    if name in ("lbfgs", "rprop"):  # their rates are first guesses, used once or tried first
        pytest.skip("the rate is no rate of each step")

    def seen(later):
        optimizer = MEMBERS[name](lambda count: jnp.where(count < 3, 1e-4, later))
        return descend(optimizer, 6, points(jnp.float32), rosenbrock)[1]

    larger, constant = quickly(jax.vmap(seen))(jnp.float32([2e-4, 1e-4]))
    np.testing.assert_allclose(larger[:4], constant[:4], rtol=1e-5)
    assert np.isfinite(larger).all()


@every_optimizer
def test_stays_where_there_is_no_gradient(name):
    options = {"weight_decay": 0.0} if takes(name, "weight_decay") else {}
    point = descend(MEMBERS[name](**options), 5, {"z": jnp.zeros(8)}, quadratic)[0][0]
    np.testing.assert_array_equal(point["z"], 0)


@every_optimizer
def test_says_which_argument_is_missing_and_needs_no_other(name):
    transformation = MEMBERS[name]()
    point = points(jnp.float32)
    state = transformation.init(point)
    value, gradient = jax.value_and_grad(rosenbrock)(point)
    extra = {"value": value, "value_fn": rosenbrock}
    expected, _ = transformation.update(gradient, state, point, **extra)
    try:
        got, _ = transformation.update(gradient, state, **extra)
    except ValueError as error:
        assert re.match(r"params must be .*, got None\. Call update", str(error))
    else:
        close(got, expected, 0)
    if name in NEEDS:
        with pytest.raises(ValueError, match=rf"^{NEEDS[name]} must be .*, got None\. Call update"):
            transformation.update(gradient, state, point)
        assert NEEDS[name] in inspect.getdoc(MEMBERS[name])
    else:
        close(transformation.update(gradient, state, point)[0], expected, 1e-6)


@every_optimizer
def test_docstring_states_formula_memory_and_source_and_every_number_its_bounds(name):
    optimizer = MEMBERS[name]
    text = inspect.getdoc(optimizer)
    assert re.match(r"\S.*: .*\.", text.splitlines()[0])
    assert re.search(r"^Memory: ", text, re.MULTILINE)
    assert re.search(r"^Source: .+ \d{4}, \".+", text, re.MULTILINE)
    assert name not in PYTORCH or "PyTorch" in text
    assert not any(hasattr(library, name) for library in (optax, optax.contrib)) or "Optax" in text
    bounds = parameter_domains(optimizer)
    for parameter in inspect.signature(optimizer).parameters.values():
        assert bounds[parameter.name] or isinstance(parameter.default, bool), parameter.name
        if callable(parameter.default):
            assert any(isinstance(bound, Predicate) for bound in bounds[parameter.name])
