"""What passes through the layers, forward and back: signals and gradients that fade or explode."""

import math

import numpy as np

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both

VANISHED = 2e-3
BLOWN = 100.0


def vanishing_gradient(run: Signals) -> Finding | None:
    """The gradient shrinks on its way back: in the first layer it is under 1/500 of what it is in the last one.

    Root mean squares are compared, not norms, because widths differ; only the first updates count, because all
    gradients are tiny once a task is solved. In recurrent networks the way back leads through time.
    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; Bengio
    et al. 1994 for time. Margin: healthy runs are above 0.01, failing ones below 0.0005.
    """
    if not run.stuck or run.broken or run.dead[0] > 0.9:
        return None
    ratio, where, signal = (
        run.gradient_ratio,
        both("in the first layer / in the last layer", "第一层 / 最后一层"),
        "gradient_rms",
    )
    time = run.through_time
    if time < VANISHED and not ratio < VANISHED:
        ratio, where, signal = (
            time,
            both("at the first time step / at the last one", "第一个时间步 / 最后一个时间步"),
            "time_gradient",
        )
    if not ratio < VANISHED:
        return None
    names = [run.record.layers[p].activation for p in run.bent]
    squashing = any(run.record.layers[p].saturates for p in run.bent)
    depth = len(run.record.layers)
    if signal == "time_gradient":
        cause = both(
            "Each time step multiplies the gradient by the recurrent weights and the slope of the activation.",
            "每个时间步都把梯度乘以循环权重和激活函数的斜率。",
        )
        remedies = (
            Remedy(
                both(
                    "Use an LSTM (forget bias 1) or GRU, or start the recurrent weights as the identity.",
                    "使用 LSTM（遗忘门偏置设为 1）或 GRU，或者让循环权重从单位矩阵开始。",
                )
            ),
            Remedy(both("Shorten the sequences.", "缩短序列。")),
        )
    else:
        cause = (
            both(
                f"Each layer multiplies the gradient by its weights and by the slope of {names[0] if names else 'it'}",
                f"每一层都把梯度乘以自己的权重和 {names[0] if names else '激活函数'} 的斜率",
            )
            + (
                both(", which is at most 1/4 for the sigmoid", "（sigmoid 的斜率最大只有 1/4）")
                if "sigmoid" in names
                else ""
            )
            + both(f"; after {depth} layers little is left.", f"；经过 {depth} 层后所剩无几。")
        )
        remedies = (
            Remedy(
                both(
                    "Use ReLU (or SELU, SiLU) with the initialisation that fits it.",
                    "改用 ReLU（或 SELU、SiLU），并配上与之相称的初始化。",
                ),
                {"activation": "relu" if squashing else "selu", "initializer": None},
            ),
            Remedy(
                both("Put residual connections or a normalisation between the layers.", "在层间加入残差连接或归一化。"),
                {"residual": True},
            ),
            Remedy(both("Use fewer layers.", "减少层数。"), {"hidden_widths": (64, 64)}),
        )
    return Finding(
        name="vanishing_gradient",
        family="activation",
        severity="error",
        symptom=both(
            "The first layers hardly learn: almost no gradient reaches them.",
            "前面的层几乎学不到东西：梯度几乎传不到那里。",
        ),
        evidence=(
            Evidence(both(f"gradient {where}", f"梯度：{where.zh}"), ratio, VANISHED, "Glorot & Bengio 2010", signal),
        ),
        cause=cause,
        remedies=remedies,
        confidence=0.9 if ratio < VANISHED / 4 else 0.75,
        depth=2,
    )


def representation_collapse(run: Signals) -> Finding | None:
    """All rows look alike to the last hidden layer: its spread over the rows is gone, from the start.

    Source: Schoenholz et al. 2017, "Deep information propagation". Margin: healthy runs are above 0.05.
    """
    ratio = run.signal_ratio
    if not run.stuck or run.broken or not ratio < 1e-3 or run.dead[0] > 0.9:
        return None
    return Finding(
        name="representation_collapse",
        family="activation",
        severity="warning",
        symptom=both("The deeper layers cannot tell the rows apart.", "较深的层分辨不出不同的样本。"),
        evidence=(
            Evidence(
                both("spread over rows, last hidden layer / first", "样本间的离散程度：最后一个隐藏层 / 第一个"),
                ratio,
                1e-3,
                "Schoenholz et al. 2017",
                "unit_std",
            ),
        ),
        cause=both(
            "Each layer contracts the differences between rows; with many layers nothing of them is left.",
            "每一层都缩小样本之间的差别；层数一多，差别就消失了。",
        ),
        remedies=(
            Remedy(both("Use fewer or wider layers.", "层少一些或宽一些。"), {"hidden_widths": (64, 64)}),
            Remedy(
                both("Use the initialisation that fits the activation.", "使用与激活函数相称的初始化。"),
                {"initializer": None},
            ),
            Remedy(both("Normalise between the layers.", "在层间做归一化。"), {"normalisation": "layer"}),
        ),
        confidence=0.55,
        depth=2,
    )


def exploding_activation(run: Signals) -> Finding | None:
    """The signal grows from layer to layer before anything was learned: a hundredfold or until it overflows.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2. Margin: healthy runs are below 20.
    """
    if not run.unlearned:
        return None
    spread = run.at_start("activation_std")
    places = [p for p in run.hidden if p < len(spread)]
    if len(places) < 2:
        return None
    values = spread[places]
    overflow = run.broken.get("where") == "activations" and run.broken.get("step", 9) <= 2
    infinite = bool(len(values)) and not np.isfinite(values).all() and run.data.get("nan", 0) == 0
    growth = float(values[-1] / values[0]) if values[0] > 0 else math.nan
    if not (growth > BLOWN or overflow or infinite):
        return None
    return Finding(
        name="exploding_activation",
        family="activation",
        severity="error",
        symptom=both("The signal grows from layer to layer", "信号逐层变大")
        + (
            both(f" and overflows in {run.broken.get('name')}.", f"，在 {run.broken.get('name')} 处溢出。")
            if overflow
            else both(".", "。")
        ),
        evidence=(
            Evidence(
                both("spread of the activations, last hidden layer / first", "激活值的标准差：最后一个隐藏层 / 第一个"),
                growth if math.isfinite(growth) else both("overflow", "溢出"),
                BLOWN,
                "He et al. 2015",
                "activation_std",
            ),
        ),
        cause=both(
            "The weights, or the activation itself, make every layer's output larger than its input.",
            "权重或激活函数本身使每一层的输出都大于输入。",
        ),
        remedies=(
            Remedy(
                both("Use the initialisation that fits the activation.", "使用与激活函数相称的初始化。"),
                {"initializer": None},
            ),
            Remedy(both("Use ReLU or SELU.", "改用 ReLU 或 SELU。"), {"activation": "relu"}),
            Remedy(both("Normalise between the layers.", "在层间做归一化。"), {"normalisation": "layer"}),
        ),
        confidence=0.85,
        depth=2,
    )


def attention_logit_growth(run: Signals) -> Finding | None:
    """Attention is all on one key before anything was learned: its logits are too large, its softmax has no slope.

    Source: Dehghani et al. 2023, "Scaling vision transformers to 22 billion parameters", section 2 (QK normalisation);
    Wortsman et al. 2023. Margin: healthy runs start below 0.5.
    """
    series = run.output.get("attention") or []
    keys = run.output.get("attention_keys") or 0
    if not run.unlearned or not series or keys < 3:
        return None
    first, largest = series[0][1], max(entry[1] for entry in series)
    if not (first > 0.8 or (largest > 0.97 and run.stuck)):
        return None
    return Finding(
        name="attention_logit_growth",
        family="activation",
        severity="error",
        symptom=both(
            f"Each query looks at one key only: the largest weight is {max(first, largest):.2f} on average.",
            f"每个查询只看一个键：最大注意力权重平均为 {max(first, largest):.2f}。",
        ),
        evidence=(
            Evidence(
                both("mean largest attention weight at the start", "开始时最大注意力权重的平均值"),
                float(first),
                0.8,
                "Dehghani et al. 2023",
            ),
        ),
        cause=both(
            "The products of queries and keys are large, so the softmax is nearly one-hot and passes no gradient.",
            "查询与键的内积太大，softmax 几乎成了独热向量，梯度传不过去。",
        ),
        remedies=(
            Remedy(
                both(
                    "Divide the logits by the root of the head's width; use the default initialisation.",
                    "把注意力得分除以头宽度的平方根；使用默认初始化。",
                )
            ),
            Remedy(both("Normalise queries and keys.", "对查询和键做归一化。")),
        ),
        confidence=0.9,
        depth=2,
    )
