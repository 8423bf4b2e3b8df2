"""The batch: its size and its order."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both


def batch_too_small(run: Signals) -> Finding | None:
    """Batches of one or two rows: the gradient is mostly noise, and batch statistics mean nothing.

    Source: Masters & Luschi 2018, "Revisiting small batch training" (2 to 32 do, with a rate that fits); Wu & He 2018,
    "Group normalization", for batch statistics of few rows. Margin: healthy runs of the benchmark have 4 rows and more.
    """
    few = run.batch <= 2 and (run.run.get("rows") or 0) > 16
    normed = bool(run.run.get("batch_norms")) and run.batch <= 4
    if not (few or normed) or not (run.unlearned or run.unsteady):
        return None
    return Finding(
        name="batch_too_small",
        family="batch",
        severity="error",
        symptom=both(
            f"Each step sees {run.batch} row{'s' * (run.batch > 1)}, and the run does not settle.",
            f"每一步只看到 {run.batch} 个样本，训练稳定不下来。",
        ),
        evidence=(
            Evidence(both("rows per step", "每一步的样本数"), float(run.batch), 4.0, "Masters & Luschi 2018"),
            Evidence(
                both(
                    "rows that would balance signal and noise / rows per step",
                    "信号与噪声相当所需的样本数 / 每一步的样本数",
                ),
                run.noise,
                1.0,
                "McCandlish et al. 2018",
            ),
        ),
        cause=both(
            "Batch normalisation takes mean and spread from so few rows that they are noise.",
            "批归一化的均值和标准差取自这么少的样本，只是噪声。",
        )
        if normed
        else both(
            "The gradient of so few rows points anywhere, and the rate is too high for that much noise.",
            "这么少样本的梯度方向飘忽不定，而学习率对这样的噪声来说太高。",
        ),
        remedies=(
            Remedy(both("Use batches of 32 rows.", "每批 32 个样本。"), {"batch_size": 32}),
            Remedy(both("Lower the learning rate.", "降低学习率。"), {"learning_rate": {"times": 0.1}}),
        ),
        confidence=0.85,
        depth=2,
    )


def batch_too_large(run: Signals) -> Finding | None:
    """The batch holds so much of the table that the run makes few updates, and they do not suffice.

    Source: Smith et al. 2020, "On the generalization benefit of noise in stochastic gradient descent"; Keskar et al.
    2017. Margin: fewer than 60 updates.
    """
    rows = run.run.get("rows") or 0
    if not run.stuck or not rows or run.batch < max(0.25 * rows, 64) or run.steps >= 60 or run.broken:
        return None
    return Finding(
        name="batch_too_large",
        family="batch",
        severity="warning",
        symptom=both(
            f"Batches of {run.batch} of {rows} rows leave {run.steps} updates in the whole run.",
            f"共 {rows} 个样本，每批 {run.batch} 个，整个训练只有 {run.steps} 次更新。",
        ),
        evidence=(
            Evidence(
                both("updates", "更新次数"),
                float(run.steps),
                60.0,
                both("margin on the benchmark", "基准测试中的余量"),
                "step_loss",
            ),
        ),
        cause=both(
            "An epoch costs the same whatever the batch, and a large one makes few steps of it.",
            "一轮的代价与批大小无关，而批越大，一轮里的更新越少。",
        ),
        remedies=(
            Remedy(both("Use batches of 64 rows.", "每批 64 个样本。"), {"batch_size": 64}),
            Remedy(both("Train longer.", "训练更久。"), {"epochs": {"times": 4}}),
        ),
        confidence=0.5,
        depth=4,
    )


def not_shuffled(run: Signals) -> Finding | None:
    """The rows come in the order of the table, and neighbours have the same target: batches are one-sided.

    Source: Bottou 2012, "Stochastic gradient descent tricks", section 4.1; Bengio 2012, section 3.1.
    """
    mixing = run.run.get("order_mixing")
    if run.run.get("order") != "fixed" or mixing is None or mixing > 0.5 or not (run.unlearned or run.unsteady):
        return None
    return Finding(
        name="not_shuffled",
        family="batch",
        severity="error",
        symptom=both("The rows are sorted by their targets and not shuffled.", "样本按目标值排好了序，却没有打乱。"),
        evidence=(
            Evidence(
                both("spread of the targets within a batch / in the table", "目标值的离散程度：批内 / 全表"),
                float(mixing),
                0.5,
                "Bottou 2012",
            ),
        ),
        cause=both(
            "Each batch teaches one class, and the next one makes the network forget it.",
            "每一批只教一个类别，下一批又让网络忘掉它。",
        ),
        remedies=(Remedy(both("Shuffle the rows in each epoch.", "每一轮都打乱样本。")),),
        confidence=0.93,
        depth=1,
    )
