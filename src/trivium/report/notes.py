"""What a user must know of how training went, as warnings."""

import warnings

from sklearn.exceptions import ConvergenceWarning

from trivium.training.history import History


class DiagnosisWarning(ConvergenceWarning):
    """What the rules say of a run."""


def warn_of(history: History, learning_rate: float | None, *, linear: bool) -> None:
    """Warn of a run that was interrupted, lost its numbers or learned nothing; say nothing of others.

    linear  whether the network has no hidden layer
    """
    if history.ending == "interrupted":
        _warn(f"training was interrupted after epoch {len(history)}; the best parameters so far are kept.", UserWarning)
    elif history.ending == "not finite":
        rate = "the learning rate" if learning_rate is None else f"the learning rate, {learning_rate:g},"
        _warn(
            f"the loss was no longer finite in epoch {len(history)}; the parameters before it are kept. "
            f"Divide {rate} by 10.",
            ConvergenceWarning,
        )
    elif not history.learned:
        reason = (
            "Without a hidden layer the network is linear, and cannot learn what no straight line tells apart, such as "
            "XOR: add one, hidden_widths=(8,)."
            if linear
            else "Try another learning rate, more epochs, or look whether the features tell anything of the target."
        )
        _warn(
            f"the network learned nothing: its best training loss, {min(history.train_loss):.4g}, is no "
            f"better than that of a constant prediction, {history.baseline_loss:.4g}. {reason}",
            ConvergenceWarning,
        )


def _warn(message: str, category: type[Warning]) -> None:
    warnings.warn(message, category, stacklevel=5)  # the caller of fit
