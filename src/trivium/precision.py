"""How exactly a training multiplies matrices, on hardware that has faster, coarser products."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

Precision = Literal["float32", "tensorfloat32", "bfloat16"]
PRECISIONS = get_args(Precision)


def computing(precision: Precision | None) -> AbstractContextManager:
    """What is traced within has matrix products of this precision; parameters, sums and all else stay float32.

    precision  "float32": 24 bits; "tensorfloat32": 11, "bfloat16": 8 of each factor, added up in float32, where the
               hardware has such products, as GPUs from Ampere on and TPUs; a CPU takes all 24. None: as JAX is set,
               which on a GPU may be tensorfloat32
    """
    if precision is None:
        return nullcontext()
    import jax  # here, so that a command line may know the names at once

    algorithm = "BF16_BF16_F32" if precision == "bfloat16" and jax.default_backend() != "tpu" else precision
    return jax.default_matmul_precision(algorithm)
