"""Scores of models over tables and splits, summed up: ranks, distances to the best, calibration."""

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

BINS = 15


def calibration_error(probabilities: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: over bins of the surest probability, |mean of it - share right|, by rows.

    probabilities  (n, n_classes)
    right          (n,), whether the surest class is the true one
    Source: Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning".
    """
    sure = probabilities.max(axis=1)
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    counts, sums = np.bincount(bins, minlength=BINS), np.bincount(bins, sure, BINS)
    hits = np.bincount(bins, right.astype(float), BINS)
    return float(np.abs(sums - hits).sum() / counts.sum())


def summary(scores: pd.DataFrame, baseline: str = "constant") -> pd.DataFrame:
    """A row per model over the tables that all models have: what the columns say is in the names.

    scores    a row per table, split and model: `loss` (log-loss or RMSE), `ece`, `fit_s`
    baseline  the model that predicts a constant: the loss from which distances to the best are counted
    """
    losses = scores.pivot_table("loss", ["table", "split"], "model")
    constant = losses.pop(baseline)
    losses = losses.dropna()
    constant = constant.loc[losses.index]
    ranks = losses.rank(axis=1).groupby("table").mean()
    best = losses.min(axis=1)
    behind = losses.sub(best, axis=0).div((constant - best).clip(lower=1e-12), axis=0).groupby("table").mean()
    seconds = scores[scores.model != baseline].pivot_table("fit_s", "table", "model").reindex(ranks.index)
    calibration = scores.pivot_table("ece", "table", "model")
    found = pd.DataFrame(
        {
            "mean rank": ranks.mean(),
            "tables first": ranks.eq(ranks.min(axis=1), axis=0).sum(),
            "behind the best": behind.mean(),
            "worst behind": behind.max(),
            "calibration error": calibration.mean(),
            "fit seconds": np.exp(np.log(seconds).mean()),
        }
    )
    return found.dropna(subset="mean rank").sort_values("mean rank")


def paired(scores: pd.DataFrame, one: str, other: str) -> float:
    """The p-value of a Wilcoxon test over tables that both models lose alike, by the log of their losses' ratio."""
    losses = scores.pivot_table("loss", ["table", "split"], "model")[[one, other]].dropna()
    ratios = np.log(losses[one].clip(lower=1e-6) / losses[other].clip(lower=1e-6)).groupby("table").mean()
    return float(wilcoxon(ratios).pvalue) if len(ratios) > 1 and ratios.any() else 1.0
