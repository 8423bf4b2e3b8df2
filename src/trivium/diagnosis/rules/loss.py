"""Losses: whether what is minimised is what is wanted."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals

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
                "output activation, then loss", " -> ".join([*run.links, str(kind)]), None, "the program's own graph"
            ),
            Evidence("least loss that any output reaches", run.loss.get("perfect"), None, "asked of the loss itself"),
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
            "The outputs go through a softmax before a loss that applies its own.",
            f"Squeezed twice, the loss cannot fall below {loss.get('perfect') or 0:.2f} and its gradient stays small.",
            "Hand the bare outputs to the loss.",
            own,
            0.97,
        )
    if kind == "bce" and "BinaryCrossEntropyWithLogits" in (loss.get("nodes") or []) and "sigmoid" in links:
        return (
            "The outputs go through a sigmoid before a loss that applies its own.",
            "Squeezed twice, probabilities stay between 0.5 and 0.73.",
            "Hand the bare outputs to the loss.",
            own,
            0.97,
        )
    if "softmax" in links and width == 1 and (loss.get("link_axis") in (-1, 1, None)):
        return (
            "A softmax over a single output is always 1.",
            "With one number to share the mass among, the output cannot change, and no gradient flows.",
            "Use a sigmoid for one output, or one output per class.",
            own,
            0.97,
        )
    if loss.get("link_axis") == -2 and any("softmax" in name for name in links) and run.batch > 1:
        return (
            "The softmax runs over the rows of the batch, not over the classes.",
            "Rows compete with each other, and the loss depends on who else is in the batch.",
            "Take the softmax over the last axis.",
            own,
            0.97,
        )
    if loss.get("flat"):
        return (
            "The loss does not change, whatever the network puts out.",
            "Output activation and loss cancel each other: no gradient flows.",
            "Use the loss that fits the outputs.",
            own,
            0.95,
        )
    if kind == "nll" or (loss.get("unbounded") and loss.get("sign") != -1):
        return (
            "The loss wants logarithms of probabilities and gets bare outputs.",
            "Raising one output lowers the loss without end: it falls below zero, and nothing is learned.",
            "Use cross entropy on the outputs (or put log-softmax before this loss).",
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
                f"The targets run from {minimum:.3g} to {maximum:.3g}, and {last} cannot reach all of that.",
                f"It puts out numbers {'above 0' if high is None else f'from {low:g} to {high:g}'} only.",
                "Leave the output without an activation.",
                {"output_activation": None},
                0.95,
            )
    if run.kind in ("classes", "several") and kind in ("bce", "cross_entropy") and run.unlearned:
        bare = not links and "Log" in (loss.get("nodes") or [])
        if last in ("relu", "tanh", "elu", "leaky_relu", "gelu") or bare:
            return (
                f"The loss wants probabilities and gets {'bare outputs' if bare else f'outputs of {last}'}.",
                "Outside 0 to 1 the loss is cut off or not defined; there no gradient flows.",
                "Use a sigmoid for two classes, a softmax for more.",
                {"output_activation": None, "loss": None},
                0.95,
            )
    if run.kind == "several" and "softmax" in links and run.unlearned:
        return (
            "Several labels can hold at once, and a softmax lets only one win.",
            "A softmax shares one unit of mass among all labels.",
            "Use a sigmoid for each label.",
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
        f"Classes are learned with {'absolute' if kind == 'mae' else 'squared'} error, and the run is stuck.",
        "Where a prediction is surely wrong, the slope of this loss through a sigmoid or softmax is nearly zero; "
        "without one, its scale has nothing to do with probabilities.",
        "Use cross entropy.",
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
        symptom="The loss rewards wrong predictions.",
        evidence=(Evidence("a right prediction costs more than a wrong one", "yes", None, "asked of the loss itself"),),
        cause="Its sign is turned round: what should be minimised is maximised.",
        remedies=(Remedy("Take away the minus sign.", {"loss": None}),),
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
        symptom=f"The loss is a sum over {run.batch} rows, not their mean.",
        evidence=(Evidence("loss of a batch twice as long / of the batch", 2.0, 1.0, "asked of the loss itself"),),
        cause=f"All gradients are {run.batch} times as large: the learning rate acts as if it were that much larger.",
        remedies=(
            Remedy("Take the mean over the batch.", {"loss": None}),
            Remedy(f"Divide the learning rate by {run.batch}.", {"learning_rate": {"times": 1 / run.batch}}),
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
        symptom="The loss takes a logarithm that nothing keeps away from log 0.",
        evidence=(Evidence("a bound before the logarithm", "none", None, "the program's own graph"),),
        cause="A probability that rounds to zero makes the loss infinite and the gradient NaN.",
        remedies=(Remedy("Use a loss that takes logits: it never forms the probability.", {"loss": None}),),
        confidence=0.9,
        depth=1,
    )
