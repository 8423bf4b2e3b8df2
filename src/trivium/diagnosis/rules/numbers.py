"""Numbers that leave the range of floating point, and gradients on their way there."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both

PLACES = {
    "inputs": both("inputs", "输入"),
    "activations": both("activations", "激活值"),
    "loss": both("loss", "损失"),
    "parameters": both("parameters", "参数"),
}
"""Where the first number that is not finite can stand."""


def nan_or_inf(run: Signals) -> Finding | None:
    """The loss became NaN or infinite; traced to the first array and step where that happened.

    Source: Goldberg 1991, "What every computer scientist should know about floating-point arithmetic".
    """
    broken = run.broken
    if not broken:
        return None
    step, where, name = broken.get("step"), str(broken.get("where")), broken.get("name")
    stood = PLACES.get(where, both(where, where))
    grew = run.blew_up > 10
    unsafe = run.loss.get("safe_log") is False
    if where == "inputs":
        cause = both("The inputs of that step hold values that are no numbers.", "那一步的输入里有不是数的值。")
    elif grew:
        cause = both(
            f"The loss had grown to {run.blew_up:.1e} times its first value: it diverged until it overflowed.",
            f"损失曾增大到最初的 {run.blew_up:.1e} 倍：它一路发散，直到溢出。",
        )
    elif unsafe:
        cause = both(
            "The loss takes the logarithm of a probability that rounded to zero.", "损失对一个舍入为零的概率取了对数。"
        )
    elif run.loss.get("kind") == "rmse":
        cause = both(
            "The slope of a square root at zero is infinite: a row that was predicted exactly made the gradient NaN.",
            "平方根在零处的斜率为无穷：某个样本被预测得分毫不差，梯度就成了 NaN。",
        )
    elif where == "parameters":
        cause = both(
            "The loss was finite a step before, but its gradient was not.", "前一步的损失还是有限的，但它的梯度不是。"
        )
    else:
        cause = both(
            "A number became too large for floating point on the way through the network.",
            "某个数在经过网络时变得太大，超出了浮点数的范围。",
        )
    return Finding(
        name="nan_or_inf",
        family="numbers",
        severity="error",
        symptom=both(f"From update {step} on, the loss is not a number", f"从第 {step} 次更新起，损失不再是一个数")
        + (
            both(
                f"; the first array that is not finite: {stood} of {name}.",
                f"；最先出现非有限值的数组：{name} 的{stood.zh}。",
            )
            if name
            else both(f" (first seen in the {stood}).", f"（最先出现在{stood.zh}中）。")
        ),
        evidence=(
            Evidence(both("update", "第几次更新"), float(step or 0), None, "", "step_loss"),
            Evidence(
                both("largest loss before / first loss", "此前的最大损失 / 最初的损失"),
                run.blew_up,
                10.0,
                "",
                "step_loss",
            ),
        ),
        cause=cause,
        remedies=(
            Remedy(both("Lower the learning rate.", "降低学习率。"), {"learning_rate": {"times": 0.1}}),
            Remedy(
                both(
                    "Use a loss that takes logits, or add a small number under the root.",
                    "使用以 logit 为输入的损失，或在根号下加一个小数。",
                ),
                {"loss": None},
            )
            if unsafe or run.loss.get("kind") == "rmse"
            else Remedy(both("Clip the gradients.", "裁剪梯度。")),
        ),
        confidence=0.75 if grew else 0.9,
        depth=4 if grew else 2,
    )


def exploding_gradient(run: Signals) -> Finding | None:
    """The gradient grows on its way back, or is so large from the start that the first steps destroy the weights.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks". Margin: healthy runs have a
    ratio below 20 and a norm below 100 in units of the baseline loss.
    """
    if not run.unlearned:
        return None
    ratio, time = run.gradient_ratio, run.through_time
    norm = run.early_gradient_norm
    scale = abs(run.baseline) if math.isfinite(run.baseline) and run.baseline else max(abs(run.start_loss), 1e-9)
    relative = norm / max(scale, 1e-9)
    recurrent = bool(run.run.get("recurrent"))
    overflow = recurrent and bool(run.broken) and run.broken.get("where") != "inputs"
    if not (ratio > 100 or time > 100 or (relative > 1e3 and run.update_early > 0.1) or overflow):
        return None
    return Finding(
        name="exploding_gradient",
        family="numbers",
        severity="error",
        symptom=both("The gradient grows ", "梯度")
        + (
            both("with every time step it goes back.", "每往回一个时间步就变大一些。")
            if recurrent and (time > 100 or overflow)
            else both("out of all proportion.", "大得不成比例。")
        ),
        evidence=(
            Evidence(
                both("gradient in the first layer / in the last", "梯度：第一层 / 最后一层"),
                ratio,
                100.0,
                "Pascanu et al. 2013",
                "gradient_rms",
            ),
            Evidence(
                both("gradient at the first time step / at the last", "梯度：第一个时间步 / 最后一个时间步"),
                time,
                100.0,
                "Pascanu et al. 2013",
            ),
            Evidence(
                both("norm of the first gradients / loss of a constant", "最初几步梯度的范数 / 常数预测的损失"),
                relative,
                1e3,
                "",
                "gradient_norm",
            ),
        ),
        cause=both(
            "Each layer or time step multiplies the gradient by weights that are larger than 1.",
            "每一层或每个时间步都把梯度乘以大于 1 的权重。",
        )
        if ratio > 100 or time > 100 or recurrent
        else both("Inputs, weights or the loss are on far too large a scale.", "输入、权重或损失的数量级太大。"),
        remedies=(
            Remedy(both("Clip the gradient to a norm of 1.", "把梯度裁剪到范数 1。")),
            Remedy(
                both("Use the initialisation that fits the activation.", "使用与激活函数相称的初始化。"),
                {"initializer": None},
            ),
            Remedy(both("Lower the learning rate.", "降低学习率。"), {"learning_rate": {"times": 0.1}}),
        ),
        confidence=0.7 if recurrent and (time > 100 or overflow) else 0.5,
        depth=2 if recurrent and (time > 100 or overflow) else 3,
    )
