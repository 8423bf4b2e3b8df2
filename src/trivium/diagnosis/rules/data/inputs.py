"""Faults in the input columns, and in how training and validation rows compare."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both, said


def nan_in_input(run: Signals) -> Finding | None:
    """Inputs hold NaN or infinity: one such row makes every weight NaN.

    Source: IEEE 754 (any arithmetic with NaN is NaN); Schoop et al. 2021, "UMLAUT".
    """
    nan, infinite = run.data.get("nan") or 0, run.data.get("infinite") or 0
    bad = run.targets.get("nonfinite") or 0
    seen = run.broken.get("where") == "inputs"
    if not (nan or infinite or bad or seen):
        return None
    place = run.data.get("first_hole") or {}
    where = (
        both(
            f", the first in row {place['row']}, column {place['column']}",
            f"，第一个在第 {place['row']} 行、第 {place['column']} 列",
        )
        if place
        else ""
    )
    return Finding(
        name="nan_in_input",
        family="data",
        severity="error",
        symptom=both(
            f"{'Targets' if bad and not (nan or infinite) else 'Inputs'} hold values that are no numbers{where}.",
            f"{'目标值' if bad and (not (nan or infinite)) else '输入'}里有不是数的值{said(where, 'zh')}。",
        ),
        evidence=(
            Evidence(
                both("entries that are NaN or infinite", "NaN 或无穷的个数"),
                float(nan + infinite + bad),
                0.0,
                "IEEE 754",
            ),
        ),
        cause=both(
            "A NaN spreads through every product: after one step with it, all weights are NaN.",
            "NaN 会经由每个乘积扩散：更新一步之后，所有权重都成了 NaN。",
        ),
        remedies=(
            Remedy(
                both(
                    "Drop these rows, or fill the holes (with the column's median, say).",
                    "删去这些行，或者填补空缺（例如用该列的中位数）。",
                )
            ),
        ),
        confidence=0.98,
        depth=0,
    )


def constant_inputs(run: Signals) -> Finding | None:
    """Every input column holds a single value: all rows are the same to the network.

    Source: Karpathy 2019, "A recipe for training neural networks" (the input-independent baseline).
    """
    constant = run.data.get("constant")
    if constant is None or constant < 0.999 or (run.data.get("rows") or 0) < 2:
        return None
    return Finding(
        name="constant_inputs",
        family="data",
        severity="error",
        symptom=both(
            "All rows are equal: the inputs carry nothing to learn from.", "所有样本都一样：输入里没有可学的东西。"
        ),
        evidence=(
            Evidence(both("share of columns with one value only", "只有一个取值的列所占比例"), float(constant), 0.999),
        ),
        cause=both("The loading or the preparation of the data lost the values.", "读取或预处理数据时丢失了数值。"),
        remedies=(
            Remedy(both("Look at a few rows just before they enter the network.", "看几行即将进入网络的数据。")),
        ),
        confidence=0.98,
        depth=0,
    )


def unnormalized_inputs(run: Signals) -> Finding | None:
    """Inputs are tens of units large or more, and the run does not learn.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3 (mean 0, spread 1). Margin: healthy runs that are
    sensitive to it stay below 10; with ReLU and Adam, larger inputs can do well, and are then no fault.
    """
    size = run.input_size
    if not run.stuck or not size > 10 or run.outlying:
        return None
    return Finding(
        name="unnormalized_inputs",
        family="data",
        severity="error",
        symptom=both(
            f"The inputs are large: {size:.3g} in root mean square, up to {run.data.get('largest') or 0:.3g}.",
            f"输入太大：均方根为 {size:.3g}，最大为 {run.data.get('largest') or 0:.3g}。",
        ),
        evidence=(
            Evidence(
                both("size of the inputs", "输入的大小"),
                size,
                10.0,
                both("LeCun et al. 1998: about 1", "LeCun 等 1998：约为 1"),
            ),
            Evidence(
                both("largest column spread / smallest", "各列标准差：最大 / 最小"), run.data.get("spread_ratio"), None
            ),
        ),
        cause=both(
            "Large inputs make large pre-activations: units saturate, gradients grow with their square, and "
            "one learning rate cannot fit all columns.",
            "大的输入带来大的预激活值：单元饱和，梯度随其平方增大，同一个学习率无法适合所有列。",
        ),
        remedies=(
            Remedy(
                both(
                    "Standardise each column: subtract its mean, divide by its spread.",
                    "逐列标准化：减去均值，除以标准差。",
                )
            ),
        ),
        confidence=0.9 if size > 30 else 0.6,
        depth=0 if size > 30 else 2,
    )


def inputs_too_small(run: Signals) -> Finding | None:
    """Inputs are a few hundredths or less, as after dividing by 255 twice, and the run does not learn.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3. Margin: healthy runs are above 0.2.
    """
    spread = run.data.get("largest_spread")
    if not run.stuck or spread is None or not 0 < spread < 0.03:
        return None
    return Finding(
        name="inputs_too_small",
        family="data",
        severity="error",
        symptom=both(
            f"The inputs hardly vary: the largest spread of a column is {spread:.2g}.",
            f"输入几乎不变：各列标准差最大只有 {spread:.2g}。",
        ),
        evidence=(
            Evidence(
                both("largest spread of a column", "各列标准差的最大值"),
                float(spread),
                0.03,
                both("LeCun et al. 1998: about 1", "LeCun 等 1998：约为 1"),
            ),
        ),
        cause=both(
            "The gradient of the first weights is proportional to the inputs. Were they scaled twice?",
            "第一层权重的梯度与输入成正比。是不是缩放了两次？",
        ),
        remedies=(Remedy(both("Standardise each column.", "逐列标准化。")),),
        confidence=0.9,
        depth=0,
    )


def data_outliers(run: Signals) -> Finding | None:
    """A few rows are fifty times and more further out than 99 % of the rows, and the run suffers.

    Source: Rousseeuw & Croux 1993, "Alternatives to the median absolute deviation"; Groeneveld et al. 2025, "2 OLMo 2
    furious", for loss spikes. Margin: the farthest row of a healthy run is 12 times as far.
    """
    if not run.outlying or not run.unlearned:
        return None
    rows = run.data.get("outlier_rows") or []
    factor = run.data.get("outlier_factor") or 0.0
    return Finding(
        name="data_outliers",
        family="data",
        severity="error",
        symptom=both(
            f"{run.data['outliers']} rows are up to {factor:.0f} times as far out as the others.",
            f"有 {run.data['outliers']} 行偏离程度是其余各行的 {factor:.0f} 倍之多。",
        ),
        evidence=(
            Evidence(
                both(
                    f"distance from the median / usual (rows {', '.join(map(str, rows))})",
                    f"到中位数的距离 / 通常的距离（第 {', '.join(map(str, rows))} 行）",
                ),
                factor,
                50.0,
            ),
        ),
        cause=both(
            "Such a row makes a gradient that undoes what all others taught.",
            "这样一行的梯度，足以抵消其余各行教给网络的一切。",
        ),
        remedies=(
            Remedy(both("Look at these rows; correct or drop them.", "检查这些行，更正或删去。")),
            Remedy(both("Clip the inputs, or the gradients.", "裁剪输入或梯度。")),
        ),
        confidence=0.9,
        depth=0,
    )


SURE = 4.0
"""Standard errors of a score by which another one must be better to be taken for better."""


def data_leakage(run: Signals) -> Finding | None:
    """Validation rows are training rows too, or one column gives the target away.

    Source: Kaufman et al. 2012, "Leakage in data mining"; Kapoor & Narayanan 2023. Margin: honest splits of the
    benchmark share less than 2 % of their rows.
    """
    data = run.data
    overlap = data.get("overlap") or 0.0
    copies = overlap > 0.1 and not data.get("same") and (data.get("distinct") or 0) > 0.9
    single, rest = data.get("single") or 0.0, data.get("without_single")
    betrayed = run.kind == "classes" and rest is not None and single > 0.97 and rest < single - 0.08
    if betrayed and rest is not None:  # and by more than the few rows that it is told from allow
        chance = math.sqrt(rest * (1 - rest) / max(data.get("kept_rows") or 0, 1))
        betrayed = single - rest > SURE * chance
    if not (copies or betrayed):
        return None
    return Finding(
        name="data_leakage",
        family="data",
        severity="error",
        symptom=both(
            f"{overlap:.0%} of the validation rows were trained on.", f"验证样本中有 {overlap:.0%} 参加过训练。"
        )
        if copies
        else both(
            f"Column {data.get('single_column')} alone predicts the target: {single:.1%} right.",
            f"仅凭第 {data.get('single_column')} 列就能预测目标：正确率 {single:.1%}。",
        ),
        evidence=(
            Evidence(
                both("share of validation rows that are training rows", "验证样本中同时也是训练样本的比例"),
                float(overlap),
                0.1,
                "Kaufman et al. 2012",
            ),
            Evidence(both("score of the best single column", "最好的单独一列的得分"), float(single), 0.97),
            Evidence(both("score without that column", "去掉这一列之后的得分"), rest, None),
        ),
        cause=both("The validation score measures memory, not learning.", "验证得分量的是记忆，不是学习。")
        if copies
        else both(
            "The column holds the answer; will it be known when predictions are made?",
            "这一列里就有答案；预测的时候，真的能知道它吗？",
        ),
        remedies=(
            Remedy(both("Split again so that no row is on both sides.", "重新划分，使任何一行都不会同时在两边。"))
            if copies
            else Remedy(
                both("Take the column out if it is not known beforehand.", "如果这一列事先无法知道，就把它去掉。")
            ),
        ),
        confidence=0.93,
        depth=0,
    )


def train_val_distribution_shift(run: Signals) -> Finding | None:
    """Validation rows are scaled or centred otherwise than training rows: half of the columns at least.

    Source: Quiñonero-Candela et al. 2009, "Dataset shift in machine learning". Margin: random splits of the benchmark
    differ by less than 0.3 spreads and a factor of 1.5.
    """
    shift, scale = run.data.get("shift"), run.data.get("shift_scale")
    if shift is None or scale is None or run.data.get("same") or not run.unlearned:
        return None
    if shift < 1.0 and 1 / 3 < scale < 3:
        return None
    return Finding(
        name="train_val_distribution_shift",
        family="data",
        severity="error",
        symptom=both("Validation rows do not look like training rows.", "验证样本与训练样本不像来自同一处。"),
        evidence=(
            Evidence(
                both("distance of the column means, in training spreads", "各列均值的差距，以训练集标准差为单位"),
                float(shift),
                1.0,
            ),
            Evidence(
                both("spread of the validation columns / training", "各列标准差：验证集 / 训练集"), float(scale), 3.0
            ),
        ),
        cause=both(
            "The two were prepared differently (one standardised, the other not), or come from different sources.",
            "两者的预处理不同（一个标准化了，另一个没有），或者来源不同。",
        ),
        remedies=(
            Remedy(
                both(
                    "Prepare both with the numbers learned from the training rows.",
                    "两者都用从训练样本得到的数来预处理。",
                )
            ),
        ),
        confidence=0.93,
        depth=0,
    )
