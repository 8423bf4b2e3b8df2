"""The picture that proves a finding, as numbers: the terminal and the page draw it from here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from trivium.diagnosis.finding import Finding
from trivium.diagnosis.record import Array
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import Text, both
from trivium.lessons import Lesson

MOST_LINES = 6
"""Layers, or classes, that one picture shows at most: the first, the last and some between."""

LOSS, SCORE = both("loss", "损失"), both("score", "得分")
UPDATES, EPOCHS = both("updates", "更新次数"), both("epochs", "轮数")
BOUND = both("bound", "界限")
FAILS, MENDS = both("fails", "失败"), both("mended", "改正后")


@dataclass(frozen=True)
class Picture:
    """Lines over one axis.

    height       what the values are
    lines        what is drawn -> its values, NaN where there is none; `places` belongs to all of them
    levels       the same for what they are compared with, drawn dashed: the bound of the rule, a constant prediction
    logarithmic  whether the values are drawn by their logarithm
    """

    height: Text
    across: Text
    places: Array
    lines: Mapping[str, Array]
    levels: Mapping[str, Array] = field(default_factory=dict)
    logarithmic: bool = False


HEIGHTS = {
    "step_loss": LOSS,
    "train_loss": LOSS,
    "validation_loss": LOSS,
    "train_metric": SCORE,
    "validation_metric": SCORE,
    "validation_recall": both("recall of each class", "各类别的召回率"),
    "step_learning_rate": both("learning rate", "学习率"),
    "gradient_rms": both("gradient of each layer (root mean square)", "各层的梯度（均方根）"),
    "time_gradient": both("gradient at a time step", "时间步上的梯度"),
    "gradient_norm": both("norm of the gradient", "梯度的范数"),
    "clipping": both("share of the gradient that clipping leaves", "裁剪后剩下的梯度比例"),
    "unit_std": both("spread over the rows, by layer", "各层输出在样本间的离散程度"),
    "activation_std": both("spread of the activations, by layer", "各层激活值的标准差"),
    "dead": both("share of dead units, by layer", "各层死亡单元的比例"),
    "saturated": both("share of saturated entries, by layer", "各层饱和输出的比例"),
    "update_ratio": both("update / weights, by layer", "各层的更新量 / 权重"),
    "weight_norm": both("norm of the weights, by layer", "各层权重的范数"),
}
"""The signals that have a picture -> what they are."""

ONE_LINE = {
    "train_metric": both("score on the training rows", "训练样本上的得分"),
    "validation_metric": both("score on the validation rows", "验证样本上的得分"),
    "train_loss": both("loss on the training rows", "训练损失"),
    "validation_loss": both("loss on the validation rows", "验证损失"),
    "validation_recall": both("recall of the rare class", "稀有类别的召回率"),
    "gradient_rms": both("gradient (root mean square)", "梯度（均方根）"),
    "unit_std": both("spread over the rows", "样本间的离散程度"),
    "activation_std": both("spread of the activations", "激活值的标准差"),
    "dead": both("share of dead units", "死亡单元的比例"),
    "saturated": both("share of saturated entries", "饱和输出的比例"),
    "weight_norm": both("norm of the weights of the first layer", "第一层权重的范数"),
}
"""What they are where only one layer or one kind of rows is shown."""

LOGARITHMIC = frozenset(HEIGHTS) - {
    "validation_loss",
    "train_metric", "validation_metric", "validation_recall", "clipping", "dead", "saturated"
}  # fmt: skip


BY_LOSS = ("loss", "learning_rate", "optimizer", "numbers")
"""Families whose harm shows in the loss of the steps; that of others shows in the score."""


def picture_of(finding: Finding, run: Signals) -> Picture | None:
    """What proves a finding: the series that its first evidence with one names, else the one that shows the harm."""
    named = [(evidence.signal, evidence.threshold) for evidence in finding.evidence if evidence.signal in HEIGHTS]
    harm = ("step_loss", "train_loss") if finding.family in BY_LOSS else ("train_metric", "train_loss", "step_loss")
    for signal, threshold in [*named, *((name, None) for name in harm)]:
        picture = _of_signal(str(signal), threshold if isinstance(threshold, float) else None, finding.name, run)
        if picture is not None:
            return picture
    return None


def _of_signal(signal: str, threshold: float | None, name: str, run: Signals) -> Picture | None:
    places, across, lines = _series(signal, run)
    lines = {key: values for key, values in lines.items() if np.isfinite(values).any()}
    if len(places) < 2 or not any(np.isfinite(values).sum() > 1 for values in lines.values()):
        return None
    shown = np.flatnonzero(np.isfinite(list(lines.values())).any(axis=0))
    within = slice(shown[0], shown[-1] + 1)
    places, lines = places[within], {key: values[within] for key, values in lines.items()}
    levels = dict(_references(signal, run, len(places)))
    bound = _bound(signal, name, threshold, lines, run)
    if bound is not None and np.isfinite(bound).any():
        levels[BOUND] = np.broadcast_to(bound, places.shape).astype(float)
    shown = np.concatenate([*lines.values(), *levels.values()])
    shown = shown[np.isfinite(shown)]
    logarithmic = signal in LOGARITHMIC and bool((shown > 0).mean() > 0.3) and bool((shown >= 0).all())
    return Picture(HEIGHTS[signal], across, places, _few(lines), levels, logarithmic)


def picture_of_lesson(lesson: Lesson) -> Picture | None:
    """What a lesson shows: the same line of a program that fails and of its mended twin."""
    if len(lesson.runs) != 2:
        return None
    places = np.unique(np.concatenate([run.places for run in lesson.runs]))
    lines = {}
    for name, run in zip((FAILS, MENDS), lesson.runs, strict=True):
        values = np.full(len(places), np.nan)
        values[np.searchsorted(places, run.places)] = run.values
        lines[name + both(": ", "：") + run.about] = values
    shown = np.concatenate([run.values for run in lesson.runs])
    logarithmic = lesson.signal in LOGARITHMIC and bool((shown > 0).mean() > 0.3) and bool((shown >= 0).all())
    return Picture(ONE_LINE.get(lesson.signal, HEIGHTS[lesson.signal]), UPDATES, places, lines, {}, logarithmic)


def _series(signal: str, run: Signals) -> tuple[Array, Text, dict[str, Array]]:
    """(places, what they are, lines) of a field of the record, as the rules see it; what is shown better together
    comes together."""
    record = run.record
    if signal == "time_gradient":
        pairs = np.array(record.section("run").get(signal) or [], dtype=float).reshape(-1, 2)
        names = (both("first time step", "第一个时间步"), both("last time step", "最后一个时间步"))
        return np.arange(len(pairs)), both("look", "第几次观察"), dict(zip(names, pairs.T, strict=True))
    values = run.update_ratio if signal == "update_ratio" else getattr(record, signal)
    if signal.startswith("step_"):
        return record.step, UPDATES, {HEIGHTS[signal]: values}
    if signal == "validation_recall":
        columns = values.T if values.ndim == 2 else []
        return record.epoch, EPOCHS, {both(f"class {c}", f"类别 {c}"): of for c, of in enumerate(columns)}
    if signal.endswith(("_loss", "_metric")):
        kind = signal.split("_")[1]
        return record.epoch, EPOCHS, {
            both("training rows", "训练样本"): getattr(record, f"train_{kind}"),
            both("validation rows", "验证样本"): getattr(record, f"validation_{kind}"),
        }  # fmt: skip
    if values.ndim == 2:
        names = [f"{layer.name} ({layer.activation})" if layer.activation else layer.name for layer in record.layers]
        return record.moment, UPDATES, dict(zip(names, values.T, strict=False))
    return record.moment, UPDATES, {HEIGHTS[signal]: values}


def _references(signal: str, run: Signals, count: int) -> list[tuple[str, Array]]:
    """What losses and scores are held against: knowing nothing, and what simple models reach."""
    found: list[tuple[str, float]] = []
    if HEIGHTS[signal] is LOSS:
        found = [(both("constant prediction", "常数预测"), run.baseline)]
    elif HEIGHTS[signal] is SCORE:
        found = [
            (both("constant prediction", "常数预测"), run.majority),
            (both("simple models", "简单模型"), run.reference),
        ]
    return [(name, np.full(count, level)) for name, level in found if np.isfinite(level)]


Bounds = Callable[[float, dict[str, Array], Signals], "Array | float"]


def _times_last(threshold: float, lines: dict[str, Array], run: Signals) -> Array:
    return threshold * list(lines.values())[-1]


def _times_first(threshold: float, lines: dict[str, Array], run: Signals) -> Array:
    hidden = list(lines.values())
    return threshold * hidden[0]


def _times_least(threshold: float, lines: dict[str, Array], run: Signals) -> float:
    return threshold * float(np.nanmin(list(lines.values())[-1]))


def _times_start(threshold: float, lines: dict[str, Array], run: Signals) -> float:
    return threshold * run.start_loss


def _times_constant(threshold: float, lines: dict[str, Array], run: Signals) -> float:
    return threshold * run.baseline


def _times_own_start(threshold: float, lines: dict[str, Array], run: Signals) -> float:
    """For the layer that shrank most."""
    known = [values[np.isfinite(values)] for values in lines.values()]
    most = min((values for values in known if len(values) and values[0] > 0), key=lambda v: v[-1] / v[0])
    return threshold * float(most[0])


def _as_it_is(threshold: float, lines: dict[str, Array], run: Signals) -> float:
    return threshold


BOUNDS: Mapping[tuple[str, str] | str, Bounds] = {
    ("lr_too_high", "step_loss"): _times_start,
    ("nan_or_inf", "step_loss"): _times_start,
    ("bad_init", "step_loss"): _times_constant,
    ("lr_too_high", "train_loss"): _times_constant,
    "gradient_rms": _times_last,
    "time_gradient": _times_last,
    "unit_std": _times_first,
    "activation_std": _times_first,
    "validation_loss": _times_least,
    "gradient_norm": _times_constant,
    "weight_norm": _times_own_start,
    **dict.fromkeys(("update_ratio", "dead", "saturated", "clipping", "validation_recall"), _as_it_is),
}
"""How a rule's threshold becomes a height in the picture of a signal; without an entry it has none."""


def _bound(
    signal: str, name: str, threshold: float | None, lines: dict[str, Array], run: Signals
) -> "Array | float | None":
    if signal == "step_learning_rate":
        return run.learning_rate / 100
    rule = BOUNDS.get((name, signal)) or BOUNDS.get(signal)
    return None if rule is None or threshold is None else rule(threshold, lines, run)


def _few(lines: dict[str, Array]) -> dict[str, Array]:
    if len(lines) <= MOST_LINES:
        return lines
    kept = np.linspace(0, len(lines) - 1, MOST_LINES).round().astype(int)
    names = list(lines)
    return {names[place]: lines[names[place]] for place in kept}
