"""ONNX Runtime as the judge of exported models."""

from collections.abc import Callable

import jax
import numpy as np
import onnxruntime

from trivium.export.graph import Graph
from trivium.export.model import onnx_inputs, to_onnx
from trivium.export.translate import add_function, symbol


def run(model, inputs):
    """The outputs of a model by name; `inputs` by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))


def run_estimator(estimator, X, **given):
    return run(to_onnx(estimator, **given), onnx_inputs(estimator, X, **given))


def run_function(function: Callable, X: np.ndarray):
    """A JAX function of rows, translated for any number of them, on these rows."""
    graph = Graph(symbol())
    rows = graph.input("rows", (graph.batch, *X.shape[1:]), X.dtype)
    (result,) = add_function(graph, function, rows)
    shape = jax.eval_shape(function, jax.ShapeDtypeStruct((graph.batch, *X.shape[1:]), X.dtype)).shape
    graph.output(result, "result", shape)
    return run(graph.model("function", "", {}), {"rows": X})["result"]
