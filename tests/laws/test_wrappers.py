"""Laws of the wrappers: they go around every optimizer, and do what their formula says."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from trivium import optimizers
from trivium.catalog import get, members, parameter_domains, wrappers
from trivium.optimizers import evaluation_parameters

WRAPPERS = wrappers(optimizers)
every_wrapper = pytest.mark.parametrize("name", WRAPPERS)


def loss(point):
    return jnp.sum((point["w"] @ point["v"] - 1) ** 2) + jnp.sum(point["v"] ** 4)


def start(dtype=jnp.float32):
    random = np.random.default_rng(0)
    return {"w": jnp.asarray(random.normal(size=(4, 3)), dtype), "v": jnp.asarray(random.normal(size=3), dtype)}


def walk(transformation, steps, point=None, loss=loss):
    """The parameters and states after each step, the first in front."""
    point = start() if point is None else point
    state = transformation.init(point)
    update = jax.jit(
        lambda g, s, p, v: transformation.update(g, s, p, value=v, grad=g, value_fn=loss, outputs_fn=lambda q: q)
    )
    path = [(point, state)]
    for _ in range(steps):
        value, gradient = jax.value_and_grad(loss)(point)
        updates, state = update(gradient, state, point, value)
        point = optax.apply_updates(point, updates)
        path.append((point, state))
    return path


def step(transformation, gradients, point=None, **extra):
    point = start() if point is None else point
    return transformation.update(gradients, transformation.init(point), point, **extra)[0]


def close(ours, theirs, tolerance=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance), ours, theirs)


def random_gradients(seed=1, scale=1.0):
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda p: jnp.asarray(scale * random.normal(size=p.shape), p.dtype), start())


# --- of all ------------------------------------------------------------------------------------------------------


def test_wrappers_are_reachable_and_no_optimizers_to_choose():
    assert len(WRAPPERS) == 10
    for name, function in WRAPPERS.items():
        assert getattr(optimizers, name) is function
        assert name not in members(optimizers)
        with pytest.raises(ValueError, match="optimizer must say what .* wraps"):
            get(optimizers, name, "optimizer")
    assert "evaluation_parameters" not in members(optimizers)


def test_every_optimizer_to_choose_can_be_made_of_its_defaults_alone():
    assert len(members(optimizers)) > 15
    for optimizer in members(optimizers).values():
        assert all(p.default is not p.empty for p in inspect.signature(optimizer).parameters.values())


@every_wrapper
def test_docstring_names_its_source_and_every_number_its_bounds(name):
    text = inspect.getdoc(WRAPPERS[name])
    assert re.match(r"\S.*: .*\.", text.splitlines()[0])
    assert re.search(r"^Source: .+ \d{4}, \".+", text, re.MULTILINE)
    bounds = parameter_domains(WRAPPERS[name])
    for parameter in list(inspect.signature(WRAPPERS[name]).parameters.values())[1:]:
        assert bounds[parameter.name] or callable(parameter.default), parameter.name


@every_wrapper
@pytest.mark.parametrize("inner", members(optimizers))
def test_goes_around_every_optimizer(name, inner):
    wrapped = WRAPPERS[name](members(optimizers)[inner]())
    point, state = start(), None
    shapes = jax.eval_shape(wrapped.init, point)
    value, gradient = jax.value_and_grad(loss)(point)

    def update(state):
        extra = {"value": value, "grad": gradient, "value_fn": loss}
        return wrapped.update(gradient, state, point, **extra)

    updates, state = jax.eval_shape(update, shapes)
    assert jax.tree.map(lambda u: (u.shape, u.dtype), updates) == jax.tree.map(lambda p: (p.shape, p.dtype), point)
    assert state == shapes


@every_wrapper
@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float64])
def test_keeps_the_type_of_the_parameters(name, dtype):
    with jax.enable_x64(dtype == jnp.float64), jax.numpy_dtype_promotion("strict"):
        wrapper = WRAPPERS[name]
        numbers = {
            p.name: jnp.float32(p.default)
            for p in list(inspect.signature(wrapper).parameters.values())[1:]
            if not callable(p.default)
        }
        point = start(dtype)
        gradient = jax.grad(loss)(point)
        inner = optimizers.prodigy(start_distance=0.1)
        updates = jax.jit(
            lambda numbers: step(wrapper(inner, **numbers), gradient, point, value=loss(point), value_fn=loss)
        )(numbers)
        assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(updates))
        assert all(np.isfinite(np.asarray(leaf, float)).all() for leaf in jax.tree.leaves(updates))


@every_wrapper
def test_numbers_may_be_traced_and_the_state_donated(name):
    wrapper = WRAPPERS[name]
    numbers = {
        p.name: p.default
        for p in list(inspect.signature(wrapper).parameters.values())[1:]
        if not callable(p.default)
    }  # fmt: skip
    gradients = random_gradients()

    population = {key: jnp.asarray([value, value], jnp.float32) for key, value in numbers.items()}
    population["unused"] = jnp.zeros(2)
    alone = step(wrapper(optimizers.gd(0.1), **numbers), gradients, value=1.0, value_fn=loss)

    @jax.jit
    @jax.vmap
    def last(given):
        wrapped = wrapper(optimizers.gd(0.1), **{key: given[key] for key in numbers})
        return step(wrapped, gradients, value=1.0, value_fn=loss)

    close(jax.tree.map(lambda leaf: leaf[1], last(population)), alone)
    last(jax.tree.map(lambda values: values + 1, population))
    assert last._cache_size() == 1

    point, state = walk(wrapper(optimizers.adamw()), 3)[-1]
    transformation = wrapper(optimizers.adamw())
    restored = jax.tree.map(jnp.asarray, jax.tree.map(np.asarray, state))
    update = lambda state: transformation.update(gradients, state, point, value=1.0, value_fn=loss)  # noqa: E731
    expected = jax.jit(update)(state)
    close(jax.jit(update, donate_argnums=0)(restored), expected, 0)


@every_wrapper
def test_every_number_may_be_a_schedule_of_the_steps_before(name):
    wrapper = WRAPPERS[name]
    numbers = {
        p.name: p.default for p in inspect.signature(wrapper).parameters.values() if isinstance(p.default, float)
    }
    schedules = {
        key: lambda count, value=value: jnp.where((count >= 0) & (count < 7), value, jnp.nan)
        for key, value in numbers.items()
    }
    got, expected = (walk(wrapper(optimizers.gd(0.01), **given), 7)[-1] for given in (schedules, numbers))
    close(got, expected)


@pytest.mark.parametrize("name", ["sam", "lookahead", "adaptive_clip", "decoupled_weight_decay", "parameter_average"])
def test_says_that_parameters_are_missing(name):
    wrapped = WRAPPERS[name](optimizers.gd())
    with pytest.raises(ValueError, match=r"^params must be handed to update, got None\. Call update"):
        wrapped.update(start(), wrapped.init(start()))


# --- of each -----------------------------------------------------------------------------------------------------


def test_cautious_keeps_what_goes_against_the_gradient_and_the_mean_size():
    momentum = optax.trace(0.9)
    wrapped, plain = (
        optimizers.cautious(optax.chain(momentum, optax.scale(-1.0))),
        optax.chain(momentum, optax.scale(-1)),
    )
    first, second = random_gradients(1), random_gradients(2)
    point = start()
    state, plain_state = wrapped.init(point), plain.init(point)
    _, state = wrapped.update(first, state, point)
    _, plain_state = plain.update(first, plain_state, point)
    got, free = wrapped.update(second, state, point)[0], plain.update(second, plain_state, point)[0]
    for ours, theirs, gradient in zip(*map(jax.tree.leaves, (got, free, second)), strict=True):
        agrees = np.asarray(theirs) * np.asarray(gradient) < 0
        assert 0 < agrees.mean() < 1
        np.testing.assert_allclose(ours, np.where(agrees, theirs, 0) / agrees.mean(), rtol=1e-6)


def test_cautious_never_raises_a_smooth_loss_by_a_small_step():
    quartic = lambda point: jnp.sum(point["w"] ** 4) + jnp.sum(point["v"] ** 2)  # noqa: E731
    values = [quartic(point) for point, _ in walk(optimizers.cautious(optimizers.adam(1e-3)), 100, loss=quartic)]
    assert np.all(np.diff(values) <= 0)


def test_lookahead_agrees_with_optax():
    theirs = optax.lookahead(optax.adam(0.01), sync_period=5, slow_step_size=0.3)
    pair = optax.LookaheadParams.init_synced(start())
    state = theirs.init(pair)
    for ours, ours_state in walk(optimizers.lookahead(optax.adam(0.01), every=5, share=0.3), 23):
        close(ours, pair.fast)
        close(evaluation_parameters(ours_state, ours), pair.slow)
        updates, state = theirs.update(jax.grad(loss)(pair.fast), state, pair)
        pair = optax.apply_updates(pair, updates)


def test_sam_steps_along_the_gradient_at_the_climbed_point():
    point = start()
    gradient = jax.grad(loss)(point)
    size = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(gradient)))
    climbed = jax.tree.map(lambda p, g: p + 0.1 * g / size, point, gradient)
    got = step(optimizers.sam(optimizers.gd(1.0), radius=0.1), gradient, value_fn=loss)
    close(got, jax.tree.map(jnp.negative, jax.grad(loss)(climbed)))


def test_sam_stays_where_the_gradient_vanishes_and_needs_the_loss():
    flat = lambda point: jnp.sum(point["w"] ** 2)  # noqa: E731
    nothing = jax.tree.map(jnp.zeros_like, start())
    got = step(optimizers.sam(optimizers.gd(1.0)), nothing, nothing, value_fn=flat)
    close(got, nothing, 0)
    with pytest.raises(ValueError, match=r"^value_fn must be handed to update, got None\."):
        step(optimizers.sam(optimizers.gd()), nothing)


def test_sam_settles_in_the_flat_valley_of_two():
    """Two minima of equal depth, one four hundred times as curved: the radius reaches across the sharp one's walls."""

    def valleys(point):
        return jnp.minimum(200 * (point["z"] + 1) ** 2, 0.5 * (point["z"] - 1) ** 2).sum()

    begin = {"z": jnp.asarray([-0.995])}
    sharp = walk(optimizers.gd(2e-3), 100, begin, valleys)[-1][0]["z"]
    flat = walk(optimizers.sam(optimizers.gd(2e-3), radius=0.3), 100, begin, valleys)[-1][0]["z"]
    assert abs(sharp[0] + 1) < 1e-3
    assert flat[0] > -0.95


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_clips_agree_with_optax(scale):
    gradients, point = random_gradients(scale=scale), start()
    negative = optimizers.gd(1.0)
    for ours, theirs in [
        (optimizers.clip_by_norm(negative, largest=0.7), optax.clip_by_global_norm(0.7)),
        (optimizers.clip_by_value(negative, largest=0.3), optax.clip(0.3)),
        (optimizers.adaptive_clip(negative, ratio=0.05), optax.adaptive_grad_clip(0.05)),
    ]:
        expected = theirs.update(gradients, theirs.init(point), point)[0]
        close(jax.tree.map(jnp.negative, step(ours, gradients)), expected)


def test_clip_by_norm_leaves_small_gradients_to_the_last_bit_and_zero_alone():
    gradients = random_gradients(scale=1e-3)
    close(step(optimizers.clip_by_norm(optimizers.gd(1.0)), gradients), jax.tree.map(jnp.negative, gradients), 0)
    nothing = jax.tree.map(jnp.zeros_like, gradients)
    close(step(optimizers.clip_by_norm(optimizers.gd(1.0)), nothing), nothing, 0)


def test_decoupled_weight_decay_shrinks_matrices_and_agrees_with_adamw():
    ours = walk(optimizers.decoupled_weight_decay(optimizers.adam(0.01), decay=0.01 * 0.1), 30)[-1][0]
    mask = {"w": True, "v": False}
    close(ours, walk(optax.with_extra_args_support(optax.adamw(0.01, weight_decay=0.1, mask=mask)), 30)[-1][0], 1e-5)
    everything = lambda params: jax.tree.map(lambda _: True, params)  # noqa: E731
    nothing = jax.tree.map(jnp.zeros_like, start())
    got = step(optimizers.decoupled_weight_decay(optimizers.gd(), decay=0.1, mask=everything), nothing)
    close(got, jax.tree.map(lambda p: -0.1 * p, start()))


def test_centralize_keeps_the_sum_of_each_units_weights():
    path = walk(optimizers.centralize(optimizers.gd(0.01)), 20)
    close(path[0][0]["w"].sum(axis=0), path[-1][0]["w"].sum(axis=0), 1e-5)
    gradients = random_gradients()
    theirs = optax.centralize().update(gradients["w"].T, optax.EmptyState())[0].T
    got = step(optimizers.centralize(optimizers.gd(1.0)), gradients)
    close(got, {"w": -theirs, "v": -gradients["v"]})


def test_parameter_average_follows_its_recurrence_and_leaves_the_steps_alone():
    path = walk(optimizers.parameter_average(optimizers.adam(0.02), decay=0.6), 30)
    plain = walk(optimizers.adam(0.02), 30)
    average = np.asarray(path[0][0]["w"], np.float64)
    for t, ((point, state), (free, _)) in enumerate(zip(path[1:], plain[1:], strict=True), 1):
        close(point, free, 0)
        share = min(0.6, (1 + t) / (10 + t))
        average = share * average + (1 - share) * np.asarray(point["w"])
        np.testing.assert_allclose(evaluation_parameters(state, point)["w"], average, rtol=1e-5)


def test_the_average_is_better_than_the_end_of_a_noisy_path():
    noise = jnp.asarray(np.random.default_rng(3).normal(size=(1000, 10)), jnp.float32)
    wrapped = optimizers.parameter_average(optimizers.gd(0.1), decay=0.99)

    def noisy_step(carry, noise):
        point, state = carry
        updates, state = wrapped.update(point + noise, state, point)
        return (point + updates, state), None

    (point, state), _ = jax.lax.scan(noisy_step, (jnp.ones(10), wrapped.init(jnp.ones(10))), noise)
    assert jnp.linalg.norm(evaluation_parameters(state, point)) < 0.5 * jnp.linalg.norm(point)


def test_evaluation_parameters_finds_the_outermost_average_and_hands_back_what_has_none():
    for optimizer in (optimizers.adam(), optimizers.cautious(optimizers.sgd()), optax.adam(0.1)):
        assert evaluation_parameters(optimizer.init(start()), "themselves") == "themselves"
    nested = optimizers.parameter_average(optimizers.clip_by_norm(optimizers.lookahead(optimizers.gd(0.05))))
    point, state = walk(nested, 4)[-1]
    close(evaluation_parameters(state, point), state.average.parameters, 0)
    narrow = jax.tree.map(lambda p: p.astype(jnp.bfloat16), point)
    assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(evaluation_parameters(state, narrow)))


def test_accumulate_agrees_with_one_step_along_the_mean_and_with_optax():
    theirs = optax.MultiSteps(optax.adam(0.1), 3)
    ours = optimizers.accumulate(optimizers.adam(0.1), every=3)
    one = two = start()
    state, peer_state = ours.init(one), theirs.init(two)
    for seed in range(9):
        gradients = random_gradients(seed)
        updates, state = ours.update(gradients, state, one)
        assert (seed % 3 == 2) == bool(jnp.any(updates["v"] != 0))
        one = optax.apply_updates(one, updates)
        updates, peer_state = theirs.update(gradients, peer_state, two)
        two = optax.apply_updates(two, updates)
    close(one, two, 1e-5)


def test_accumulate_hands_the_mean_loss_to_the_optimizer_inside():
    gradients = random_gradients()
    wrapped, plain = optimizers.accumulate(optimizers.polyak(1e9), every=2), optimizers.polyak(1e9)
    state = wrapped.init(start())
    _, state = wrapped.update(gradients, state, start(), value=1.0)
    updates, _ = wrapped.update(gradients, state, start(), value=3.0)
    close(updates, step(plain, gradients, value=2.0))
