"""What a step does to its batch before the network sees it: noise, mixed rows, softened targets."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from trivium.heads import Head
from trivium.training.batches import Batch

NUMBERS = ("input_noise", "mixup", "label_smoothing")
"""Numbers of a member that act here; one that is absent costs nothing."""


def augmented(batch: Batch, head: Head, numbers: Mapping[str, Any], key: Array, *, codes: int = 0) -> Batch:
    """The batch as the network is to learn it.

    codes            columns, the last ones, that are codes of categories: they stay, as there is nothing between two
    input_noise      standard deviation of what is added to each input
    mixup            alpha of Beta(alpha, alpha), the share that a row keeps of itself, the rest being another row's
    label_smoothing  share of a class's 1 that all classes take in equal parts
    Source: Zhang, Cisse, Dauphin & Lopez-Paz 2018, "mixup"; Szegedy et al. 2016, "Rethinking the Inception
    architecture", section 7.
    """
    X, targets, weights = batch
    if "mixup" in numbers or "label_smoothing" in numbers:
        targets = _soft(targets, head)
    if "label_smoothing" in numbers:
        smoothing = numbers["label_smoothing"]
        n_classes = 2 if targets.ndim == 1 else targets.shape[1]
        targets = targets * (1 - smoothing) + smoothing / n_classes
    if "mixup" in numbers:
        share = jax.random.beta(jax.random.fold_in(key, 1), numbers["mixup"], numbers["mixup"], dtype=X.dtype)
        share = jnp.maximum(share, 1 - share)  # so that a row stays more itself than another
        X = share * X + (1 - share) * jnp.roll(X, 1, axis=0)
        targets = share * targets + (1 - share) * jnp.roll(targets, 1, axis=0)
        weights = jnp.where(jnp.roll(weights, 1) > 0, weights, 0)  # a row mixed with one that only fills up
    if "input_noise" in numbers:
        noise = jax.random.normal(jax.random.fold_in(key, 2), X.shape, X.dtype)
        X = X + numbers["input_noise"] * noise
    if codes and X is not batch.X:
        X = jnp.concatenate([X[:, :-codes], batch.X[:, -codes:]], axis=1)
    return Batch(X, targets, weights)


def _soft(targets: Array, head: Head) -> Array:
    """A column per class where targets are numbers of classes."""
    return jax.nn.one_hot(targets, head.width, dtype=jnp.float32) if head.targets == "labels" else targets
