"""What a user may choose of an estimator: its parameters, as scikit-learn keeps them."""

import inspect
from typing import Any, ClassVar, Literal

from sklearn.base import BaseEstimator

from trivium import presets


class Parameters(BaseEstimator):
    """The parameters of both estimators, each under its name."""

    _task: ClassVar[Literal["classification", "regression"]]

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
        clamp=False,
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
        self.hidden_widths = hidden_widths
        self.preset = preset
        self.network = network
        self.activation = activation
        self.output_activation = output_activation
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.schedules = schedules
        self.optimizer_options = optimizer_options
        self.initializer = initializer
        self.normalisation = normalisation
        self.residual = residual
        self.embedding = embedding
        self.front_scale = front_scale
        self.parametrisation = parametrisation
        self.start = start
        self.zero_last_layer = zero_last_layer
        self.rate_factors = rate_factors
        self.copies = copies
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.input_noise = input_noise
        self.mixup = mixup
        self.averaging = averaging
        self.feature_selection = feature_selection
        self.clamp = clamp
        self.scaling = scaling
        self.embed_above = embed_above
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.scoring = scoring
        self.population = population
        self.ensemble = ensemble
        self.bagging = bagging
        self.neighbours = neighbours
        self.screening = screening
        self.time_limit = time_limit
        self.callbacks = callbacks
        self.warm_start = warm_start
        self.precision = precision
        self.on_problem = on_problem
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        tags.input_tags.sparse = True
        return tags

    @property
    def _given(self) -> dict[str, Any]:
        """The parameters, those of the preset included. Raises ValueError for a preset that there is not."""
        defaults = self._defaults
        of_rows = getattr(self, "_rows_", None), getattr(self, "_rarest_", None)
        given = presets.applied(self.get_params(deep=False), defaults, self._task, *of_rows)
        if given["zero_last_layer"] is None:  # measured: numbers are learned better from their mean on, classes not
            usual = all(given[name] == defaults[name] for name in ("start", "parametrisation", "copies", "initializer"))
            given["zero_last_layer"] = self._task == "regression" and usual and given["network"] is None
        return given

    @property
    def _recipe(self) -> str | None:
        """The preset that holds, None for a plain network."""
        return presets.in_use(self.get_params(deep=False), self._defaults)

    @property
    def _defaults(self) -> dict[str, Any]:
        return {name: one.default for name, one in inspect.signature(type(self)).parameters.items()}
