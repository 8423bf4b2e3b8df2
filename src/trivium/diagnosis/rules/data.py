"""Faults in the data: found in the tables themselves, before and beside any training."""

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals


def nan_in_input(run: Signals) -> Finding | None:
    """Inputs hold NaN or infinity: one such row makes every weight NaN.

    Source: IEEE 754 (any arithmetic with NaN is NaN); Schoop et al. 2021, "UMLAUT".
    """
    nan, infinite = run.data.get("nan") or 0, run.data.get("infinite") or 0
    bad = run.targets.get("nonfinite") or 0
    seen = run.broken.get("where") == "inputs"
    if not (nan or infinite or bad or seen):
        return None
    place = run.data.get("first_hole") or {}
    where = f", the first in row {place['row']}, column {place['column']}" if place else ""
    return Finding(
        name="nan_in_input",
        family="data",
        severity="error",
        symptom=f"{'Targets' if bad and not (nan or infinite) else 'Inputs'} hold values that are no numbers{where}.",
        evidence=(Evidence("entries that are NaN or infinite", float(nan + infinite + bad), 0.0, "IEEE 754"),),
        cause="A NaN spreads through every product: after one step with it, all weights are NaN.",
        remedies=(Remedy("Drop these rows, or fill the holes (with the column's median, say)."),),
        confidence=0.98,
        depth=0,
    )


def constant_inputs(run: Signals) -> Finding | None:
    """Every input column holds a single value: all rows are the same to the network.

    Source: Karpathy 2019, "A recipe for training neural networks" (the input-independent baseline).
    """
    constant = run.data.get("constant")
    if constant is None or constant < 0.999 or (run.data.get("rows") or 0) < 2:
        return None
    return Finding(
        name="constant_inputs",
        family="data",
        severity="error",
        symptom="All rows are equal: the inputs carry nothing to learn from.",
        evidence=(Evidence("share of columns with one value only", float(constant), 0.999),),
        cause="The loading or the preparation of the data lost the values.",
        remedies=(Remedy("Look at a few rows just before they enter the network."),),
        confidence=0.98,
        depth=0,
    )


def unnormalized_inputs(run: Signals) -> Finding | None:
    """Inputs are tens of units large or more, and the run does not learn.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3 (mean 0, spread 1). Margin: healthy runs that are
    sensitive to it stay below 10; with ReLU and Adam, larger inputs can do well, and are then no fault.
    """
    size = run.input_size
    if not run.stuck or not size > 10 or run.outlying:
        return None
    return Finding(
        name="unnormalized_inputs",
        family="data",
        severity="error",
        symptom=f"The inputs are large: {size:.3g} in root mean square, up to {run.data.get('largest') or 0:.3g}.",
        evidence=(
            Evidence("size of the inputs", size, 10.0, "LeCun et al. 1998: about 1"),
            Evidence("largest column spread / smallest", run.data.get("spread_ratio"), None),
        ),
        cause="Large inputs make large pre-activations: units saturate, gradients grow with their square, and "
        "one learning rate cannot fit all columns.",
        remedies=(Remedy("Standardise each column: subtract its mean, divide by its spread."),),
        confidence=0.9 if size > 30 else 0.6,
        depth=0 if size > 30 else 2,
    )


def inputs_too_small(run: Signals) -> Finding | None:
    """Inputs are a few hundredths or less, as after dividing by 255 twice, and the run does not learn.

    Source: LeCun et al. 1998, "Efficient BackProp", section 4.3. Margin: healthy runs are above 0.2.
    """
    spread = run.data.get("largest_spread")
    if not run.stuck or spread is None or not 0 < spread < 0.03:
        return None
    return Finding(
        name="inputs_too_small",
        family="data",
        severity="error",
        symptom=f"The inputs hardly vary: the largest spread of a column is {spread:.2g}.",
        evidence=(Evidence("largest spread of a column", float(spread), 0.03, "LeCun et al. 1998: about 1"),),
        cause="The gradient of the first weights is proportional to the inputs. Were they scaled twice?",
        remedies=(Remedy("Standardise each column."),),
        confidence=0.9,
        depth=0,
    )


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
        symptom=f"The targets are large: spread {std:.3g}, mean {mean:.3g}.",
        evidence=(Evidence("spread of the targets", float(std), 10.0, "Bishop 1995: about 1"),),
        cause="The first errors are as large as the targets: steps are huge, or outputs take very long to get there.",
        remedies=(Remedy("Standardise the targets, and turn predictions back."),),
        confidence=0.8,
        depth=1,
    )


def data_outliers(run: Signals) -> Finding | None:
    """A few rows are fifty times and more further out than 99 % of the rows, and the run suffers.

    Source: Rousseeuw & Croux 1993, "Alternatives to the median absolute deviation"; Groeneveld et al. 2025, "2 OLMo 2
    furious", for loss spikes. Margin: the farthest row of a healthy run is 12 times as far.
    """
    if not run.outlying or not run.unlearned:
        return None
    rows = run.data.get("outlier_rows") or []
    factor = run.data.get("outlier_factor") or 0.0
    return Finding(
        name="data_outliers",
        family="data",
        severity="error",
        symptom=f"{run.data['outliers']} rows are up to {factor:.0f} times as far out as the others.",
        evidence=(Evidence(f"distance from the median / usual (rows {', '.join(map(str, rows))})", factor, 50.0),),
        cause="Such a row makes a gradient that undoes what all others taught.",
        remedies=(
            Remedy("Look at these rows; correct or drop them."),
            Remedy("Clip the inputs, or the gradients."),
        ),
        confidence=0.9,
        depth=0,
    )


def data_leakage(run: Signals) -> Finding | None:
    """Validation rows are training rows too, or one column gives the target away.

    Source: Kaufman et al. 2012, "Leakage in data mining"; Kapoor & Narayanan 2023. Margin: honest splits of the
    benchmark share less than 2 % of their rows.
    """
    data = run.data
    overlap = data.get("overlap") or 0.0
    copies = overlap > 0.1 and not data.get("same") and (data.get("distinct") or 0) > 0.9
    single, rest = data.get("single") or 0.0, data.get("without_single")
    betrayed = run.kind == "classes" and rest is not None and single > 0.97 and rest < single - 0.08
    if not (copies or betrayed):
        return None
    return Finding(
        name="data_leakage",
        family="data",
        severity="error",
        symptom=f"{overlap:.0%} of the validation rows were trained on."
        if copies
        else f"Column {data.get('single_column')} alone predicts the target: {single:.1%} right.",
        evidence=(
            Evidence("share of validation rows that are training rows", float(overlap), 0.1, "Kaufman et al. 2012"),
            Evidence("score of the best single column", float(single), 0.97),
            Evidence("score without that column", rest, None),
        ),
        cause="The validation score measures memory, not learning."
        if copies
        else "The column holds the answer; will it be known when predictions are made?",
        remedies=(
            Remedy("Split again so that no row is on both sides.")
            if copies
            else Remedy("Take the column out if it is not known beforehand."),
        ),
        confidence=0.93,
        depth=0,
    )


def train_val_distribution_shift(run: Signals) -> Finding | None:
    """Validation rows are scaled or centred otherwise than training rows: half of the columns at least.

    Source: Quiñonero-Candela et al. 2009, "Dataset shift in machine learning". Margin: random splits of the benchmark
    differ by less than 0.3 spreads and a factor of 1.5.
    """
    shift, scale = run.data.get("shift"), run.data.get("shift_scale")
    if shift is None or scale is None or run.data.get("same") or not run.unlearned:
        return None
    if shift < 1.0 and 1 / 3 < scale < 3:
        return None
    return Finding(
        name="train_val_distribution_shift",
        family="data",
        severity="error",
        symptom="Validation rows do not look like training rows.",
        evidence=(
            Evidence("distance of the column means, in training spreads", float(shift), 1.0),
            Evidence("spread of the validation columns / training", float(scale), 3.0),
        ),
        cause="The two were prepared differently (one standardised, the other not), or come from different sources.",
        remedies=(Remedy("Prepare both with the numbers learned from the training rows."),),
        confidence=0.93,
        depth=0,
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
        symptom="Inputs and targets seem to have nothing to do with each other.",
        evidence=(
            Evidence("score of the best reference model", run.reference, floor, "Cover & Hart 1967"),
            Evidence("score of a constant", run.majority, None),
            Evidence("how often a row's neighbours agree with it", within[0], floor),
        ),
        cause="Rows and targets may have been shuffled apart, or joined on the wrong key.",
        remedies=(Remedy("Check a few rows by hand: is this the target of this row?"),),
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
        symptom=f"About {1 - clear:.0%} of the labels contradict their neighbours, and the network memorises them.",
        evidence=(
            Evidence("agreement among neighbours in the clearest quarter of the rows", float(clear), 0.85),
            Evidence("training score - validation score", gap, 0.15, "", "train_metric"),
        ),
        cause="Wrong labels can only be learned by heart; that spoils what was learned from the right ones.",
        remedies=(
            Remedy("Stop earlier.", {"patience": 16}),
            Remedy("Smooth the labels.", {"label_smoothing": 0.1}),
            Remedy("Look at the rows whose neighbours disagree, and correct them."),
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
        symptom=f"A rare class ({min(counts) / sum(counts):.1%} of the rows) is found in {recall:.0%} of its cases.",
        evidence=(
            Evidence("recall of the worst class", recall, 0.5, "", "validation_recall"),
            Evidence("largest class / smallest", max(counts) / min(counts), 4.0),
        ),
        cause="Saying the frequent class is right so often that little is gained by anything else.",
        remedies=(
            Remedy("Weigh all classes alike.", {"class_weight": "balanced"}),
            Remedy("Train longer; judge by balanced accuracy.", {"epochs": {"times": 3}}),
        ),
        confidence=0.9,
        depth=1,
    )
