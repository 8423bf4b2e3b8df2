"""The front door in Python: estimators that scikit-learn accepts as its own."""

from trivium.estimators.classifier import NeuralClassifier as NeuralClassifier
from trivium.estimators.loading import load as load
from trivium.estimators.regressor import NeuralRegressor as NeuralRegressor
