"""What a user wants to see, or to decide, after each epoch: scores of scikit-learn's and callbacks."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from trivium.estimators.members import Part, as_model
from trivium.estimators.models import Model
from trivium.optimizers import evaluation_parameters
from trivium.tables.streamed import Encoded
from trivium.training.population import Member

Callback = Callable[[Any, int], Any]
"""(history, epoch) -> True to end training; called after each epoch, the first being 0."""


def hook(
    estimator: Any, framed: Mapping[int, Sequence[Any]], aside: Part | None, truth: np.ndarray | None
) -> Callable[[Member], Any] | None:
    """What a population calls after each epoch of a member; None where nobody asked for anything.

    framed  id of a member -> its candidate and the frame of its loss
    truth   of the rows kept aside, as the user gave it
    Raises ValueError for an unknown score, or where no rows are kept aside to score.
    """
    callbacks: Sequence[Callback] = checked(estimator.callbacks)
    scorer = None
    if estimator.scoring is not None:
        from sklearn.metrics import check_scoring

        if aside is None or truth is None:
            raise ValueError(
                f"scoring must be None where no rows are kept aside, got {estimator.scoring!r}. Raise "
                "validation_fraction, or hand over validation_data."
            )
        scorer = check_scoring(estimator, scoring=estimator.scoring)
    if scorer is None and not callbacks:
        return None
    best: dict[int, float] = {}

    def after_epoch(member: Member) -> bool:
        if scorer is not None and aside is not None:
            _keep_if_better(estimator, member, framed[id(member)], (aside.inputs, truth), scorer, best)
        epoch = len(member.history) - 1
        return sum(callback(member.history, epoch) is True for callback in callbacks) > 0

    return after_epoch


def checked(callbacks: Any) -> Sequence[Callback]:
    """One callback or several as a list. Raises ValueError for what cannot be called."""
    if callbacks is None:
        return []
    found = [callbacks] if callable(callbacks) else callbacks
    if not isinstance(found, list | tuple) or not all(callable(callback) for callback in found):
        raise ValueError(
            f"callbacks must be functions of (history, epoch), got {callbacks!r}. "
            "Try callbacks=lambda history, epoch: print(history.train_loss[-1])."
        )
    return found


def _keep_if_better(
    estimator: Any,
    member: Member,
    framed: Sequence[Any],
    rows: tuple[Encoded, Any],
    scorer: Callable[..., Any],
    best: dict[int, float],
) -> None:
    """Of the epochs so far, a member keeps the parameters with the highest score, and its patience counts from them."""
    state, (candidate, frame) = member.state, framed
    parameters: Any = evaluation_parameters(state.optimizer, state.parameters)
    model = as_model(candidate, frame, member.program.network, parameters, 1.0)
    score = float(scorer(standing(estimator, model), *rows))
    member.history.validation_score.append(score)
    better = bool(state.finite) and not score <= best.get(id(member), -np.inf)
    if better:
        best[id(member)] = score
        epoch = np.asarray(member.epochs - 1, np.int32)
        kept = jax.tree.map(np.asarray, parameters)
        state = state._replace(best=kept, best_epoch=epoch, best_loss=np.asarray(-score, np.float32))
    else:  # the compiled epoch chose by the loss: its choice is undone
        kept = member.kept_by_score
        state = state if kept is None else state._replace(best=kept[0], best_epoch=kept[1], best_loss=kept[2])
    member.kept_by_score = (state.best, state.best_epoch, state.best_loss)
    member.state = state
    member.history.best_epoch = int(state.best_epoch)


def standing(estimator: Any, model: Model) -> Any:
    """The estimator as it would be with this model, for rows that are encoded already."""
    as_it_stands = copy.copy(estimator)
    as_it_stands.models_ = [model]
    as_it_stands._takes_encoded = True
    return as_it_stands
