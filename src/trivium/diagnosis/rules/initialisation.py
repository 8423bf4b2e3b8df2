"""Initialisation: where the weights start."""

import math

import numpy as np

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both

OWN = Remedy(
    both(
        "Use the initialisation that fits the activation: He for ReLU, Glorot for tanh.",
        "使用与激活函数相称的初始化：ReLU 用 He，tanh 用 Glorot。",
    ),
    {"initializer": None},
)


def symmetric_init(run: Signals) -> Finding | None:
    """All units of a hidden layer start with the same weights, so they get the same gradient and stay the same.

    A last layer of zeros is no fault. Source: Goodfellow et al. 2016, "Deep learning", section 8.4 (symmetry breaking).
    """
    same = set(run.run.get("symmetric") or ())
    layers = [run.record.layers[p] for p in run.hidden if run.record.layers[p].width > 1]
    found = [layer.name for layer in layers if any(name.startswith(f"{layer.name}.weight") for name in same)]
    if not found or not run.unlearned:
        return None
    return Finding(
        name="symmetric_init",
        family="initialisation",
        severity="error",
        symptom=both(
            f"All units of layer {found[0]} start with the same weights.",
            f"{found[0]} 层的所有单元都从相同的权重开始。",
        ),
        evidence=(
            Evidence(
                both("layers whose units are equal", "单元彼此相同的层"),
                ", ".join(found[:5]),
                None,
                "Goodfellow et al. 2016",
            ),
        ),
        cause=both(
            "Equal units get equal gradients: a layer of them counts as one unit; with zeros nothing moves at all.",
            "相同的单元得到相同的梯度：整层只相当于一个单元；全为零时则什么都不动。",
        ),
        remedies=(OWN,),
        confidence=0.95,
        depth=1,
    )


def bad_init(run: Signals) -> Finding | None:
    """The starting weights make the signal shrink or grow from layer to layer, or the first loss absurd.

    Told from three things: weights x sqrt(inputs) far from 1; the spread over rows in the last hidden layer against the
    first; the loss at the start against that of a constant prediction, or of knowing nothing of the classes, of which
    one may be so common that a constant says nearly all.
    Source: He et al. 2015, "Delving deep into rectifiers"; Glorot & Bengio 2010. Margin: usual initialisations give
    0.3 to 2.5 (weights), healthy runs 0.05 to 20 (signal) and at most 3 (loss).
    """
    if not run.unlearned:
        return None
    gains = run.gains[[p for p in run.hidden if p < len(run.gains)]]
    gains = gains[np.isfinite(gains)]
    if not len(gains):
        return None
    classes = run.targets.get("classes") or 0
    ignorance = math.log(classes) if run.kind == "classes" and classes > 1 else 0.0
    gain, ratio, loss = float(np.median(gains)), run.signal_ratio, run.start_loss / max(run.baseline, ignorance)
    small = (gain < 0.25 and (ratio < 0.02 or len(gains) == 1)) or (ratio < 0.02 and gain < 0.6 and len(gains) >= 3)
    large = gain > 4 or (ratio > 100 and gain > 2)
    absurd = loss > 4 * max(1.0, run.input_size) and math.isfinite(loss)
    if (small or absurd) and not large and not run.stuck:
        return None
    if not (small or large or absurd):
        return None
    if small:
        symptom, cause = (
            both("The weights start too small.", "初始权重太小。"),
            both(
                "Each layer shrinks the signal, and the gradient on its way back.",
                "每一层都缩小信号，也缩小反向传回的梯度。",
            ),
        )
    elif large:
        symptom, cause = (
            both("The weights start too large.", "初始权重太大。"),
            both("Each layer blows the signal up: units saturate or overflow.", "每一层都放大信号：单元饱和或溢出。"),
        )
    else:
        symptom = both(
            f"The first loss is {loss:.1f} times that of knowing nothing.", f"最初的损失是一无所知时的 {loss:.1f} 倍。"
        )
        cause = both(
            "The last layer starts with large weights: the network is sure of itself before it has seen anything.",
            "最后一层的初始权重太大：网络还没见过任何东西就已经自信满满。",
        )
    return Finding(
        name="bad_init",
        family="initialisation",
        severity="error",
        symptom=symptom,
        evidence=(
            Evidence(
                both("median of weights x sqrt(inputs) at the start", "开始时 权重 x sqrt(输入数) 的中位数"),
                gain,
                0.25 if small else 4.0,
                "He et al. 2015",
            ),
            Evidence(
                both("spread over rows, last hidden layer / first", "样本间的离散程度：最后一个隐藏层 / 第一个"),
                ratio,
                0.02 if small else 100.0,
                "",
                "unit_std",
            ),
            Evidence(
                both("loss at the start / loss of a constant", "开始时的损失 / 常数预测的损失"),
                loss,
                4.0,
                "",
                "step_loss",
            ),
        ),
        cause=cause,
        remedies=(OWN, Remedy(both("Start biases at zero.", "偏置从零开始。"))),
        confidence=0.9 if (small and ratio < 1e-3) or gain > 4 else 0.65,
        depth=2,
    )
