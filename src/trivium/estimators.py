"""The front door in Python: estimators that scikit-learn accepts as its own."""

import os
from collections.abc import Callable
from typing import Any, Self, cast

import jax
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from trivium import activations, choices, heads, losses, network, rates
from trivium.catalog import get
from trivium.choices import Choices
from trivium.heads import Head
from trivium.report import notes
from trivium.report.progress import progress_line
from trivium.storage import file, record
from trivium.tables import encode, read, schema
from trivium.tables.targets import as_classes, as_numbers, classes_of, numbers_of
from trivium.training import devices
from trivium.training.history import History
from trivium.training.loop import evaluate, train, train_alone
from trivium.training.population import Member
from trivium.training.program import Program, State, keys, predict, start
from trivium.training.split import split, table


class _NeuralEstimator(BaseEstimator):
    """What the two estimators share: everything but the targets."""

    def __init__(
        self,
        hidden_widths=(256, 256),
        *,
        activation="relu",
        output_activation=None,
        loss=None,
        optimizer="adamw",
        learning_rate=None,
        optimizer_options=None,
        initializer=None,
        batch_size=None,
        epochs=100,
        validation_fraction=0.1,
        patience=16,
        time_limit=None,
        random_state=None,
        verbose=False,
    ):
        self.hidden_widths = hidden_widths
        self.activation = activation
        self.output_activation = output_activation
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.optimizer_options = optimizer_options
        self.initializer = initializer
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.time_limit = time_limit
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    @property
    def n_iter_(self) -> int:
        """Epochs run."""
        check_is_fitted(self)
        return len(self.history_)

    @property
    def search_(self) -> Any:
        """After learning_rate="auto", what was tried: a pandas data frame, or a pyarrow table without pandas."""
        check_is_fitted(self)
        found = getattr(self, "_search_", None)
        return None if found is None else rates.frame(found)

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted estimator to one file, which `trivium.load` reads back; it holds no code.

        Raises ModelFileError where the file cannot be written, or where predictions depend on a function of your own.
        """
        check_is_fitted(self)
        file.write(path, record.arrays(self), record.content(self))

    def _loss(self) -> Callable:
        raise NotImplementedError

    def _head(self) -> Head:
        raise NotImplementedError

    # --- rows in -------------------------------------------------------------------------------------------------

    def _accept(self, X: Any, *, first: bool) -> np.ndarray:
        """X as the network takes it, (n_samples, n_inputs) float32; the first time, its schema is learned."""
        frame = read.as_frame(X)
        if frame is None:
            X = validate_data(self, X, reset=first, dtype=None, ensure_all_finite=False)
            if not first and hasattr(self, "feature_names_in_"):
                X = encode.named(self.feature_names_in_, X)
        elif first:
            X, self.n_features_in_ = frame, len(frame.columns)
            self.feature_names_in_ = np.asarray(frame.columns, dtype=object)
        else:
            X = encode.check_frame(self.schema_, frame)
        if first:
            self.schema_ = schema.learn_schema(X)
        return encode.encode(self.schema_, X)

    def _chosen(self) -> Choices:
        devices.prepare()  # before the first computation, so that it finds the cache of compiled programs
        return choices.resolve(self.get_params())

    # --- training ------------------------------------------------------------------------------------------------

    def _member(self, X: np.ndarray, targets: np.ndarray, chosen: Choices, classes: np.ndarray | None) -> Member:
        """A fresh network before its first epoch; classes (n_samples,) are numbers of classes, None for numbers."""
        random = check_random_state(self.random_state)
        init_key, order_key = keys(random.randint(2**31))
        first, aside = split(X, targets, classes, self.validation_fraction, random)
        program = self._program(chosen, len(first.X))
        state = start(program, chosen.numbers, self._new_parameters(init_key, X, chosen), order_key)
        return Member(program, chosen.numbers, state, first, aside, self._new_history(program, first.targets))

    def _train(self, chosen: Choices, X: np.ndarray, targets: np.ndarray, classes: np.ndarray | None) -> None:
        """A fresh network, trained on encoded rows."""
        member = self._member(X, targets, chosen, classes)
        limits = {"epochs": self.epochs, "patience": self.patience, "time_limit": self.time_limit}
        self._search_ = None
        if self.learning_rate == choices.AUTO:
            rates.check_aside(member, self.validation_fraction)
            member, self._search_ = rates.race(member, verbose=self.verbose, **limits)
            self.choices_["learning_rate"] = member.numbers["learning_rate"]
        else:
            with progress_line(self.verbose, self.epochs, member.history.metric) as on_progress:
                train_alone(member, **limits, on_progress=on_progress)
        self.history_ = member.history
        self.parameters_ = jax.tree.map(np.asarray, member.state.best)
        self._state_ = None
        notes.warn_of(self.history_, member.numbers.get("learning_rate"), linear=not chosen.hidden_widths)

    def _train_on(self, X: np.ndarray, targets: np.ndarray, chosen: Choices, classes: np.ndarray | None) -> None:
        """One more epoch, on these encoded rows, from where the parameters stand."""
        if self.learning_rate == choices.AUTO:
            chosen = rates.as_found(chosen, getattr(self, "_search_", None))
        rows = table(X, targets, classes)
        program = self._program(chosen, len(X))
        if getattr(self, "_state_", None) is None:
            init_key, order_key = keys(check_random_state(self.random_state).randint(2**31))
            if not hasattr(self, "parameters_"):
                self.parameters_ = self._new_parameters(init_key, X, chosen)
                self.history_ = self._new_history(program, targets)
            standing = start(program, chosen.numbers, self.parameters_, order_key)
        else:
            standing = cast(State, self._state_)
        state = train(program, chosen.numbers, standing, rows, None, epochs=1, history=self.history_)
        self._state_: State | None = jax.tree.map(np.asarray, state)
        self.parameters_ = jax.tree.map(np.asarray, state.best)

    def _program(self, chosen: Choices, n: int) -> Program:
        batch_size = min(n if chosen.full_batch else self.batch_size or 256, n)
        self.choices_ = chosen.in_words(self._loss(), batch_size)
        return Program(
            activation=chosen.activation,
            head=self._head(),
            loss=self._loss(),
            optimizer=chosen.optimizer,
            flags=chosen.flags,
            metric=heads.accuracy if hasattr(self, "classes_") else heads.squared_distance,
            batch_size=batch_size,
        )

    def _new_parameters(self, key: jax.Array, X: np.ndarray, chosen: Choices) -> network.Parameters:
        widths = (X.shape[1], *chosen.hidden_widths, self._head().width)
        return network.init(key, widths, chosen.initializer, chosen.activation)

    def _new_history(self, program: Program, targets: np.ndarray) -> History:
        metric = "accuracy" if hasattr(self, "classes_") else "R2"
        return History(metric, heads.baseline_loss(program.head, program.loss, targets))

    # --- predictions ---------------------------------------------------------------------------------------------

    def _predict(self, X: Any) -> np.ndarray:
        """What the network says of each row: a number, the probability of the second class, or of each class."""
        check_is_fitted(self)
        inputs = self._accept(X, first=False)
        activation = get(activations, self._used_["activation"], "activation")
        head, parameters = self._head(), self.parameters_
        return evaluate(lambda rows: predict(head, activation, parameters, rows), inputs)

    def _remember(self) -> None:
        """What predictions depend on, as it was at fit: `set_params` afterwards does not change them."""
        self._used_ = {name: getattr(self, name) for name in ("activation", "output_activation", "loss")}

    def _output_activation(self) -> Callable | None:
        given = self._used_["output_activation"]
        return None if given is None else get(activations, given, "output_activation")


class NeuralClassifier(ClassifierMixin, _NeuralEstimator):
    """A neural network that tells classes apart.

    hidden_widths        units of each hidden layer; () makes a logistic regression
    activation           of the hidden layers: a name in `trivium.activations`, or any function of one array
    output_activation    of the last layer, where the loss takes probabilities or predictions; None: sigmoid or softmax
    loss                 a name in `trivium.losses`, or any function of (logits, targets); None: cross-entropy
    optimizer            a name in `trivium.optimizers`, a function of a learning rate, or an Optax transformation
    learning_rate        None: the optimizer's own default; "auto": the best of 25 around it, for the time of three fits
    optimizer_options    further arguments of the optimizer, such as {"momentum": 0.9, "nesterov": True}
    initializer          a name in `trivium.initializers`, or a JAX initializer; None: the one that fits the activation
    batch_size           rows per step; None: 256, or all rows for an optimizer that needs them
    epochs               most passes over the rows
    validation_fraction  share of the rows kept aside to choose the best epoch by its loss; 0 keeps the last epoch
    patience             epochs without a better validation loss after which training ends; None: never
    time_limit           seconds of training; None: no limit
    random_state         seed for the rows kept aside, the initial weights and the order of the rows
    verbose              whether a progress line is shown on standard error

    Learned: `classes_`, `parameters_` (a dict of weights and biases per layer), `choices_` (by name, those left open
    included), `history_`, `n_iter_`, `schema_`, `n_features_in_`, and `feature_names_in_` where X had names.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from X (n_samples, n_features) and classes y (n_samples,); returns the estimator itself.

        X is a data frame (pandas, polars, pyarrow) of numbers, categories and texts with gaps, or an array.
        Raises ValueError for wrong parameters, all named, and for data that no network can learn from.
        """
        chosen = self._chosen()
        self._train(chosen, *self._learn_table(X, y))
        return self

    def _learn_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Classes and columns, learned; rows and targets for the network, and the numbers of the classes."""
        self.target_name_ = getattr(y, "name", None)
        X, y = read.rows(X, as_classes(y))
        check_classification_targets(y)
        self.classes_, numbers = classes_of(y)
        self._remember()
        self._head()
        return self._accept(X, first=True), self._targets(numbers), numbers

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """One epoch over these rows, from where the parameters stand; returns the estimator itself.

        classes  all that will ever occur, (n_classes,); needed at the first call only
        The first call learns the columns. Raises ValueError for a class that was not announced.
        """
        chosen = self._chosen()
        X, y = read.rows(X, as_classes(y))
        check_classification_targets(y)
        first = not hasattr(self, "schema_")
        if first:
            self.classes_ = np.unique(y if classes is None else as_classes(classes))
            if len(self.classes_) < 2:
                raise ValueError(
                    f"classes must name at least two classes at the first partial_fit, got {self.classes_!r}. "
                    "Hand over all that will ever occur: classes=np.unique(all_y)."
                )
            self._remember()
        numbers = numbers_of(y, self.classes_)
        self._train_on(self._accept(X, first=first), self._targets(numbers), chosen, numbers)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (n_samples, n_classes), columns in the order of `classes_`.

        Raises ValueError where the loss asks for a margin and knows no probability, as a hinge.
        """
        check_is_fitted(self)
        if not self._head().probabilistic:
            raise ValueError(
                f"loss must be one that knows probabilities for predict_proba, got {self._used_['loss']!r}. "
                "Train with 'cross_entropy', or call predict."
            )
        return self._shares(X)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, (n_samples,)."""
        shares = self._shares(X)  # first: it asks whether there was a fit
        return self.classes_[np.argmax(shares, axis=1)]

    def _shares(self, X: Any) -> np.ndarray:
        predictions = self._predict(X).astype(np.float64)
        if predictions.ndim == 1:
            return np.column_stack([1 - predictions, predictions])
        return predictions / predictions.sum(axis=1, keepdims=True)

    def _loss(self) -> Callable:
        if self._used_["loss"] is not None:
            return get(losses, self._used_["loss"], "loss")
        return losses.binary_cross_entropy if len(self.classes_) == 2 else losses.cross_entropy

    def _head(self) -> Head:
        return heads.classifier_head(self._loss(), len(self.classes_), self._output_activation())

    def _targets(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers of classes, encoded as the loss takes them."""
        return heads.encoded(self._head(), numbers, len(self.classes_))


class NeuralRegressor(RegressorMixin, _NeuralEstimator):
    """A neural network that predicts a number.

    hidden_widths        units of each hidden layer; () makes a linear regression
    activation           of the hidden layers: a name in `trivium.activations`, or any function of one array
    output_activation    of the last layer; None: none, on targets brought to mean 0 and standard deviation 1. With one,
                         targets stay as they are, so that "relu" on them is the ReLU regression
    loss                 a name in `trivium.losses`, or any function of (predictions, targets); None: the squared error
    optimizer            a name in `trivium.optimizers`, a function of a learning rate, or an Optax transformation
    learning_rate        None: the optimizer's own default; "auto": the best of 25 around it, for the time of three fits
    optimizer_options    further arguments of the optimizer, such as {"momentum": 0.9, "nesterov": True}
    initializer          a name in `trivium.initializers`, or a JAX initializer; None: the one that fits the activation
    batch_size           rows per step; None: 256, or all rows for an optimizer that needs them
    epochs               most passes over the rows
    validation_fraction  share of the rows kept aside to choose the best epoch by its loss; 0 keeps the last epoch
    patience             epochs without a better validation loss after which training ends; None: never
    time_limit           seconds of training; None: no limit
    random_state         seed for the rows kept aside, the initial weights and the order of the rows
    verbose              whether a progress line is shown on standard error

    Learned: `parameters_` (a dict of weights and biases per layer), `choices_` (by name, those left open included),
    `history_`, `n_iter_`, `schema_`, `n_features_in_`, and `feature_names_in_` where X had names.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from X (n_samples, n_features) and numbers y (n_samples,); returns the estimator itself.

        X is a data frame (pandas, polars, pyarrow) of numbers, categories and texts with gaps, or an array.
        Raises ValueError for wrong parameters, all named, and for data that no network can learn from.
        """
        chosen = self._chosen()
        self._train(chosen, *self._learn_table(X, y))
        return self

    def _learn_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray, None]:
        """Columns and the scale of y, learned; rows and targets for the network, and no classes."""
        self.target_name_ = getattr(y, "name", None)
        X, y = read.rows(X, as_numbers(y))
        self._remember()
        self._head()
        inputs = self._accept(X, first=True)
        self._learn_scale(y)
        return inputs, self._targets(y), None

    def partial_fit(self, X: Any, y: Any) -> Self:
        """One epoch over these rows, from where the parameters stand; returns the estimator itself.

        The first call learns the columns and the scale of y.
        """
        chosen = self._chosen()
        X, y = read.rows(X, as_numbers(y))
        first = not hasattr(self, "schema_")
        if first:
            self._remember()
            self._learn_scale(y)
        self._train_on(self._accept(X, first=first), self._targets(y), chosen, None)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The predicted numbers (n_samples,), in the units of y."""
        return self._predict(X).astype(np.float64) * self.target_scale_ + self.target_centre_

    def _learn_scale(self, y: np.ndarray) -> None:
        """Centre and scale of the targets, where predictions are free to take any value and the loss allows it."""
        heads.check_targets(self._loss(), y)
        self.target_centre_, self.target_scale_ = 0.0, 1.0
        if self._used_["output_activation"] is None:
            self.target_centre_, self.target_scale_ = heads.centre_and_scale(self._loss(), self._head(), y)

    def _loss(self) -> Callable:
        return losses.squared_error if self._used_["loss"] is None else get(losses, self._used_["loss"], "loss")

    def _head(self) -> Head:
        return heads.regressor_head(self._loss(), self._output_activation())

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return ((y - self.target_centre_) / self.target_scale_).astype(np.float32)


def load(path: str | os.PathLike) -> NeuralClassifier | NeuralRegressor:
    """Read an estimator that `save` or `trivium train --out` wrote.

    Raises ModelFileError for a file that is missing, cut short, changed, from a newer version, or none of ours.
    """
    arrays, content = file.read(path)
    kinds = {kind.__name__: kind for kind in (NeuralClassifier, NeuralRegressor)}
    return record.restore(kinds[content["estimator"]](), arrays, content)
