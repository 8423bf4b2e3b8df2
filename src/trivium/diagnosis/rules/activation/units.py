"""What units do: those that are saturated or dead, those that do not bend, and those of the wrong kind."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both


def saturated_activation(run: Signals) -> Finding | None:
    """Most entries of a layer lie where its activation is flat: its slope there is under 1/20 of the largest.

    Source: Glorot & Bengio 2010, section 3; LeCun et al. 1998, "Efficient BackProp". Margin: healthy runs: below 0.4.
    """
    level, place = run.saturated
    if not run.stuck or not level > 0.5:
        return None
    layer = run.record.layers[place]
    wide = run.input_size > 10
    return Finding(
        name="saturated_activation",
        family="activation",
        severity="error",
        symptom=both(
            f"{level:.0%} of the {layer.activation} outputs of layer {layer.name} sit on the flat ends.",
            f"{layer.name} 层的 {layer.activation} 输出有 {level:.0%} 落在两端的平坦区。",
        ),
        evidence=(
            Evidence(
                both("share of entries with almost no slope", "斜率几乎为零的输出所占比例"),
                level,
                0.5,
                "Glorot & Bengio 2010",
                "saturated",
            ),
        ),
        cause=both("What goes into the activation is too large, ", "进入激活函数的数值太大，")
        + (
            both("because the inputs are.", "因为输入太大。")
            if wide
            else both("because the weights are.", "因为权重太大。")
        )
        + both(
            " On the flat ends the slope is nearly zero, and so is the gradient.",
            "在平坦区，斜率几乎为零，梯度也几乎为零。",
        ),
        remedies=(
            Remedy(both("Standardise the inputs.", "将输入标准化。"))
            if wide
            else Remedy(both("Start with smaller weights.", "从更小的权重开始。"), {"initializer": None}),
            Remedy(
                both("Use an activation without flat ends, such as ReLU.", "改用没有平坦端的激活函数，例如 ReLU。"),
                {"activation": "relu"},
            ),
            Remedy(both("Normalise between the layers.", "在层间做归一化。"), {"normalisation": "layer"}),
        ),
        confidence=0.8,
        depth=2,
    )


def dying_relu(run: Signals) -> Finding | None:
    """More than nine in ten units of a layer pass no gradient for any row: they cannot recover.

    The share of zeros says nothing: healthy sparse networks have 70 to 90 %. The share of units that are off for
    every row of the probe batch does.
    Source: Lu et al. 2019, "Dying ReLU and initialization". Margin: healthy runs are below 0.6.
    """
    if run.silent and run.unlearned and run.links[-1:] in (["relu"], ["relu6"]):
        return _dead_output(run)
    level, place = run.dead
    if not run.unlearned or not level > 0.9:
        return None
    layer, start = run.record.layers[place], run.at_start("dead")
    born = bool(place < len(start) and start[place] > 0.9)
    return Finding(
        name="dying_relu",
        family="activation",
        severity="error",
        symptom=both(
            f"{level:.0%} of the units of layer {layer.name} are dead: they output the same for every row.",
            f"{layer.name} 层有 {level:.0%} 的单元已经死亡：对每个样本的输出都一样。",
        ),
        evidence=(
            Evidence(
                both("share of units without any gradient on the probe batch", "在探测批上完全没有梯度的单元所占比例"),
                level,
                0.9,
                "Lu et al. 2019",
                "dead",
            ),
        ),
        cause=both(
            "They were dead before the first update: their weights and biases start where the activation is flat.",
            "它们在第一次更新之前就已死亡：权重和偏置一开始就落在激活函数的平坦区。",
        )
        if born
        else both(
            "A large step pushed their biases so far down that no row switches them on again.",
            "某一步太大，把偏置推得过低，再没有样本能激活它们。",
        ),
        remedies=(
            Remedy(
                both(
                    "Start biases at zero and use He's initialisation; make narrow layers wider.",
                    "偏置从零开始，使用 He 初始化；把窄的层加宽。",
                ),
                {"initializer": None},
            )
            if born
            else Remedy(both("Lower the learning rate.", "降低学习率。"), {"learning_rate": {"times": 0.1}}),
            Remedy(
                both("Use an activation with a slope on both sides.", "改用两侧都有斜率的激活函数。"),
                {"activation": "leaky_relu"},
            ),
            Remedy(both("Use fewer, wider layers.", "层少一些、宽一些。"), {"hidden_widths": (64, 64)}),
        ),
        confidence=0.85 if born else 0.6,
        depth=2 if born else 4,
    )


def _dead_output(run: Signals) -> Finding:
    """The output itself is a ReLU that is off for all rows from the start: nothing ever moves."""
    return Finding(
        name="dying_relu",
        family="activation",
        severity="error",
        symptom=both(
            "The output is a ReLU that is off for every row: it puts out 0, and no weight ever moves.",
            "输出是一个对每个样本都关闭的 ReLU：它只输出 0，权重从不移动。",
        ),
        evidence=(
            Evidence(
                both("norm of the gradient, largest of the run", "梯度范数，全程最大值"),
                0.0,
                None,
                "Lu et al. 2019",
                "gradient_norm",
            ),
            Evidence(both("output activation", "输出激活"), run.links[-1]),
        ),
        cause=both(
            "What enters it is zero or less for every row from the start, and there the slope of ReLU is 0: at zero, "
            "too.",
            "从一开始，每个样本进入它的值都不大于零，而 ReLU 在那里的斜率是 0：零点处也是。",
        ),
        remedies=(
            Remedy(
                both("Leave the output without an activation.", "输出层不要激活函数。"), {"output_activation": None}
            ),
            Remedy(both("Start with random weights.", "用随机权重开始。"), {"initializer": None}),
            Remedy(
                both(
                    "Add a hidden layer for what no straight line can tell apart.",
                    "加一个隐藏层，去学直线分不开的东西。",
                ),
                {"hidden_widths": (32,)},
            ),
        ),
        confidence=0.97,
        depth=1,
    )


def missing_nonlinearity(run: Signals) -> Finding | None:
    """Nothing in the network bends, so it can only draw straight lines, and the data need more than that.

    Source: Minsky & Papert 1969, "Perceptrons". Margin: the reference models must beat a linear one by 0.08.
    """
    linear, reference = run.data.get("linear"), run.reference
    straight = run.run.get("nonlinear") is False
    if not straight or not run.unlearned or linear is None or not reference > max(linear, run.majority) + 0.08:
        return None
    several = len(run.record.layers) > 1
    return Finding(
        name="missing_nonlinearity",
        family="activation",
        severity="error",
        symptom=both(
            f"The network is a linear model: {run.score_name} stays at {run.score:.2f}.",
            f"这个网络是线性模型：{run.score_name.zh}停在 {run.score:.2f}。",
        ),
        evidence=(
            Evidence(
                both("score of a linear model on these data", "线性模型在这些数据上的得分"),
                float(linear),
                float(reference),
                both("reference models here", "这里的参考模型"),
            ),
        ),
        cause=both("Several linear layers in a row are one linear layer.", "多个线性层叠在一起，仍然只是一个线性层。")
        if several
        else both(
            "A network without a hidden layer is a linear model; these data (XOR is the classic) need a bend.",
            "没有隐藏层的网络是线性模型；这些数据（XOR 是经典例子）需要弯曲的边界。",
        ),
        remedies=(
            Remedy(
                both("Put an activation after each hidden layer.", "在每个隐藏层之后加一个激活函数。"),
                {"activation": "relu"},
            )
            if several
            else Remedy(
                both("Add a hidden layer with an activation.", "加一个带激活函数的隐藏层。"),
                {"hidden_widths": (32,), "activation": "relu"},
            ),
        ),
        confidence=0.9,
        depth=2,
    )


def bad_activation(run: Signals) -> Finding | None:
    """A hidden layer uses a function that makes its units compete (softmax) or explode (exp).

    Source: Goodfellow et al. 2016, "Deep learning", section 6.2.2.3, where softmax belongs to outputs.
    """
    bad = {"softmax", "log_softmax", "softmin", "exp"}
    found = [run.record.layers[p] for p in run.hidden if run.record.layers[p].activation in bad]
    if not found or not run.unlearned:
        return None
    exploding = any(layer.activation == "exp" for layer in found)
    return Finding(
        name="bad_activation",
        family="activation",
        severity="error",
        symptom=both(
            f"Layer {found[0].name} has {found[0].activation} as its activation, and the network does not learn.",
            f"{found[0].name} 层以 {found[0].activation} 作为激活函数，网络学不起来。",
        ),
        evidence=(
            Evidence(
                both("activation of a hidden layer", "隐藏层的激活函数"),
                str(found[0].activation),
                None,
                "Goodfellow et al. 2016",
            ),
        ),
        cause=both("The exponential of an exponential overflows within a few layers.", "指数的指数，几层之内就会溢出。")
        if exploding
        else both(
            "A softmax makes the outputs of a layer share one unit of mass: little signal and little gradient pass.",
            "softmax 让一层的输出分享总和为一的份额：能通过的信号和梯度都很少。",
        ),
        remedies=(Remedy(both("Use ReLU in hidden layers.", "隐藏层改用 ReLU。"), {"activation": "relu"}),),
        confidence=0.85,
        depth=2,
    )
