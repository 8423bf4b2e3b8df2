"""From a model file to the estimator that was saved."""

import os

from trivium.estimators.classifier import NeuralClassifier
from trivium.estimators.regressor import NeuralRegressor
from trivium.storage import file, record


def load(path: str | os.PathLike) -> NeuralClassifier | NeuralRegressor:
    """Read an estimator that `save` or `trivium train --out` wrote.

    Raises ModelFileError for a file that is missing, cut short, changed, from a newer version, or none of ours.
    """
    arrays, content = file.read(path)
    kinds = {kind.__name__: kind for kind in (NeuralClassifier, NeuralRegressor)}
    return record.restore(kinds[content["estimator"]](), arrays, content)
