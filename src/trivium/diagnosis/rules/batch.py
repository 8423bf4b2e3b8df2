"""The batch: its size and its order."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals


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
        symptom=f"Each step sees {run.batch} row{'s' * (run.batch > 1)}, and the run does not settle.",
        evidence=(Evidence("rows per step", float(run.batch), 4.0, "Masters & Luschi 2018"),),
        cause="Batch normalisation takes mean and spread from so few rows that they are noise."
        if normed
        else "The gradient of so few rows points anywhere, and the rate is too high for that much noise.",
        remedies=(
            Remedy("Use batches of 32 rows.", {"batch_size": 32}),
            Remedy("Lower the learning rate.", {"learning_rate": {"times": 0.1}}),
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
        symptom=f"Batches of {run.batch} of {rows} rows leave {run.steps} updates in the whole run.",
        evidence=(Evidence("updates", float(run.steps), 60.0, "margin on the benchmark", "step_loss"),),
        cause="An epoch costs the same whatever the batch, and a large one makes few steps of it.",
        remedies=(
            Remedy("Use batches of 64 rows.", {"batch_size": 64}),
            Remedy("Train longer.", {"epochs": {"times": 4}}),
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
        symptom="The rows are sorted by their targets and not shuffled.",
        evidence=(Evidence("spread of the targets within a batch / in the table", float(mixing), 0.5, "Bottou 2012"),),
        cause="Each batch teaches one class, and the next one makes the network forget it.",
        remedies=(Remedy("Shuffle the rows in each epoch."),),
        confidence=0.93,
        depth=1,
    )
