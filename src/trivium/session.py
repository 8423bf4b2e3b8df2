"""From a table's path to a model, a summary and a report: the main job, as `trivium train` does it."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pyarrow as pa
from sklearn.base import clone
from sklearn.model_selection import train_test_split

from trivium import candidates
from trivium.choices import is_auto
from trivium.diagnosis.ranking import Diagnosis
from trivium.estimators import NeuralClassifier, NeuralRegressor, load
from trivium.estimators.bagging import in_words as in_folds
from trivium.estimators.diagnosing import in_words
from trivium.files import check_writable
from trivium.report import html, scores, summary
from trivium.report.diagnosis_page import SWEPT
from trivium.report.scores import Score
from trivium.report.search import search
from trivium.report.summary import Choice, Summary
from trivium.search import Sweep, learning_rate_sweep
from trivium.tables.read import TableError, read_table, write_text
from trivium.tables.targets import Task, as_classes, as_numbers, guess_task, split_target

Note = Callable[[str], None]

MOST_EPOCHS = 20
"""Of the networks that show, beside a finding on the learning rate, what others would do."""

FEWEST_SECONDS = 3.0
"""That these may take at least, where the fit itself was shorter."""


@dataclass(frozen=True)
class Wanted:
    """What a user asked for."""

    table: str
    target: str
    task: Task | None
    chosen: Mapping[str, Any]  # the estimator's parameters that were set
    test_fraction: float = 0.2
    random_state: int = 0
    out: str | None = None
    report: str | None = None
    record: str | None = None
    chosen_by: str = "you"


def train(
    wanted: Wanted, *, verbose: bool, note: Note, frame: nw.DataFrame | None = None
) -> tuple[Summary, NeuralClassifier | NeuralRegressor]:
    """Read, hold out, train, score, save and report.

    note   told whatever the user should know meanwhile
    frame  the table itself, where it is at hand
    Raises ValueError for a user's mistake: before training, where it can be known by then.
    """
    began = time.perf_counter()
    if not 0 <= wanted.test_fraction < 1:
        raise ValueError(f"test_fraction must be at least 0 and below 1, got {wanted.test_fraction}. Try 0.2.")
    report = wanted.report or (str(Path(wanted.out).with_suffix(".html")) if wanted.out else None)
    for path in (wanted.out, report, wanted.record):
        if path is not None:
            check_writable(path)
    _check(wanted)
    if wanted.record is not None and wanted.chosen.get("on_problem") == "ignore":
        raise ValueError(
            f"record must be left out where nobody looks at the run, got {wanted.record!r}. Set on_problem to warn."
        )
    features, target, task, reason = _question(wanted, frame)
    estimator = _estimator(wanted, task, target, verbose=verbose)
    classes = isinstance(estimator, NeuralClassifier)
    y = as_classes(target) if classes else as_numbers(target)
    first, held_out = _hold_out(y, classes, wanted)
    with _notes(note) as notes:
        estimator.fit(features[first], target[first])
        measured, baseline, picture = [], "", None
        if len(held_out):
            measured, baseline, picture = _measure(estimator, features[held_out], y[held_out], y[first])
    history, verdict, watched = estimator.history_, estimator.diagnosis_, estimator.record_
    beside = None
    if report is not None and verdict is not None and not getattr(estimator, "_found_", {}):  # a search has its own
        beside = _sweep_beside(estimator, verdict, features[first], target[first])
    by_folds = estimator._given["bagging"] is not None  # every row trains, and chooses once
    aside = (
        round(len(first) * estimator._given["validation_fraction"]) if history.validation_loss and not by_folds else 0
    )
    if wanted.out is not None:
        estimator.save(wanted.out)
    if wanted.record is not None and watched is not None:
        watched.save(wanted.record)
    tried, left_open = getattr(estimator, "_search_", None), tuple(getattr(estimator, "_found_", ()))
    record = Summary(
        table=wanted.table,
        target=wanted.target,
        task=task,
        task_reason=reason,
        rows={"train": len(first) - aside, "validation": aside, "test": len(held_out)},
        columns=estimator.schema_.counts(),
        dropped={entry.name: entry.reason for entry in estimator.schema_.dropped},
        choices=_choices(estimator, wanted),
        history=history,
        scores=measured,
        baseline=baseline,
        seconds=time.perf_counter() - began,
        notes=notes if verdict is None else [said for said in notes if said != in_words(verdict)],  # it comes in full
        model=wanted.out,
        report=report,
        picture=picture,
        search=None if tried is None else search(tried, left_open),
        diagnosis=verdict,
        sweep=beside,
    )
    if report is not None:
        write_text(html.page(record), report)
    return record, estimator


def _sweep_beside(estimator: Any, verdict: Diagnosis, features: nw.DataFrame, target: nw.Series) -> Any:
    """The picture of losses by learning rate where the first finding is about that; no longer than the fit took."""
    root, history = verdict.first, estimator.history_
    if root is None or root.family != SWEPT or not history.validation_loss:
        return None
    seconds = max(FEWEST_SECONDS, history.seconds[-1])
    epochs = min(len(history), MOST_EPOCHS)
    quiet: Any = clone(estimator)
    quiet.set_params(verbose=False)
    try:
        found = learning_rate_sweep(quiet, features, target, epochs=epochs, time_limit=seconds)
        return found.figure(estimator.choices_.get("learning_rate"))
    except ValueError:  # an optimizer that has no learning rate, or gets it from elsewhere
        return None


def sweep(
    wanted: Wanted,
    learning_rates: Sequence[float] | None,
    activations: Sequence[str] | None,
    *,
    verbose: bool,
    note: Note,
) -> Sweep:
    """Read, train a population over learning rates and activations, and write its page.

    wanted  `out` is the page; no row is held out for scores
    Raises ValueError for a user's mistake, before training.
    """
    if wanted.out is not None:
        check_writable(wanted.out)
    for name, value in wanted.chosen.items():
        if is_auto(value):
            raise ValueError(f"{name} must be chosen for a sweep, got 'auto'. Choose one, or let trivium train search.")
    features, target, task, _ = _question(wanted, None)
    estimator = _estimator(wanted, task, target, verbose=verbose)
    with _notes(note):
        found = learning_rate_sweep(
            estimator, features, target, learning_rates, activations, time_limit=estimator.time_limit
        )
    if wanted.out is not None:
        found.write_html(wanted.out)
    return found


def predict(model: str, table: str, *, probabilities: bool, note: Note) -> nw.DataFrame:
    """The predictions of every row of a table, and with `probabilities` one column per class.

    Raises ValueError where probabilities are asked of a regressor, TableError where the table is not of the kind.
    """
    estimator = load(model)
    frame = _features(estimator, read_table(table))
    name = estimator.target_name_ or "prediction"
    with _notes(note):
        if isinstance(estimator, NeuralRegressor):
            if probabilities:
                raise ValueError("--probabilities must go with a classifier, got a regressor. Leave it out.")
            return _frame({name: estimator.predict(frame)})
        classes, shares = _classes_and_shares(estimator, frame)
    columns = {name: classes}
    if probabilities and shares is None:
        raise ValueError(
            "--probabilities must go with a loss that knows them, got a model trained with "
            f"{estimator.choices_['loss']!r}. Leave it out, or train with cross_entropy."
        )
    if probabilities and shares is not None:
        columns |= {f"P({value})": shares[:, place] for place, value in enumerate(estimator.classes_)}
    return _frame(columns)


def evaluate(model: str, table: str, target: str | None, *, note: Note) -> tuple[list[Score], str, int]:
    """Scores on a table whose target is known, the baseline's name, and the number of rows.

    The baseline predicts the mean, or the shares of the classes, of this table.
    """
    estimator = load(model)
    name = target or estimator.target_name_
    if name is None:
        raise ValueError("--target must be given, got none: the model does not know its name. Try --target price.")
    features, truth = split_target(read_table(table), name)
    y = as_classes(truth) if isinstance(estimator, NeuralClassifier) else as_numbers(truth)
    if isinstance(estimator, NeuralClassifier):
        unknown = sorted({str(value) for value in y} - {str(value) for value in estimator.classes_})
        if unknown:
            raise TableError(
                f"column {name!r} must hold classes that the model knows, got {unknown[0]!r}. Known are "
                f"{', '.join(map(str, estimator.classes_[:20]))}: drop the rows, or train again."
            )
        y = y.astype(estimator.classes_.dtype)
    with _notes(note):
        measured, baseline, _ = _measure(estimator, _features(estimator, features), y, y)
    return measured, baseline, len(y)


def demo(report: str | None, *, verbose: bool, note: Note) -> Summary:
    """Train on the digits table of scikit-learn: 1,797 handwritten digits, the brightness of 64 pixels each."""
    from sklearn.datasets import load_digits

    if report is not None:
        check_writable(report)
    digits: Any = load_digits()
    columns = {name: digits.data[:, place] for place, name in enumerate(digits.feature_names)}
    frame = nw.from_native(pa.table(columns | {"digit": digits.target}), eager_only=True)
    wanted = Wanted("scikit-learn's digits", "digit", None, {"epochs": 40}, report=report, chosen_by="demo")
    return train(wanted, verbose=verbose, note=note, frame=frame)[0]


KINDS: Mapping[Task, Any] = {"classification": NeuralClassifier, "regression": NeuralRegressor}


def _check(wanted: Wanted) -> None:
    """Raises ValueError for wrong choices: all that can be told before the table is read."""
    task: Task = wanted.task or "classification"
    if wanted.task is None and _foreign(wanted, task):
        task = "regression"
    _refuse_foreign(wanted, task)
    candidates.plan(KINDS[task](**wanted.chosen)._given, task, np.random.RandomState(0))


def _foreign(wanted: Wanted, task: Task) -> list[str]:
    """The chosen parameters that this task does not know."""
    return [name for name in wanted.chosen if name not in KINDS[task]().get_params()]


def _refuse_foreign(wanted: Wanted, task: Task) -> None:
    for name in _foreign(wanted, task):
        raise ValueError(f"{name} must be left out for a {task}, which does not know it, got {wanted.chosen[name]!r}.")


def _estimator(wanted: Wanted, task: Task, target: nw.Series, *, verbose: bool) -> NeuralClassifier | NeuralRegressor:
    """The estimator that was asked for; weights that a user gave by a class's name go to the class itself."""
    _refuse_foreign(wanted, task)
    chosen = dict(wanted.chosen)
    if isinstance(chosen.get("class_weight"), dict):
        named = {str(value): value for value in np.unique(as_classes(target))}
        chosen["class_weight"] = {named.get(name, name): weight for name, weight in chosen["class_weight"].items()}
    return KINDS[task](**chosen, random_state=wanted.random_state, verbose=verbose)


def _choices(estimator: NeuralClassifier | NeuralRegressor, wanted: Wanted) -> list[Choice]:
    """Every choice of the run and who made it: those on which predictions depend, and whatever else was chosen."""
    found = getattr(estimator, "_found_", {})
    chosen = {**wanted.chosen, **(wanted.chosen.get("optimizer_options") or {})}

    recipe = estimator._recipe
    given = estimator._given if recipe else {}
    mended = {name for repair in getattr(estimator, "repairs_", ()) if repair.kept for name in repair.change}

    def maker(name: str) -> str:
        if name in mended:
            return "mend"
        if name not in found and name in given and given[name] != getattr(estimator, name):
            return "preset"
        return "search" if name in found else wanted.chosen_by if name in chosen else "default"

    made = [Choice(name, _in_words(value), maker(name)) for name, value in estimator.choices_.items()]
    if recipe and "preset" not in wanted.chosen:
        made.append(Choice("preset", recipe, "default"))
    if given.get("bagging") and "bagging" not in wanted.chosen:
        made.append(Choice("bagging", in_folds(given["bagging"]), "preset"))
    if estimator.nearby_ is not None and "neighbours" not in wanted.chosen:
        made.append(Choice("neighbours", f"of {len(estimator.nearby_.points):,} rows", "preset"))
    shown = {*estimator.choices_, *found, "optimizer_options"}
    rest = {name: value for name, value in wanted.chosen.items() if name not in shown and value is not None}
    return made + [Choice(name, _in_words(value), wanted.chosen_by) for name, value in rest.items()]


def _question(wanted: Wanted, frame: nw.DataFrame | None) -> tuple[nw.DataFrame, nw.Series, Task, str]:
    """Features, target, what is asked of it, and why so."""
    frame = read_table(wanted.table) if frame is None else frame
    features, target = split_target(frame, wanted.target)
    if wanted.task is not None:
        return features, target, wanted.task, "as you said"
    return features, target, *guess_task(target)


def _hold_out(y: np.ndarray, classes: bool, wanted: Wanted) -> tuple[np.ndarray, np.ndarray]:
    """Places of the rows that train and of those that are held out, each class in its share where that can be."""
    rows = np.arange(len(y))
    if len(y) < 2:
        raise TableError(f"the table must have at least two rows, got {len(y)}. Nothing can be learned from one.")
    n_held_out = round(len(y) * wanted.test_fraction)
    if n_held_out == 0:
        return rows, rows[:0]
    counts = np.unique(y, return_counts=True)[1] if classes else np.zeros(1)
    stratified = classes and counts.min() >= 2 and len(counts) <= min(n_held_out, len(y) - n_held_out)
    first, held_out = train_test_split(
        rows, test_size=n_held_out, random_state=wanted.random_state, stratify=y if stratified else None
    )
    if classes and not stratified:  # a class that no row trains could not be scored
        known = np.isin(np.asarray(y[held_out]), y[first])
        first, held_out = np.concatenate([first, np.asarray(held_out)[~known]]), np.asarray(held_out)[known]
    return np.sort(first), np.sort(held_out)


def _measure(
    estimator: NeuralClassifier | NeuralRegressor, features: nw.DataFrame, y: np.ndarray, known: np.ndarray
) -> tuple[list[Score], str, summary.Confusion | summary.Points | None]:
    """Scores, the baseline's name and the picture; the baseline knows the targets `known`."""
    if isinstance(estimator, NeuralRegressor):
        predictions = estimator.predict(features)
        measured = scores.regression_scores(y, predictions, float(known.mean()))
        return measured, "mean", summary.points(y, predictions)
    guess, probabilities = _classes_and_shares(estimator, features)
    classes = estimator.classes_
    shares = np.bincount(np.searchsorted(classes, known), minlength=len(classes)) / len(known)
    measured = scores.classification_scores(y, guess, probabilities, classes, shares)
    return measured, "majority", summary.confusion(y, guess, classes)


def _classes_and_shares(estimator: NeuralClassifier, frame: nw.DataFrame) -> tuple[np.ndarray, np.ndarray | None]:
    """The likeliest class of each row, and the probability of each class, None after a loss that knows none."""
    if not all(model.head.probabilistic for model in estimator.models_):
        return estimator.predict(frame), None
    shares = estimator.predict_proba(frame)
    return estimator.classes_[shares.argmax(axis=1)], shares


def _features(estimator: NeuralClassifier | NeuralRegressor, frame: nw.DataFrame) -> nw.DataFrame:
    """The table without the target, should it hold it."""
    return frame.drop(estimator.target_name_) if estimator.target_name_ in frame.columns else frame


def _frame(columns: Mapping[str, np.ndarray]) -> nw.DataFrame:
    arrays = {name: pa.array(values.tolist() if values.dtype == object else values) for name, values in columns.items()}
    return nw.from_native(pa.table(arrays), eager_only=True)


def _in_words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " x ".join(map(str, value)) or "none"
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_in_words(entry)}" for name, entry in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


@contextmanager
def _notes(note: Note) -> Iterator[list[str]]:
    """Warnings become notes, told at once and gathered; those of other packages pass as they are."""
    gathered: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def tell(message, category, filename, lineno, file=None, line=None):
            if issubclass(category, UserWarning):
                gathered.append(str(message))
                note(str(message))
            else:
                show(message, category, filename, lineno, file, line)

        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = tell
        yield gathered
