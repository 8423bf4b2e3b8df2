"""Neural networks for tables: choose the activation, the loss and the optimizer, or leave them open."""

from trivium import activations, initializers, losses, optimizers
from trivium.estimators import NeuralClassifier, NeuralRegressor, load

__version__ = "0.1.0"

__all__ = ["NeuralClassifier", "NeuralRegressor", "activations", "initializers", "load", "losses", "optimizers"]
