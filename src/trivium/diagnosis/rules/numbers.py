"""Numbers that leave the range of floating point, and gradients on their way there."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals


def nan_or_inf(run: Signals) -> Finding | None:
    """The loss became NaN or infinite; traced to the first array and step where that happened.

    Source: Goldberg 1991, "What every computer scientist should know about floating-point arithmetic".
    """
    broken = run.broken
    if not broken:
        return None
    step, where, name = broken.get("step"), broken.get("where"), broken.get("name")
    grew = run.blew_up > 10
    unsafe = run.loss.get("safe_log") is False
    if where == "inputs":
        cause = "The inputs of that step hold values that are no numbers."
    elif grew:
        cause = f"The loss had grown to {run.blew_up:.1e} times its first value: it diverged until it overflowed."
    elif unsafe:
        cause = "The loss takes the logarithm of a probability that rounded to zero."
    elif run.loss.get("kind") == "rmse":
        cause = (
            "The slope of a square root at zero is infinite: a row that was predicted exactly made the gradient NaN."
        )
    elif where == "parameters":
        cause = "The loss was finite a step before, but its gradient was not."
    else:
        cause = "A number became too large for floating point on the way through the network."
    return Finding(
        name="nan_or_inf",
        family="numbers",
        severity="error",
        symptom=f"From update {step} on, the loss is not a number"
        + (f"; the first array that is not finite: {where} of {name}." if name else f" (first seen in the {where})."),
        evidence=(
            Evidence("update", float(step or 0), None, "", "step_loss"),
            Evidence("largest loss before / first loss", run.blew_up, 10.0, "", "step_loss"),
        ),
        cause=cause,
        remedies=(
            Remedy("Lower the learning rate.", {"learning_rate": {"times": 0.1}}),
            Remedy("Use a loss that takes logits, or add a small number under the root.", {"loss": None})
            if unsafe or run.loss.get("kind") == "rmse"
            else Remedy("Clip the gradients."),
        ),
        confidence=0.75 if grew else 0.9,
        depth=4 if grew else 2,
    )


def exploding_gradient(run: Signals) -> Finding | None:
    """The gradient grows on its way back, or is so large from the start that the first steps destroy the weights.

    Source: Pascanu et al. 2013, "On the difficulty of training recurrent neural networks". Margin: healthy runs have a
    ratio below 20 and a norm below 100 in units of the baseline loss.
    """
    if not run.unlearned:
        return None
    ratio, time = run.gradient_ratio, run.through_time
    norm = run.early_gradient_norm
    scale = abs(run.baseline) if math.isfinite(run.baseline) and run.baseline else max(abs(run.start_loss), 1e-9)
    relative = norm / max(scale, 1e-9)
    recurrent = bool(run.run.get("recurrent"))
    overflow = recurrent and bool(run.broken) and run.broken.get("where") != "inputs"
    if not (ratio > 100 or time > 100 or (relative > 1e3 and run.update_early > 0.1) or overflow):
        return None
    return Finding(
        name="exploding_gradient",
        family="numbers",
        severity="error",
        symptom="The gradient grows "
        + (
            "with every time step it goes back." if recurrent and (time > 100 or overflow) else "out of all proportion."
        ),
        evidence=(
            Evidence("gradient in the first layer / in the last", ratio, 100.0, "Pascanu et al. 2013", "gradient_rms"),
            Evidence("gradient at the first time step / at the last", time, 100.0, "Pascanu et al. 2013"),
            Evidence("norm of the first gradients / loss of a constant", relative, 1e3, "", "gradient_norm"),
        ),
        cause="Each layer or time step multiplies the gradient by weights that are larger than 1."
        if ratio > 100 or time > 100 or recurrent
        else "Inputs, weights or the loss are on far too large a scale.",
        remedies=(
            Remedy("Clip the gradient to a norm of 1."),
            Remedy("Use the initialisation that fits the activation.", {"initializer": None}),
            Remedy("Lower the learning rate.", {"learning_rate": {"times": 0.1}}),
        ),
        confidence=0.7 if recurrent and (time > 100 or overflow) else 0.5,
        depth=2 if recurrent and (time > 100 or overflow) else 3,
    )
