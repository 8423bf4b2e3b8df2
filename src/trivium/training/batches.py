"""Rows on a device, their order in an epoch, and the batches cut from them."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

ROUNDS = 32
"""Of the shuffle: twice the logarithm of 65,536 rows, after which the order of a table no longer shows."""


class Rows(NamedTuple):
    """Rows on the device. Only their number's bucket is part of a program's shape, so that like tables share it."""

    X: Array  # (size, n_features); those behind the last that counts fill up, copies of others
    targets: Array  # (size,) or (size, width)
    weights: Array  # (size,)
    places: Array | None  # (n_places,) numbers of the rows that are meant, filled up; None: all of them
    n: Array | np.ndarray  # (), how many rows, or places, count

    @property
    def room(self) -> int:
        """How many rows or places there are with those that fill up."""
        return len(self.X) if self.places is None else len(self.places)


class Batch(NamedTuple):
    """Rows of one step."""

    X: Array
    targets: Array
    weights: Array  # 0 for a row that only fills up


def take(rows: Rows, first: Array | int, length: int) -> Batch:
    """The rows, or the places, from the first on."""

    def cut(array: Array) -> Array:
        return array if length == len(array) else lax.dynamic_slice_in_dim(array, first, length)

    if rows.places is not None:
        return picked(rows, cut(rows.places), first)
    X, targets, weights = map(cut, (rows.X, rows.targets, rows.weights))
    return Batch(X, targets, _counted(weights, rows, first))


def picked(rows: Rows, places: Array, first: Array | int) -> Batch:
    """The rows at these places, (length,), which stand from `first` on in the order of an epoch."""
    arrays = (rows.X, rows.targets, rows.weights)
    X, targets, weights = (array.at[places].get(mode="promise_in_bounds") for array in arrays)
    return Batch(X, targets, _counted(weights, rows, first))


def _counted(weights: Array, rows: Rows, first: Array | int) -> Array:
    """The weights, 0 of rows behind the last that counts."""
    return jnp.where(first + jnp.arange(len(weights)) < rows.n, weights, 0)


def shuffled(key: Array, length: int, n: Any, first: Any = 0) -> Array:
    """The numbers from 0 to n - 1 in an order drawn anew, then some of them again, up to a length.

    first  where to begin in that order, so that it can be had in parts

    Swap or not: each round pairs the rows at random, and a coin per pair decides whether its two change places. Unlike
    a sort by random numbers, it needs no more than arithmetic (measured: 80 times as fast), and n may be traced.
    Source: Hoang, Morris & Rogaway 2012, "An enciphering scheme based on a card shuffle".
    """
    n = jnp.asarray(n, jnp.uint32)
    pairings, coins = jax.random.bits(key, (2, ROUNDS), jnp.uint32)
    pairings = pairings % n

    def swap(turn, place):
        partner = pairings[turn] + n - place
        partner = jnp.where(partner >= n, partner - n, partner)
        pair = (jnp.maximum(place, partner) ^ coins[turn]) * np.uint32(0x9E3779B1)
        pair = (pair ^ (pair >> 15)) * np.uint32(0x85EBCA77)
        return jnp.where(pair >> 31 == 1, partner, place)

    places = jnp.asarray(first, jnp.uint32) + jnp.arange(length, dtype=jnp.uint32)
    return lax.fori_loop(0, ROUNDS, swap, places % n).astype(jnp.int32)


def n_batches(n: Any, size: int) -> Array:
    """How many batches of a size hold n rows."""
    return (n + size - 1) // size


def weighted_sum(values: Array, weights: Array) -> Array:
    """Rows of weight 0 count for nothing, whatever their value, NaN included."""
    return jnp.where(weights > 0, values * weights, 0).sum()


def weighted_mean(values: Array, weights: Array) -> Array:
    """The same over the sum of the weights."""
    total = weights.sum()
    return weighted_sum(values, weights) / jnp.where(total > 0, total, 1)
