"""What the two estimators share: everything but the targets."""

import os
import time
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any, cast

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from trivium import activations, candidates, choices, losses, nearby, outcomes
from trivium.candidates import Candidate, Plan
from trivium.catalog import get
from trivium.choices import Choices
from trivium.estimators import after_epoch, diagnosing, inputs, models, neighbours, screening
from trivium.estimators.bagging import bagged, folds, folds_asked
from trivium.estimators.members import Found, Frame, Limits, Part, Task, members_of, selected, trained
from trivium.estimators.mending import Mended, mended
from trivium.estimators.models import Model
from trivium.estimators.order import in_order
from trivium.estimators.parameters import Parameters
from trivium.estimators.weights import as_rows
from trivium.heads import Head
from trivium.network import own
from trivium.report import notes
from trivium.report.search import summary as in_sentences
from trivium.storage import file, record
from trivium.tables import encode, schema
from trivium.training import devices
from trivium.training.split import parts

FEWEST_IN_FOLDS = 4
"""Fewest rows of which a recipe makes folds."""


class NeuralEstimator(Parameters):
    """Training, predictions and saving; a child says what its targets are."""

    classes_: np.ndarray
    n_features_in_: int
    _takes_encoded = False  # of a copy that scores rows in the midst of training

    @property
    def n_iter_(self) -> int:
        """Epochs run."""
        check_is_fitted(self)
        return len(self.history_)

    @property
    def parameters_(self) -> Any:
        """What the best network learned: a dict of weights, biases and the like per layer, input first."""
        return self.models_[0].parameters

    @property
    def search_(self) -> Any:
        """What was tried, a row per network: a pandas data frame, or a pyarrow table without pandas; else None."""
        check_is_fitted(self)
        found = getattr(self, "_search_", None)
        return None if found is None else outcomes.frame(found)

    def search_summary(self) -> str:
        """What was left open, what was tried and why the winner won, a sentence per line; empty without a search."""
        check_is_fitted(self)
        found = getattr(self, "_search_", None)
        return "" if found is None else in_sentences(found, tuple(self._found_))

    def save(self, path: str | os.PathLike) -> None:
        """Write the fitted estimator to one file, which `trivium.load` reads back; it holds no code.

        A network of your own is handed over again: `trivium.load(path, network=...)`.
        Raises ModelFileError where the file cannot be written, or where predictions depend on a function of your own.
        """
        check_is_fitted(self)
        file.write(path, record.arrays(self), record.content(self))

    def to_onnx(self, path: str | os.PathLike | None = None, *, types: Any = None, texts_encoded: bool = False) -> Any:
        """The fitted estimator as an ONNX model, preprocessing included; see `trivium.export.model.to_onnx`."""
        from trivium.export.model import to_onnx

        check_is_fitted(self)
        return to_onnx(self, path, types=types, texts_encoded=texts_encoded)

    def onnx_inputs(self, X: Any) -> dict[str, np.ndarray]:
        """The rows of X as the inputs of that model take them."""
        from trivium.export.model import onnx_inputs

        check_is_fitted(self)
        return onnx_inputs(self, X)

    def export_scoring(self) -> Any:
        """The scoring of encoded rows as a `jax.export.Exported`; see `trivium.export.scoring.export_scoring`."""
        from trivium.export.scoring import export_scoring

        check_is_fitted(self)
        return export_scoring(self)

    def model_card(self, X: Any = None, y: Any = None) -> str:
        """The model in Markdown: its data, choices, training and limits, and its scores on X and y where given."""
        from trivium.report.model_card import model_card

        check_is_fitted(self)
        return model_card(self, X, y)

    # --- what a child says ---------------------------------------------------------------------------------------

    def _learn_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Columns and targets, learned; encoded rows, and numbers or numbers of classes."""
        raise NotImplementedError

    def _known_table(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """The same of further rows, by what was learned. Raises ValueError for a class that is new."""
        raise NotImplementedError

    def _rows_of_the_rarest(self, y: Any) -> int | None:
        """Rows of the rarest class; None where there is none."""

    def _head(self, loss: Any, output_activation: Any) -> tuple[Any, Head]:
        """The loss and the end of the network for these names or functions."""
        raise NotImplementedError

    def _frame(self, chosen: Choices, y: np.ndarray, standing: Model | None = None) -> Frame:
        """How the targets y meet the loss of these choices; as for a model that goes on to be trained, where given.

        Raises ValueError where they do not.
        """
        raise NotImplementedError

    # --- rows in -------------------------------------------------------------------------------------------------

    def _accept(self, X: Any, *, first: bool) -> Any:
        """X as the network takes it, (n_samples, n_inputs), held or streamed; the first time, its schema is learned."""
        X = inputs.table(self, X, first=first)
        if first:
            given = self._given
            self.schema_ = schema.learn_schema(X, scaling=given["scaling"], keeps_constants=self.network is not None)
            self._coded_ = inputs.coded(self.schema_, given["embed_above"])
        return inputs.held_or_streamed(self.schema_, X, self._coded)

    @property
    def _coded(self) -> list[str]:
        """Categories that the network takes as codes; of an older file none."""
        return getattr(self, "_coded_", [])

    def _weights(self, sample_weight: Any, n: int) -> np.ndarray:
        """A weight per row, (n,) float32."""
        if sample_weight is None:
            return np.broadcast_to(np.float32(1), n)
        return _check_sample_weight(sample_weight, np.empty((n, 1)), dtype=np.float32, ensure_non_negative=True)

    # --- training ------------------------------------------------------------------------------------------------

    def _plan(self, given: Mapping[str, Any] | None = None) -> tuple[Plan, int, np.random.RandomState]:
        """The candidates, the seed of the first, and what parts the rows. Raises ValueError for wrong parameters.

        given  the parameters, where they are not the estimator's own
        """
        devices.prepare()  # before the first computation, so that it finds the cache of compiled programs
        random = check_random_state(self.random_state)
        seed = random.randint(2**31)
        given = self._given if given is None else given
        return candidates.plan(given, self._task, np.random.RandomState(seed)), seed, random

    @property
    def _settled(self) -> dict[str, Any]:
        """The parameters with what the last fit found for those left open, and with what mended it."""
        return {**self._given, **getattr(self, "_found_", {}), **getattr(self, "_mended_", {})}

    def _n_folds(self, n: int, *, aside: bool) -> int | None:
        """Folds of n rows, None for none: a recipe's are fewer where rows are few, and none where rows are kept aside.

        aside  whether the user handed over rows to choose by
        """
        asked = folds_asked(self._given["bagging"])
        if isinstance(self.bagging, Integral | Mapping):
            return asked
        return None if asked is None or aside or n < FEWEST_IN_FOLDS else min(asked, n // 2)

    @devices.undisturbed()
    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_data: Any) -> None:
        """Everything that `fit` does."""
        began = time.perf_counter()
        going_on = self.models_[0] if self.warm_start and hasattr(self, "models_") else None
        if going_on is None:
            self._rows_ = inputs.length(y)
            self._rarest_ = self._rows_of_the_rarest(y)
        settled = self._given if going_on is None else self._settled
        plan, seed, random = self._plan(settled)
        came = self._part(X, y, sample_weight, first=going_on is None, given=settled)
        whole, order = self._ordered(came, [candidate.choices for candidate in plan.candidates], going_on)
        del came
        whole = screening.screened(self, whole) if going_on is None else whole
        task = self._task_of(whole.y, going_on, watched=self.on_problem != "ignore")
        until = None if self.time_limit is None else began + self.time_limit
        n_folds = self._n_folds(len(whole.y), aside=validation_data is not None)
        if validation_data is None:
            first, aside = self._parted(whole, random, keeps=n_folds is not None)
        else:
            first, aside = whole, in_order(self._part_aside(validation_data, settled))[0]
        if len(plan.candidates) > 1:
            outcomes.check_aside(aside, len(whole.y), self._given["validation_fraction"])
        found, fold, each, fixes = None, None, [], self.on_problem == "fix"
        verdict, self.repairs_, self.nearby_ = None, [], None
        if n_folds is None:
            whole = first
        if n_folds is None or len(plan.candidates) > 1 or fixes:
            limits = Limits.of(self._given, until)
            found = self._found(plan, task, first, aside, seed, limits, going_on)
        if found is not None and fixes:
            found, verdict, self.repairs_, aside = self._mended(found, task, first, aside, seed, settled, until)
        asks = self._given["neighbours"] and len(whole.y) <= nearby.MOST
        if n_folds is not None:
            candidate, search = (plan.candidates[0], None) if found is None else (found.candidate, found.search)
            fold = folds(whole.y, n_folds, random, classes=task.classes is not None)
            whole, limits = self._reweighed(whole, settled, candidate.given), Limits.of(candidate.given, until)
            found, self.out_of_fold_, each = bagged(candidate, task, whole, fold, seed, limits, asks, self.verbose)
            found, verdict = found._replace(search=search), None
        found = cast(Found, found)
        if fold is None:
            one, kept, said = found, aside, None if aside is None else models.average(found.models, aside.inputs)
        else:
            of_first = np.flatnonzero(fold == fold[cast(Any, found.member.aside).places[0]])
            one, kept, said = found.alone(), whole.at(of_first), self.out_of_fold_[of_first]
        if self.on_problem != "ignore" and verdict is None:
            verdict = diagnosing.look_at(one, task, kept, said, thorough=self.on_problem != "warn")
        asks &= until is None or time.perf_counter() + nearby.seconds(len(whole.y)) < until
        if n_folds is not None:
            if asks:
                told = neighbours.of_folds(task, found, whole, fold, each, self.out_of_fold_)
                self.nearby_, self.out_of_fold_ = told
            known = np.isfinite(self.out_of_fold_).reshape(len(whole.y), -1).all(axis=1)
            self._learn_from_aside(self.out_of_fold_[known], whole.at(np.flatnonzero(known)))
            if order is not None:
                self.out_of_fold_ = self.out_of_fold_[np.argsort(order)]
        elif aside is not None and said is not None:
            if asks:
                self.nearby_, said = neighbours.of_rows_aside(task, found, first, aside, said)
            self._learn_from_aside(said, aside)
        self.models_, self._search_ = found.models, found.search
        self.record_, self.diagnosis_ = verdict or (None, None)
        self.history_ = found.member.history
        self.choices_ = found.candidate.choices.in_words(found.frame.loss, len(first.inputs))
        chosen = found.candidate.given
        if going_on is None:
            self._found_ = {name: chosen[name] for name in plan.open}
            self._mended_: dict[str, Any] = {}
        if any(repair.kept for repair in self.repairs_):
            self._mended_ = {name: value for name, value in chosen.items() if value != self._settled[name]}
        self._state_ = None
        linear = not found.candidate.choices.hidden_widths
        notes.warn_of(self.history_, found.member.numbers.get("learning_rate"), linear=linear)
        if self.diagnosis_ is not None:
            diagnosing.tell(self.diagnosis_, self.on_problem)

    def _mended(
        self, found: Found, task: Task, first: Part, aside: Part | None, seed: int, settled: Mapping[str, Any],
        until: float | None,
    ) -> Mended:  # fmt: skip
        """The result, or what the mends of its findings made of it; each trains as long and by the weights it says."""

        def train(some: Sequence[Candidate], aside: Part | None) -> Found:
            given = some[0].given
            rows, limits = self._reweighed(first, settled, given), Limits.of(given, until)
            return self._found(Plan(some, ()), task, rows, aside, seed, limits, None, in_units=aside is not None)

        def used(found: Found) -> dict[str, Any]:
            return found.candidate.choices.in_words(found.frame.loss, len(first.inputs))

        verdict = diagnosing.look_at(found, task, aside, thorough=True)
        return mended(found, verdict, task, aside, used, train)

    def _found(
        self,
        plan: Plan,
        task: Task,
        first: Part,
        aside: Part | None,
        seed: int,
        limits: Limits,
        going_on: Model | None,
        *,
        in_units: bool = False,
    ) -> Found:
        """Train the candidates, and choose among them."""
        standing = None if going_on is None else going_on.parameters
        members, frames = members_of(plan.candidates, task, first, aside, seed, standing)
        if going_on is not None and any(member.program.network != going_on.network for member in members):
            raise ValueError(
                "warm_start must go on with the network of the last fit, got other choices for it: "
                f"{members[0].program.network}. Set warm_start=False, or leave them as they were."
            )
        framed = {id(member): pair for member, *pair in zip(members, plan.candidates, frames, strict=True)}
        truth = None if aside is None else self._truth(aside.y)
        on_epoch = after_epoch.hook(self, framed, aside, truth)
        trained(members, limits, races=plan.races, verbose=self.verbose, on_epoch=on_epoch)
        return selected(members, frames, plan, task, aside, self._given["ensemble"], in_units=in_units)

    def _part(self, X: Any, y: Any, sample_weight: Any, *, first: bool, given: Mapping[str, Any] | None = None) -> Part:
        """Encoded rows with their targets; the first time, columns and targets are learned."""
        X, y, sample_weight = as_rows(X, y, sample_weight)
        inputs, numbers = self._learn_table(X, y) if first else self._known_table(X, y)
        inputs = screening.with_levels(self, X, y, inputs, numbers) if first else inputs
        weights, by_class = self._weights(sample_weight, len(numbers)), (given or self._given).get("class_weight")
        weights = weights if by_class is None else weights * self._class_weights(numbers, by_class)
        return Part(inputs, numbers, weights)

    def _ordered(
        self, part: Part, chosen: Sequence[Choices], going_on: Model | None = None
    ) -> tuple[Part, np.ndarray | None]:
        """`in_order`, after the targets have met each loss: a wrong one is told by the number of its row."""
        for one in {(one.loss, one.output_activation): one for one in chosen}.values():
            self._frame(one, part.y, going_on)
        return in_order(part)

    def _reweighed(self, part: Part, given: Mapping[str, Any], other: Mapping[str, Any]) -> Part:
        """The rows with the class weights of other parameters in the place of those given."""
        old, new = given.get("class_weight"), other.get("class_weight")
        if old is new:
            return part
        by_old, by_new = self._class_weights(part.y, old), self._class_weights(part.y, new)
        factor = np.divide(by_new, by_old, out=np.zeros_like(part.weights), where=by_old > 0)
        return part._replace(weights=part.weights * factor)

    def _part_aside(self, given: Any, settled: Mapping[str, Any]) -> Part:
        """The user's own rows to choose by. Raises ValueError where they are no pair of X and y."""
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise ValueError(
                f"validation_data must be a tuple (X, y) or (X, y, sample_weight), got {type(given).__name__}. "
                "Hand over both."
            )
        X, y, *weight = given
        return self._part(X, y, weight[0] if weight else None, first=False, given=settled)

    def _parted(self, whole: Part, random: np.random.RandomState, *, keeps: bool = True) -> tuple[Part, Part | None]:
        """The rows to train on, and those to choose by; the whole is used up unless it `keeps`."""
        classes = whole.y if self._task == "classification" and whole.y.ndim == 1 else None
        rows, kept = parts(len(whole.inputs), classes, self._given["validation_fraction"], random)
        if kept is None:
            return whole, None
        return (whole.at(rows), whole.at(kept)) if keeps else whole.parted(rows, kept)

    def _task_of(self, numbers: np.ndarray, going_on: Model | None = None, *, watched: bool = False) -> Task:
        return Task(
            len(self.classes_) if hasattr(self, "classes_") else None,
            lambda chosen: self._frame(chosen, numbers, going_on),
            labels=self._task == "classification" and numbers.ndim == 2,
            watched=watched,
            layout=inputs.layout(self.schema_, self._coded),
            apart=inputs.apart(self.schema_, self._coded),
        )

    def _learn_from_aside(self, predictions: np.ndarray, aside: Part) -> None:
        """What rows that no network was trained on tell beside the choice of the best epoch."""

    def _truth(self, numbers: np.ndarray) -> np.ndarray:
        """Targets as the user gave them."""
        return numbers

    def _class_weights(self, numbers: np.ndarray, class_weight: Any) -> Any:
        """A factor per row on its weight."""
        return np.float32(1)

    # --- predictions ---------------------------------------------------------------------------------------------

    def _predict(self, X: Any) -> np.ndarray:
        """What the networks say of each row: a number, the probability of the second class, or of each class."""
        if not hasattr(self, "models_"):  # to ask in scikit-learn's way takes a tenth of one row's time
            check_is_fitted(self)
        if self._takes_encoded:
            return models.average(self.models_, X)
        named = hasattr(self, "feature_names_in_")
        if not named and not self._coded and encode.is_plain(X, self.n_features_in_):
            encoder = encode.block_encoder(self.schema_, X)
            if encoder is not None:  # encoded block by block, beside the network
                return self._averaged(X, encoder)
        return self._averaged(self._accept(X, first=False))

    def _averaged(self, rows: Any, encode: models.Encoder | None = None) -> np.ndarray:
        said, known = models.average(self.models_, rows, encode), getattr(self, "nearby_", None)
        return said if known is None else known.added(said, rows, encode)

    def _model(self, used: Mapping[str, Any], parameters: Any, **rest: float) -> Model:
        """A model made again from what a file says of it."""
        _, head = self._head(used["loss"], used["output_activation"])
        if "network" in used:
            network = own.OwnNetwork(own.get(self.network), head.width)
            parameters = network.arranged(parameters, len(self.schema_.feature_names_out))
            return Model(used, network, head, parameters, **rest)
        activation = get(activations, used["activation"], "activation")
        network = choices.network(used, activation, head.width, inputs.layout(self.schema_, self._coded))
        return Model(used, network, head, parameters, **rest)

    def _loss_of(self, loss: Any, otherwise: Any) -> Any:
        return otherwise if loss is None else get(losses, loss, "loss")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")
