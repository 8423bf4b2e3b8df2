"""What the papers of the optimizers promise that use curvature, all rows, the loss itself, or no learning rate."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

from laws.problems import TURN, close, descend, follow, gradients_and_start, layers, points, quadratic, rosenbrock
from trivium import NeuralClassifier, NeuralRegressor, optimizers
from trivium.catalog import members
from trivium.optimizers import full_batch

MEMBERS = members(optimizers)


# --- recurrences, written anew -------------------------------------------------------------------------------------


def agrees_with_the_recurrence(optimizer, recurrence):
    gradients, start = gradients_and_start()
    with jax.enable_x64(True):
        got = follow(optimizer, jax.tree.map(jnp.asarray, gradients), jax.tree.map(jnp.asarray, start))
        close(got, {name: recurrence(gradients[name], start[name]) for name in start}, 1e-10)


def numpy_adam(gradients, x, rate, beta1, beta2, epsilon, decay, first_step=1):
    m, v = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(gradients, first_step):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        x = x - rate * (m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon) + decay * x)
    return x


def test_rprop_agrees_with_its_recurrence():
    def recurrence(gradients, x):
        step, last = np.full_like(x, 0.02), np.zeros_like(x)
        for g in gradients:
            turn = g * last
            step = np.clip(np.select([turn > 0, turn < 0], [step * 1.3, step * 0.4], step), 1e-4, 0.1)
            last = np.where(turn < 0, 0, g)
            x = x - step * np.sign(last)
        return x

    agrees_with_the_recurrence(optimizers.rprop(0.02, shrink=0.4, grow=1.3, smallest=1e-4, largest=0.1), recurrence)


def test_muon_agrees_with_its_recurrence():
    def recurrence(gradients, x):
        if x.ndim < 2:
            return numpy_adam(gradients, x, 1e-3, 0.9, 0.999, 1e-8, 0.1)
        average = np.zeros_like(x)
        for g in gradients:
            average = 0.95 * average + 0.05 * g
            direction = 0.95 * average + 0.05 * g
            direction = direction / (np.sqrt(np.trace(direction @ direction.T)) + 1e-8)
            for _ in range(5):
                square = direction.T @ direction
                direction = direction @ (3.4445 * np.eye(len(square)) - 4.775 * square + 2.0315 * square @ square)
            x = x - 1e-3 * (0.2 * np.sqrt(max(x.shape)) * direction + 0.1 * x)
        return x

    agrees_with_the_recurrence(optimizers.muon(1e-3, weight_decay=0.1), recurrence)


def test_shampoo_agrees_with_its_recurrence():
    def power(matrix, exponent):
        values, vectors = np.linalg.eigh(matrix)
        return vectors @ np.diag(values**exponent) @ vectors.T

    def recurrence(gradients, x):
        columns = x.reshape(len(x), -1)
        left, right, velocity = 1e-2 * np.eye(len(columns)), 1e-2 * np.eye(columns.shape[1]), np.zeros_like(columns)
        for t, g in enumerate(gradients.reshape(len(gradients), *columns.shape)):
            left, right = 0.99 * left + g @ g.T, 0.99 * right + g.T @ g
            if t % 3 == 0:
                one, other = power(left, -1 / 4), power(right, -1 / 4)
                if x.ndim < 2:
                    one, other = power(left, -1 / 2), np.eye(1)
            velocity = 0.9 * velocity + one @ g @ other
            columns = columns - 0.01 * (velocity + 0.1 * columns)
        return columns.reshape(x.shape)

    shampoo = optimizers.shampoo(0.01, momentum=0.9, decay=0.99, epsilon=1e-2, weight_decay=0.1, every=3)
    agrees_with_the_recurrence(shampoo, recurrence)


def test_soap_agrees_with_its_recurrence():
    def recurrence(gradients, x):
        if x.ndim < 2:
            return numpy_adam(gradients[1:], x, 1e-3, 0.9, 0.95, 1e-8, 0.1)
        left, right = 0.05 * gradients[0] @ gradients[0].T, 0.05 * gradients[0].T @ gradients[0]
        turn, other = np.linalg.eigh(left)[1][:, ::-1], np.linalg.eigh(right)[1][:, ::-1]
        m, v = np.zeros_like(x), np.zeros_like(x)
        for t, g in enumerate(gradients[1:], 1):
            m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * (turn.T @ g @ other) ** 2
            turned = turn.T @ m @ other / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.95**t)) + 1e-8)
            x = x - 1e-3 * (turn @ turned @ other.T + 0.1 * x)
            left, right = 0.95 * left + 0.05 * g @ g.T, 0.95 * right + 0.05 * g.T @ g
            if t % 4 == 0:
                order = np.argsort(-np.diag(turn.T @ left @ turn))
                turn, v = np.linalg.qr(left @ turn[:, order])[0], v[order]
                order = np.argsort(-np.diag(other.T @ right @ other))
                other, v = np.linalg.qr(right @ other[:, order])[0], v[:, order]
        return x

    # Eigenvectors of a first gradient of low rank are free to turn; a square one has none to spare.
    gradients, start = gradients_and_start()
    gradients, start = ({name: tree[name] for name in ("square", "vector")} for tree in (
        {**gradients, "square": gradients["matrix"][:, :4]}, {**start, "square": start["matrix"][:4]}
    ))  # fmt: skip
    with jax.enable_x64(True):
        soap = optimizers.soap(1e-3, beta1=0.9, weight_decay=0.1, every=4)
        got = follow(soap, jax.tree.map(jnp.asarray, gradients), jax.tree.map(jnp.asarray, start))
        close(got, {name: recurrence(gradients[name], start[name]) for name in start}, 1e-10)


# --- what their papers promise -------------------------------------------------------------------------------------


def test_muon_moves_a_matrix_by_nearly_equal_singular_values():
    random = np.random.default_rng(4)
    for shape in ((20, 20), (30, 8), (8, 30)):
        gradient = jnp.asarray(random.normal(size=shape), jnp.float32)
        for nesterov in (True, False):
            optimizer = optimizers.muon(1.0, weight_decay=0.0, nesterov=nesterov)
            update, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
            values = np.linalg.svd(update / (0.2 * max(shape) ** 0.5), compute_uv=False)
            large = np.linalg.svd(gradient, compute_uv=False) > 0.05 * np.linalg.norm(gradient)
            assert values[large].min() > 0.65
            assert values.max() < 1.25


def test_muon_leaves_vectors_and_the_edges_of_a_network_to_adamw():
    start = layers()
    muon = follow(optimizers.muon(0.01), jax.tree.map(lambda p: jnp.stack([p + 1] * 5), start), start)
    adam = follow(optimizers.adamw(0.01), jax.tree.map(lambda p: jnp.stack([p + 1] * 5), start), start)
    same = jax.tree.map(lambda a, b: bool(jnp.allclose(a, b, rtol=1e-4, atol=1e-6)), muon, adam)
    edge, inner = {"weights": True, "biases": True}, {"weights": False, "biases": True}
    assert same == [edge, inner, edge]


def test_shampoo_moves_along_the_orthogonal_factor_at_its_first_step():
    with jax.enable_x64(True):
        gradient = jnp.asarray(np.random.default_rng(5).normal(size=(6, 6)))
        optimizer = optimizers.shampoo(1.0, epsilon=1e-14)
        update, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
        left, _, right = np.linalg.svd(gradient)
        np.testing.assert_allclose(update, -left @ right, atol=1e-8)


def test_shampoo_keeps_a_diagonal_of_long_axes_and_turns_any_number_of_axes():
    with jax.enable_x64(True):
        gradient = jnp.asarray(np.random.default_rng(5).normal(size=(4, 3, 2)))
        optimizer = optimizers.shampoo(1.0, epsilon=1e-3, longest=3)
        state = optimizer.init(gradient)
        assert [side.shape for side in state.statistics] == [(4,), (3, 3), (2, 2)]
        expected = np.asarray(gradient) * ((np.asarray(gradient) ** 2).sum((1, 2)) + 1e-3)[:, None, None] ** (-1 / 6)
        for axis in (1, 2):
            rows = np.moveaxis(np.asarray(gradient), axis, 0).reshape(gradient.shape[axis], -1)
            values, vectors = np.linalg.eigh(rows @ rows.T + 1e-3 * np.eye(len(rows)))
            root = vectors @ np.diag(values ** (-1 / 6)) @ vectors.T
            expected = np.moveaxis(np.tensordot(root, expected, axes=([1], [axis])), 0, axis)
        np.testing.assert_allclose(optimizer.update(gradient, state, gradient)[0], -expected, rtol=1e-9)


def test_soap_in_the_axes_of_the_parameters_is_adam_one_step_late():
    gradients, start = gradients_and_start()
    gradients, start = jax.tree.map(lambda array: jnp.asarray(array, jnp.float32), (gradients, start))
    soap = follow(optimizers.soap(1e-2, beta1=0.9, beta2=0.999, longest=1), gradients, start)
    adamw = follow(optax.adamw(1e-2, weight_decay=0.01), jax.tree.map(lambda g: g[1:], gradients), start)
    close(soap, adamw, 1e-4)


def test_polyaks_step_with_the_right_bound_comes_closer_at_every_step():
    start = {"z": jnp.asarray(TURN @ np.ones(8), jnp.float32)}
    optimizer = optimizers.polyak(1e30)
    state, point, distances = optimizer.init(start), start, []
    for _ in range(50):
        value, gradient = jax.value_and_grad(quadratic)(point)
        updates, state = optimizer.update(gradient, state, point, value=value)
        point = optax.apply_updates(point, updates)
        distances.append(float(jnp.linalg.norm(point["z"])))
    assert np.all(np.diff(distances) <= 1e-6)


@pytest.mark.parametrize(("name", "share"), [("prodigy", 0.15), ("dog", 0.05), ("d_adaptation", 0.5)])
def test_no_rate_needs_to_be_set_for_solutions_near_and_far(name, share):
    far = jnp.asarray([0.1, 10.0, 1000.0])

    def fall(distance):
        loss = lambda point: jnp.sum(jnp.abs(point["z"] - distance))  # noqa: E731
        start = {"z": jnp.zeros(4)}
        (point, _), _ = descend(MEMBERS[name](), 4000, start, loss)
        return loss(point) / loss(start)

    assert np.all(jax.jit(jax.vmap(fall))(far) < share)


def test_prodigy_never_takes_the_solution_for_farther_than_it_is():
    """On a convex loss its distance is a lower bound of that of Adam's geometry, the largest over the parameters."""
    loss = lambda point: jnp.sum(jnp.abs(point["z"] - jnp.asarray([1.0, 2.0, 3.0])))  # noqa: E731
    (_, state), _ = descend(optimizers.prodigy(), 2000, {"z": jnp.zeros(3)}, loss)
    assert 0.3 < state.distance <= 3.0 * 1.01


def test_schedule_free_reaches_the_best_rate_of_convergence_without_a_schedule():
    """On gradients with noise, of norm G in the mean square, from a distance D: after T steps at the constant rate
    D / (G sqrt(T)) the average is within D G / sqrt(T) of the least loss, theorem 1 of the paper; and at the best of
    several rates it is far below the end of descent with a rate held."""
    steps = 2000
    noise = jnp.asarray(np.random.default_rng(6).normal(size=(steps, 8)), jnp.float32)
    start = jnp.asarray(TURN @ np.ones(8) * 3, jnp.float32)
    distance, size = float(jnp.linalg.norm(start)), 16**0.5

    def last(transformation):
        def step(carry, noise):
            point, state = carry
            gradient = jax.grad(lambda z: jnp.sum(jnp.abs(z)))(point) + noise
            updates, state = transformation.update(gradient, state, point)
            return (point + updates, state), None

        point, state = jax.lax.scan(step, (start, transformation.init(start)), noise)[0]
        return jnp.sum(jnp.abs(optimizers.evaluation_parameters(state, point)))

    def best(make):
        return jax.vmap(lambda rate: last(make(rate)))(jnp.logspace(-3.5, 0, 8)).min()

    assert best(optimizers.schedule_free_sgd) < 0.1 * best(optimizers.gd)
    for share in (0.0, 0.9):
        average = last(optimizers.schedule_free_sgd(distance / size / steps**0.5, beta1=share))
        assert average < distance * size / steps**0.5


def test_schedule_free_parameters_lie_between_the_average_and_the_fast_ones():
    (point, state), _ = descend(optimizers.schedule_free_sgd(1e-3, beta1=0.7), 20, points(jnp.float32), rosenbrock)
    average = optimizers.evaluation_parameters(state, point)
    between = jax.tree.map(lambda x, z: 0.7 * x + 0.3 * z, average, state.fast)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), point, between)
    assert not np.allclose(average["x"], point["x"], rtol=1e-4)


def test_schedule_free_warmup_raises_the_rate_step_by_step():
    start = jnp.zeros(1)
    optimizer = optimizers.schedule_free_sgd(1.0, warmup=4.0)
    state, fast = optimizer.init(start), [0.0]
    for _ in range(6):
        _, state = optimizer.update(jnp.ones(1), state, start)
        fast.append(float(state.fast[0]))
    np.testing.assert_allclose(-np.diff(fast), [0.25, 0.5, 0.75, 1, 1, 1], rtol=1e-6)


# --- curvature -----------------------------------------------------------------------------------------------------


def exponential(times):
    """Residuals of a * exp(-b * t) + c against values that a, b, c = 2, 1.3, 0.5 explain."""
    values = 2 * np.exp(-1.3 * times) + 0.5
    return lambda p: p[0] * jnp.exp(-p[1] * times) + p[2] - values


def half_squares(residual_fn):
    return lambda point: jnp.sum(residual_fn(point) ** 2) / 2


@pytest.mark.parametrize("name", ["gauss_newton", "levenberg_marquardt"])
def test_fits_an_exponential_as_scipy_does_and_gains_digits_ever_faster(name):
    residual_fn = exponential(np.linspace(0, 3, 30))
    loss = half_squares(residual_fn)
    with jax.enable_x64(True):
        optimizer = MEMBERS[name](damping={"gauss_newton": 0.0, "levenberg_marquardt": 1e-3}[name])
        point = jnp.asarray([1.0, 0.3, 0.0])
        state, errors = optimizer.init(point), []
        update = jax.jit(lambda g, s, p: optimizer.update(g, s, p, residual_fn=residual_fn))
        for _ in range(20):
            updates, state = update(jax.grad(loss)(point), state, point)
            point = point + updates
            errors.append(float(jnp.max(jnp.abs(point - np.array([2.0, 1.3, 0.5])))))
        peer = scipy.optimize.least_squares(residual_fn, [1.0, 0.3, 0.0], method="lm", xtol=1e-14)
        np.testing.assert_allclose(point, peer.x, rtol=1e-9)
    near = [(a, b) for a, b in itertools.pairwise(errors) if 1e-6 < a < 1e-1]
    assert near
    assert all(after < before**1.7 for before, after in near)


def test_levenberg_marquardt_never_takes_a_step_that_raises_the_loss():
    _, values = descend(optimizers.levenberg_marquardt(damping=1e-8), 60, points(jnp.float32), rosenbrock)
    assert np.all(np.diff(values) <= 0)
    assert values[-1] < 1e-9


def test_gauss_newton_solves_a_linear_problem_in_one_step():
    random = np.random.default_rng(7)
    A, b = random.normal(size=(20, 5)), random.normal(size=20)
    with jax.enable_x64(True):
        residual_fn = lambda x: A @ x - b  # noqa: E731
        optimizer, point = optimizers.gauss_newton(damping=0.0), jnp.zeros(5)
        update, _ = optimizer.update(
            jax.grad(half_squares(residual_fn))(point), optimizer.init(point), point, residual_fn=residual_fn
        )
        np.testing.assert_allclose(update, np.linalg.lstsq(A, b)[0], rtol=1e-10)


@pytest.mark.parametrize("name", ["gauss_newton", "levenberg_marquardt"])
def test_outputs_and_their_loss_give_the_same_step_as_residuals(name):
    residual_fn = exponential(np.linspace(0, 3, 30))
    with jax.enable_x64(True):
        optimizer, point = MEMBERS[name](), jnp.asarray([1.0, 0.3, 0.0])
        gradient, state = jax.grad(half_squares(residual_fn))(point), optimizer.init(point)
        one, _ = optimizer.update(gradient, state, point, residual_fn=residual_fn)
        loss_fn = lambda residuals: jnp.sum(residuals**2) / 2  # noqa: E731
        two, _ = optimizer.update(gradient, state, point, outputs_fn=residual_fn, loss_fn=loss_fn)
        np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize("name", ["gauss_newton", "levenberg_marquardt"])
def test_beyond_the_size_that_is_written_out_conjugate_gradients_descend(name):
    n = 1500
    random = np.random.default_rng(8)
    A, b = (
        jnp.asarray(random.normal(size=(60, n)) / n**0.5, jnp.float32),
        jnp.asarray(random.normal(size=60), jnp.float32),
    )
    residual_fn = lambda x: jnp.tanh(A @ x) - b / 3  # noqa: E731
    (_, state), values = descend(MEMBERS[name](), 15, jnp.zeros(n), half_squares(residual_fn))
    assert values[-1] < 1e-3 * values[0]
    assert all(leaf.size == 1 for leaf in jax.tree.leaves(state))


def test_lbfgs_needs_about_as_many_steps_as_scipys():
    with jax.enable_x64(True):
        start = np.array([-1.2, 1.0])
        loss = lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2  # noqa: E731
        peer = scipy.optimize.minimize(loss, start, jac=jax.grad(loss), method="L-BFGS-B", options={"gtol": 1e-9})
        (point, _), _ = descend(optimizers.lbfgs(), peer.nit + 10, jnp.asarray(start), loss)
        np.testing.assert_allclose(point, [1, 1], rtol=1e-5)


# --- in training ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(9)
    X = random.normal(size=(120, 3))
    return X, np.sin(X[:, 0]) + X[:, 1] * 0.5


@pytest.mark.parametrize(
    "name", ["rprop", "lbfgs", "levenberg_marquardt", "gauss_newton", "polyak", "momo", "schedule_free_adamw"]
)
def test_estimators_hand_over_all_that_it_needs(name, table):
    X, y = table
    estimator = NeuralRegressor((8,), activation="tanh", optimizer=name, epochs=60, batch_size=50, random_state=0)
    assert estimator.fit(X, y).score(X, y) > 0.5
    assert (estimator.choices_["batch_size"] == 108) == (name in members(full_batch))


def test_curvature_comes_from_the_outputs_so_that_few_steps_fit(table):
    X, y = table
    options = {"activation": "tanh", "epochs": 25, "validation_fraction": 0, "random_state": 0}
    curved = NeuralRegressor((8,), optimizer="levenberg_marquardt", **options).fit(X, y)
    assert curved.history_.train_loss[-1] < 1e-3
    classes = (y > 0).astype(int)
    classifier = NeuralClassifier((), optimizer="gauss_newton", **options).fit(X, classes)
    assert np.all(np.diff(classifier.history_.train_loss) <= 1e-6)


def test_predictions_are_those_of_the_averaged_parameters(table):
    X, y = table
    options = {"activation": "tanh", "epochs": 3, "validation_fraction": 0, "random_state": 0, "batch_size": 120}
    plain = NeuralRegressor((8,), optimizer=optimizers.gd(0.1), **options).fit(X, y)
    averaged = NeuralRegressor((8,), optimizer=optimizers.parameter_average(optimizers.gd(0.1)), **options).fit(X, y)
    np.testing.assert_allclose(plain.history_.train_loss, averaged.history_.train_loss, rtol=1e-5)
    assert not np.allclose(plain.predict(X), averaged.predict(X), rtol=1e-3)
