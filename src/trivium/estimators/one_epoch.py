"""`partial_fit`: one more epoch, on the rows at hand."""

from typing import Any, cast

import jax
import numpy as np
from sklearn.utils import check_random_state

from trivium import candidates
from trivium.estimators import models
from trivium.estimators.members import Part, as_model, program_of, sampled, table_of
from trivium.training import devices, streaming
from trivium.training.epochs import keys, start
from trivium.training.history import History
from trivium.training.loop import train
from trivium.training.program import State


@devices.undisturbed()
def one_more(estimator: Any, X: Any, numbers: np.ndarray, sample_weight: Any, *, first: bool) -> None:
    """Train an estimator for one epoch from where its parameters stand.

    numbers  targets as the estimator has learned to read them
    first    whether the columns are to be learned
    Raises ValueError where a choice is left open.
    """
    given = {**estimator._settled, "population": 1, "ensemble": None}
    plan = candidates.plan(given, estimator._task, np.random.RandomState(0))
    if plan.open:
        raise ValueError(
            f"{plan.open[0]} must be chosen at the first partial_fit, got 'auto': one epoch does not tell choices "
            "apart. Choose one, or call fit first."
        )
    candidate = plan.candidates[0]
    inputs = estimator._accept(X, first=first)
    standing_model = models.alone(estimator.models_[0]) if hasattr(estimator, "models_") else None
    weights = estimator._weights(sample_weight, len(numbers))
    weights = weights * estimator._class_weights(numbers, given.get("class_weight"))
    task, part = estimator._task_of(numbers), Part(inputs, numbers, weights)
    frame = estimator._frame(candidate.choices, numbers, standing_model)
    rows = table_of(frame, task, part)
    program = program_of(candidate.choices, frame, task, rows.n)
    rows = streaming.as_trained(rows, program.batch_size)
    if getattr(estimator, "_state_", None) is None:
        init_key, order_key = keys(check_random_state(estimator.random_state).randint(2**31))
        if standing_model is None:
            parameters = program.network.init(init_key, sampled(inputs))
            estimator.history_ = History(task.metric, frame.baseline(rows))
        else:
            parameters = standing_model.parameters
        standing = start(program, candidate.choices.numbers, parameters, order_key)
    else:
        standing = cast(State, estimator._state_)
    state = train(program, candidate.choices.numbers, standing, rows, None, epochs=1, history=estimator.history_)
    estimator.nearby_ = None  # what it knows is of the networks before
    estimator._state_ = jax.tree.map(np.asarray, state)
    estimator.models_ = [as_model(candidate, frame, program.network, state.best, 1.0)]
    estimator.choices_ = candidate.choices.in_words(frame.loss, rows.n)
