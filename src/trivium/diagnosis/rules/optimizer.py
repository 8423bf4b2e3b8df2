"""The optimizer's other numbers, and whether it gets what it needs."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals
from trivium.diagnosis.texts import both


def parameters_not_updated(run: Signals) -> Finding | None:
    """Weights of the network never change: the optimizer does not hold them, or they are frozen.

    Freezing on purpose is no fault: it counts where the run does not learn.
    Source: Jiang et al. 2025, "TrainCheck", where it is among the silent errors of users' code.
    """
    if not run.unlearned:
        return None
    lost, frozen = list(run.run.get("never_given") or ()), list(run.run.get("frozen") or ())
    still = [name for name in lost + frozen if "bias" not in name]
    if not still and run.learning_rate != 0:
        return None
    return Finding(
        name="parameters_not_updated",
        family="optimizer",
        severity="error",
        symptom=both(f"{len(still)} arrays of weights are never changed.", f"有 {len(still)} 个权重数组从未改变。")
        if still
        else both("The learning rate is zero.", "学习率为零。"),
        evidence=(
            Evidence(
                both("never updated", "从未更新的"),
                ", ".join(still[:5]) or both("all", "全部"),
                None,
                both("the optimizer's own groups", "由优化器的参数组得出"),
            ),
        ),
        cause=both("They were not handed to the optimizer.", "它们没有交给优化器。")
        if lost
        else both("They are marked as needing no gradient.", "它们被标记为不需要梯度。"),
        remedies=(
            Remedy(both("Give the optimizer all of model.parameters().", "把 model.parameters() 全部交给优化器。")),
        ),
        confidence=0.93,
        depth=1,
    )


def gradients_not_zeroed(run: Signals) -> Finding | None:
    """Gradients of earlier steps are still there when a new one is added: the step is a sum over the whole run.

    Source: PyTorch documentation, "Zeroing out gradients".
    """
    if not run.run.get("gradients_accumulate") or not run.unlearned:
        return None
    return Finding(
        name="gradients_not_zeroed",
        family="optimizer",
        severity="error",
        symptom=both("Gradients are never set to zero between steps.", "各步之间从未把梯度清零。"),
        evidence=(
            Evidence(
                both("gradients before the backward pass of a new step", "新一步反向传播之前的梯度"),
                both("not zero", "不为零"),
                both("zero", "零"),
                both("PyTorch docs", "PyTorch 文档"),
            ),
        ),
        cause=both(
            "Each step follows the sum of all gradients so far, like momentum without friction.",
            "每一步都沿着至今所有梯度之和走，就像没有摩擦的动量。",
        ),
        remedies=(
            Remedy(
                both(
                    "Call optimizer.zero_grad() before each backward pass.",
                    "每次反向传播之前调用 optimizer.zero_grad()。",
                )
            ),
        ),
        confidence=0.95,
        depth=1,
    )


def momentum_too_high(run: Signals) -> Finding | None:
    """A momentum of 0.98 and more averages over so many steps that plain descent swings about, and does not learn.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum", where 0.99 needs a slow start.
    """
    momentum = run.optimizer.get("momentum")
    adaptive = run.optimizer.get("beta1") is not None
    if momentum is None or momentum < 0.98 or adaptive or not (run.stuck or run.unsteady) or not run.unlearned:
        return None
    return Finding(
        name="momentum_too_high",
        family="optimizer",
        severity="warning",
        symptom=both(
            f"The momentum, {momentum:g}, averages over {1 / max(1 - momentum, 1e-9):.0f} steps.",
            f"动量 {momentum:g} 相当于对 {1 / max(1 - momentum, 1e-09):.0f} 步取平均。",
        ),
        evidence=(Evidence(both("momentum", "动量"), float(momentum), 0.98, "Sutskever et al. 2013"),),
        cause=both(
            "Past gradients outweigh the present one: the run overshoots; its step is the rate times that number.",
            "过去的梯度压过了当前的：训练会冲过头；实际步长是学习率乘以这个步数。",
        ),
        remedies=(
            Remedy(both("Use a momentum of 0.9.", "动量用 0.9。"), {"optimizer": "adam", "learning_rate": None}),
        ),
        confidence=0.6,
        depth=4,
    )


def epsilon_too_large(run: Signals) -> Finding | None:
    """Adam's epsilon is larger than the gradients, so that its steps no longer adapt, and shrink.

    Source: Kingma & Ba 2015, "Adam", section 2 (1e-8 by default). Margin: 1e-3 is used on purpose, by some.
    """
    epsilon = run.optimizer.get("epsilon")
    if epsilon is None or epsilon < 1e-2 or not run.stuck:
        return None
    return Finding(
        name="epsilon_too_large",
        family="optimizer",
        severity="warning",
        symptom=both(
            f"Epsilon, {epsilon:g}, drowns the gradients in the optimizer's division.",
            f"epsilon 为 {epsilon:g}，在优化器的除法里淹没了梯度。",
        ),
        evidence=(
            Evidence(
                both("epsilon", "epsilon"),
                float(epsilon),
                1e-2,
                both("Kingma & Ba 2015: 1e-8", "Kingma & Ba 2015：1e-8"),
            ),
        ),
        cause=both(
            "The step is the gradient / (its size + epsilon): with a large epsilon it is tiny.",
            "步长是 梯度 / (梯度大小 + epsilon)：epsilon 很大时，步长就很小。",
        ),
        remedies=(
            Remedy(both("Use epsilon 1e-8.", "epsilon 用 1e-8。"), {"optimizer": "adam", "learning_rate": None}),
        ),
        confidence=0.55,
        depth=4,
    )


def clipping_too_tight(run: Signals) -> Finding | None:
    """Clipping cuts nearly every gradient to a fraction, and the run does not learn.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks", section 3.2.
    """
    shares = run.record.clipping
    shares = shares[shares == shares]
    if not run.stuck or len(shares) < 4:
        return None
    always, left = float((shares < 0.99).mean()), float(sorted(shares)[len(shares) // 2])
    if always < 0.9 or left > 0.2:
        return None
    adaptive = run.optimizer.get("beta2") is not None
    return Finding(
        name="clipping_too_tight",
        family="optimizer",
        severity="warning" if adaptive else "error",
        symptom=both(
            f"Clipping leaves {left:.1%} of the gradient in {always:.0%} of the steps.",
            f"在 {always:.0%} 的步里，裁剪只留下梯度的 {left:.1%}。",
        ),
        evidence=(
            Evidence(
                both("median share of the gradient's norm that is left", "裁剪后剩余梯度范数比例的中位数"),
                left,
                0.2,
                "Pascanu et al. 2013",
                "clipping",
            ),
        ),
        cause=both(
            "The bound is far below the usual size of the gradient: it sets the step, not the learning rate.",
            "界限远低于梯度通常的大小：决定步长的是它，而不是学习率。",
        ),
        remedies=(
            Remedy(
                both(
                    "Raise the bound to the usual norm of the gradient, or take it away.",
                    "把界限提高到梯度通常的范数，或者去掉它。",
                )
            ),
        ),
        confidence=0.85,
        depth=3,
    )
