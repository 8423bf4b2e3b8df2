"""The loss near the current parameters as a parabola: its curvature, and steps that trust it as far as it holds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.flatten_util import ravel_pytree

from . import _working as w

DENSE = 1024
"""Most parameters for which the matrix is written out."""

PRODUCTS = 100
"""Most products with the matrix that conjugate gradients take."""

TRIALS = 10
"""Most dampings that one step tries."""

HALVINGS = 20
"""Most times that a step along a direction is halved."""


@dataclass(frozen=True)
class Problem:
    """One step of a problem, with parameters and gradient laid out as vectors."""

    value: Callable[[Array], Array]  # the loss at a point
    point: Array  # (n,)
    gradient: Array  # (n,)
    product: Callable[[Array], Array]  # G v, for the curvature G at the point
    tree: Callable[[Array], Any]  # a vector in the form of the parameters

    @property
    def dense(self) -> bool:
        return self.point.size <= DENSE

    def matrix(self) -> Array:
        """G written out, (n, n)."""
        n = self.point.size
        rows = lax.map(self.product, jnp.eye(n, dtype=self.point.dtype), batch_size=min(n, 64))
        return (rows + rows.T) / 2

    def curvature_along_gradient(self) -> Array:
        squared = self.gradient @ self.gradient
        along = jnp.abs(self.gradient @ self.product(self.gradient))
        return jnp.where(squared > 0, along / jnp.where(squared > 0, squared, 1), 1)

    def direction(self, damping: Array) -> Array:
        """-(G + damping * mean diagonal(G) * I)^-1 gradient."""
        if not self.dense:
            shift = damping * self.curvature_along_gradient()
            return conjugate_gradients(lambda v: self.product(v) + shift * v, -self.gradient)
        matrix = self.matrix()
        matrix += damping * jnp.mean(jnp.abs(jnp.diagonal(matrix))) * jnp.eye(len(matrix), dtype=matrix.dtype)
        solved = jax.scipy.linalg.cho_solve(jax.scipy.linalg.cho_factor(matrix), -self.gradient)
        return lax.cond(
            jnp.isfinite(solved).all(),  # NaN where it curves down
            lambda: solved,
            lambda: conjugate_gradients(lambda v: matrix @ v, -self.gradient),
        )

    def step_along(self, direction: Array, first: Array) -> Array:
        """The first of `first`, a half, a quarter, ... of it that lowers the loss as its slope promises, or 0."""
        start, slope = self.value(self.point), self.gradient @ direction

        def too_long(carry: tuple[Array, Array]) -> Array:
            halvings, share = carry
            enough = self.value(self.point + share * direction) <= start + 1e-4 * share * slope
            return ~enough & (halvings < HALVINGS)

        halvings, share = lax.while_loop(too_long, lambda c: (c[0] + 1, c[1] / 2), (jnp.int32(0), first))
        return jnp.where(halvings < HALVINGS, share, 0)

    def damped_step(self, damping: Array, shrink: Array, grow: Array, rate: Array) -> tuple[Array, Array]:
        """The first step that lowers the loss while damping grows, 0 where none does, and the next damping."""
        start = self.value(self.point)
        solve, product = self._dense_solver() if self.dense else self._iterative_solver()

        def attempt(carry: tuple[Array, ...]) -> tuple[Array, ...]:
            trials, weight, _, _ = carry
            step = rate * solve(weight)
            fall = start - self.value(self.point + step)
            foretold = -(self.gradient @ step + step @ product(step) / 2)
            lower = (fall > 0) & jnp.isfinite(fall)
            trusted = lower & (fall >= foretold / 4)
            weight = jnp.where(trusted, weight * shrink, jnp.where(lower, weight, weight * grow))
            return trials + 1, weight, jnp.where(lower, step, 0), lower

        first = (jnp.int32(0), damping, jnp.zeros_like(self.point), jnp.bool_(False))
        _, weight, step, _ = lax.while_loop(lambda c: ~c[3] & (c[0] < TRIALS), attempt, first)
        limits = jnp.finfo(weight.dtype)
        return step, jnp.clip(weight, limits.eps**2, 1 / limits.eps)

    def _dense_solver(self) -> tuple[Callable, Callable]:
        """-(G + damping * diagonal(G))^-1 gradient as a function of damping, and products with G."""
        matrix = self.matrix()
        diagonal = jnp.abs(jnp.diagonal(matrix))
        scale = jnp.maximum(diagonal, 1e-6 * diagonal.max())  # a parameter that nothing depends on must stay

        def solve(damping: Array) -> Array:
            factor = jax.scipy.linalg.cho_factor(matrix + jnp.diag(damping * scale))  # NaN where it curves down
            return jax.scipy.linalg.cho_solve(factor, -self.gradient)

        return solve, lambda vector: matrix @ vector

    def _iterative_solver(self) -> tuple[Callable, Callable]:
        """The same without the matrix, whose curvature along the gradient stands for its diagonal."""
        scale = self.curvature_along_gradient()

        def solve(damping: Array) -> Array:
            return conjugate_gradients(lambda v: self.product(v) + damping * scale * v, -self.gradient)

        return solve, self.product


def problem(gradients: Any, params: Any, extra_args: Mapping[str, Any]) -> Problem:
    """The problem that the extra arguments of `update` describe."""
    outputs_fn, loss_fn = _parts(extra_args)
    point, tree = ravel_pytree(params)

    def outputs_at(vector: Array) -> Any:
        return outputs_fn(tree(vector))

    outputs, push = jax.linearize(outputs_at, point)
    pull = jax.linear_transpose(push, point)

    def product(vector: Array) -> Array:
        _, bent = jax.jvp(jax.grad(loss_fn), (outputs,), (push(vector),))
        return pull(bent)[0]

    def value(vector: Array) -> Array:
        return w.numbers(point, loss_fn(outputs_at(vector)))[0]

    return Problem(value, point, ravel_pytree(gradients)[0], product, tree)


def _parts(extra_args: Mapping[str, Any]) -> tuple[Callable, Callable]:
    """The loss as a function of outputs, and these as a function of parameters."""
    given = {name: extra_args.get(name) for name in ("residual_fn", "outputs_fn", "loss_fn", "value_fn")}
    if given["residual_fn"] is not None:
        return given["residual_fn"], lambda residuals: jnp.sum(residuals * residuals) / 2
    if given["outputs_fn"] is not None and given["loss_fn"] is not None:
        return given["outputs_fn"], given["loss_fn"]
    value_fn = w.needed(
        "value_fn", given["value_fn"], "Call update(gradients, state, params, value_fn=loss_of_parameters)."
    )
    return lambda params: params, value_fn


def conjugate_gradients(product: Callable[[Array], Array], target: Array) -> Array:
    """x with product(x) = target to 1e-6 of it, for a positive definite product; where it is not, what x has reached
    on meeting a direction that curves down, or the target itself at the first."""

    def goes_on(carry: tuple[Array, ...]) -> Array:
        count, _, residual, _, curved = carry
        return (count < PRODUCTS) & (residual @ residual > 1e-12 * (target @ target)) & curved

    def step(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        count, x, residual, direction, _ = carry
        image = product(direction)
        curvature, before = direction @ image, residual @ residual
        curved = curvature > 0
        length = jnp.where(curved, before / jnp.where(curved, curvature, 1), 0)
        x, residual = x + length * direction, residual - length * image
        return count + 1, x, residual, residual + residual @ residual / before * direction, curved

    nothing = jnp.zeros_like(target)
    count, x, _, _, curved = lax.while_loop(goes_on, step, (jnp.int32(0), nothing, target, target, jnp.bool_(True)))
    return jnp.where(~curved & (count == 1), target, x)
