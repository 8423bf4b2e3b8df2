"""From what a network puts out to quantiles in their order."""

from itertools import accumulate

import jax.numpy as jnp
from jax import Array

from trivium.losses._exact import log1p_exp


def rising(increments: Array) -> Array:
    """(..., levels): the first value, then log(1 + exp(increment)) added for each next one; the link of `quantiles`.

    The gaps are added one after another, since only then the rounding cannot let a quantile fall below the last.
    """
    if increments.shape[-1] == 0:
        return increments
    gaps = jnp.moveaxis(log1p_exp(increments[..., 1:]), -1, 0)
    return jnp.stack(list(accumulate([increments[..., 0], *gaps])), axis=-1)
