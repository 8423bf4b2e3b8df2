"""Faults in the targets: their scale, their labels, and whether they belong to their rows."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both


def unnormalized_targets(run: Signals) -> Finding | None:
    """Targets are numbers in the tens or more, and the run does not learn them.

    Source: Bishop 1995, "Neural networks for pattern recognition", section 8.2. Margin: a spread of 10.
    """
    std, mean = run.targets.get("std") or 0.0, abs(run.targets.get("mean") or 0.0)
    if run.kind != "numbers" or not run.stuck or max(std, 0.2 * mean) < 10:
        return None
    return Finding(
        name="unnormalized_targets",
        family="data",
        severity="error",
        symptom=both(
            f"The targets are large: spread {std:.3g}, mean {mean:.3g}.",
            f"目标值太大：标准差 {std:.3g}，均值 {mean:.3g}。",
        ),
        evidence=(
            Evidence(
                both("spread of the targets", "目标值的标准差"),
                float(std),
                10.0,
                both("Bishop 1995: about 1", "Bishop 1995：约为 1"),
            ),
        ),
        cause=both(
            "The first errors are as large as the targets: steps are huge, or outputs take very long to get there.",
            "最初的误差和目标值一样大：要么步子极大，要么输出要很久才能到达。",
        ),
        remedies=(
            Remedy(both("Standardise the targets, and turn predictions back.", "将目标值标准化，预测时再换算回来。")),
        ),
        confidence=0.8,
        depth=1,
    )


def label_misalignment(run: Signals) -> Finding | None:
    """The inputs say nothing about the targets: neighbours, trees and a linear model do no better than a constant.

    Source: Northcutt et al. 2021, "Confident learning"; the test is that of Cover & Hart 1967 (nearest neighbours).
    Margin: reference models of learnable tables are 0.2 and more above a constant.
    """
    if run.learnable is not False or not run.unlearned or (run.data.get("rows") or 0) < 40:
        return None
    if run.data.get("nan") or (run.data.get("constant") or 0) > 0.999:
        return None
    floor = run.majority + 0.15 * (1 - run.majority)
    within = [run.data.get("agreement"), run.data.get("agreement_trees")]
    if any(value is not None and value > floor for value in within):
        return None
    if run.kind == "classes" and run.majority > 0.9:
        return None
    return Finding(
        name="label_misalignment",
        family="data",
        severity="error",
        symptom=both("Inputs and targets seem to have nothing to do with each other.", "输入与目标值似乎毫无关系。"),
        evidence=(
            Evidence(
                both("score of the best reference model", "最好的参考模型的得分"),
                run.reference,
                floor,
                "Cover & Hart 1967",
            ),
            Evidence(both("score of a constant", "常数预测的得分"), run.majority, None),
            Evidence(both("how often a row's neighbours agree with it", "一行与其近邻一致的比例"), within[0], floor),
        ),
        cause=both(
            "Rows and targets may have been shuffled apart, or joined on the wrong key.",
            "样本与目标值可能被分别打乱了，或者用错误的键做了连接。",
        ),
        remedies=(
            Remedy(
                both(
                    "Check a few rows by hand: is this the target of this row?",
                    "亲手核对几行：这真的是这一行的目标值吗？",
                )
            ),
        ),
        confidence=0.85,
        depth=0,
    )


def label_noise(run: Signals) -> Finding | None:
    """Many targets are wrong everywhere in the table, and the network learns them by heart.

    Overlapping classes are something else: there, rows far from the border agree with all their neighbours. Here even
    the most unanimous quarter of the rows has neighbours that disagree.
    Source: Northcutt et al. 2021, "Confident learning"; Zhang et al. 2017 for learning by heart.
    """
    clear = run.data.get("clearest")
    if run.kind != "classes" or clear is None or not clear < 0.85 or run.learnable is False:
        return None
    gap = run.train_score - run.score
    if not gap > 0.15:
        return None
    return Finding(
        name="label_noise",
        family="data",
        severity="warning",
        symptom=both(
            f"About {1 - clear:.0%} of the labels contradict their neighbours, and the network memorises them.",
            f"约 {1 - clear:.0%} 的标签与近邻矛盾，而网络把它们背了下来。",
        ),
        evidence=(
            Evidence(
                both(
                    "agreement among neighbours in the clearest quarter of the rows",
                    "最清楚的四分之一样本中近邻一致的程度",
                ),
                float(clear),
                0.85,
            ),
            Evidence(both("training score - validation score", "训练得分 - 验证得分"), gap, 0.15, "", "train_metric"),
        ),
        cause=both(
            "Wrong labels can only be learned by heart; that spoils what was learned from the right ones.",
            "错误的标签只能死记，这会破坏从正确标签学到的东西。",
        ),
        remedies=(
            Remedy(both("Stop earlier.", "早些停止。"), {"patience": 16}),
            Remedy(both("Smooth the labels.", "平滑标签。"), {"label_smoothing": 0.1}),
            Remedy(
                both(
                    "Look at the rows whose neighbours disagree, and correct them.", "检查与近邻不一致的行，加以更正。"
                )
            ),
        ),
        confidence=0.9,
        depth=4,
    )


def class_imbalance(run: Signals) -> Finding | None:
    """A rare class is hardly ever predicted; accuracy hides it.

    Source: He & Garcia 2009, "Learning from imbalanced data". Rare classes that are found are no fault. Margin: healthy
    runs find 0.6 of every class.
    """
    counts = [c for c in run.targets.get("counts") or () if c > 0]
    if run.kind != "classes" or len(counts) < 2 or max(counts) < 4 * min(counts):
        return None
    recall = run.worst_recall
    if not recall < 0.5 or max(counts) < 0.5 * sum(counts):
        return None
    if run.stuck_in_one_class and max(counts) < 0.7 * sum(counts):
        return None
    return Finding(
        name="class_imbalance",
        family="data",
        severity="error",
        symptom=both(
            f"A rare class ({min(counts) / sum(counts):.1%} of the rows) is found in {recall:.0%} of its cases.",
            f"稀有类别（占 {min(counts) / sum(counts):.1%}）只有 {recall:.0%} 被找到。",
        ),
        evidence=(
            Evidence(both("recall of the worst class", "最差类别的召回率"), recall, 0.5, "", "validation_recall"),
            Evidence(both("largest class / smallest", "最大类别 / 最小类别"), max(counts) / min(counts), 4.0),
        ),
        cause=both(
            "Saying the frequent class is right so often that little is gained by anything else.",
            "总说常见的类别，就几乎总是对的，再学别的得不到多少好处。",
        ),
        remedies=(
            Remedy(both("Weigh all classes alike.", "让各类别的权重相等。"), {"class_weight": "balanced"}),
            Remedy(
                both("Train longer; judge by balanced accuracy.", "训练更久；用平衡准确率来评判。"),
                {"epochs": {"times": 3}},
            ),
        ),
        confidence=0.9,
        depth=1,
    )
