"""What the rules look at: series and numbers derived from a record. NaN where the record does not know."""

import math
from functools import cached_property
from typing import Any

import numpy as np

from trivium.diagnosis.layer_signals import LayerSignals, number, share
from trivium.diagnosis.record import Array
from trivium.diagnosis.texts import Text, both

LOWER_LOSS = 0.85
"""Share of a constant's loss below which a run has learned of its classes, whatever they score."""

LEARNED = 0.91
"""Share of the way from a constant prediction to the reference models at which a task counts as learned."""

_EMPTY = np.zeros(0)


class Signals(LayerSignals):
    """A record as rules see it. All of it is computed on demand, once."""

    # ---------------------------------------------------------------- the task and how well it is solved

    @property
    def kind(self) -> str | None:
        """ "classes", "numbers", "several" labels or "tokens"."""
        return self.targets.get("kind")

    @property
    def score_name(self) -> Text:
        return both("R²", "R²") if self.kind == "numbers" else both("accuracy", "准确率")

    @property
    def links(self) -> list[str]:
        """Activations between the network and the loss, without the softmax that belongs to the loss."""
        return [name for name in self.loss.get("link") or [] if name not in ("log_softmax", "log_sigmoid")]

    @cached_property
    def score(self) -> float:
        """Validation score at the end; the training score where no rows were kept aside."""
        last = _final(self.record.validation_metric)
        return last if math.isfinite(last) else self.train_score

    @cached_property
    def best_score(self) -> float:
        values = self.record.validation_metric if self._kept else self.record.train_metric
        values = values[np.isfinite(values)]
        return float(values.max()) if len(values) else math.nan

    @property
    def _kept(self) -> bool:
        return bool(np.isfinite(self.record.validation_metric).any())

    @cached_property
    def train_score(self) -> float:
        return _final(self.record.train_metric)

    @cached_property
    def batch_score(self) -> float:
        """Training score with the batch statistics of batch normalisation."""
        return _final(self.record.batch_metric)

    @cached_property
    def majority(self) -> float:
        """Score of the best constant prediction."""
        known = self.data.get("majority")
        if known is not None:
            return float(known)
        if self.kind == "numbers":
            return 0.0
        counts = np.asarray(self.targets.get("counts") or (), dtype=float)
        return float(counts.max() / counts.sum()) if counts.size else math.nan

    @cached_property
    def reference(self) -> float:
        """What simple models reach on the same rows: the data allow this much, at least."""
        return number(self.data.get("reference"))

    @cached_property
    def learnable(self) -> bool | None:
        """Whether simple models beat a constant by a tenth of what is missing; None where nobody tried."""
        if not math.isfinite(self.reference):
            return None
        return self.reference > self.majority + 0.1 * (1 - self.majority)

    @cached_property
    def skill(self) -> float:
        """Score between that of a constant (0) and the reference (1); of a perfect one where there is no reference."""
        goal = self.reference if self.learnable else 1.0
        return (self.score - self.majority) / (goal - self.majority) if goal > self.majority else math.nan

    @cached_property
    def train_skill(self) -> float:
        goal = self.reference if self.learnable else 1.0
        return (self.train_score - self.majority) / (goal - self.majority) if goal > self.majority else math.nan

    @cached_property
    def learned(self) -> bool:
        """Whether the run has learned what the data allow: nine tenths of the way from a constant to the reference.

        The score may fall short by one and a half standard errors too: a few validation rows decide little.
        Margin on the cases of the benchmark: healthy runs reach 0.955 and more, failing ones 0.87 and less.
        """
        if not math.isfinite(self.score):
            return self._loss_learned
        if self.learnable and self.score >= self.reference - self._slack:
            return True
        return bool(self.skill >= LEARNED)

    @cached_property
    def _slack(self) -> float:
        """One and a half standard errors of the reference's score."""
        rows, best = number(self.data.get("kept_rows")), min(max(self.reference, 0.0), 1.0)
        if self.kind == "numbers":  # Wishart 1931, the large-sample error of a squared correlation
            return 1.5 * 2 * math.sqrt(best) * (1 - best) / math.sqrt(rows)
        return 1.5 * math.sqrt(best * (1 - best) / rows)

    @cached_property
    def training_goal(self) -> float:
        """What the training rows allow: the reference, or less where left-out training rows say less."""
        names = ("agreement", "agreement_trees", "agreement_linear")
        within = [value for name in names if math.isfinite(value := number(self.data.get(name)))]
        goal = self.reference if self.learnable else 1.0
        complete = self.data.get("agreement_linear") is not None
        return min(goal, max(within)) if within and complete and self.learnable else goal

    @property
    def _loss_learned(self) -> bool:
        loss = self.final_loss
        return bool(math.isfinite(loss) and loss < 0.2 * self.baseline)

    @property
    def told_by_loss_alone(self) -> bool:
        """Whether the loss tells of learning where the score cannot, simple models being no better by it than a
        constant: of rows nearly all of one class it is hard to tell more right, and easy to tell how sure one may be.
        """
        loss = _final(self.record.validation_loss)
        return self.learnable is False and bool(loss < LOWER_LOSS * self.baseline)

    @property
    def unlearned(self) -> bool:
        """Not learned, as far as is known; a run without any score or loss counts as neither."""
        known = math.isfinite(self.score) or math.isfinite(self.final_loss) or bool(self.broken)
        return known and not self.learned

    @cached_property
    def stuck(self) -> bool:
        """Not learned on the training rows either, with batch statistics where there are any: training itself fails."""
        if self.broken:
            return True
        if not self.unlearned:
            return False
        if not math.isfinite(self.batch_score):
            return True
        reached = (self.batch_score - self.majority) / max(self.training_goal - self.majority, 1e-9)
        modes_differ = self.batch_score - self.train_score > 0.15
        return reached < (0.6 if modes_differ else LEARNED)

    @cached_property
    def jumps(self) -> float:
        """Median jump of the validation score from one epoch to the next, in the second half of the run."""
        values = self.record.validation_metric if self._kept else self.record.train_metric
        values = values[np.isfinite(values)]
        late = values[len(values) // 2 :]
        return float(np.median(np.abs(np.diff(late)))) if len(late) >= 4 else math.nan

    @property
    def unsteady(self) -> bool:
        """Whether the score jumps by a twentieth from epoch to epoch, late in the run."""
        return self.jumps > 0.05

    @cached_property
    def known_by_heart(self) -> bool:
        """Whether the training rows are predicted nearly without fault."""
        return self.train_score > 0.95 or self.train_score > 0.9 + 0.1 * self.majority

    @cached_property
    def final_validation_loss(self) -> float:
        return _final(self.record.validation_loss)

    @cached_property
    def validation_rise(self) -> float:
        """Validation loss at the end / its minimum."""
        values = self.record.validation_loss
        values = values[np.isfinite(values)]
        return float(values[-1]) / max(float(values.min()), 1e-12) if len(values) and values.min() > 0 else math.nan

    @cached_property
    def worst_recall(self) -> float:
        """Smallest recall of a class on the validation rows at the end."""
        values = self.record.validation_recall
        if values.ndim != 2 or not len(values):
            return math.nan
        last = values[-1][np.isfinite(values[-1])]
        return float(last.min()) if len(last) else math.nan

    @property
    def stuck_in_one_class(self) -> bool:
        """Whether the network says the same class for every row."""
        values = self.record.validation_recall
        last = values[-1] if values.ndim == 2 and len(values) else _EMPTY
        return bool(np.nansum(last > 0) <= 1) if len(last) else False

    # ---------------------------------------------------------------- the inputs

    @cached_property
    def input_size(self) -> float:
        """Root mean square of the inputs without outliers, or the largest column spread where that is more."""
        return max(number(self.data.get("typical")), number(self.data.get("largest_spread")))

    @property
    def outlying(self) -> bool:
        """Whether some rows, but less than 2 %, are far outside."""
        rows, count = self.data.get("rows") or 0, self.data.get("outliers") or 0
        return 0 < count < 0.02 * rows + 3

    # ---------------------------------------------------------------- the loss

    @cached_property
    def baseline(self) -> float:
        """Loss of the best constant prediction."""
        return number(self.loss.get("baseline"))

    @cached_property
    def start_loss(self) -> float:
        first = self.record.train_loss[:1] if len(self.record.epoch) and self.record.epoch[0] == 0 else _EMPTY
        if len(first) and np.isfinite(first[0]):
            return float(first[0])
        return float(self.record.step_loss[0]) if len(self.record.step_loss) else math.nan

    @cached_property
    def final_loss(self) -> float:
        """Training loss at the end: of the last score, else the median of the last twentieth of the steps."""
        if np.isfinite(self.record.train_loss).any():
            return _final(self.record.train_loss)
        tail = self.record.step_loss[-max(1, len(self.record.step_loss) // 20) :]
        return float(np.median(tail)) if len(tail) else math.nan

    @cached_property
    def peak(self) -> float:
        """Highest loss in the first fifth of the steps / the loss at the start."""
        steps = self.record.step_loss[: max(5, len(self.record.step_loss) // 5)]
        steps = steps[np.isfinite(steps)]
        start = max(abs(self.start_loss), 1e-12)
        return float(steps.max()) / start if len(steps) else math.nan

    @property
    def peak_above_baseline(self) -> bool:
        """Whether that peak is above the loss of a constant."""
        return not self.peak * abs(self.start_loss) < 1.5 * self.baseline

    @cached_property
    def smooth(self) -> Array:
        """The steps' loss as twenty medians."""
        values = self.record.step_loss
        if len(values) < 20:
            return values
        return np.array([np.median(part) for part in np.array_split(values, 20)])

    @cached_property
    def falling(self) -> float:
        """Fall of the training loss over the last third of the run, as a share of the loss two thirds in."""
        values = self.record.train_loss if np.isfinite(self.record.train_loss).sum() >= 4 else self.smooth
        steps = self.record.epoch_step if len(self.record.epoch_step) == len(values) else np.arange(len(values))
        known = np.isfinite(values)
        if known.sum() < 2:
            return math.nan
        values, steps = values[known], steps[known]
        before = float(np.interp(steps[-1] * 2 / 3, steps, values))
        return (before - float(values[-1])) / max(abs(before), 1e-12)

    @cached_property
    def progress(self) -> float:
        """Share of the way from the loss at the start to zero (or to its floor) that was gone."""
        floor = number(self.loss.get("perfect"))
        floor = floor if math.isfinite(floor) else 0.0
        whole = self.start_loss - floor
        return (self.start_loss - self.final_loss) / whole if whole > 0 else math.nan

    # ---------------------------------------------------------------- the optimizer

    @property
    def learning_rate(self) -> float:
        """The largest rate of the run."""
        rates = self.record.step_learning_rate
        known = rates[np.isfinite(rates)]
        return float(known.max()) if len(known) else number(self.optimizer.get("learning_rate"))

    @cached_property
    def warm_share(self) -> float:
        """Share of the steps at a hundredth of the largest rate or more."""
        rates = self.record.step_learning_rate
        return share(rates, rates >= 0.01 * self.learning_rate)

    @property
    def batch(self) -> int:
        return int(self.run.get("batch_size") or 0)

    @cached_property
    def steepness(self) -> float:
        """Curvature at the start times the rate, over the 2 that gradient descent bears; 2 + 2m with momentum m.

        NaN where the curvature was not asked for, or the optimizer rescales its steps.
        """
        curvature, kind = self.record.sharpness, str(self.optimizer.get("name") or "").lower()
        if not len(curvature) or kind not in ("sgd", "gd"):
            return math.nan
        return float(curvature[0]) * self.learning_rate / (2 + 2 * float(self.optimizer.get("momentum") or 0))

    @cached_property
    def noise(self) -> float:
        """Rows whose gradient would be half signal and half noise, over the rows of a step; NaN: not measured."""
        known = self.record.noise_scale[np.isfinite(self.record.noise_scale)]
        return float(np.median(known)) / self.batch if len(known) and self.batch else math.nan

    # ---------------------------------------------------------------- numbers

    @property
    def cut_short(self) -> bool:
        """Whether a time limit or somebody ended the run."""
        return self.run.get("finished") is False and not self.broken

    @cached_property
    def broken(self) -> dict[str, Any]:
        """Where the first number that is not finite stood; empty where all are."""
        known = self.run.get("first_nonfinite")
        if known:
            return known
        bad = np.flatnonzero(~np.isfinite(self.record.step_loss))
        return {"where": "loss", "step": int(self.record.step[bad[0]]), "name": None} if len(bad) else {}

    @cached_property
    def blew_up(self) -> float:
        """Largest finite loss before the first one that is not / the loss at the start."""
        values = np.abs(self.record.step_loss)
        values = values[np.isfinite(values)]
        return float(values.max()) / max(abs(self.start_loss), 1e-12) if len(values) else math.nan


def _final(values: Array) -> float:
    """The last entry, NaN where that one is not finite: a run that broke has no score."""
    return float(values[-1]) if len(values) else math.nan
