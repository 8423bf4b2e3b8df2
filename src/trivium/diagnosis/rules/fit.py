"""The fit: too little, too much, or not the same in training and in use."""

import math

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals


def overfitting(run: Signals) -> Finding | None:
    """The validation loss has risen by half and more above its best while the training rows are known by heart.

    A gap alone is no fault, nor is a rise that leaves the loss far below that of a constant.
    Source: Prechelt 1998, "Early stopping - but when?". Margin: healthy runs end within 1.35 of their best, or below
    0.4 of the constant's loss.
    """
    rise = run.validation_rise
    level = run.final_validation_loss / run.baseline if math.isfinite(run.baseline) else math.inf
    worse_than_nothing = rise > 1.35 and level > 1 and math.isfinite(run.baseline)
    if not (rise > 1.5 or worse_than_nothing) or not run.known_by_heart or run.broken:
        return None
    if level < 0.5 and run.score > run.best_score - 0.05:
        return None
    return Finding(
        name="overfitting",
        family="fit",
        severity="error" if level > 1 else "warning",
        symptom=f"The validation loss ends at {rise:.1f} times its best, while the training loss goes on falling.",
        evidence=(
            Evidence("validation loss at the end / its minimum", rise, 1.5, "Prechelt 1998", "validation_loss"),
            Evidence("training score", run.train_score, None, "", "train_metric"),
            Evidence("validation loss at the end / loss of a constant", level, 0.5),
        ),
        cause="The network has room to learn single rows by heart, and the time to do it.",
        remedies=(
            Remedy("Keep the weights of the best validation epoch.", {"patience": 16}),
            Remedy("Use dropout and weight decay.", {"dropout": 0.3, "weight_decay": 0.01}),
            Remedy("Use a smaller network.", {"hidden_widths": (32,)}),
            Remedy("Get more rows."),
        ),
        confidence=0.85,
        depth=4,
    )


def over_regularized(run: Signals) -> Finding | None:
    """A penalty on the weights, or weight decay, has shrunk them to where nothing can be learned.

    Source: Goodfellow et al. 2016, "Deep learning", section 7.1. Margin: in healthy runs no layer shrinks below 0.6.
    """
    decay = float(run.optimizer.get("weight_decay") or 0.0)
    penalty = bool(run.loss.get("penalty"))
    if not (decay or penalty) or not run.unlearned or run.broken:
        return None
    shrunk = run.shrunk
    strong = decay * run.learning_rate * run.steps > 2 if math.isfinite(run.learning_rate) else False
    if not (shrunk < 0.6 or (strong and run.stuck)):
        return None
    return Finding(
        name="over_regularized",
        family="fit",
        severity="error",
        symptom=f"The weights have shrunk to {shrunk:.0%} of where they started.",
        evidence=(
            Evidence("norm of the weights, end / start", shrunk, 0.6, "margin on the benchmark", "weight_norm"),
            Evidence("weight decay" if decay else "penalty on the weights in the loss", decay or "present", None),
        ),
        cause="Making weights small pays more than fitting the targets.",
        remedies=(Remedy("Weaken the penalty a hundredfold.", {"weight_decay": {"times": 0.01}}),),
        confidence=0.92,
        depth=1,
    )


def dropout_too_high(run: Signals) -> Finding | None:
    """So many units are left out in each step that the rest cannot carry the signal.

    Source: Srivastava et al. 2014, "Dropout", section 7.3 (0.2 to 0.5 do well; 0.7 and more hurt).
    """
    rate = float(run.run.get("dropout") or 0.0)
    if rate < 0.65 or not run.unlearned:
        return None
    return Finding(
        name="dropout_too_high",
        family="fit",
        severity="error",
        symptom=f"Dropout leaves out {rate:.0%} of the units in each step, and the run does not learn.",
        evidence=(Evidence("dropout rate", rate, 0.65, "Srivastava et al. 2014: 0.2 to 0.5"),),
        cause="Too little of the signal gets through several such layers.",
        remedies=(Remedy("Use a dropout of 0.2, or none.", {"dropout": 0.2}),),
        confidence=0.88,
        depth=2,
    )


def train_eval_mismatch(run: Signals) -> Finding | None:
    """The network predicts well as it was trained and badly in evaluation mode, or was trained in evaluation mode.

    Source: Ioffe & Szegedy 2015, "Batch normalization", section 3.1. Margin: healthy runs differ by 0.05 at most.
    """
    gap = run.batch_score - run.train_score
    changed = bool(run.run.get("batch_norms")) or (run.run.get("dropout") or 0) > 0
    frozen = run.run.get("mode") == "eval" and changed and run.unlearned
    # a broken evaluation mode can give outputs that are not finite
    lost = math.isfinite(run.batch_score) and not math.isfinite(run.train_score) and not run.broken
    if not (gap > 0.15 or frozen or lost) or not run.unlearned:
        return None
    momentum = run.run.get("batch_norm_momentum")
    return Finding(
        name="train_eval_mismatch",
        family="fit",
        severity="error",
        symptom=f"On the same rows, {run.score_name} is {run.batch_score:.2f} with batch statistics and "
        f"{run.train_score:.2f} in evaluation mode."
        if not frozen
        else "The network was trained in evaluation mode.",
        evidence=(
            Evidence("score with batch statistics - score in evaluation mode", gap, 0.15, "Ioffe & Szegedy 2015"),
            Evidence("momentum of batch normalisation", momentum, None, "PyTorch: 0.1 is usual"),
        ),
        cause="Batch normalisation and dropout did not do their work: model.eval() was on during the steps."
        if frozen
        else "The running mean and spread that evaluation uses have not caught up with the data.",
        remedies=(
            Remedy("Call model.train() before the steps of each epoch.")
            if frozen
            else Remedy(
                "Set the momentum of batch normalisation to 0.1 and use batches of 32 rows.", {"batch_size": 32}
            ),
            Remedy("Use layer normalisation, which is the same in both modes.", {"normalisation": "layer"}),
        ),
        confidence=0.92,
        depth=1,
    )


def undertrained(run: Signals) -> Finding | None:
    """The loss is still falling when the run ends, or the run was a few updates long.

    Source: Godbole et al. 2023, "Deep learning tuning playbook", on the number of steps. Margin: healthy runs fall by
    less than 0.25 of the loss over the last third while they are still short of what the data allow.
    """
    if not run.stuck or run.broken:
        return None
    falling, few = run.falling > 0.04, run.steps < 100
    if not (falling or few):
        return None
    return Finding(
        name="undertrained",
        family="fit",
        severity="error",
        symptom=f"The run ended after {run.steps} updates, before it had learned."
        if few
        else f"The loss was still falling at the end: by {run.falling:.0%} over the last third.",
        evidence=(
            Evidence("updates", float(run.steps), 100.0, "margin on the benchmark"),
            Evidence("fall of the loss over the last third", run.falling, 0.04, "", "train_loss"),
        ),
        cause="The run is too short for this learning rate and batch size.",
        remedies=(
            Remedy("Train longer.", {"epochs": {"times": 4}}),
            Remedy("Raise the learning rate.", {"learning_rate": {"times": 3}}),
            Remedy("Use smaller batches: more updates per epoch.", {"batch_size": {"times": 0.25}}),
        ),
        confidence=0.7 if few else 0.6,
        depth=3,
    )


def underfitting(run: Signals) -> Finding | None:
    """The run has come to rest short of what simple models reach on the same rows.

    Source: Goodfellow et al. 2016, "Deep learning", section 5.2. Without the reference models, tasks that nobody can
    solve better would look like this. Margin: healthy runs reach 0.96 of the way from a constant to the reference.
    """
    if not run.stuck or run.broken or (not math.isfinite(run.reference) and run.train_skill > 0.3):
        return None
    short = f"; simple models reach {run.reference:.2f}." if math.isfinite(run.reference) else ", near a constant's."
    width = min((layer.width for layer in run.record.layers if not layer.output), default=0)
    return Finding(
        name="underfitting",
        family="fit",
        severity="warning",
        symptom=f"The {run.score_name} on the training rows stops at {run.train_score:.2f}" + short,
        evidence=(
            Evidence(
                "training score",
                run.train_score,
                run.reference if math.isfinite(run.reference) else None,
                "reference models on the same rows" if math.isfinite(run.reference) else "",
                "train_metric",
            ),
            Evidence("units of the narrowest layer", float(width), None),
        ),
        cause="The network is too small for this task, or something holds it back.",
        remedies=(
            Remedy("Use wider layers.", {"hidden_widths": (256, 256)}),
            Remedy("Use another optimizer or learning rate.", {"optimizer": "adam", "learning_rate": None}),
        ),
        confidence=0.4,
        depth=5,
    )
