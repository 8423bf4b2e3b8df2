"""The estimator that tells classes apart."""

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from trivium import activations, choices, heads, losses
from trivium.catalog import get
from trivium.choices import Choices
from trivium.estimators.base import NeuralEstimator
from trivium.estimators.calibration import temperature, tempered
from trivium.estimators.members import Frame, Part
from trivium.estimators.models import Model
from trivium.estimators.one_epoch import one_more
from trivium.heads import Head
from trivium.presets import FEW, OF_ROWS
from trivium.tables import read
from trivium.tables.targets import as_classes, classes_of, numbers_of


class NeuralClassifier(ClassifierMixin, NeuralEstimator):
    """A neural network that tells classes apart.

    hidden_widths        units of each hidden layer; () makes a logistic regression. Plain: (256, 256)
    preset               a recipe that fills in what is left at its default here: "fast", "default" or "best" for
                         tables, "realmlp", "realmlp_small" or "tabm" of the literature; "plain": one network with the
                         values below. None: "default" where nothing is chosen of the network and its training, else
                         "plain"
    network              your own in the place of ours: functions (init, apply), or one that makes a module of Flax NNX
                         or Equinox, see `trivium.network.own.get`; what shapes ours is then left out
    activation           of the hidden layers: a name in `trivium.activations`, or any function of one array. Plain:
                         "relu"
    output_activation    of the last layer, where the loss takes probabilities or predictions; None: sigmoid or softmax
    loss                 a name in `trivium.losses`, or any function of (logits, targets); None: cross-entropy
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
    zero_last_layer      whether the network begins as 0 everywhere; None: it does not
    rate_factors         on the steps of arrays by their name in `parameters_`: {"biases": 0.1}
    copies               networks in one, which share weights and differ by factors (TabM); predictions are averaged
    dropout              share of the hidden units that a step leaves out. Plain: 0
    weight_decay         how strongly weights shrink; None: the optimizer's own
    input_noise          standard deviation of noise on the encoded inputs
    mixup                alpha of Beta(alpha, alpha), by which each row is mixed with another; 0 for none
    averaging            decay of a moving average of the parameters, which is then what predicts: 0.999; 0 for none
    feature_selection    how strongly learned gates are pulled shut, so that columns that tell nothing drop out: about 1
    label_smoothing      share of a class's 1 that all classes take in equal parts
    class_weight         "balanced": each class weighs as much as any other; or class -> weight; None: all rows weigh 1
    calibration          "temperature": probabilities are made as sure as they should be, by the rows kept aside
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
    normalisation, residual, dropout, weight_decay, input_noise, mixup and label_smoothing:
    candidates are trained as a population, and the worse half leaves again and again. None leaves open an activation
    or an optimizer.

    Learned: `classes_`, `models_` (the networks whose weighted mean predicts, the best first), `parameters_` (of
    the best: a dict of weights and biases per layer), `choices_` (by name, those left open included), `history_`,
    `search_` (what was tried), `diagnosis_` (what the rules say of the run, from `record_`), `repairs_`, `n_iter_`,
    `schema_`, `n_features_in_`, and `feature_names_in_` where X had names.
    """

    _task = "classification"
    labels_ = False

    def __init__(
        self,
        hidden_widths: Any = "default",
        *,
        preset=None,
        network=None,
        activation: Any = "default",
        output_activation=None,
        loss=None,
        optimizer="adamw",
        learning_rate=None,
        schedule: Any = "default",
        schedules=None,
        optimizer_options=None,
        initializer=None,
        normalisation=None,
        residual=False,
        embedding: Any = "default",
        front_scale=False,
        parametrisation="standard",
        start="usual",
        zero_last_layer=None,
        rate_factors=None,
        copies=1,
        dropout: Any = "default",
        weight_decay=None,
        input_noise=0.0,
        mixup=0.0,
        averaging=0.0,
        feature_selection=0.0,
        label_smoothing=0.0,
        class_weight=None,
        calibration=None,
        scaling: Any = "default",
        embed_above: Any = "default",
        batch_size=None,
        epochs: Any = "default",
        validation_fraction=0.1,
        patience: Any = "default",
        scoring=None,
        population=None,
        ensemble=None,
        bagging: Any = "default",
        neighbours: Any = "default",
        screening: Any = "default",
        time_limit=None,
        callbacks=None,
        warm_start=False,
        precision=None,
        on_problem="warn",
        random_state=None,
        verbose=False,
    ):
        super().__init__(
            hidden_widths=hidden_widths,
            preset=preset,
            network=network,
            activation=activation,
            output_activation=output_activation,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            schedules=schedules,
            optimizer_options=optimizer_options,
            initializer=initializer,
            normalisation=normalisation,
            residual=residual,
            embedding=embedding,
            front_scale=front_scale,
            parametrisation=parametrisation,
            start=start,
            zero_last_layer=zero_last_layer,
            rate_factors=rate_factors,
            copies=copies,
            dropout=dropout,
            weight_decay=weight_decay,
            input_noise=input_noise,
            mixup=mixup,
            averaging=averaging,
            feature_selection=feature_selection,
            scaling=scaling,
            embed_above=embed_above,
            batch_size=batch_size,
            epochs=epochs,
            validation_fraction=validation_fraction,
            patience=patience,
            scoring=scoring,
            population=population,
            ensemble=ensemble,
            bagging=bagging,
            neighbours=neighbours,
            screening=screening,
            time_limit=time_limit,
            callbacks=callbacks,
            warm_start=warm_start,
            precision=precision,
            on_problem=on_problem,
            random_state=random_state,
            verbose=verbose,
        )
        self.label_smoothing = label_smoothing
        self.class_weight = class_weight
        self.calibration = calibration

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:
        """Learn from X (n_samples, n_features) and classes y (n_samples,); returns the estimator itself.

        X is a data frame (pandas, polars, pyarrow) of numbers, categories and texts with gaps, or an array.
        y                of several columns (n_samples, n_labels) holds labels, 1 where one holds and 0 elsewhere
        sample_weight    (n_samples,) how much each row counts, 0 or more; None: as much as any other
        validation_data  (X, y) or (X, y, sample_weight) to choose the best epoch by, in the place of rows kept aside
        The order of the rows changes no bit of the result, nor does a whole weight in the place of so many equal rows;
        tables of more than 16 million encoded numbers are taken as they come.
        Raises ValueError for wrong parameters, all named, and for data that no network can learn from.
        """
        self._fit(X, y, sample_weight, validation_data)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch over these rows, from where the parameters stand; returns the estimator itself.

        classes  all that will ever occur, (n_classes,); needed at the first call only
        The first call learns the columns. Raises ValueError for a class that was not announced, and for other classes
        than those announced.
        """
        self._plan()
        first = not hasattr(self, "schema_")
        X, y = read.rows(X, as_classes(y), known=not first)
        if not first and classes is not None and set(as_classes(classes).tolist()) != set(self.classes_.tolist()):
            raise ValueError(
                f"classes must be those of the first call, {self.classes_.tolist()!r}, got {list(classes)!r}. Leave it "
                "out, or begin with a new estimator."
            )
        if first and y.ndim == 2:
            self.labels_, self.classes_ = True, np.arange(y.shape[1])
        elif first:
            self.labels_ = False
            check_classification_targets(y)
            self.classes_ = np.unique(y if classes is None else as_classes(classes))
            if len(self.classes_) < 2:
                raise ValueError(
                    f"classes must name at least two classes at the first partial_fit, got {self.classes_!r}. "
                    "Hand over all that will ever occur: classes=np.unique(all_y)."
                )
        one_more(self, X, self._numbers(y), sample_weight, first=first)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (n_samples, n_classes), columns in the order of `classes_`; or of each label.

        Raises ValueError where the loss asks for a margin and knows no probability, as a hinge.
        """
        check_is_fitted(self)
        if not all(model.head.probabilistic for model in self.models_):
            raise ValueError(
                f"loss must be one that knows probabilities for predict_proba, got {self.models_[0].used['loss']!r}. "
                "Train with 'cross_entropy', or call predict."
            )
        return self._shares(X)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, (n_samples,); of labels (n_samples, n_labels), 1 where it likely holds."""
        shares = self._shares(X)  # first: it asks whether there was a fit
        if self.labels_:
            return (shares > 0.5).astype(np.int64)
        return self.classes_[np.argmax(shares, axis=1)]

    def _shares(self, X: Any) -> np.ndarray:
        predictions = tempered(self._predict(X), getattr(self, "temperature_", 1.0), labels=self.labels_)
        if self.labels_:
            return predictions
        if predictions.ndim == 1:
            return np.column_stack([1 - predictions, predictions])
        return predictions / predictions.sum(axis=1, keepdims=True)

    def _learn_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        self.target_name_ = getattr(y, "name", None)
        X, y = read.rows(X, as_classes(y))
        self.labels_ = y.ndim == 2
        if self.labels_:
            self.classes_, numbers = np.arange(y.shape[1]), y
        else:
            check_classification_targets(y)
            self.classes_, numbers = classes_of(y)
        self._head(None if self.loss == choices.AUTO else self.loss, self.output_activation)
        return self._accept(X, first=True), numbers

    def _rows_of_the_rarest(self, y: Any) -> int | None:
        if (self._rows_ or 0) < FEW or self._recipe not in OF_ROWS:  # nothing depends on it
            return None
        classes = as_classes(y)
        return None if classes.ndim == 2 else int(np.unique(classes, return_counts=True)[1].min())

    def _known_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X, y = read.rows(X, as_classes(y))
        return self._accept(X, first=False), self._numbers(y)

    def _numbers(self, y: np.ndarray) -> np.ndarray:
        """Numbers of known classes, or labels as they are."""
        if self.labels_ != (y.ndim == 2) or (self.labels_ and y.shape[1] != len(self.classes_)):
            known = f"{len(self.classes_)} columns of labels" if self.labels_ else "one column of classes"
            raise ValueError(
                f"y must have {known}, as at the first call, got shape {y.shape}. Hand over the same kind."
            )
        return y if self.labels_ else numbers_of(y, self.classes_)

    def _truth(self, numbers: np.ndarray) -> np.ndarray:
        return numbers if self.labels_ else self.classes_[numbers]

    def _head(self, loss: Any, output_activation: Any) -> tuple[Any, Head]:
        usual = losses.binary_cross_entropy if len(self.classes_) == 2 or self.labels_ else losses.cross_entropy
        loss = self._loss_of(loss, usual)
        if output_activation is not None:
            output_activation = get(activations, output_activation, "output_activation")
        if self.labels_:
            return loss, heads.labels_head(loss, len(self.classes_))
        return loss, heads.classifier_head(loss, len(self.classes_), output_activation)

    def _learn_from_aside(self, predictions: np.ndarray, aside: Part) -> None:
        self.temperature_ = 1.0
        if self.calibration == "temperature" and np.isfinite(predictions).all():
            self.temperature_ = temperature(predictions, aside.y, aside.weights)

    def _frame(self, chosen: Choices, y: np.ndarray, standing: Model | None = None) -> Frame:
        loss, head = self._head(chosen.loss, chosen.output_activation)
        soft = [name for name in ("label_smoothing", "mixup") if name in chosen.numbers]
        if soft and not heads.takes_shares(loss, head):
            raise ValueError(
                f"{soft[0]} must be 0 with a loss that takes whole classes only, got {chosen.numbers[soft[0]]!r} and "
                f"{getattr(loss, '__name__', loss)!r}. Leave it out, or choose 'cross_entropy'."
            )
        if self.labels_:
            return Frame(loss, head, lambda numbers: numbers.astype(np.float32))
        return Frame(loss, head, lambda numbers: heads.encoded(head, numbers, len(self.classes_)))

    def _class_weights(self, numbers: np.ndarray, class_weight: Any) -> Any:
        if class_weight is None:
            return np.float32(1)
        if self.labels_:
            raise ValueError(f"class_weight must be None for labels, got {class_weight!r}. Use sample_weight.")
        given, present = class_weight, np.unique(numbers)
        if not (isinstance(given, dict) or given == "balanced"):
            raise ValueError(f"class_weight must be 'balanced', a dict or None, got {given!r}. Try 'balanced'.")
        unknown = [] if given == "balanced" else [name for name in given if name not in self.classes_]
        if unknown:
            raise ValueError(
                f"class_weight must name classes of y, got {unknown[0]!r}, and y has {self.classes_.tolist()!r}. "
                "Leave it out."
            )
        by_class = compute_class_weight(given, classes=self.classes_[present], y=self.classes_[numbers])
        factors = np.zeros(len(self.classes_), np.float32)
        factors[present] = by_class
        return factors[numbers]
