"""The estimator that predicts a number."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from trivium import activations, choices, heads, losses
from trivium.catalog import get
from trivium.choices import Choices
from trivium.estimators import distributions
from trivium.estimators.base import NeuralEstimator
from trivium.estimators.calibration import bounds, residuals
from trivium.estimators.members import Frame, Part
from trivium.estimators.models import Model
from trivium.estimators.one_epoch import one_more
from trivium.heads import Head
from trivium.moments import BLOCK
from trivium.tables import read
from trivium.tables.targets import as_numbers


class NeuralRegressor(RegressorMixin, NeuralEstimator):
    """A neural network that predicts a number.

    hidden_widths        units of each hidden layer; () makes a linear regression. Plain: (256, 256)
    preset               a recipe that fills in what is left at its default here: "fast", "default" or "best" for
                         tables, "realmlp", "realmlp_small" or "tabm" of the literature; "plain": one network with the
                         values below. None: "default" where nothing is chosen of the network and its training, else
                         "plain"
    network              your own in the place of ours: functions (init, apply), or one that makes a module of Flax NNX
                         or Equinox, see `trivium.network.own.get`; what shapes ours is then left out
    activation           of the hidden layers: a name in `trivium.activations`, or any function of one array. Plain:
                         "relu"
    output_activation    of the last layer; None: none, on targets brought to mean 0 and standard deviation 1. With one,
                         targets stay as they are, so that "relu" on them is the ReLU regression
    loss                 a name in `trivium.losses`, or any function of (predictions, targets); None: the squared error
    optimizer            a name in `trivium.optimizers`, a function of a learning rate, or an Optax transformation
    learning_rate        None: the optimizer's own default
    schedule             of the learning rate over the whole run: "cosine", "coslog4", "one_cycle", ...; or any function
                         from the count of steps to a factor. Plain: None, none
    schedules            of other numbers over the whole run: {"dropout": "flat_cosine", "weight_decay": "flat_cosine"}
    optimizer_options    further arguments of the optimizer, such as {"momentum": 0.9, "nesterov": True}
    initializer          a name in `trivium.initializers`, or a JAX initializer; None: the one that fits the activation
    normalisation        "batch" or "layer": brings the pre-activations of hidden layers to mean 0 and variance 1
    residual             whether a hidden layer as wide as the one before adds to it
    embedding            of numbers, each to several: "pbld", "periodic", "piecewise_linear" or "joined", or one of
                         `trivium.network.embeddings`; None, and plain: as they are
    front_scale          whether each input of the first layer has a learned factor
    parametrisation      "ntk" divides what a layer adds up by the root of its width, so that all weights are about 1
    start                of weights and biases: "usual", "random_biases", or "data_driven" by the rows to train on
    zero_last_layer      whether the network begins as 0 everywhere, the mean of y; None: unless its start is chosen
    rate_factors         on the steps of arrays by their name in `parameters_`: {"biases": 0.1}
    copies               networks in one, which share weights and differ by factors (TabM); predictions are averaged
    dropout              share of the hidden units that a step leaves out. Plain: 0
    weight_decay         how strongly weights shrink; None: the optimizer's own
    input_noise          standard deviation of noise on the encoded inputs
    mixup                alpha of Beta(alpha, alpha), by which each row is mixed with another; 0 for none
    averaging            decay of a moving average of the parameters, which is then what predicts: 0.999; 0 for none
    feature_selection    how strongly learned gates are pulled shut, so that columns that tell nothing drop out: about 1
    clamp                whether predictions stay between the least and the largest y of the fit
    scaling              of numbers: "standard", "robust" with a smooth end at 3, "quantile" to a normal distribution,
                         or "adaptive": standard, or robust where a column has values that would drown all others.
                         Plain: standard
    embed_above          categories with more levels than that are embedded, others are one-hot; None: all are;
                         "adaptive": of those with more than 64, whose own levels tell what shared columns do not,
                         and numbers that are codes as well: whose levels tell what their size does not. Plain: None
    batch_size           rows per step; None: 256, or all rows for an optimizer that needs them
    epochs               most passes over the rows. Plain: 100
    validation_fraction  share of the rows kept aside to choose the best epoch by its loss; 0 keeps the last epoch
    patience             epochs without a better validation loss after which training ends; None: never. Plain: 16
    scoring              a scikit-learn score, by name or as a scorer, by which the best epoch is chosen; None: the loss
    population           networks that train at once; None: as many as what is left open needs, else 1. They differ in
                         the choices left open, or where none is, in their seed
    ensemble             most networks of the population whose predictions are averaged, chosen one by one with
                         replacement by what they add on the rows kept aside; None: the best alone
    bagging              folds: a network for each, trained on the others; their average predicts, and every row has a
                         prediction by the one that did not see it, in `out_of_fold_`. {"folds": 8, "networks": 2}:
                         networks for two of eight folds; rows of the others have NaN there, as where nothing is chosen
                         and rows are 10,000 and more. None, and plain: no folds
    neighbours           whether what the networks lacked on rows nearby is added to what they say, where that surely
                         lowers the loss of rows that they have not seen: where rows recur, or nearly. `nearby_` then
                         holds the rows of the fit, and so does a saved file. Plain: no
    screening            whether columns that surely tell nothing of the target are left out, of tables with many
                         columns for their rows; with embed_above="adaptive" of any table categories of many levels
                         and texts as well: `schema_.dropped` names them. Plain: no
    time_limit           seconds of fit; what schedules do over the run is done by then. None: no limit
    callbacks            functions of (history, epoch), called after each epoch; True from one of them ends training
    warm_start           whether `fit` goes on from the parameters of the last one, on the same kind of table
    precision            of the matrix products in training, where the hardware has coarser and faster ones: "float32",
                         "tensorfloat32" or "bfloat16", the parameters staying float32; a CPU computes in float32
                         whatever is asked. None: as JAX is set
    on_problem           what to do when the diagnosis finds a fault: "warn"; "fix": apply the changes that it proposes
                         and keep what helps, see `repairs_`; "raise" a TrainingError; "ignore": look at nothing
    random_state         seed for the rows kept aside, the initial weights and the order of the rows
    verbose              whether a progress line is shown on standard error

    "auto" leaves open any of activation, optimizer, learning_rate, hidden_widths, loss, batch_size, schedule,
    normalisation, residual, dropout, weight_decay, input_noise and mixup:
    candidates are trained as a population, and the worse half leaves again and again. None leaves open an activation
    or an optimizer.

    Learned: `models_` (the networks whose weighted mean predicts, the best first), `parameters_` (of the best: a
    dict of weights and biases per layer), `choices_` (by name, those left open included), `history_`, `search_`
    (what was tried), `diagnosis_` (what the rules say of the run, from `record_`), `repairs_`, `n_iter_`,
    `schema_`, `n_features_in_`, and `feature_names_in_` where X had names.
    """

    _task = "regression"
    _n_outputs = 1

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:
        """Learn from X (n_samples, n_features) and numbers y (n_samples,); returns the estimator itself.

        X is a data frame (pandas, polars, pyarrow) of numbers, categories and texts with gaps, or an array.
        y                of several columns, (n_samples, n_outputs), holds as many numbers per row
        sample_weight    (n_samples,) how much each row counts, 0 or more; None: as much as any other
        validation_data  (X, y) or (X, y, sample_weight) to choose the best epoch by, in the place of rows kept aside
        The order of the rows changes no bit of the result, nor does a whole weight in the place of so many equal rows;
        tables of more than 16 million encoded numbers are taken as they come.
        Raises ValueError for wrong parameters, all named, and for data that no network can learn from.
        """
        self._fit(X, y, sample_weight, validation_data)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch over these rows, from where the parameters stand; returns the estimator itself.

        The first call learns the columns and the scale of y.
        """
        self._plan()
        first = not hasattr(self, "schema_")
        X, y = read.rows(X, as_numbers(y), known=not first)
        if first:
            self._n_outputs = 1 if y.ndim == 1 else y.shape[1]
        one_more(self, X, y, sample_weight, first=first)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The predicted numbers (n_samples,) or (n_samples, n_outputs), in the units of y."""
        return self._predict(X)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """The ends of an interval that holds y in this share of new rows, (n_samples, 2); (n_samples, n_outputs, 2).

        By the distribution or the quantiles that the loss knows; with any other loss by what predictions lacked on rows
        kept aside, the same width for every row, which holds whatever the distribution is.
        Raises ValueError where no rows were kept aside.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be above 0 and below 1, got {coverage!r}. Try 0.9.")
        check_is_fitted(self)
        tails = ((1 - coverage) / 2, (1 + coverage) / 2)
        known = self._known_quantiles(X, tails)
        if known is not None:
            return known
        low, high = bounds(self._lacked(), coverage)
        middle = self.predict(X)
        return np.stack([middle + low, middle + high], axis=-1)

    def predict_quantiles(self, X: Any, levels: Any = (0.1, 0.5, 0.9)) -> np.ndarray:
        """Quantiles of y at these levels, (n_samples, n_levels), in the units of y; from where intervals come."""
        wanted = np.atleast_1d(np.asarray(levels, np.float64))
        if not ((wanted > 0) & (wanted < 1)).all():
            raise ValueError(f"levels must lie above 0 and below 1, got {levels!r}. Try (0.1, 0.5, 0.9).")
        check_is_fitted(self)
        known = self._known_quantiles(X, wanted.tolist())
        if known is not None:
            return known
        lacked = np.quantile(self._lacked(), wanted, axis=0)
        return np.stack([self.predict(X) + lack for lack in lacked], axis=-1)

    def predict_distribution(self, X: Any) -> Any:
        """The distribution of y that the loss assumes, as a frozen one of `scipy.stats` for n_samples rows at once.

        Raises ValueError for a loss that assumes none, and for an average of several networks.
        """
        check_is_fitted(self)
        if len(self.models_) > 1:
            raise ValueError(
                f"ensemble and bagging must be None for predict_distribution, got an average of {len(self.models_)} "
                "networks. Fit one alone, or call predict_interval."
            )
        loss, _ = self._head(self.models_[0].used["loss"], self.models_[0].used["output_activation"])
        return distributions.distribution(loss, self.models_[0], self._accept(X, first=False))

    def _known_quantiles(self, X: Any, levels: Sequence[float]) -> np.ndarray | None:
        """By the loss, where it knows quantiles and one network predicts."""
        if len(self.models_) > 1:
            return None
        loss, _ = self._head(self.models_[0].used["loss"], self.models_[0].used["output_activation"])
        return distributions.quantiles_of(loss, self.models_[0], self._accept(X, first=False), levels)

    def _lacked(self) -> np.ndarray:
        lacked = getattr(self, "residuals_", None)
        if lacked is None:
            raise ValueError(
                "validation_fraction must keep rows aside for intervals, got none that no network was trained on. Fit "
                "with 0.2, or with bagging=5."
            )
        return np.asarray(lacked)

    def _learn_from_aside(self, predictions: np.ndarray, aside: Part) -> None:
        finite = np.isfinite(predictions).all()
        self.residuals_ = residuals(predictions, aside.y).tolist() if finite else None

    def _learn_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        self.target_name_ = getattr(y, "name", None)
        X, y = read.rows(X, as_numbers(y))
        self._n_outputs = 1 if y.ndim == 1 else y.shape[1]
        self._head(None if self.loss == choices.AUTO else self.loss, self.output_activation)
        return self._accept(X, first=True), y

    def _known_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = read.rows(X, as_numbers(y))
        if self._n_outputs != (1 if y.ndim == 1 else y.shape[1]):
            raise ValueError(
                f"y must have {self._n_outputs} columns, as at the first call, got shape {y.shape}. Hand over the same."
            )
        return self._accept(X, first=False), y

    def _head(self, loss: Any, output_activation: Any) -> tuple[Any, Head]:
        loss = self._loss_of(loss, losses.squared_error)
        if output_activation is not None:
            output_activation = get(activations, output_activation, "output_activation")
        return loss, heads.regressor_head(loss, output_activation, self._n_outputs)

    def _frame(self, chosen: Choices, y: np.ndarray, standing: Model | None = None) -> Frame:
        """Targets are brought to a centre and scale where predictions may take any value and the loss allows it."""
        loss, head = self._head(chosen.loss, chosen.output_activation)
        heads.check_targets(loss, y)
        centre, scale = 0.0, 1.0
        if standing is not None:
            centre, scale = standing.centre, standing.scale
        elif chosen.output_activation is None:
            centre, scale = heads.centre_and_scale(loss, head, y)

        def targets(numbers: np.ndarray) -> np.ndarray:
            scaled = np.empty(numbers.shape, np.float32)
            for first in range(0, len(numbers), BLOCK):
                part = numbers[first : first + BLOCK]
                scaled[first : first + BLOCK] = (part - np.asarray(centre)) / np.asarray(scale)
            return scaled

        low, high = (np.min(y, axis=0).tolist(), np.max(y, axis=0).tolist()) if chosen.clamp else (None, None)
        if standing is not None:
            low, high = standing.low, standing.high
        return Frame(loss, head, targets, centre, scale, low, high)
