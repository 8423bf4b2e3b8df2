"""What a regressor knows of a row's number beyond its mean: the distribution that its loss assumes."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from scipy import stats

from trivium.estimators.models import Model
from trivium.training.loop import evaluate
from trivium.training.program import in_pieces


def outputs(model: Model, inputs: Any) -> np.ndarray:
    """What the network puts out for its loss, (n,) or (n, width) float64, in units of the scaled targets."""
    network, head, parameters = model.network, model.head, model.parameters
    apply = jax.jit(partial(in_pieces, lambda rows: head.outputs(network.apply(parameters, rows))))
    return evaluate(apply, inputs).astype(np.float64)


def distribution(loss: Callable, model: Model, inputs: Any) -> Any:
    """A frozen distribution of `scipy.stats`, of n rows at once.

    Raises ValueError for a loss that assumes none.
    """
    name = name_of(loss)
    make = _BY_LOSS.get(name)
    if make is None:
        raise ValueError(
            f"loss must be one that assumes a distribution, got {name!r}. Train with one of {', '.join(_BY_LOSS)}, or "
            "call predict_interval, which needs none."
        )
    return make(outputs(model, inputs), model, loss)


def quantiles_of(loss: Callable, model: Model, inputs: Any, levels: Sequence[float]) -> np.ndarray | None:
    """Quantiles at these levels, (n, n_levels), in the units of y; None where the loss knows none."""
    name = name_of(loss)
    if name in _BY_LOSS:
        return distribution(loss, model, inputs).ppf(np.asarray(levels)[:, None]).T
    if name != "quantiles":
        return None
    known = np.asarray(keyword(loss, "levels"), np.float64)
    steps = outputs(model, inputs)
    steps[:, 1:] = np.logaddexp(0, steps[:, 1:])
    at_known = np.cumsum(steps, axis=1) * model.scale + model.centre
    wrong = [level for level in levels if not known[0] <= level <= known[-1]]
    if wrong:
        raise ValueError(
            f"levels must lie between those of the loss, {known[0]:g} and {known[-1]:g}, got {wrong[0]!r}. Train with "
            "loss=functools.partial(trivium.losses.quantiles, levels=(...))."
        )
    return np.stack([np.interp(levels, known, row) for row in at_known])


def name_of(loss: Callable) -> str:
    """The name of a loss, that of a partial one too."""
    return getattr(loss.func if isinstance(loss, partial) else loss, "__name__", "")


def keyword(loss: Callable, name: str) -> Any:
    """The value that a loss takes for one of its own numbers."""
    return inspect.signature(loss).parameters[name].default


def _scaled(family: Any, said: np.ndarray, model: Model, **shape: Any) -> Any:
    """Of a mean and the logarithm of a scale."""
    return family(loc=said[:, 0] * model.scale + model.centre, scale=np.exp(said[:, 1]) * model.scale, **shape)


def _negative_binomial(said: np.ndarray, _: Model, loss: Callable) -> Any:
    """Mean m, and variance m + m^2 / size."""
    mean, size = np.exp(said[:, 0]), np.exp(-said[:, 1])
    return stats.nbinom(size, size / (size + mean))


_BY_LOSS: dict[str, Callable[[np.ndarray, Model, Callable], Any]] = {
    "gaussian_nll": lambda said, model, _: _scaled(stats.norm, said, model),
    "gaussian_crps": lambda said, model, _: _scaled(stats.norm, said, model),
    "laplace_nll": lambda said, model, _: _scaled(stats.laplace, said, model),
    "student_t_nll": lambda said, model, loss: _scaled(
        stats.t, said, model, df=float(keyword(loss, "degrees_of_freedom"))
    ),
    "poisson": lambda said, _, __: stats.poisson(np.exp(said)),
    "negative_binomial": _negative_binomial,
}
