"""From a model file to the estimator that was saved."""

import os
from typing import Any

from trivium.estimators.classifier import NeuralClassifier
from trivium.estimators.regressor import NeuralRegressor
from trivium.storage import file, record


def load(path: str | os.PathLike, network: Any = None) -> NeuralClassifier | NeuralRegressor:
    """Read an estimator that `save` or `trivium train --out` wrote.

    network  the user's own that the estimator was fitted with, again: its parameters are in the file, its code is not
    Raises ModelFileError for a file that is missing, cut short, changed, from a newer version, or none of ours, and for
    a network that is lacking; ValueError for another one than was saved.
    """
    arrays, content = file.read(path)
    kinds = {kind.__name__: kind for kind in (NeuralClassifier, NeuralRegressor)}
    return record.restore(kinds[content["estimator"]](), arrays, content, network)
