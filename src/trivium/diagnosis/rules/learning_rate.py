"""The learning rate: too high, too low, gone too soon."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals


def lr_too_high(run: Signals) -> Finding | None:
    """Steps are so large that the loss jumps up or the weights are thrown about, and the run does not learn.

    A jagged loss alone is no fault: full-batch descent at the edge of stability has one and learns.
    Source: CS231n course notes 2016, "Neural networks part 3" (healthy updates: a thousandth of the weights); Cohen et
    al. 2021 for what is harmless. Margin: healthy runs move by less than 0.05 per step and peak below 3.
    """
    if not (run.stuck or (run.unlearned and run.unsteady)):
        return None
    moved, peak = run.update_early, run.peak
    jumped = peak > 5 and run.peak_above_baseline
    thrown = moved > 0.1
    worse = run.final_loss > 1.02 * max(run.baseline, 0.0) and moved > 0.02 and run.progress < 0.5
    restless = run.unsteady and run.update_all > 5e-3
    overflowed = bool(run.broken) and run.broken.get("where") != "inputs" and run.blew_up > 5
    killed = run.dead[0] > 0.9 and run.at_start("dead")[run.dead[1]] < 0.5 and moved > 0.01
    signs = [jumped, thrown, worse, overflowed, killed, restless]
    if not any(signs):
        return None
    if thrown and not (jumped or overflowed or killed or worse) and run.progress > 0.7:
        return None
    excess = max(moved / 1e-3, 3.0) if math.isfinite(moved) else 10.0
    factor = 10.0 ** -round(min(max(math.log10(excess), 0.5), 3.0))
    return Finding(
        name="lr_too_high",
        family="learning_rate",
        severity="error",
        symptom=f"The learning rate, {run.learning_rate:.3g}, is too high.",
        evidence=(
            Evidence(
                "update / weights in the first steps", moved, 0.1, "CS231n: about 1e-3 is healthy", "update_ratio"
            ),
            Evidence("highest loss in the first fifth / first loss", peak, 5.0, "", "step_loss"),
            Evidence("loss at the end / that of a constant", run.final_loss / run.baseline, 1.02, "", "train_loss"),
        ),
        cause="Each step overshoots: it lands further from the minimum than it started.",
        remedies=(
            Remedy(f"Multiply the learning rate by {factor:g}.", {"learning_rate": {"times": factor}}),
            Remedy("Warm the rate up over the first tenth of the run.", {"schedule": "one_cycle"}),
        ),
        confidence=min(0.95, 0.55 + 0.15 * sum(signs)),
        depth=3,
    )


def lr_too_low(run: Signals) -> Finding | None:
    """The weights have hardly moved: all updates together are less than the weights themselves.

    Source: CS231n course notes 2016, "Neural networks part 3". Margin: healthy runs travel their own length or more.
    """
    if not run.stuck or run.broken or run.frozen or run.silent or run.warm_share < 0.3:
        return None
    slow = run.update_all < 2e-4 or (run.travel < 1.0 and run.update_all < 1e-3)
    if not slow or not run.travel < 1.5:
        return None
    goal = min(max(1e-3 / max(run.update_all, 1e-9), 3.0), 1e4)
    factor = 10.0 ** round(math.log10(goal))
    return Finding(
        name="lr_too_low",
        family="learning_rate",
        severity="error",
        symptom=f"The learning rate, {run.learning_rate:.3g}, is too low: the weights hardly move.",
        evidence=(
            Evidence(
                "update / weights, median of the run",
                run.update_all,
                2e-4,
                "CS231n: about 1e-3 is healthy",
                "update_ratio",
            ),
            Evidence("all updates together / weights", run.travel, 1.0, "margin on the benchmark", "update_ratio"),
        ),
        cause="At this rate the run would need many times its epochs.",
        remedies=(Remedy(f"Multiply the learning rate by {factor:g}.", {"learning_rate": {"times": factor}}),),
        confidence=0.8 if run.update_all < 1e-4 else 0.65,
        depth=3,
    )


def lr_decays_too_fast(run: Signals) -> Finding | None:
    """The schedule has taken the rate below a hundredth of its largest before 60 % of the steps were done.

    Source: Karpathy 2019, "A recipe for training neural networks" (do not trust decay defaults). Margin: cosine, linear
    and one-cycle schedules are above a hundredth for 90 % of the steps and more.
    """
    if not run.unlearned or not run.warm_share < 0.6 or run.broken:
        return None
    return Finding(
        name="lr_decays_too_fast",
        family="learning_rate",
        severity="error",
        symptom=f"After {run.warm_share:.0%} of the steps the learning rate is all but zero.",
        evidence=(
            Evidence(
                "share of the steps at 1/100 of the largest rate or more", run.warm_share, 0.6, "", "step_learning_rate"
            ),
        ),
        cause="The schedule was made for fewer steps than the run has: the rest of the epochs does nothing.",
        remedies=(
            Remedy("Keep the rate constant.", {"schedule": None}),
            Remedy("Let it fall as a cosine over the whole run.", {"schedule": "cosine"}),
        ),
        confidence=0.9,
        depth=3,
    )


def oscillating_loss(run: Signals) -> Finding | None:
    """From epoch to epoch the score jumps about and does not settle.

    The loss of single steps may be as noisy as it likes; only scores after whole epochs count.
    Source: Zhang et al. 2021, "AUTOTRAINER: an automatic DNN training problem detection and repair system".
    """
    if not run.unlearned or not run.unsteady or run.broken:
        return None
    return Finding(
        name="oscillating_loss",
        family="learning_rate",
        severity="warning",
        symptom=f"The {run.score_name} jumps from epoch to epoch by {run.jumps:.2f}.",
        evidence=(Evidence("median jump of the score in the second half", run.jumps, 0.05, "", "validation_metric"),),
        cause="The steps near the minimum are too large or too noisy to settle.",
        remedies=(
            Remedy("Lower the learning rate.", {"learning_rate": {"times": 0.1}}),
            Remedy("Let the rate fall to zero.", {"schedule": "cosine"}),
            Remedy("Use a larger batch.", {"batch_size": {"times": 4}}),
        ),
        confidence=0.5,
        depth=4,
    )
