"""A fitted estimator on one page of Markdown: what it learned from, how, how well, and where it must not be trusted."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from sklearn.utils.validation import check_is_fitted

import trivium
from trivium.report.scores import Score, classification_scores, in_digits, regression_scores
from trivium.report.terminal import sparkline
from trivium.tables.record import Column
from trivium.tables.targets import as_classes, as_numbers

MOST_COLUMNS = 60
"""Columns that the card lists; of wider tables it says how many more there are."""

MOST_LEVELS = 5
"""Levels of a category that the card names."""


def model_card(estimator: Any, X: Any = None, y: Any = None) -> str:
    """The estimator as a model card, in Markdown.

    X, y  rows that it was not trained on, to be scored beside a baseline; None leaves it at what training measured
    Raises ValueError where only one of the two is given.
    Source of the headings: Mitchell et al. 2019, "Model cards for model reporting".
    """
    check_is_fitted(estimator)
    if (X is None) != (y is None):
        given, lacking = ("X", "y") if y is None else ("y", "X")
        raise ValueError(f"{lacking} must come with {given}, got None. Hand over both, or neither.")
    target = getattr(estimator, "target_name_", None)
    parts = [
        f"# {type(estimator).__name__}{f' of {_plain(target)}' if target else ''}",
        _purpose(estimator),
        "## Data\n\n" + _data(estimator),
        "## Choices\n\n" + _table(["choice", "value"], [[name, value] for name, value in estimator.choices_.items()]),
        "## Training\n\n" + _training(estimator),
    ]
    if X is not None:
        scores = _scores(estimator, X, y)
        parts.append(f"## Scores\n\nOn {len(y):,} rows that were handed over for this card.\n\n{_of_scores(scores)}")
    parts += ["## Limits\n\n" + _limits(estimator), "## Versions\n\n" + _versions(), "## Use\n\n" + _use(estimator)]
    return "\n\n".join(parts) + "\n"


def _purpose(estimator: Any) -> str:
    if not hasattr(estimator, "classes_"):
        return "It predicts a number per row, in the units of the target, by a neural network."
    if getattr(estimator, "labels_", False):
        return f"It tells of each row which of {len(estimator.classes_)} labels hold, by a neural network."
    names = ", ".join(_plain(name) for name in estimator.classes_[:20])
    more = f" and {len(estimator.classes_) - 20} more" if len(estimator.classes_) > 20 else ""
    return f"It tells {len(estimator.classes_)} classes apart by a neural network: {names}{more}."


def _data(estimator: Any) -> str:
    schema = estimator.schema_
    rows = [[column.name, column.called, _holds(column)] for column in schema.columns[:MOST_COLUMNS]]
    said = _table(["column", "kind", "at fit"], rows)
    if len(schema.columns) > MOST_COLUMNS:
        said += f"\n\nand {len(schema.columns) - MOST_COLUMNS:,} columns more."
    if schema.dropped:
        said += "\n\nNot used:\n\n" + _table(["column", "reason"], [[one.name, one.reason] for one in schema.dropped])
    width = len(schema.feature_names_out)
    return f"{len(schema.columns):,} columns, which the network takes as {width:,} numbers per row.\n\n{said}"


def _holds(column: Column) -> str:
    gaps = "; with gaps" if column.missing else ""
    if column.kind == "category":
        shown = ", ".join(column.levels[:MOST_LEVELS])
        more = f" and {len(column.levels) - MOST_LEVELS:,} more" if len(column.levels) > MOST_LEVELS else ""
        return f"{shown}{more}{gaps}"
    if column.kind == "text":
        return f"free texts{gaps}"
    if column.kind == "time":
        if column.form in ("clock", "duration"):
            return f"around {column.centre:,.0f} s{gaps}"
        return f"around {np.datetime64(int(column.centre), 's')}{gaps}"
    return f"around {column.centre:.4g}, spread {column.scale:.4g}{gaps}"


def _training(estimator: Any) -> str:
    history = estimator.history_
    kept = history.best_epoch if 0 <= history.best_epoch < len(history) else len(history) - 1
    rows = [["train", history.train_loss, history.train_metric]]
    if history.validation_loss:
        rows.append(["validation", history.validation_loss, history.validation_metric])
    measured = [
        [name, in_digits(loss[0]), in_digits(loss[kept]), in_digits(metric[kept]), sparkline(loss)]
        for name, loss, metric in rows
    ]
    said = (
        f"{len(history):,} epochs in {history.seconds[-1]:,.1f} s, ended by: {history.ending}; the parameters of epoch "
        f"{kept + 1} were kept. The best constant prediction has a training loss of {in_digits(history.baseline_loss)}."
    )
    n_models = len(estimator.models_)
    if n_models > 1:
        said += f" Predictions are the weighted mean of {n_models} networks; this is the best of them."
    nearby = getattr(estimator, "nearby_", None)
    if nearby is not None:
        said += (
            f" To them is added what they lacked on rows nearby, of the {len(nearby.points):,} of the fit, which the "
            "model holds."
        )
    return (
        said
        + "\n\n"
        + _table(["rows", "loss in epoch 1", "loss kept", f"{history.metric} kept", "loss over epochs"], measured)
    )


def _scores(estimator: Any, X: Any, y: Any) -> list[Score]:
    """Beside the baseline that knows these targets alone: their mean, or the shares of their classes."""
    if not hasattr(estimator, "classes_"):
        truth, said = as_numbers(y), estimator.predict(X)
        if truth.ndim == 1:
            return regression_scores(truth, said, float(truth.mean()))
        several = [regression_scores(one, of_it, float(one.mean())) for one, of_it in zip(truth.T, said.T, strict=True)]
        return [
            Score(f"{score.name} of output {place}", *(getattr(score, part) for part in _PARTS))
            for place, scores in enumerate(several)
            for score in scores
        ]
    truth, guess = as_classes(y), estimator.predict(X)
    if truth.ndim == 2:
        right, usual = (guess == truth).mean(), np.maximum(truth.mean(axis=0), 1 - truth.mean(axis=0)).mean()
        return [Score("accuracy of labels", float(right), float(usual), True)]
    classes = estimator.classes_
    probabilistic = all(model.head.probabilistic for model in estimator.models_)
    shares = np.array([(truth == name).mean() for name in classes])
    return classification_scores(
        truth.astype(classes.dtype), guess, estimator.predict_proba(X) if probabilistic else None, classes, shares
    )


_PARTS = ("model", "baseline", "higher_is_better")


def _of_scores(scores: Sequence[Score]) -> str:
    rows = [
        [one.name, in_digits(one.model), in_digits(one.baseline), "higher" if one.higher_is_better else "lower"]
        for one in scores
    ]
    return _table(["score", "model", "baseline", "better"], rows)


def _limits(estimator: Any) -> str:
    """What holds of every such model, and what this one's training says."""
    schema, history = estimator.schema_, estimator.history_
    said = [
        "It answers for rows like those it was trained on. Far from them its predictions mean nothing, and it does not "
        "say so.",
        "What it learned is what goes together in the data, not what causes what; whatever was unfair there is unfair "
        "here.",
    ]
    if any(column.kind == "category" for column in schema.columns):
        said.append("A category that was not there at fit counts as one that is not known, or joins the rare ones.")
    whole = sum(not column.missing for column in schema.numeric)
    if whole:
        said.append(
            f"{whole:,} of {len(schema.numeric):,} columns of numbers had no gaps at fit: a value missing there "
            "is taken for a usual one."
        )
    if not history.validation_loss:
        said.append("No rows were kept aside: nothing measured here was measured on rows that it was not trained on.")
    if not history.learned:
        said.append("**It learned nothing: on its training rows it is no better than a constant prediction.**")
    findings = getattr(getattr(estimator, "diagnosis_", None), "findings", ())
    said += [f"Diagnosis: {finding.name.replace('_', ' ')}. {finding.symptom}" for finding in findings]
    return "\n".join(f"- {line}" for line in said)


def _versions() -> str:
    return f"Trivium {trivium.__version__}, JAX {jax.__version__}, NumPy {np.__version__}."


def _use(estimator: Any) -> str:
    call = "predict_proba" if hasattr(estimator, "classes_") else "predict"
    return f'```python\nimport trivium\n\nmodel = trivium.load("model.trivium")\nmodel.{call}(table)\n```'


def _table(head: list[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)


def _plain(cell: Any) -> str:
    """A cell without what would end it, in Markdown or HTML."""
    text = f"{cell:.6g}" if isinstance(cell, float) else str(cell)
    return text.replace("\n", " ").replace("|", "\\|").replace("<", "&lt;")
