"""The learning rate: too high, too low, gone too soon."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both


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
    excess = max(excess, math.sqrt(peak)) if jumped else excess  # of a parabola, height goes by the square of the way
    factor = 10.0 ** -round(min(max(math.log10(excess), 1.0), 3.0))
    measured = (
        Evidence(
            both("update / weights in the first steps", "最初几步的 更新量 / 权重"),
            moved,
            0.1,
            both("CS231n: about 1e-3 is healthy", "CS231n：约 1e-3 为正常"),
            "update_ratio",
        ),
        Evidence(
            both("highest loss in the first fifth / first loss", "前五分之一里的最高损失 / 最初的损失"),
            peak,
            5.0,
            "",
            "step_loss",
        ),
        Evidence(
            both("loss at the end / that of a constant", "结束时的损失 / 常数预测的损失"),
            run.final_loss / run.baseline,
            1.02,
            "",
            "train_loss",
        ),
        Evidence(
            both("curvature at the start / what this rate bears", "开始时的曲率 / 该学习率所能承受的曲率"),
            run.steepness,
            1.0,
            "Cohen et al. 2021",
        ),
    )
    return Finding(
        name="lr_too_high",
        family="learning_rate",
        severity="error",
        symptom=both(
            f"The learning rate, {run.learning_rate:.3g}, is too high.", f"学习率 {run.learning_rate:.3g} 太高。"
        ),
        evidence=tuple(one for one in measured if one.exceeds) or measured,
        cause=both(
            "Each step overshoots: it lands further from the minimum than it started.",
            "每一步都迈过了头：落点比起点离最小值更远。",
        ),
        remedies=(
            Remedy(
                both(f"Multiply the learning rate by {factor:g}.", f"把学习率乘以 {factor:g}。"),
                {"learning_rate": {"times": factor}},
            ),
            Remedy(
                both("Warm the rate up over the first tenth of the run.", "在训练的前十分之一逐步升高学习率。"),
                {"schedule": "one_cycle"},
            ),
        ),
        confidence=min(0.95, 0.55 + 0.15 * sum(signs)),
        depth=3,
    )


def lr_too_low(run: Signals) -> Finding | None:
    """The weights have hardly moved: all updates together are less than the weights themselves.

    Dead units do not move at any rate.
    Source: CS231n course notes 2016, "Neural networks part 3". Margin: healthy runs travel their own length or more.
    """
    if not run.stuck or run.broken or run.frozen or run.silent or run.warm_share < 0.3 or run.dead[0] > 0.9:
        return None
    slow = run.update_all < 2e-4 or (run.travel < 1.0 and run.update_all < 1e-3)
    if not slow or not run.travel < 1.5 or lr_too_high(run) is not None:
        return None
    goal = min(max(1e-3 / max(run.update_all, 1e-9), 3.0), 1e4)
    factor = 10.0 ** max(1, round(math.log10(goal)))
    return Finding(
        name="lr_too_low",
        family="learning_rate",
        severity="error",
        symptom=both(
            f"The learning rate, {run.learning_rate:.3g}, is too low: the weights hardly move.",
            f"学习率 {run.learning_rate:.3g} 太低：权重几乎不动。",
        ),
        evidence=(
            Evidence(
                both("update / weights, median of the run", "更新量 / 权重，全程中位数"),
                run.update_all,
                2e-4,
                both("CS231n: about 1e-3 is healthy", "CS231n：约 1e-3 为正常"),
                "update_ratio",
            ),
            Evidence(
                both("all updates together / weights", "全部更新量之和 / 权重"),
                run.travel,
                1.0,
                both("margin on the benchmark", "基准测试中的余量"),
                "update_ratio",
            ),
        ),
        cause=both("At this rate the run would need many times its epochs.", "按这个学习率，需要多出许多倍的轮数。"),
        remedies=(
            Remedy(
                both(f"Multiply the learning rate by {factor:g}.", f"把学习率乘以 {factor:g}。"),
                {"learning_rate": {"times": factor}},
            ),
        ),
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
        symptom=both(
            f"After {run.warm_share:.0%} of the steps the learning rate is all but zero.",
            f"在 {run.warm_share:.0%} 的步数之后，学习率几乎为零。",
        ),
        evidence=(
            Evidence(
                both(
                    "share of the steps at 1/100 of the largest rate or more", "学习率不低于最大值 1/100 的步数所占比例"
                ),
                run.warm_share,
                0.6,
                "",
                "step_learning_rate",
            ),
        ),
        cause=both(
            "The schedule was made for fewer steps than the run has: the rest of the epochs does nothing.",
            "学习率调度是为更少的步数设计的：其余各轮什么也没做。",
        ),
        remedies=(
            Remedy(both("Keep the rate constant.", "保持学习率不变。"), {"schedule": None}),
            Remedy(
                both("Let it fall as a cosine over the whole run.", "让学习率在整个训练中按余弦下降。"),
                {"schedule": "cosine"},
            ),
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
        symptom=both(
            f"The {run.score_name} jumps from epoch to epoch by {run.jumps:.2f}.",
            f"{run.score_name.zh}在相邻两轮之间跳动 {run.jumps:.2f}。",
        ),
        evidence=(
            Evidence(
                both("median jump of the score in the second half", "后半程得分跳动的中位数"),
                run.jumps,
                0.05,
                "",
                "validation_metric",
            ),
        ),
        cause=both(
            "The steps near the minimum are too large or too noisy to settle.",
            "接近最小值时，步子太大或噪声太多，安定不下来。",
        ),
        remedies=(
            Remedy(both("Lower the learning rate.", "降低学习率。"), {"learning_rate": {"times": 0.1}}),
            Remedy(both("Let the rate fall to zero.", "让学习率降到零。"), {"schedule": "cosine"}),
            Remedy(both("Use a larger batch.", "使用更大的批。"), {"batch_size": {"times": 4}}),
        ),
        confidence=0.5,
        depth=4,
    )
