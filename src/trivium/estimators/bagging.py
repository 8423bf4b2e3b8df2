"""One network per fold, each trained on the other folds: their average predicts, and every row was kept aside once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trivium.candidates import Candidate
from trivium.estimators.members import Found, Limits, Part, Task, as_model, members_of, on_rows, trained


def folds_asked(bagging: Any) -> int | None:
    """The folds that the parameter asks for, None for none."""
    found = bagging["folds"] if isinstance(bagging, Mapping) else bagging
    return None if found is None else int(found)


def networks_asked(bagging: Any) -> int | None:
    """How many of the folds have a network, None for every one."""
    return bagging.get("networks") if isinstance(bagging, Mapping) else None


def in_words(bagging: Any) -> str:
    """The parameter as people read it: "8", or "2 of 8 folds"."""
    networks, n = networks_asked(bagging), folds_asked(bagging)
    return str(n) if networks is None else f"{networks} of {n} folds"


def folds(numbers: np.ndarray, n_folds: int, random: np.random.RandomState, *, classes: bool) -> np.ndarray:
    """The fold of each row, (n,): as even as can be, and among classes each class on its own.

    Raises ValueError where there are fewer rows than folds.
    """
    n = len(numbers)
    if n < 2 * n_folds:
        raise ValueError(
            f"bagging must leave two rows per fold or more, got {n_folds} for {n} rows. Try {max(2, n // 2)}."
        )
    order = random.permutation(n)
    if classes and numbers.ndim == 1:
        order = order[np.argsort(numbers[order], kind="stable")]
    found = np.empty(n, np.int64)
    found[order] = np.arange(n) % n_folds
    return found


def bagged(
    candidate: Candidate,
    task: Task,
    whole: Part,
    fold: np.ndarray,
    seed: int,
    limits: Limits,
    every_row: bool,
    verbose: bool,
) -> tuple[Found, np.ndarray, list[np.ndarray]]:
    """Models of equal weight, the first one's history; predictions of every row by the one that did not see it, and by
    each of them, where every row is wanted.

    Of the rows of a fold that has no network nothing is said: NaN. Either networks for some of the folds were asked
    for, or a time limit ended before each had an epoch: those that had none are left out.
    """
    n_folds = int(fold.max()) + 1
    n = min(n_folds, networks_asked(candidate.given["bagging"]) or n_folds)
    candidates: Sequence[Candidate] = [replace(candidate, seed=candidate.seed + place) for place in range(n)]
    members, frames = members_of(candidates, task, whole, None, seed)
    for place, member in enumerate(members):
        member.watched &= place == 0  # the one whose history is told, and so diagnosed
        member.aside = member.rows._replace(places=np.flatnonzero(fold == place).astype(np.int32))
        member.rows = member.rows._replace(places=np.flatnonzero(fold != place).astype(np.int32))
    trained(members, limits, verbose=verbose)
    models, each, out_of_fold = [], [], None
    reached = [place for place, member in enumerate(members) if member.epochs]  # a limit may leave some without
    for place in reached:
        member, frame = members[place], frames[place]
        models.append(as_model(candidate, frame, member.program.network, member.state.best, 1 / len(reached)))
        kept = fold == place
        said = on_rows(member, frame, whole.inputs if every_row else whole.inputs[np.flatnonzero(kept)])
        if out_of_fold is None:
            out_of_fold = np.full((len(fold), *said.shape[1:]), np.nan)
        out_of_fold[kept] = said[kept] if every_row else said
        each += [said] if every_row else []
    assert out_of_fold is not None
    return Found(models, members[reached[0]], candidate, frames[0], None), out_of_fold, each
