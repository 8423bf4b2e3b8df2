"""How good predictions are, beside those of a model that looks at nothing."""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics


@dataclass(frozen=True)
class Score:
    """One measure: of the model, of the baseline, and which way is better."""

    name: str
    model: float
    baseline: float
    higher_is_better: bool


def in_digits(value: float) -> str:
    """A score in as many digits as a reader uses: 0.7908, 52,220."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def classification_scores(
    y: np.ndarray, guess: np.ndarray, probabilities: np.ndarray | None, classes: np.ndarray, shares: np.ndarray
) -> list[Score]:
    """Accuracy, balanced accuracy and, with probabilities, log-loss and for two classes the area under the ROC curve.

    y, guess       (n,) true and predicted classes
    probabilities  (n, n_classes), columns in the order of classes; None where the model knows none
    shares         (n_classes,), of the rows that trained; the baseline predicts them for every row
    """
    constant = np.tile(np.clip(shares, 1e-15, 1), (len(y), 1))
    constant /= constant.sum(axis=1, keepdims=True)
    majority = classes[constant.argmax(axis=1)]
    recalls = [[float((g[y == c] == c).mean()) for c in np.unique(y)] for g in (guess, majority)]
    scores = [
        Score("accuracy", float((guess == y).mean()), float((majority == y).mean()), True),
        Score("balanced accuracy", float(np.mean(recalls[0])), float(np.mean(recalls[1])), True),
    ]
    if probabilities is None:
        return scores
    truth = np.arange(len(y)), np.searchsorted(classes, y)
    model, baseline = (float(-np.log(np.clip(p[truth], 1e-15, 1)).mean()) for p in (probabilities, constant))
    scores.append(Score("log-loss", model, baseline, False))
    if len(classes) == 2 and len(np.unique(y)) == 2:
        scores.append(Score("ROC AUC", float(metrics.roc_auc_score(y == classes[1], probabilities[:, 1])), 0.5, True))
    return scores


def regression_scores(y: np.ndarray, predictions: np.ndarray, mean: float) -> list[Score]:
    """R2, root mean squared error and mean absolute error; the baseline predicts the mean of the rows that trained."""
    constant = np.full(len(y), mean)
    varied = len(y) > 1 and float(np.var(y)) > 0
    both = (predictions, constant)
    rmse = [float(np.sqrt(np.mean((y - p) ** 2))) for p in both]
    mae = [float(np.mean(np.abs(y - p))) for p in both]
    r2 = [float(metrics.r2_score(y, p)) if varied else float("nan") for p in both]
    return [
        Score("R2", r2[0], r2[1], True),
        Score("RMSE", rmse[0], rmse[1], False),
        Score("MAE", mae[0], mae[1], False),
    ]
