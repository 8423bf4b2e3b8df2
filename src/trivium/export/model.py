"""A fitted estimator as one ONNX model, from raw columns to labels, probabilities or numbers."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import jax
import numpy as np
from sklearn.utils.validation import check_is_fitted

import trivium
from trivium.export import scoring
from trivium.export.columns import add_columns, as_inputs, described, input_types
from trivium.export.graph import ExportError, Graph, Tensor
from trivium.export.translate import add_function, symbol
from trivium.files import write_whole
from trivium.nearby import LEAST, Nearby
from trivium.tables.record import Schema

SMALLEST = 1e-300
"""What a share is raised to before its logarithm or power is taken, as in the estimator."""


def to_onnx(
    estimator: Any,
    path: str | os.PathLike | None = None,
    *,
    types: Mapping[str, str] | None = None,
    texts_encoded: bool = False,
) -> Any:
    """The estimator with its preprocessing as an ONNX model (onnx.ModelProto), also written to `path`.

    Inputs: one per column that the model uses, (N, 1), under the column's name: double for numbers (NaN where missing),
    bool for booleans without gaps, double for times (seconds since 1970 in UTC), string for categories and texts (""
    where missing). A model that learned from an array of numbers has the one input `X`, (N, n_features).
    Outputs: `label` (N,) and `probabilities` (N, n_classes) float, columns in the order of `classes_`, the latter only
    after a loss that knows probabilities; both (N, n_labels) after a fit to labels. Of a regressor `prediction` (N,),
    or (N, n_outputs), double, in units of y.

    path           written whole or not at all
    types          other types for some inputs, such as {"age": "int64", "price": "float"}: ONNX's own names
    texts_encoded  whether free texts, which ONNX cannot take apart into words, enter as the numbers that Trivium makes
                   of them: an input `NAME encoded`, (N, width) float; without it they are refused
    Trap: a float input loses digits of large numbers before they are standardised; infinities are not refused but cut
    off. `onnx_inputs` makes the inputs of a table.
    Raises ExportError for a network or a column that ONNX has no words for, ModuleNotFoundError without onnx.
    """
    check_is_fitted(estimator)
    graph, matrix = Graph(symbol()), _matrix(estimator)
    of_inputs = input_types(estimator.schema_, matrix, types)
    _refuse_texts(estimator.schema_, texts_encoded)
    rows = add_columns(
        graph, estimator.schema_, of_inputs, estimator.n_features_in_ if matrix else None, scoring.coded(estimator)
    )
    predictions = _average(graph, estimator.models_, rows)
    if getattr(estimator, "nearby_", None) is not None:
        predictions = _with_nearby(graph, estimator.nearby_, rows, predictions)
    if hasattr(estimator, "classes_"):
        _classes(graph, estimator, predictions)
    else:
        graph.output(predictions, "prediction", predictions.shape)
    model = graph.model(type(estimator).__name__, _doc(estimator), _metadata(estimator, of_inputs))
    if path is not None:
        write_whole(path, lambda file: file.write(model.SerializeToString()), ExportError)
    return model


def onnx_inputs(estimator: Any, X: Any, *, types: Mapping[str, str] | None = None) -> dict[str, np.ndarray]:
    """A table as the inputs of the estimator's ONNX model, for `session.run(None, onnx_inputs(estimator, X))`.

    Only types change, and what is missing is written as ONNX can have it: the encoding is in the model.
    types  as handed to `to_onnx`
    """
    check_is_fitted(estimator)
    of_inputs = input_types(estimator.schema_, _matrix(estimator), types)
    return as_inputs(estimator.schema_, of_inputs, scoring.as_table(estimator, X), _matrix(estimator))


def _matrix(estimator: Any) -> bool:
    """Whether one input holds all columns: after an array of numbers, whose columns have no names."""
    kinds = {column.kind for column in estimator.schema_.distinct}
    return not hasattr(estimator, "feature_names_in_") and kinds <= {"number", "boolean"}


def _refuse_texts(schema: Schema, encoded: bool) -> None:
    names = [column.name for column in schema.columns if column.kind == "text"]
    if names and not encoded:
        raise ExportError(
            f"column {names[0]!r} must not hold free texts to be exported whole, for ONNX cannot take words apart. "
            "Leave such columns out of the fit, or export with texts_encoded=True: their inputs are then numbers, "
            "which onnx_inputs makes."
        )


def _average(graph: Graph, models: Sequence[Any], rows: Tensor) -> Tensor:
    """The weighted mean of what the networks say, in the units of y and with the digits of float64."""
    total = None
    for model in models:
        (raw,) = add_function(graph, scoring.of_model(model), rows)
        wide = graph.cast(raw, float)
        wide = _unless(graph, "Mul", wide, model.scale, 1)
        wide = _unless(graph, "Add", wide, model.centre, 0)
        if model.low is not None:
            wide = graph.op("Max", [wide, graph.constant(model.low, float)], wide.shape)
            wide = graph.op("Min", [wide, graph.constant(model.high, float)], wide.shape)
        wide = _unless(graph, "Mul", wide, model.weight, 1)
        total = wide if total is None else graph.op("Add", [total, wide], wide.shape)
    return cast(Tensor, total)


def _with_nearby(graph: Graph, nearby: Nearby, rows: Tensor, said: Tensor) -> Tensor:
    """What rows of the fit nearby add; probabilities of several classes need not add up to 1 yet."""
    (more,) = add_function(graph, nearby.traced, rows)
    if len(said.shape) == 1:
        more = graph.op("Reshape", [more, graph.constant([-1], np.int64)], said.shape)
    whole = graph.op("Add", [said, graph.cast(more, float)], said.shape)
    if not nearby.shares:
        return whole
    least = graph.op("Mul", [said, graph.constant(LEAST)], said.shape)
    whole = graph.op("Max", [whole, least], said.shape)
    if len(said.shape) == 2:
        return whole
    return graph.op("Min", [whole, graph.op("Add", [least, graph.constant(1 - LEAST)], said.shape)], said.shape)


def _unless(graph: Graph, kind: str, wide: Tensor, number: Any, neutral: float) -> Tensor:
    """A node with a number, or one per column, where that changes anything."""
    if np.all(np.asarray(number) == neutral):
        return wide
    return graph.op(kind, [wide, graph.constant(number, float)], wide.shape)


def _classes(graph: Graph, estimator: Any, wide: Tensor) -> None:
    """Label and probabilities; ties go to the first class, as in `predict`."""
    classes, temperature = np.asarray(estimator.classes_), float(getattr(estimator, "temperature_", 1.0))
    shape = (graph.batch, len(classes))
    if len(wide.shape) == 2 and not estimator.labels_:
        wide = _shares(graph, wide, 1 / temperature)
    elif temperature != 1:
        wide = _tempered(graph, wide, temperature)
    if estimator.labels_:
        likely = graph.op("Greater", [wide, graph.constant(0.5)], shape, bool)
        graph.output(graph.cast(likely, np.int64), "label", shape)
    else:
        if len(wide.shape) == 1:
            second = graph.op("Reshape", [wide, graph.constant([-1, 1], np.int64)], (graph.batch, 1))
            first = graph.op("Sub", [graph.constant(1.0), second], second.shape)
            wide = graph.op("Concat", [first, second], shape, axis=1)
        place = graph.op("ArgMax", [wide], (graph.batch,), np.int64, axis=1, keepdims=0)
        if classes.dtype.kind not in "biuf":
            classes = np.array([str(name) for name in classes], object)
        names = graph.constant(classes)
        graph.output(graph.op("Gather", [names, place], (graph.batch,), axis=0), "label", (graph.batch,))
    if scoring.probabilistic(estimator):
        graph.output(graph.cast(wide, np.float32), "probabilities", shape)


def _shares(graph: Graph, wide: Tensor, power: float) -> Tensor:
    """Rows raised to a power and divided by their sums."""
    if power != 1:
        wide = graph.op("Max", [wide, graph.constant(SMALLEST)], wide.shape)
        wide = graph.op("Pow", [wide, graph.constant(power)], wide.shape)
    total = graph.op("ReduceSum", [wide, graph.constant([1], np.int64)], (graph.batch, 1), keepdims=1)
    return graph.op("Div", [wide, total], wide.shape)


def _tempered(graph: Graph, wide: Tensor, temperature: float) -> Tensor:
    """Probabilities of one thing each, their log-odds divided by the temperature."""
    one = graph.constant(1.0)
    logs = []
    for share in (graph.op("Sub", [one, wide], wide.shape), wide):
        logs.append(graph.op("Log", [graph.op("Max", [share, graph.constant(SMALLEST)], wide.shape)], wide.shape))
    against = graph.op("Div", [graph.op("Sub", logs, wide.shape), graph.constant(temperature)], wide.shape)
    return graph.op(
        "Div", [one, graph.op("Add", [graph.op("Exp", [against], wide.shape), one], wide.shape)], wide.shape
    )


def _doc(estimator: Any) -> str:
    target = f" of {estimator.target_name_}" if getattr(estimator, "target_name_", None) else ""
    return f"A {type(estimator).__name__}{target}, from raw columns to predictions. Metadata say what each input holds."


def _metadata(estimator: Any, of_inputs: Mapping[str, np.dtype]) -> dict[str, str]:
    return {
        "trivium_version": trivium.__version__,
        "jax_version": jax.__version__,
        "estimator": type(estimator).__name__,
        "target": str(getattr(estimator, "target_name_", None) or ""),
        "columns": json.dumps(described(estimator.schema_, of_inputs)),
        "classes": json.dumps([str(name) for name in getattr(estimator, "classes_", [])]),
        "layout": "matrix" if _matrix(estimator) else "columns",
    }
