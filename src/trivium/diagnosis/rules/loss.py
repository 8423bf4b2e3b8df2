"""Losses: whether what is minimised is what is wanted."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both

BOUNDS = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, None),
    "softplus": (0.0, None),
}
"""Output activation -> the numbers that it can reach."""


def loss_output_mismatch(run: Signals) -> Finding | None:
    """The loss, the activation of the output and the targets do not belong together.

    Source: Goodfellow et al. 2016, "Deep learning", section 6.2.2 (output units and their losses); Humbatova et al.
    2020, "Taxonomy of real faults in deep learning systems", for the mistakes.
    """
    certain = _certain(run)
    found = certain or _by_range(run) or _weak(run)
    if found is None:
        return None
    symptom, cause, text, changes, confidence = found
    kind = run.loss.get("kind")
    return Finding(
        name="loss_output_mismatch",
        family="loss",
        severity="error",
        symptom=symptom,
        evidence=(
            Evidence(
                both("output activation, then loss", "输出激活，然后是损失函数"),
                " -> ".join([*run.links, str(kind)]),
                None,
                both("the program's own graph", "由程序的计算图得出"),
            ),
            Evidence(
                both("least loss that any output reaches", "任何输出所能达到的最小损失"),
                run.loss.get("perfect"),
                None,
                both("asked of the loss itself", "由损失函数自身得出"),
            ),
        ),
        cause=cause,
        remedies=(Remedy(text, changes),),
        confidence=confidence,
        depth=0 if certain else 1,
    )


def _certain(run: Signals) -> tuple[str, str, str, dict, float] | None:
    """Combinations that are wrong whatever the run did."""
    loss, links, width = run.loss, run.loss.get("link") or [], run.output.get("width")
    kind = loss.get("kind")
    own = {"loss": None, "output_activation": None}
    probabilities = [name for name in links if name in ("softmax", "sigmoid", "log_softmax")]
    if kind == "cross_entropy" and len(probabilities) > 1:
        return (
            both(
                "The outputs go through a softmax before a loss that applies its own.",
                "输出先经过了一次 softmax，而损失函数自己还会再做一次。",
            ),
            both(
                f"Squeezed twice, the loss cannot fall below {loss.get('perfect') or 0:.2f} and its "
                "gradient stays small.",
                f"压缩两次之后，损失降不到 {loss.get('perfect') or 0:.2f} 以下，梯度也一直很小。",
            ),
            both("Hand the bare outputs to the loss.", "把未经变换的输出交给损失函数。"),
            own,
            0.97,
        )
    if kind == "bce" and "BinaryCrossEntropyWithLogits" in (loss.get("nodes") or []) and "sigmoid" in links:
        return (
            both(
                "The outputs go through a sigmoid before a loss that applies its own.",
                "输出先经过了一次 sigmoid，而损失函数自己还会再做一次。",
            ),
            both(
                "Squeezed twice, probabilities stay between 0.5 and 0.73.",
                "压缩两次之后，概率只能在 0.5 到 0.73 之间。",
            ),
            both("Hand the bare outputs to the loss.", "把未经变换的输出交给损失函数。"),
            own,
            0.97,
        )
    if "softmax" in links and width == 1 and (loss.get("link_axis") in (-1, 1, None)):
        return (
            both("A softmax over a single output is always 1.", "只有一个输出的 softmax 恒为 1。"),
            both(
                "With one number to share the mass among, the output cannot change, and no gradient flows.",
                "只有一个数来分享全部份额，输出无法改变，也没有梯度。",
            ),
            both(
                "Use a sigmoid for one output, or one output per class.", "单个输出用 sigmoid，或者每个类别一个输出。"
            ),
            own,
            0.97,
        )
    if loss.get("link_axis") == -2 and any("softmax" in name for name in links) and run.batch > 1:
        return (
            both(
                "The softmax runs over the rows of the batch, not over the classes.",
                "softmax 是沿着批里的样本计算的，而不是沿着类别。",
            ),
            both(
                "Rows compete with each other, and the loss depends on who else is in the batch.",
                "样本之间互相竞争，损失取决于同一批里还有谁。",
            ),
            both("Take the softmax over the last axis.", "沿最后一个轴计算 softmax。"),
            own,
            0.97,
        )
    if loss.get("flat"):
        return (
            both("The loss does not change, whatever the network puts out.", "无论网络输出什么，损失都不变。"),
            both(
                "Output activation and loss cancel each other: no gradient flows.",
                "输出激活与损失函数互相抵消：没有梯度。",
            ),
            both("Use the loss that fits the outputs.", "使用与输出相配的损失函数。"),
            own,
            0.95,
        )
    if kind == "nll" or (loss.get("unbounded") and loss.get("sign") != -1):
        return (
            both(
                "The loss wants logarithms of probabilities and gets bare outputs.",
                "损失函数要的是概率的对数，得到的却是未经变换的输出。",
            ),
            both(
                "Raising one output lowers the loss without end: it falls below zero, and nothing is learned.",
                "抬高一个输出就能让损失无止境地下降：它降到零以下，却什么也没学到。",
            ),
            both(
                "Use cross entropy on the outputs (or put log-softmax before this loss).",
                "直接对输出使用交叉熵（或在这个损失之前加 log-softmax）。",
            ),
            own,
            0.97,
        )
    return None


def _by_range(run: Signals) -> tuple[str, str, str, dict, float] | None:
    """Numbers as targets that the output activation cannot reach; classes through an activation that hides them."""
    loss, targets, links = run.loss, run.targets, run.links
    last = links[-1] if links else None
    kind = loss.get("kind")
    if run.kind == "numbers" and last in BOUNDS and run.unlearned:
        low, high = BOUNDS[last]
        minimum, maximum = targets.get("minimum", 0.0), targets.get("maximum", 0.0)
        slack = 0.02 * max(maximum - minimum, 1e-12)
        if minimum < low - slack or (high is not None and maximum > high + slack):
            return (
                both(
                    f"The targets run from {minimum:.3g} to {maximum:.3g}, and {last} cannot reach all of that.",
                    f"目标值从 {minimum:.3g} 到 {maximum:.3g}，{last} 达不到其中的全部。",
                ),
                both(
                    f"It puts out numbers {'above 0' if high is None else f'from {low:g} to {high:g}'} only.",
                    f"它只能输出{' 0 以上' if high is None else f' {low:g} 到 {high:g} '}的数。",
                ),
                both("Leave the output without an activation.", "输出层不要激活函数。"),
                {"output_activation": None},
                0.95,
            )
    if run.kind in ("classes", "several") and kind in ("bce", "cross_entropy") and run.unlearned:
        bare = not links and "Log" in (loss.get("nodes") or [])
        if last in ("relu", "tanh", "elu", "leaky_relu", "gelu") or bare:
            return (
                both(
                    f"The loss wants probabilities and gets {'bare outputs' if bare else f'outputs of {last}'}.",
                    f"损失函数要的是概率，得到的却是{'未经变换的输出' if bare else f' {last} 的输出'}。",
                ),
                both(
                    "Outside 0 to 1 the loss is cut off or not defined; there no gradient flows.",
                    "在 0 到 1 之外，损失被截断或没有定义；那里没有梯度。",
                ),
                both("Use a sigmoid for two classes, a softmax for more.", "两个类别用 sigmoid，更多类别用 softmax。"),
                {"output_activation": None, "loss": None},
                0.95,
            )
    if run.kind == "several" and "softmax" in links and run.unlearned:
        return (
            both(
                "Several labels can hold at once, and a softmax lets only one win.",
                "多个标签可以同时成立，而 softmax 只让一个胜出。",
            ),
            both("A softmax shares one unit of mass among all labels.", "softmax 让所有标签分享总和为一的份额。"),
            both("Use a sigmoid for each label.", "每个标签用一个 sigmoid。"),
            {"output_activation": None, "loss": None},
            0.93,
        )
    return None


def _weak(run: Signals) -> tuple[str, str, str, dict, float] | None:
    """A loss for numbers on classes: it can work, so it counts only where the run did not learn."""
    kind = run.loss.get("kind")
    if run.kind != "classes" or kind not in ("mse", "mae", "rmse", "huber") or not run.stuck or run.silent:
        return None
    return (
        both(
            f"Classes are learned with {'absolute' if kind == 'mae' else 'squared'} error, and the run is stuck.",
            f"用{'绝对' if kind == 'mae' else '平方'}误差来学习类别，训练卡住了。",
        ),
        both(
            "Where a prediction is surely wrong, the slope of this loss through a sigmoid or softmax is nearly zero; "
            "without one, its scale has nothing to do with probabilities.",
            "预测错得很肯定的地方，这个损失经过 sigmoid 或 softmax 后斜率几乎为零；不经过它们，数值又与概率无关。",
        ),
        both("Use cross entropy.", "使用交叉熵。"),
        {"loss": None},
        0.8 if kind == "mae" else 0.6,
    )


def loss_sign_flipped(run: Signals) -> Finding | None:
    """A right prediction costs more than a wrong one: the run climbs where it should descend.

    Asked of the loss itself, with made-up right and wrong outputs; without it, read from the program's graph.
    Source: Zhang et al. 2021, "AUTOTRAINER"; Karpathy 2019, "A recipe for training neural networks".
    """
    if run.loss.get("sign") != -1:
        return None
    return Finding(
        name="loss_sign_flipped",
        family="loss",
        severity="error",
        symptom=both("The loss rewards wrong predictions.", "损失奖励错误的预测。"),
        evidence=(
            Evidence(
                both("a right prediction costs more than a wrong one", "预测正确反而比预测错误代价更大"),
                both("yes", "是"),
                None,
                both("asked of the loss itself", "由损失函数自身得出"),
            ),
        ),
        cause=both(
            "Its sign is turned round: what should be minimised is maximised.", "它的符号反了：本应最小化的被最大化了。"
        ),
        remedies=(Remedy(both("Take away the minus sign.", "去掉负号。"), {"loss": None}),),
        confidence=0.98,
        depth=1,
    )


def loss_reduction_sum(run: Signals) -> Finding | None:
    """The loss is summed over the batch, so the step grows with the batch size, and the run does not learn.

    Source: Goyal et al. 2017, "Accurate, large minibatch SGD", section 3.
    """
    if run.loss.get("reduction") != "sum" or run.batch < 2 or not run.unlearned:
        return None
    if "adam" in str(run.optimizer.get("name")) and not run.broken:
        return None  # its steps do not know the scale of the loss
    return Finding(
        name="loss_reduction_sum",
        family="loss",
        severity="error",
        symptom=both(
            f"The loss is a sum over {run.batch} rows, not their mean.", f"损失是 {run.batch} 个样本之和，而不是平均。"
        ),
        evidence=(
            Evidence(
                both("loss of a batch twice as long / of the batch", "批长度加倍后的损失 / 原来的损失"),
                2.0,
                1.0,
                both("asked of the loss itself", "由损失函数自身得出"),
            ),
        ),
        cause=both(
            f"All gradients are {run.batch} times as large: the learning rate acts as if it were that much larger.",
            f"所有梯度都放大了 {run.batch} 倍：学习率也相当于大了这么多倍。",
        ),
        remedies=(
            Remedy(both("Take the mean over the batch.", "对批取平均。"), {"loss": None}),
            Remedy(
                both(f"Divide the learning rate by {run.batch}.", f"把学习率除以 {run.batch}。"),
                {"learning_rate": {"times": 1 / run.batch}},
            ),
        ),
        confidence=0.85,
        depth=1,
    )


def unsafe_logarithm(run: Signals) -> Finding | None:
    """The loss takes the logarithm of something that can be zero, without a bound.

    Source: Goldberg 1991, "What every computer scientist should know about floating-point arithmetic".
    """
    if run.loss.get("safe_log") is not False:
        return None
    return Finding(
        name="unsafe_logarithm",
        family="loss",
        severity="info",
        symptom=both(
            "The loss takes a logarithm that nothing keeps away from log 0.",
            "损失里取了对数，却没有任何东西防止出现 log 0。",
        ),
        evidence=(
            Evidence(
                both("a bound before the logarithm", "对数之前的界限"),
                both("none", "没有"),
                None,
                both("the program's own graph", "由程序的计算图得出"),
            ),
        ),
        cause=both(
            "A probability that rounds to zero makes the loss infinite and the gradient NaN.",
            "概率舍入为零，就会使损失为无穷、梯度为 NaN。",
        ),
        remedies=(
            Remedy(
                both(
                    "Use a loss that takes logits: it never forms the probability.",
                    "使用以 logit 为输入的损失：它从不直接形成概率。",
                ),
                {"loss": None},
            ),
        ),
        confidence=0.9,
        depth=1,
    )
