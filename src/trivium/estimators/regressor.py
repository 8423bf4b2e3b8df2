"""The estimator that predicts a number."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin

from trivium import activations, heads, losses
from trivium.catalog import get
from trivium.choices import Choices
from trivium.estimators.base import NeuralEstimator
from trivium.estimators.members import Frame
from trivium.estimators.models import Model
from trivium.heads import Head
from trivium.tables import read
from trivium.tables.targets import as_numbers


class NeuralRegressor(RegressorMixin, NeuralEstimator):
    """A neural network that predicts a number.

    hidden_widths        units of each hidden layer; () makes a linear regression
    activation           of the hidden layers: a name in `trivium.activations`, or any function of one array
    output_activation    of the last layer; None: none, on targets brought to mean 0 and standard deviation 1. With one,
                         targets stay as they are, so that "relu" on them is the ReLU regression
    loss                 a name in `trivium.losses`, or any function of (predictions, targets); None: the squared error
    optimizer            a name in `trivium.optimizers`, a function of a learning rate, or an Optax transformation
    learning_rate        None: the optimizer's own default
    schedule             of the learning rate over the whole run: "cosine", "coslog4", "one_cycle", ...; or any function
                         from the count of steps to a factor
    optimizer_options    further arguments of the optimizer, such as {"momentum": 0.9, "nesterov": True}
    initializer          a name in `trivium.initializers`, or a JAX initializer; None: the one that fits the activation
    normalisation        "batch" or "layer": brings the pre-activations of hidden layers to mean 0 and variance 1
    residual             whether a hidden layer as wide as the one before adds to it
    dropout              share of the hidden units that a step leaves out
    weight_decay         how strongly weights shrink; None: the optimizer's own
    input_noise          standard deviation of noise on the encoded inputs
    mixup                alpha of Beta(alpha, alpha), by which each row is mixed with another; 0 for none
    batch_size           rows per step; None: 256, or all rows for an optimizer that needs them
    epochs               most passes over the rows
    validation_fraction  share of the rows kept aside to choose the best epoch by its loss; 0 keeps the last epoch
    patience             epochs without a better validation loss after which training ends; None: never
    population           networks that train at once; None: as many as what is left open needs, else 1. They differ in
                         the choices left open, or where none is, in their seed
    ensemble             most networks of the population whose predictions are averaged, chosen one by one with
                         replacement by what they add on the rows kept aside; None: the best alone
    time_limit           seconds of fit; None: no limit
    random_state         seed for the rows kept aside, the initial weights and the order of the rows
    verbose              whether a progress line is shown on standard error

    "auto" leaves open any of activation, optimizer, learning_rate, hidden_widths, loss, batch_size, schedule,
    normalisation, residual, dropout, weight_decay, input_noise and mixup:
    candidates are trained as a population, and the worse half leaves again and again. None leaves open an activation
    or an optimizer.

    Learned: `models_` (the networks whose weighted mean predicts, the best first), `parameters_` (of the best: a
    dict of weights and biases per layer), `choices_` (by name, those left open included), `history_`, `search_`
    (what was tried), `n_iter_`, `schema_`, `n_features_in_`, and `feature_names_in_` where X had names.
    """

    _task = "regression"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from X (n_samples, n_features) and numbers y (n_samples,); returns the estimator itself.

        X is a data frame (pandas, polars, pyarrow) of numbers, categories and texts with gaps, or an array.
        sample_weight  (n_samples,) how much each row counts, 0 or more; None: as much as any other
        Raises ValueError for wrong parameters, all named, and for data that no network can learn from.
        """
        self._fit(X, y, sample_weight)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows, from where the parameters stand; returns the estimator itself.

        The first call learns the columns and the scale of y.
        """
        self._plan()
        X, y = read.rows(X, as_numbers(y))
        self._epoch_on(X, y, sample_weight, first=not hasattr(self, "schema_"))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The predicted numbers (n_samples,), in the units of y."""
        return self._predict(X)

    def _learn_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        self.target_name_ = getattr(y, "name", None)
        X, y = read.rows(X, as_numbers(y))
        self._head(None if self.loss == "auto" else self.loss, self.output_activation)
        return self._accept(X, first=True), y

    def _head(self, loss: Any, output_activation: Any) -> tuple[Any, Head]:
        loss = self._loss_of(loss, losses.squared_error)
        if output_activation is not None:
            output_activation = get(activations, output_activation, "output_activation")
        return loss, heads.regressor_head(loss, output_activation)

    def _frame(self, chosen: Choices, y: np.ndarray, standing: Model | None = None) -> Frame:
        """Targets are brought to a centre and scale where predictions may take any value and the loss allows it."""
        loss, head = self._head(chosen.loss, chosen.output_activation)
        heads.check_targets(loss, y)
        centre, scale = 0.0, 1.0
        if standing is not None:
            centre, scale = standing.centre, standing.scale
        elif chosen.output_activation is None:
            centre, scale = heads.centre_and_scale(loss, head, y)
        return Frame(loss, head, lambda numbers: ((numbers - centre) / scale).astype(np.float32), centre, scale)
