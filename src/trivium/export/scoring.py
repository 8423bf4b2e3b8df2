"""From encoded rows to predictions: what is traced for other formats, or compiled for JAX alone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.utils.validation import check_is_fitted

from trivium.nearby import together
from trivium.tables import encode, read
from trivium.tables.arrays import is_sparse
from trivium.training.program import predictor

PLATFORMS = ("cpu", "cuda", "tpu")


def of_model(model: Any) -> Callable[[Array], Array]:
    """Encoded rows (n, n_inputs) -> what one of an estimator's networks says of each: (n,), or (n, n_classes).

    Numbers are not in units of y: `model.scale` and `model.centre` bring them there.
    """
    return partial(predictor(model.network, model.head), model.parameters)


def probabilistic(estimator: Any) -> bool:
    """Whether what a classifier says are probabilities."""
    return all(model.head.probabilistic for model in estimator.models_)


def width(estimator: Any) -> int:
    """Columns of the encoded rows."""
    schema, numbered = estimator.schema_, coded(estimator)
    replaced = sum(len(column.names_out) - 1 for column in schema.categories if column.name in numbered)
    return len(schema.feature_names_out) - replaced


def coded(estimator: Any) -> list[str]:
    """Categories that its networks take as the number of their level."""
    return estimator._coded


def as_table(estimator: Any, X: Any) -> Any:
    """A frame with the columns that the fit saw, or an array."""
    frame = read.as_frame(X)
    if frame is not None:
        return encode.check_frame(estimator.schema_, frame)
    X = X if is_sparse(X) else np.asarray(X)
    return encode.named(estimator.feature_names_in_, X) if hasattr(estimator, "feature_names_in_") else X


def encoded_rows(estimator: Any, X: Any) -> np.ndarray:
    """A table as the network takes it, (n, n_inputs) float32."""
    check_is_fitted(estimator)
    return np.asarray(estimator._accept(X, first=False))


def export_scoring(estimator: Any) -> jax.export.Exported:
    """The compiled function from encoded rows to predictions, which JAX runs without Trivium.

    It takes float32 (n, n_inputs), any n, as `encoded_rows(estimator, X)` makes them of a table, and returns float32:
    of a regressor numbers (n,) or (n, n_outputs) in units of y, of a classifier probabilities (n, n_classes), columns
    in the order of `classes_` (or, after a loss without probabilities, 1 for the class and 0 for the others), of labels
    (n, n_labels). It runs on CPU, GPU and TPU. To keep it in a file and to load it where only JAX is (both need
    `pip install 'trivium[jax-export]'`, or flatbuffers alone):

        Path("model.jax").write_bytes(export_scoring(estimator).serialize())
        score = jax.export.deserialize(Path("model.jax").read_bytes()).call
        predictions = score(rows)

    Trap: JAX promises to read such a file for six months; `save` keeps a model for longer.
    """
    check_is_fitted(estimator)
    classes, temperature = hasattr(estimator, "classes_"), float(getattr(estimator, "temperature_", 1.0))

    def score(rows: Array) -> Array:
        predictions: Any = 0
        for model in estimator.models_:
            of_one = of_model(model)(rows)
            scale, centre = (_like(of_one, part) for part in (model.scale, model.centre))
            of_one = of_one * scale + centre
            if model.low is not None:
                of_one = jnp.clip(of_one, _like(of_one, model.low), _like(of_one, model.high))
            predictions = predictions + of_one * np.float32(model.weight)
        if getattr(estimator, "nearby_", None) is not None:
            predictions = together(predictions, estimator.nearby_.traced(rows), shares=classes, xp=jnp)
        if not classes:
            return predictions
        if predictions.ndim == 2 and not estimator.labels_:
            shares = jnp.maximum(predictions, 1e-30) ** (1 / temperature) if temperature != 1 else predictions
            return shares / shares.sum(axis=1, keepdims=True)
        if temperature != 1:
            predictions = jax.nn.sigmoid((jnp.log(predictions) - jnp.log1p(-predictions)) / temperature)
        return predictions if estimator.labels_ else jnp.stack([1 - predictions, predictions], axis=1)

    rows = jax.ShapeDtypeStruct((*jax.export.symbolic_shape("rows"), width(estimator)), np.float32)
    return jax.export.export(jax.jit(score), platforms=PLATFORMS)(rows)


def _like(predictions: Array, number: Any) -> np.ndarray:
    """A number, or one per column, of as many axes as predictions have."""
    return np.broadcast_to(np.float32(number), predictions.shape[1:])[None]
