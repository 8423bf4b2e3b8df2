"""The optimizer's other numbers, and whether it gets what it needs."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals


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
        symptom=f"{len(still)} arrays of weights are never changed." if still else "The learning rate is zero.",
        evidence=(Evidence("never updated", ", ".join(still[:5]) or "all", None, "the optimizer's own groups"),),
        cause="They were not handed to the optimizer." if lost else "They are marked as needing no gradient.",
        remedies=(Remedy("Give the optimizer all of model.parameters()."),),
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
        symptom="Gradients are never set to zero between steps.",
        evidence=(Evidence("gradients before the backward pass of a new step", "not zero", "zero", "PyTorch docs"),),
        cause="Each step follows the sum of all gradients so far, like momentum without friction.",
        remedies=(Remedy("Call optimizer.zero_grad() before each backward pass."),),
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
        symptom=f"The momentum, {momentum:g}, averages over {1 / max(1 - momentum, 1e-9):.0f} steps.",
        evidence=(Evidence("momentum", float(momentum), 0.98, "Sutskever et al. 2013"),),
        cause="Past gradients outweigh the present one: the run overshoots; its step is the rate times that number.",
        remedies=(Remedy("Use a momentum of 0.9.", {"optimizer": "adam", "learning_rate": None}),),
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
        symptom=f"Epsilon, {epsilon:g}, drowns the gradients in the optimizer's division.",
        evidence=(Evidence("epsilon", float(epsilon), 1e-2, "Kingma & Ba 2015: 1e-8"),),
        cause="The step is the gradient / (its size + epsilon): with a large epsilon it is tiny.",
        remedies=(Remedy("Use epsilon 1e-8.", {"optimizer": "adam", "learning_rate": None}),),
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
        symptom=f"Clipping leaves {left:.1%} of the gradient in {always:.0%} of the steps.",
        evidence=(
            Evidence("median share of the gradient's norm that is left", left, 0.2, "Pascanu et al. 2013", "clipping"),
        ),
        cause="The bound is far below the usual size of the gradient: it sets the step, not the learning rate.",
        remedies=(Remedy("Raise the bound to the usual norm of the gradient, or take it away."),),
        confidence=0.85,
        depth=3,
    )
