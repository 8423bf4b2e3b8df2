"""What the losses for classes promise about their arguments, and where they agree with other packages."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from trivium import losses
from trivium.compiling import quickly
from trivium.losses import binary, divergences, margins, multiclass, noise

random = np.random.default_rng(5)
ROWS = jnp.asarray(random.normal(size=(40, 4)) * 3, jnp.float32)
LABELS = jnp.asarray(random.integers(0, 4, 40))
LOGITS = jnp.asarray(random.normal(size=60) * 3, jnp.float32)
ZEROS_AND_ONES = jnp.asarray(random.integers(0, 2, 60), jnp.float32)
SHARES = jax.nn.softmax(jnp.asarray(random.normal(size=(40, 4)), jnp.float32))


def names_of(*files):
    return [
        name
        for file in files
        for name, value in vars(file).items()
        if inspect.isfunction(value) and value.__module__ == file.__name__ and not name.startswith("_")
    ]


def example(name):
    """What the network puts out, and targets."""
    if name in names_of(divergences):
        return ROWS, SHARES
    many = [*names_of(multiclass, noise), "multiclass_hinge"]
    given, targets = (ROWS, LABELS) if name in many else (LOGITS, ZEROS_AND_ONES)
    if name.endswith("probabilities"):
        given = jax.nn.softmax(given / 3) if name in many else jax.nn.sigmoid(given / 3)
    return given, targets


every_loss = pytest.mark.parametrize("name", names_of(binary, multiclass, margins, noise, divergences))
of_labels = pytest.mark.parametrize("name", [*names_of(multiclass, noise), "multiclass_hinge"])
of_shares = pytest.mark.parametrize("name", [name for name in names_of(binary, margins) if name != "multiclass_hinge"])


@every_loss
def test_every_type_gives_its_own_and_half_precision_is_computed_in_single(name):
    loss, (given, targets) = getattr(losses, name), example(name)
    narrow = given.astype(jnp.bfloat16)
    ours, single = loss(narrow, targets), jax.jit(loss)(narrow.astype(jnp.float32), targets)
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.float32(ours), single, rtol=2**-8)
    with jax.enable_x64(True):
        wide = jax.jit(loss)(np.asarray(narrow, np.float64), np.asarray(targets))
        assert wide.dtype == np.float64
        np.testing.assert_allclose(wide, single, rtol=3e-6, atol=1e-7)


@every_loss
def test_derivatives_are_differences(name):
    with jax.enable_x64(True):
        loss, (given, targets) = getattr(losses, name), example(name)
        given, targets = np.asarray(given, np.float64), np.asarray(targets)
        if targets.ndim == 2:
            targets = targets / np.float64(targets).sum(axis=1, keepdims=True)
        step = 1e-6 * random.normal(size=given.shape)

        def both(given):
            return jax.value_and_grad(lambda given: loss(given, targets).sum())(given)

        (low, low_slope), (high, high_slope) = map(quickly(both), (given - step, given + step))
        (_, slope), (rise, curved) = quickly(lambda given, step: jax.jvp(both, (given,), (step,)))(given, step)
        assert rise == pytest.approx(float(high - low) / 2, rel=1e-6, abs=1e-12)
        assert rise == pytest.approx(float((slope * step).sum()), rel=1e-9)
        np.testing.assert_allclose(curved, (high_slope - low_slope) / 2, rtol=1e-4, atol=1e-12)


@every_loss
def test_second_derivatives_are_finite_however_large_the_outputs(name):
    loss, (given, targets) = getattr(losses, name), example(name)
    sizes = np.repeat([0, 1, 80, 100, 1e4], 4).astype(np.float32)
    if name.endswith("probabilities") or name == "exponential":
        sizes = sizes[:8] if name == "exponential" else np.ones(8, np.float32)
    else:
        given = jnp.sign(given)
    given, targets = given[: len(sizes)], targets[: len(sizes)]
    given = given * sizes.reshape(-1, *[1] * (given.ndim - 1))
    assert np.isfinite(loss(given, targets)).all()
    assert np.isfinite(quickly(jax.vmap(jax.hessian(loss)))(given, targets)).all()


@every_loss
def test_weights_and_numbers_may_be_traced(name):
    loss, (given, targets) = getattr(losses, name), example(name)
    weights = jnp.arange(len(given)) % 3.0
    plain = loss(given, targets)
    np.testing.assert_allclose(loss(given, targets, sample_weight=weights), plain * weights, rtol=1e-6)
    numbers = {
        key: value.default
        for key, value in inspect.signature(loss).parameters.items()
        if isinstance(value.default, float)
    }
    traced = quickly(lambda given, targets, numbers: loss(given, targets, **numbers))(given, targets, numbers)
    np.testing.assert_allclose(traced, plain, rtol=2e-6, atol=1e-7)
    if not numbers:
        return
    numbers = {key: value or 0.1 for key, value in numbers.items()}  # at 0 a number can be moved to one side alone
    total = quickly(jax.value_and_grad(lambda numbers: loss(given, targets, **numbers).sum()))
    moves = total(numbers)[1]
    for key, value in numbers.items():
        up, down = ({**numbers, key: value + step} for step in (1e-2, -1e-2 if value != 1 else 0))
        difference = float(total(up)[0] - total(down)[0]) / (up[key] - down[key])
        assert moves[key] == pytest.approx(difference, rel=0.05, abs=1e-2)


@of_labels
def test_a_label_outside_the_classes_is_named(name):
    given, targets = example(name)
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match=rf"from 0 to 3.* got {wrong} in row 2"):
            getattr(losses, name)(given, targets.at[2].set(wrong))
    if name != "cross_entropy":  # which takes such rows for shares
        with pytest.raises(ValueError, match="float32"):
            getattr(losses, name)(given, targets.astype(jnp.float32))


@of_labels
def test_a_single_class_is_sure(name):
    given = jnp.ones((3, 1)) if name.endswith("probabilities") else jnp.float32([[-1e4], [0], [7]])
    value, slope = jax.value_and_grad(lambda given: getattr(losses, name)(given, jnp.zeros(3, int)).sum())(given)
    assert value == 0
    assert (slope == 0).all() or name.endswith("probabilities")


@of_shares
def test_a_share_outside_its_bounds_is_named(name):
    given, targets = example(name)
    for wrong in (-0.5, 1.5, np.nan):
        with pytest.raises(ValueError, match=rf"targets must be .* got {wrong} in row 3"):
            getattr(losses, name)(given, targets.at[3].set(wrong))


@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence", "jensen_shannon"])
def test_rows_that_are_no_distribution_are_named(name):
    with pytest.raises(ValueError, match=r"add up to 1, got a sum of 1\.5 in row 1"):
        getattr(losses, name)(ROWS, SHARES.at[1].set(jnp.float32([0.5, 0.5, 0.5, 0])))


@every_loss
def test_a_nan_stays_in_its_row(name):
    given, targets = example(name)
    ours = getattr(losses, name)(given.at[0].set(jnp.nan), targets)
    assert np.isnan(ours).tolist() == [True] + [False] * (len(given) - 1)


def test_ignored_rows_have_neither_loss_nor_gradient():
    targets = LABELS.at[::3].set(-100)
    rows = ROWS.at[0].set(jnp.nan)
    for numbers in ({}, {"label_smoothing": 0.1, "class_weight": jnp.arange(4.0)}):
        loss = partial(losses.cross_entropy, targets=targets, ignored=-100, **numbers)
        slopes = jax.jit(jax.grad(lambda rows, loss=loss: loss(rows).sum()))(rows)
        assert (loss(rows)[::3] == 0).all()
        assert (slopes[::3] == 0).all()
        kept = losses.cross_entropy(ROWS, LABELS, **numbers)
        np.testing.assert_array_equal(jnp.where(targets >= 0, kept, 0), loss(rows))


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_weights_count_rows_and_soft_targets_are_mixtures(smoothing):
    weights = jnp.float32([0, 1, 2, 5])
    loss = partial(losses.cross_entropy, label_smoothing=smoothing)
    total = loss(ROWS, LABELS, class_weight=weights).sum()
    repeated = np.repeat(np.arange(40), np.asarray(weights, int)[LABELS])
    assert total == pytest.approx(float(loss(ROWS[repeated], LABELS[repeated]).sum()), rel=1e-5)
    for numbers in ({}, {"class_weight": weights}):
        one_hot = loss(ROWS, jax.nn.one_hot(LABELS, 4), **numbers)
        np.testing.assert_allclose(one_hot, loss(ROWS, LABELS, **numbers), rtol=1e-6)
        mixed = sum(SHARES[:, k] * loss(ROWS, jnp.full(40, k), **numbers) for k in range(4))
        np.testing.assert_allclose(loss(ROWS, SHARES, **numbers), mixed, rtol=1e-5)
    binary_loss = partial(losses.binary_cross_entropy, label_smoothing=smoothing)
    rows = np.repeat(np.arange(60), np.where(ZEROS_AND_ONES > 0, 3, 1))
    total = float(binary_loss(LOGITS, ZEROS_AND_ONES, positive_weight=3.0).sum())
    assert total == pytest.approx(float(binary_loss(LOGITS[rows], ZEROS_AND_ONES[rows]).sum()), rel=1e-5)


def test_limits_are_the_cross_entropy():
    plain = losses.cross_entropy(ROWS, LABELS)
    for same in (
        losses.focal(ROWS, LABELS, gamma=0.0),
        losses.poly1(ROWS, LABELS, epsilon=0.0),
        losses.logit_adjusted(ROWS, LABELS),
        losses.logit_adjusted(ROWS, LABELS, class_shares=jnp.full(4, 0.25)),
        losses.bi_tempered(ROWS, LABELS, t1=1.0, t2=1.0),
        losses.kl_divergence(ROWS, jax.nn.one_hot(LABELS, 4)),
    ):
        np.testing.assert_allclose(same, plain, rtol=2e-6)
    both = jnp.stack([jnp.zeros_like(LOGITS), LOGITS], axis=1)
    two = losses.focal(both, ZEROS_AND_ONES.astype(int))
    np.testing.assert_allclose(two, losses.binary_focal(LOGITS, ZEROS_AND_ONES), rtol=2e-6)
    many = jnp.asarray(random.normal(size=(20, 3000)), jnp.float32)
    labels = jnp.arange(20)
    np.testing.assert_allclose(
        losses.bi_tempered(many, labels, t1=1.0, t2=1.0), losses.cross_entropy(many, labels), rtol=1e-5
    )


def test_agrees_with_optax_and_pytorch():
    near = partial(np.testing.assert_allclose, rtol=2e-5, atol=2e-6)
    near(losses.binary_focal(LOGITS, ZEROS_AND_ONES), optax.losses.sigmoid_focal_loss(LOGITS, ZEROS_AND_ONES))
    focal = optax.losses.sigmoid_focal_loss(LOGITS, ZEROS_AND_ONES, alpha=0.25, gamma=3.0)
    near(losses.binary_focal(LOGITS, ZEROS_AND_ONES, alpha=0.25, gamma=3.0), focal)
    near(losses.hinge(LOGITS, ZEROS_AND_ONES), optax.losses.hinge_loss(LOGITS, 2 * ZEROS_AND_ONES - 1))
    near(losses.poly1(ROWS, LABELS), optax.losses.poly_loss_cross_entropy(ROWS, jax.nn.one_hot(LABELS, 4)))
    near(losses.cross_entropy(ROWS, SHARES), optax.losses.softmax_cross_entropy(ROWS, SHARES))
    near(losses.kl_divergence(ROWS, SHARES), optax.losses.kl_divergence(jax.nn.log_softmax(ROWS), SHARES))
    near(losses.multiclass_hinge(ROWS, LABELS), optax.losses.multiclass_hinge_loss(ROWS, LABELS))

    torch = pytest.importorskip("torch")
    functional, tensor = torch.nn.functional, lambda array: torch.tensor(np.asarray(array))
    weights = jnp.float32([0.5, 1, 2, 5])
    theirs = functional.cross_entropy(tensor(ROWS), tensor(LABELS).long(), tensor(weights), reduction="none")
    near(losses.cross_entropy(ROWS, LABELS, class_weight=weights), theirs)
    theirs = functional.cross_entropy(tensor(ROWS), tensor(LABELS).long(), label_smoothing=0.1, reduction="none")
    near(losses.cross_entropy(ROWS, LABELS, label_smoothing=0.1), theirs)
    theirs = functional.binary_cross_entropy_with_logits(
        tensor(LOGITS), tensor(ZEROS_AND_ONES), pos_weight=torch.tensor(3.0), reduction="none"
    )
    near(losses.binary_cross_entropy(LOGITS, ZEROS_AND_ONES, positive_weight=3.0), theirs)
