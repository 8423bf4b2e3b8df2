"""Models that travel: a fitted estimator as an ONNX model, or as a compiled function that JAX alone can run."""
