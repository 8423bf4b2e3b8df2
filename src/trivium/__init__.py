"""Neural networks for tables: choose the activation, the loss and the optimizer, or leave them open."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trivium import activations, initializers, losses, optimizers, schedules
    from trivium.callbacks import MLflowLogger, TensorBoardLogger
    from trivium.diagnosis.watching import watch
    from trivium.estimators import NeuralClassifier, NeuralRegressor, load
    from trivium.report.lesson import explain
    from trivium.search import Sweep, learning_rate_sweep

__version__ = "0.1.0"

__all__ = [
    "MLflowLogger",
    "NeuralClassifier",
    "NeuralRegressor",
    "Sweep",
    "TensorBoardLogger",
    "activations",
    "explain",
    "initializers",
    "learning_rate_sweep",
    "load",
    "losses",
    "optimizers",
    "schedules",
    "watch",
]

_HOMES = {
    "MLflowLogger": "callbacks",
    "NeuralClassifier": "estimators",
    "NeuralRegressor": "estimators",
    "Sweep": "search",
    "TensorBoardLogger": "callbacks",
    "explain": "report.lesson",
    "learning_rate_sweep": "search",
    "load": "estimators",
    "watch": "diagnosis.watching",
}


def __getattr__(name: str) -> Any:  # on demand, so that `trivium --help` need not wait for JAX
    if name not in __all__:
        raise AttributeError(f"module 'trivium' has no attribute {name!r}")
    module = import_module(f"trivium.{_HOMES.get(name, name)}")
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
