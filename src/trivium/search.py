"""Which learning rate: a population that differs in nothing else, and perhaps in its activation, trained at once."""

import inspect
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.base import clone

from trivium import candidates, choices, outcomes
from trivium.candidates import Candidate
from trivium.estimators import NeuralClassifier, NeuralRegressor
from trivium.estimators.members import members_of
from trivium.files import check_writable
from trivium.network import own
from trivium.report import sweep as views
from trivium.report.progress import population_line
from trivium.report.sweep import Series
from trivium.tables.read import write_text
from trivium.training import devices
from trivium.training.population import Member, train_population
from trivium.training.program import EVERY_ROW

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Best(NamedTuple):
    """What reached the lowest validation loss."""

    activation: str
    learning_rate: float


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep of learning rates found.

    table             by column, one entry per member: activation, learning_rate, best_epoch (from 0; -1: none was
                      finite), train_loss and validation_loss (of that epoch; NaN: none), final_train_loss (of its last
                      epoch), epochs, ending ("not finite": it diverged), seconds (from the start to its last epoch)
    optimizer         its name
    default_rate      the optimizer's own learning rate, None where it has none
    baseline_loss     training loss of the best constant prediction
    rows, rows_aside  how many rows trained, and how many chose the best epochs
    seconds           of training, all members together
    """

    table: Mapping[str, np.ndarray]
    optimizer: str
    default_rate: float | None
    baseline_loss: float
    rows: int
    rows_aside: int
    seconds: float

    @property
    def activations(self) -> list[str]:
        """In the order in which they were given."""
        return list(dict.fromkeys(self.table["activation"].tolist()))

    @property
    def best(self) -> Best | None:
        """The activation and the learning rate of the lowest validation loss; None where no loss was finite."""
        losses = self.table["validation_loss"]
        if np.isnan(losses).all():
            return None
        place = int(np.nanargmin(losses))
        return Best(str(self.table["activation"][place]), float(self.table["learning_rate"][place]))

    @property
    def highest_stable(self) -> dict[str, float | None]:
        """By activation, how far the learning rate may rise above its best one.

        From there up, each rate must stay finite and end with a training loss below that of a constant prediction.
        None where no rate of an activation does.
        """
        return {one.name: one.highest_stable(self.baseline_loss) for one in self._series()}

    def to_frame(self) -> Any:
        """The table as a pandas data frame where pandas is installed, else as a pyarrow table."""
        return outcomes.frame(self.table)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it: a number that is not finite becomes None."""
        return {
            "best": None if self.best is None else self.best._asdict(),
            "highest_stable": self.highest_stable,
            "optimizer": self.optimizer,
            "default_rate": self.default_rate,
            "baseline_loss": self.baseline_loss,
            "rows": {"train": self.rows, "validation": self.rows_aside},
            "seconds": self.seconds,
            "table": outcomes.plain(self.table),
        }

    def figure(self, own_rate: float | None = None) -> "go.Figure":
        """A picture: validation loss against learning rate, a line per activation, crosses where it diverged.

        own_rate  the learning rate of a run beside which the picture stands, to be marked
        """
        return views.figure(self._series(), self.optimizer, self.default_rate, self.baseline_loss, own_rate=own_rate)

    def write_html(self, path: str | os.PathLike) -> None:
        """Write the picture and its table as one page that needs nothing but itself."""
        check_writable(path)
        write_text(views.page(str(self), self.figure(), self._series(), self.baseline_loss), os.fspath(path))

    def __str__(self) -> str:
        rates, members = np.unique(self.table["learning_rate"]), len(self.table["ending"])
        diverged = int((self.table["ending"] == "not finite").sum())
        span = f"{len(rates)} learning rates from {rates[0]:.3g} to {rates[-1]:.3g} were"
        span = f"The learning rate {rates[0]:.3g} was" if len(rates) == 1 else span
        said = [f"{span} tried for {self.optimizer}, with {_listed(self.activations)}."]
        if self.best is None:
            said.append(f"No network had a finite loss; {diverged} of {members} diverged. Try lower rates.")
            return " ".join(said)
        activation, rate = self.best
        series = {one.name: one for one in self._series()}[activation]
        said.append(
            f"Of all, {activation} at {rate:.3g} has the lowest validation loss, {np.nanmin(series.losses):.4g}; a "
            f"constant prediction has {self.baseline_loss:.4g}."
        )
        at_default = self._at_default(series)
        if at_default is not None and rate != self.default_rate:
            said.append(f"At {self.optimizer}'s default, {self.default_rate:.3g}, it has {at_default:.4g}.")
        stable = series.highest_stable(self.baseline_loss)
        if stable is not None:
            tried = ", the highest tried" if stable == rates[-1] else ""
            said.append(f"Training with {activation} is stable up to a rate of {stable:.3g}{tried}.")
        said.append(f"{diverged or 'None'} of the {members} networks diverged." if members > 1 else "")
        if len(rates) > 1 and rate in (rates[0], rates[-1]):
            end = "lowest" if rate == rates[0] else "highest"
            said.append(f"The best rate is the {end} tried: look beyond it.")
        if np.isin(self.table["ending"], ("time limit", "interrupted")).any():
            said.append("Training ended before the last epoch: more time may move the best rate.")
        return " ".join(filter(None, said))

    def _at_default(self, series: Series) -> float | None:
        losses = series.losses[series.rates == self.default_rate]
        return float(losses[0]) if len(losses) and np.isfinite(losses[0]) else None

    def _series(self) -> list[Series]:
        wanted = ("learning_rate", "validation_loss", "final_train_loss", "best_epoch", "ending")
        return [
            Series(name, *(self.table[column][self.table["activation"] == name] for column in wanted))
            for name in self.activations
        ]


STEPS = 2_000
"""After which learning rates have told what they are worth: of a sweep over many rows no network takes more unasked."""


@devices.undisturbed()
def learning_rate_sweep(
    estimator: NeuralClassifier | NeuralRegressor,
    X: Any,
    y: Any,
    learning_rates: Sequence[float] | None = None,
    activations: Sequence[str | Callable] | None = None,
    *,
    epochs: int | None = None,
    time_limit: float | None = None,
) -> Sweep:
    """Train one network per activation and learning rate, alike in all else, and compare their validation losses.

    estimator       its choices, seed included, are those of every network; it is left as it is
    X, y            as for `fit`
    learning_rates  None: 25 of them, from a ten-thousandth to a hundred times the optimizer's own
    activations     names in `trivium.activations`, or functions; None: the estimator's
    epochs          most passes over the rows; None: the estimator's, or of many rows as many as make STEPS steps,
                    3 at least. Its `patience` holds as well
    time_limit      seconds for all networks together; None: no limit
    A member ends where `fit` with its learning rate would. Raises ValueError for wrong parameters and data, before
    anything is trained.
    Trap: a rate that is best over few epochs is often too high for many.
    """
    if not isinstance(estimator, NeuralClassifier | NeuralRegressor):
        raise TypeError(
            f"estimator must be a NeuralClassifier or a NeuralRegressor, got {type(estimator).__name__}. "
            "Hand over NeuralRegressor(), fitted or not."
        )
    devices.prepare()  # before the first computation, so that it finds the cache of compiled programs
    base: Any = clone(estimator)
    base.set_params(**base._given | {"preset": "plain"})
    names = _named(base, activations)
    base.set_params(epochs=base.epochs if epochs is None else epochs, time_limit=time_limit)
    if base.random_state is None:
        base.random_state = int(np.random.randint(2**31))
    rates, default_rate = _rates(base, learning_rates)
    base.set_params(learning_rate=float(rates[0]))
    resolved = [choices.resolve(base.get_params() | {"activation": function}) for function in names.values()]
    if len(names) > 1 and not resolved[0].hidden_widths:
        raise ValueError(
            f"activations must be left out for a network without a hidden layer, got {list(names)!r}. "
            "Leave them out, or set hidden_widths=(64,)."
        )
    members = _members(base, X, y, names, rates)
    outcomes.check_aside(members[0].aside, members[0].rows.n, base.validation_fraction)
    began = time.perf_counter()
    passes = base.epochs if epochs is not None else min(base.epochs, max(3, -(-STEPS // _steps(members[0]))))
    with population_line(base.verbose, members, passes) as on_progress:
        train_population(members, epochs=passes, patience=base.patience, time_limit=time_limit, on_progress=on_progress)
    return Sweep(
        table={"activation": np.repeat(np.array(list(names), dtype=object), len(rates))} | outcomes.table(members),
        optimizer=getattr(resolved[0].optimizer, "__name__", str(base.optimizer)),
        default_rate=default_rate,
        baseline_loss=members[0].history.baseline_loss,
        rows=members[0].rows.n,
        rows_aside=0 if members[0].aside is None else members[0].aside.n,
        seconds=time.perf_counter() - began,
    )


def _steps(member: Member) -> int:
    """Of an epoch."""
    size = member.program.batch_size
    return 1 if size == EVERY_ROW else -(-member.rows.n // size)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _named(estimator: Any, given: Any) -> dict[str, str | Callable]:
    """The activations by the names that the table shows."""
    if given is None and estimator.network is not None:
        return {own.name_of(estimator.network): estimator.activation}
    if given is None:
        given = [estimator.activation]
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ValueError(f"activations must be a list of names or functions, got {given!r}. Try ['relu', 'tanh'].")
    names = [one if isinstance(one, str) else getattr(one, "__name__", repr(one)) for one in given]
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ValueError(f"activations must name each one once, got {twice[0]!r} twice. Leave one out.")
    return dict(zip(names, given, strict=True))


def _rates(estimator: Any, given: Any) -> tuple[np.ndarray, float | None]:
    """The learning rates from low to high, and the optimizer's own, None where it has none."""
    options = estimator.optimizer_options or {}
    ready_made = hasattr(estimator.optimizer, "update")
    trial = {
        "learning_rate": None if ready_made else 1.0,
        "optimizer_options": {name: value for name, value in options.items() if name != "learning_rate"},
    }
    chosen = choices.resolve(estimator.get_params() | trial)
    if "learning_rate" not in chosen.numbers or "learning_rate" in options:
        raise ValueError(
            "optimizer must take a learning rate, and from nowhere else, to try several, got "
            f"{estimator.optimizer!r} with the options {options!r}. Choose 'adamw'."
        )
    own = inspect.signature(chosen.optimizer).parameters["learning_rate"].default
    default = float(own) if isinstance(own, Real) else None
    if given is None:
        centre = estimator.learning_rate if default is None else default
        if not isinstance(centre, Real):
            raise ValueError(
                f"learning_rates must be given, got None: {estimator.optimizer!r} has no learning rate of its own. "
                "Try [0.001, 0.01, 0.1]."
            )
        return float(centre) * candidates.LADDER, default
    wanted = "learning_rates must be a list of numbers above 0"
    try:
        rates = np.asarray(list(given), dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{wanted}, got {given!r}. Try [0.001, 0.01, 0.1].") from None
    if rates.ndim != 1 or not len(rates) or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(f"{wanted}, got {given!r}. Try [0.001, 0.01, 0.1].")
    return np.unique(rates), default


def _members(base: Any, X: Any, y: Any, names: Mapping[str, str | Callable], rates: np.ndarray) -> list[Member]:
    """One member per activation and learning rate, on the same rows and from the same weights."""
    _, seed, random = base._plan()
    whole, _ = base._ordered(base._part(X, y, None, first=True), [choices.resolve(base.get_params())])
    first, aside = base._parted(whole, random)
    tried = []
    for function in names.values():
        given = base.get_params() | {"activation": function}
        chosen = choices.resolve(given)
        for rate in rates:
            at_rate = replace(chosen, numbers={**chosen.numbers, "learning_rate": float(rate)})
            tried.append(Candidate(given, at_rate, 0))
    members, _ = members_of(tried, base._task_of(whole.y), first, aside, seed)
    return members
