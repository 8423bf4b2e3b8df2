"""Optimizers that see a layer's weights as a matrix: its rows and columns are mixed before the step."""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from annotated_types import Ge, Gt, Interval, Predicate
from jax import Array

from . import _working as w
from ._leafwise import NotNegative, Number, Positive, Share

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the odd polynomial that Jordan et al. chose: five rounds bring singular values into 0.7 to 1.2."""

ROUNDS = 5


def _hidden_matrices(params: Any) -> Any:
    """Which leaves are matrices between two hidden layers: a tree of booleans.

    Vectors (and matrices of one row or column) are not, nor are the first and the last of three or more matrices: one
    reads the columns of the table, the other makes predictions, and neither gains from singular values made equal.
    """
    leaves, structure = jax.tree.flatten(params)
    matrices = [place for place, leaf in enumerate(leaves) if jnp.ndim(leaf) == 2]
    inner = matrices[1:-1] if len(matrices) >= 3 else matrices
    return jax.tree.unflatten(structure, [i in inner and min(jnp.shape(leaf)) > 1 for i, leaf in enumerate(leaves)])


class MuonState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # moving average of the gradients
    second: optax.Updates  # moving average of their squares; a scalar 0 for a matrix


def muon(
    learning_rate: Positive = 5e-3,
    *,
    momentum: Share = 0.95,
    nesterov: bool = True,
    weight_decay: NotNegative = 0.01,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: Positive = 1e-8,
    mask: Annotated[Callable[[Any], Any], Predicate(callable)] = _hidden_matrices,
) -> optax.GradientTransformationExtraArgs:
    """Muon: a matrix moves along U V^T, where U S V^T is its averaged gradient; everything else by AdamW.

        first     <- momentum * first + (1 - momentum) * gradient
        direction = momentum * first + (1 - momentum) * gradient        (Nesterov; otherwise first itself)
        X         = direction / (|direction|_F + epsilon)
        X         <- a X + (b A + c A^2) X,   A = X X^T,                five times, in place of the singular vectors
        update    = -learning_rate * (0.2 * sqrt(larger of rows and columns) * X + weight_decay * parameter)

    learning_rate           as AdamW's: the factor 0.2 sqrt(...) makes the steps of matrices as large as its own
    momentum                of matrices
    beta1, beta2, epsilon   of the AdamW of everything else
    mask                    params -> tree of booleans, true where a matrix moves by Muon; the default takes those
                            between hidden layers, so that a network of one hidden layer moves them all
    Memory: one copy of the matrices, two of everything else.
    Agrees with: PyTorch's optim.Muon with adjust_lr_fn "match_rms_adamw", up to its work in bfloat16.
    Differs from PyTorch: its factor is sqrt(rows / columns), at least 1, if none is chosen, and epsilon is a floor of
    the length.
    Differs from Optax: its contrib.muon rids the average of its zero start, which under Nesterov weighs the two terms
    otherwise.
    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al. 2025, "Muon is
    scalable for LLM training", for the factor.
    """

    def init(params):
        second = jax.tree.map(lambda by_muon, p: jnp.zeros_like(p, shape=()) if by_muon else jnp.zeros_like(p), *(
            mask(params), params
        ))  # fmt: skip
        return MuonState(jnp.int32(0), w.zeros(params), second)

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        share, b1, b2, tiny, decay = w.numbers_at(state.count, updates, momentum, beta1, beta2, epsilon, weight_decay)
        count = state.count + 1

        def leaf(by_muon, gradient, first, second, parameter):
            if by_muon:
                first = share * first + (1 - share) * gradient
                direction = share * first + (1 - share) * gradient if nesterov else first
                direction = 0.2 * max(gradient.shape) ** 0.5 * _orthogonal(direction, tiny)
            else:
                first, second, direction = _adam(b1, b2, tiny, count, gradient, first, second)
            return -rate * (direction + decay * parameter), first, second

        new, first, second = _unzip(leaf, updates, mask(params), updates, state.first, state.second, params)
        return new, MuonState(count, first, second)

    return w.transformation(init, update)


class ShampooState(NamedTuple):
    count: Array  # (), steps taken  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    velocity: optax.Updates  # decayed sum of the preconditioned gradients
    statistics: Any  # per leaf and axis, (d, d), or (d,) for a long axis: sums of the gradients' products
    roots: Any  # their powers -1 / (2 * number of axes), of the last step that computed them


def shampoo(
    learning_rate: Positive = 0.03,
    *,
    momentum: Share = 0.9,
    decay: Annotated[Number, Interval(gt=0, le=1)] = 1.0,
    epsilon: Annotated[float | Array, Gt(0)] = 1e-6,
    weight_decay: NotNegative = 0.0,
    every: Annotated[int | Array, Ge(1)] = 1,
    longest: Annotated[int, Ge(1)] = 1024,
) -> optax.GradientTransformationExtraArgs:
    """Shampoo: update = -learning_rate * L^(-1/4) G R^(-1/4), for a matrix of gradients G.

        L <- decay * L + G G^T,   R <- decay * R + G^T G,   both epsilon * identity at the start
        velocity <- momentum * velocity + L^(-1/4) G R^(-1/4)
        update   = -learning_rate * (velocity + weight_decay * parameter)

    A vector has one such matrix and the power -1/2, an array of k axes k of them and the power -1 / (2 k).
    decay    of the sums; 1 forgets nothing, and steps shrink as in AdaGrad
    every    steps between two computations of the powers, which cost the cube of a layer's width
    longest  axes longer than this keep the diagonal of their matrix only
    Memory: for a matrix of n by m, one copy and 2 (n^2 + m^2).
    Agrees with: algorithm 1 of its source, where momentum, weight_decay are 0 and decay, every are 1.
    Source: Gupta, Koren & Singer 2018, "Shampoo: Preconditioned stochastic tensor optimization", algorithms 1 and 2.
    """

    def init(params):
        (start,) = w.numbers(params, epsilon)

        def statistics(parameter):
            sides = jnp.atleast_1d(parameter).shape
            return [start * (jnp.ones(d, start.dtype) if d > longest else jnp.eye(d, dtype=start.dtype)) for d in sides]

        at_start = jax.tree.map(statistics, params)
        return ShampooState(jnp.int32(0), w.zeros(params), at_start, at_start)

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        share, keep, shrink = w.numbers_at(state.count, updates, momentum, decay, weight_decay)
        statistics = jax.tree.map(
            lambda g, sides: [keep * s + _products(jnp.atleast_1d(g), axis, s) for axis, s in enumerate(sides)],
            updates,
            state.statistics,
        )
        roots = jax.lax.cond(
            state.count % jnp.asarray(every).astype(jnp.int32) == 0,
            lambda: jax.tree.map(lambda g, sides: [_root(s, len(sides)) for s in sides], updates, statistics),
            lambda: state.roots,
        )
        whitened = jax.tree.map(lambda g, sides: _along_axes(jnp.atleast_1d(g), sides).reshape(g.shape), updates, roots)
        velocity = jax.tree.map(lambda v, d: share * v + d, state.velocity, whitened)
        new = jax.tree.map(lambda v, p: -rate * (v + shrink * p), velocity, params)
        return new, ShampooState(state.count + 1, velocity, statistics, roots)

    return w.transformation(init, update)


class SoapState(NamedTuple):
    count: Array  # (), steps taken, the first of which moves nothing  # pyright: ignore[reportIncompatibleMethodOverride] (a tuple's own method)
    first: optax.Updates  # moving average of the gradients
    second: optax.Updates  # moving average of the squared gradients, in the eigenbasis
    statistics: Any  # per matrix and axis, (d, d): moving averages of the gradients' products
    bases: Any  # per matrix and axis, (d, d): their eigenvectors, in columns


def soap(
    learning_rate: Positive = 3e-3,
    *,
    beta1: Share = 0.95,
    beta2: Share = 0.95,
    epsilon: Positive = 1e-8,
    weight_decay: NotNegative = 0.01,
    every: Annotated[int | Array, Ge(1)] = 10,
    longest: Annotated[int, Ge(1)] = 1024,
) -> optax.GradientTransformationExtraArgs:
    """SOAP: Adam on gradients turned into the eigenvectors of Shampoo's two matrices, and back.

        L <- beta2 * L + (1 - beta2) G G^T,   R <- beta2 * R + (1 - beta2) G^T G,   Q_L, Q_R their eigenvectors
        first  <- beta1 * first + (1 - beta1) * G
        second <- beta2 * second + (1 - beta2) * (Q_L^T G Q_R)^2
        update = -learning_rate * (Q_L [(Q_L^T first Q_R) / (sqrt(second) + epsilon)] Q_R^T + weight_decay * parameter)

    Both averages are rid of their zero start. The first step learns the eigenvectors and moves nothing, so that no
    gradient is turned by itself. Later ones follow by one round of power iteration and a QR decomposition.
    every    steps between two such rounds, which cost the cube of a layer's width
    longest  an axis longer than this is not turned; vectors are not either: Adam is what is left there
    Memory: for a matrix of n by m, two copies and 2 (n^2 + m^2).
    Agrees with: the code that its authors published, in which an axis is ordered by its eigenvalues before each QR.
    Source: Vyas et al. 2025, "SOAP: Improving and stabilizing Shampoo using Adam", algorithm 3.
    """

    def init(params):
        def matrices(make):
            return jax.tree.map(
                lambda p: [None if p.ndim < 2 or d > longest else make(d, p.dtype) for d in p.shape], params
            )

        return SoapState(
            jnp.int32(0),
            w.zeros(params),
            w.zeros(params),
            matrices(lambda d, dtype: jnp.zeros((d, d), dtype)),
            matrices(lambda d, dtype: jnp.eye(d, dtype=dtype)),
        )

    def update(updates, state, params, **extra_args):
        rate = w.rate_at(learning_rate, state.count, updates)
        b1, b2, tiny, decay = w.numbers_at(state.count, updates, beta1, beta2, epsilon, weight_decay)
        moves = state.count > 0  # steps are counted from the first that moves

        def leaf(gradient, first, second, bases, parameter):
            turned = _along_axes(gradient, [basis if basis is None else basis.T for basis in bases])
            new_first, new_second, _ = _adam(b1, b2, tiny, state.count, gradient, first, second, square_of=turned)
            turned_first = _along_axes(new_first, [basis if basis is None else basis.T for basis in bases])
            direction = _along_axes(_unbiased(b1, b2, tiny, state.count, turned_first, new_second), bases)
            step = jnp.where(moves, -rate * (direction + decay * parameter), 0)
            return step, jnp.where(moves, new_first, first), jnp.where(moves, new_second, second)

        new, first, second = _unzip(leaf, updates, updates, state.first, state.second, state.bases, params)
        statistics = jax.tree.map(
            lambda g, sides: [
                s if s is None else b2 * s + (1 - b2) * _products(g, axis, s) for axis, s in enumerate(sides)
            ],
            updates,
            state.statistics,
        )

        def begin():
            return second, jax.tree.map(lambda s: jnp.linalg.eigh(s)[1][:, ::-1], statistics)

        def follow():
            return _unzip(_follow, updates, second, statistics, state.bases)

        due = (state.count % jnp.asarray(every).astype(jnp.int32) == 0).astype(jnp.int32)
        which = jnp.where(moves, due, 2)
        second, bases = jax.lax.switch(which, [lambda: (second, state.bases), follow, begin])
        return new, SoapState(state.count + 1, first, second, statistics, bases)

    return w.transformation(init, update)


def _adam(b1, b2, epsilon, count, gradient, first, second, square_of=None):
    """Adam's averages after a gradient, and its direction; the squares may be those of another array."""
    first = b1 * first + (1 - b1) * gradient
    second = b2 * second + (1 - b2) * jnp.square(gradient if square_of is None else square_of)
    return first, second, _unbiased(b1, b2, epsilon, count, first, second)


def _unbiased(b1, b2, epsilon, count, first, second):
    count = jnp.maximum(count, 1)
    return first / (1 - w.power(b1, count)) / (jnp.sqrt(second / (1 - w.power(b2, count))) + epsilon)


def _orthogonal(matrix: Array, epsilon: Array) -> Array:
    """The nearest matrix of equal singular values, roughly: five rounds of Newton and Schulz's iteration."""
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    X = matrix if wide else matrix.T
    X = X / (jnp.linalg.norm(X) + epsilon)
    for _ in range(ROUNDS):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X if wide else X.T


def _products(gradient: Array, axis: int, like: Array) -> Array:
    """Sums over all other axes of products of two entries along this one; squares alone for a diagonal."""
    rows = jnp.moveaxis(gradient, axis, 0).reshape(gradient.shape[axis], -1)
    return jnp.sum(rows * rows, axis=1) if like.ndim == 1 else rows @ rows.T


def _root(statistics: Array, axes: int) -> Array:
    """The power -1 / (2 axes) of a positive definite matrix, or of a diagonal."""
    power = -1 / (2 * axes)
    if statistics.ndim == 1:
        return statistics**power
    values, vectors = jnp.linalg.eigh(statistics)
    lost = jnp.finfo(values.dtype).eps * values[-1]  # below this, an eigenvalue is rounding, which may be negative
    return (vectors * jnp.maximum(values, lost)[None, :] ** power) @ vectors.T


def _along_axes(array: Array, matrices: list[Array | None]) -> Array:
    """Each axis of an array multiplied by its matrix, by its diagonal, or by nothing."""
    for axis, matrix in enumerate(matrices):
        if matrix is not None:
            rows = jnp.moveaxis(array, axis, -1)
            if matrix.ndim == 1:
                rows = rows * matrix.reshape((1,) * (rows.ndim - 1) + (-1,))
            else:
                rows = jnp.tensordot(rows, matrix, axes=([-1], [1]))
            array = jnp.moveaxis(rows, -1, axis)
    return array


def _follow(second: Array, statistics: list[Array | None], bases: list[Array | None]) -> tuple[Array, list]:
    """Eigenvectors one power iteration on, ordered by eigenvalue, the squares ordered with them."""
    new: list[Array | None] = []
    for axis, (matrix, basis) in enumerate(zip(statistics, bases, strict=True)):
        if matrix is None or basis is None:
            new.append(None)
            continue
        order = jnp.argsort(-jnp.sum(basis * (matrix @ basis), axis=0))
        second = jnp.take(second, order, axis=axis)
        new.append(jnp.linalg.qr(matrix @ basis[:, order])[0])
    return second, new


def _unzip(function: Callable, like: Any, *trees: Any) -> tuple[Any, ...]:
    """A function of leaves that returns several, mapped: one tree for each of its results."""
    structure = jax.tree.structure(like)
    leaves = [structure.flatten_up_to(tree) for tree in trees]
    results = [function(*each) for each in zip(*leaves, strict=True)]
    return tuple(jax.tree.unflatten(structure, list(result)) for result in zip(*results, strict=True))
