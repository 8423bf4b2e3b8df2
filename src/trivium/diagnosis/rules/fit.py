"""The fit: too little, too much, or not the same in training and in use."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both


def overfitting(run: Signals) -> Finding | None:
    """The validation loss has risen by half and more above its best while the training rows are known by heart.

    A gap alone is no fault, nor is a rise that leaves the loss far below that of a constant.
    Source: Prechelt 1998, "Early stopping - but when?". Margin: healthy runs end within 1.35 of their best, or below
    0.4 of the constant's loss.
    """
    rise = run.validation_rise
    level = run.final_validation_loss / run.baseline if math.isfinite(run.baseline) else math.inf
    worse_than_nothing = rise > 1.35 and level > 1 and math.isfinite(run.baseline)
    if not (rise > 1.5 or worse_than_nothing) or not run.known_by_heart or run.broken:
        return None
    if level < 0.5 and run.score > run.best_score - 0.05:
        return None
    return Finding(
        name="overfitting",
        family="fit",
        severity="error" if level > 1 else "warning",
        symptom=both(
            f"The validation loss ends at {rise:.1f} times its best, while the training loss goes on falling.",
            f"验证损失最终是其最低点的 {rise:.1f} 倍，而训练损失还在下降。",
        ),
        evidence=(
            Evidence(
                both("validation loss at the end / its minimum", "验证损失：结束时 / 最低点"),
                rise,
                1.5,
                "Prechelt 1998",
                "validation_loss",
            ),
            Evidence(both("training score", "训练得分"), run.train_score, None, "", "train_metric"),
            Evidence(
                both("validation loss at the end / loss of a constant", "结束时的验证损失 / 常数预测的损失"), level, 0.5
            ),
        ),
        cause=both(
            "The network has room to learn single rows by heart, and the time to do it.",
            "网络有足够的容量和时间把一行行样本背下来。",
        ),
        remedies=(
            Remedy(
                both("Keep the weights of the best validation epoch.", "保留验证损失最低那一轮的权重。"),
                {"patience": 16},
            ),
            Remedy(
                both("Use dropout and weight decay.", "使用 dropout 和权重衰减。"),
                {"dropout": 0.3, "weight_decay": 0.01},
            ),
            Remedy(both("Use a smaller network.", "使用更小的网络。"), {"hidden_widths": (32,)}),
            Remedy(both("Get more rows.", "收集更多样本。")),
        ),
        confidence=0.85,
        depth=4,
    )


COUPLED = ("adam", "adamax", "nadam", "radam", "rmsprop", "adagrad", "adadelta")
"""Optimizers of PyTorch that add weight decay to the gradient and then normalise it."""


MILD = 0.1
"""Weight decay below which a loss that jumped has done so for the steps themselves."""


def over_regularized(run: Signals) -> Finding | None:
    """A penalty on the weights, or weight decay, has shrunk them to where nothing can be learned.

    Source: Goodfellow et al. 2016, "Deep learning", section 7.1. Margin: in healthy runs no layer shrinks below 0.6.
    """
    decay = float(run.optimizer.get("weight_decay") or 0.0)
    penalty = bool(run.loss.get("penalty"))
    if not (decay or penalty) or not run.unlearned or run.broken:
        return None
    shrunk = run.shrunk
    pull = decay * run.learning_rate * run.steps if math.isfinite(run.learning_rate) else math.nan
    # Decoupled decay shrinks weights by exp(-pull) at most; in a gradient that Adam and its kin normalise, by far more.
    able = penalty or run.optimizer.get("name") in COUPLED or not pull < 0.1
    if not penalty and decay < MILD and run.peak > 5 and run.peak_above_baseline:
        return None  # its steps threw it to where units are dead, and what is dead only shrinks
    if not ((shrunk < 0.6 and able) or (pull > 2 and run.stuck and not shrunk > 1)):
        return None
    return Finding(
        name="over_regularized",
        family="fit",
        severity="error",
        symptom=both(
            f"The weights have shrunk to {shrunk:.0%} of where they started.", f"权重缩小到开始时的 {shrunk:.0%}。"
        ),
        evidence=(
            Evidence(
                both("norm of the weights, end / start", "权重的范数：结束时 / 开始时"),
                shrunk,
                0.6,
                both("margin on the benchmark", "基准测试中的余量"),
                "weight_norm",
            ),
            Evidence(
                both("weight decay", "权重衰减")
                if decay
                else both("penalty on the weights in the loss", "损失中对权重的惩罚项"),
                decay or both("present", "有"),
                None,
            ),
        ),
        cause=both("Making weights small pays more than fitting the targets.", "把权重变小，比拟合目标值更划算。"),
        remedies=(
            Remedy(
                both("Weaken the penalty a hundredfold.", "把惩罚减弱到百分之一。"), {"weight_decay": {"times": 0.01}}
            ),
        ),
        confidence=0.92,
        depth=1,
    )


def dropout_too_high(run: Signals) -> Finding | None:
    """So many units are left out in each step that the rest cannot carry the signal.

    Source: Srivastava et al. 2014, "Dropout", section 7.3 (0.2 to 0.5 do well; 0.7 and more hurt).
    """
    rate = float(run.run.get("dropout") or 0.0)
    if rate < 0.65 or not run.unlearned:
        return None
    return Finding(
        name="dropout_too_high",
        family="fit",
        severity="error",
        symptom=both(
            f"Dropout leaves out {rate:.0%} of the units in each step, and the run does not learn.",
            f"dropout 每一步丢掉 {rate:.0%} 的单元，训练学不起来。",
        ),
        evidence=(
            Evidence(
                both("dropout rate", "dropout 比例"),
                rate,
                0.65,
                both("Srivastava et al. 2014: 0.2 to 0.5", "Srivastava 等 2014：0.2 到 0.5"),
            ),
        ),
        cause=both(
            "Too little of the signal gets through several such layers.", "信号经过几层这样的 dropout 后所剩太少。"
        ),
        remedies=(Remedy(both("Use a dropout of 0.2, or none.", "dropout 用 0.2，或者不用。"), {"dropout": 0.2}),),
        confidence=0.88,
        depth=2,
    )


def train_eval_mismatch(run: Signals) -> Finding | None:
    """The network predicts well as it was trained and badly in evaluation mode, or was trained in evaluation mode.

    Source: Ioffe & Szegedy 2015, "Batch normalization", section 3.1. Margin: healthy runs differ by 0.05 at most.
    """
    gap = run.batch_score - run.train_score
    changed = bool(run.run.get("batch_norms")) or (run.run.get("dropout") or 0) > 0
    frozen = run.run.get("mode") == "eval" and changed and run.unlearned
    # a broken evaluation mode can give outputs that are not finite
    lost = math.isfinite(run.batch_score) and not math.isfinite(run.train_score) and not run.broken
    if not (gap > 0.15 or frozen or lost) or not run.unlearned:
        return None
    momentum = run.run.get("batch_norm_momentum")
    return Finding(
        name="train_eval_mismatch",
        family="fit",
        severity="error",
        symptom=both(
            f"On the same rows, {run.score_name} is {run.batch_score:.2f} with batch statistics and "
            f"{run.train_score:.2f} in evaluation mode.",
            f"同样的样本，用批内统计量时{run.score_name.zh}为 {run.batch_score:.2f}，在评估模式下为 "
            f"{run.train_score:.2f}。",
        )
        if not frozen
        else both("The network was trained in evaluation mode.", "网络是在评估模式下训练的。"),
        evidence=(
            Evidence(
                both("score with batch statistics - score in evaluation mode", "得分之差：用批内统计量 - 评估模式"),
                gap,
                0.15,
                "Ioffe & Szegedy 2015",
            ),
            Evidence(
                both("momentum of batch normalisation", "批归一化的动量"),
                momentum,
                None,
                both("PyTorch: 0.1 is usual", "PyTorch：通常为 0.1"),
            ),
        ),
        cause=both(
            "Batch normalisation and dropout did not do their work: model.eval() was on during the steps.",
            "批归一化和 dropout 没有起作用：训练时处于 model.eval()。",
        )
        if frozen
        else both(
            "The running mean and spread that evaluation uses have not caught up with the data.",
            "评估所用的滑动均值和标准差还没有跟上数据。",
        ),
        remedies=(
            Remedy(both("Call model.train() before the steps of each epoch.", "每一轮更新之前调用 model.train()。"))
            if frozen
            else Remedy(
                both(
                    "Set the momentum of batch normalisation to 0.1 and use batches of 32 rows.",
                    "把批归一化的动量设为 0.1，每批用 32 个样本。",
                ),
                {"batch_size": 32},
            ),
            Remedy(
                both("Use layer normalisation, which is the same in both modes.", "改用层归一化，它在两种模式下相同。"),
                {"normalisation": "layer"},
            ),
        ),
        confidence=0.92,
        depth=1,
    )


def undertrained(run: Signals) -> Finding | None:
    """The loss is still falling when the run ends, or the run was a few updates long, or was ended from outside.

    Source: Godbole et al. 2023, "Deep learning tuning playbook", on the number of steps. Margin: healthy runs fall by
    less than 0.25 of the loss over the last third while they are still short of what the data allow.
    """
    if not run.stuck or run.broken or run.told_by_loss_alone:
        return None
    falling, few = run.falling > 0.04, run.steps < 100
    if not (falling or few or run.cut_short):
        return None
    return Finding(
        name="undertrained",
        family="fit",
        severity="error",
        symptom=both(
            f"The run ended after {run.steps} updates, before it had learned.",
            f"训练只有 {run.steps} 次更新，还没学会就结束了。",
        )
        if few or not falling
        else both(
            f"The loss was still falling at the end: by {run.falling:.0%} over the last third.",
            f"结束时损失仍在下降：最后三分之一降了 {run.falling:.0%}。",
        ),
        evidence=(
            Evidence(
                both("updates", "更新次数"),
                float(run.steps),
                100.0,
                both("margin on the benchmark", "基准测试中的余量"),
            ),
            Evidence(
                both("fall of the loss over the last third", "损失在最后三分之一的降幅"),
                run.falling,
                0.04,
                "",
                "train_loss",
            ),
        ),
        cause=both(
            "The run is too short for this learning rate and batch size.", "对这个学习率和批大小来说，训练太短。"
        ),
        remedies=(
            Remedy(both("Train longer.", "训练更久。"), {"epochs": {"times": 4}}),
            Remedy(both("Raise the learning rate.", "提高学习率。"), {"learning_rate": {"times": 3}}),
            Remedy(
                both("Use smaller batches: more updates per epoch.", "用更小的批：每轮更新更多。"),
                {"batch_size": {"times": 0.25}},
            ),
        ),
        confidence=0.7 if few else 0.6,
        depth=3,
    )


def underfitting(run: Signals) -> Finding | None:
    """The run has come to rest short of what simple models reach on the same rows.

    Source: Goodfellow et al. 2016, "Deep learning", section 5.2. Without the reference models, tasks that nobody can
    solve better would look like this. Margin: healthy runs reach 0.96 of the way from a constant to the reference.
    """
    if not run.stuck or run.broken or run.cut_short or run.told_by_loss_alone:
        return None
    if not math.isfinite(run.reference) and run.train_skill > 0.3:
        return None
    short = (
        both(f"; simple models reach {run.reference:.2f}.", f"；简单模型能达到 {run.reference:.2f}。")
        if math.isfinite(run.reference)
        else both(", near a constant's.", "，与常数预测相近。")
    )
    width = min((layer.width for layer in run.record.layers if not layer.output), default=0)
    return Finding(
        name="underfitting",
        family="fit",
        severity="warning",
        symptom=both(
            f"The {run.score_name} on the training rows stops at {run.train_score:.2f}",
            f"训练样本上的{run.score_name.zh}停在 {run.train_score:.2f}",
        )
        + short,
        evidence=(
            Evidence(
                both("training score", "训练得分"),
                run.train_score,
                run.reference if math.isfinite(run.reference) else None,
                both("reference models on the same rows", "同样样本上的参考模型")
                if math.isfinite(run.reference)
                else "",
                "train_metric",
            ),
            Evidence(both("units of the narrowest layer", "最窄一层的单元数"), float(width), None),
        ),
        cause=both(
            "The network is too small for this task, or something holds it back.",
            "网络对这个任务来说太小，或者被别的东西拖住了。",
        ),
        remedies=(
            Remedy(both("Use wider layers.", "使用更宽的层。"), {"hidden_widths": (256, 256)}),
            Remedy(
                both("Use another optimizer or learning rate.", "换一个优化器或学习率。"),
                {"optimizer": "adam", "learning_rate": None},
            ),
        ),
        confidence=0.4,
        depth=5,
    )
