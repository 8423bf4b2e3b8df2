"""Activations: gradients and signals that get lost in them."""

import math

import numpy as np

from trivium.diagnosis.finding import Evidence, Finding, Remedy
from trivium.diagnosis.signals import Signals

VANISHED = 2e-3
BLOWN = 100.0


def vanishing_gradient(run: Signals) -> Finding | None:
    """The gradient shrinks on its way back: in the first layer it is under 1/500 of what it is in the last one.

    Root mean squares are compared, not norms, because widths differ; only the first updates count, because all
    gradients are tiny once a task is solved. In recurrent networks the way back leads through time.
    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; Bengio
    et al. 1994 for time. Margin: healthy runs are above 0.01, failing ones below 0.0005.
    """
    if not run.stuck or run.broken or run.dead[0] > 0.9:
        return None
    ratio, where, signal = run.gradient_ratio, "in the first layer / in the last layer", "gradient_rms"
    time = run.through_time
    if time < VANISHED and not ratio < VANISHED:
        ratio, where, signal = time, "at the first time step / at the last one", "time_gradient"
    if not ratio < VANISHED:
        return None
    names = [run.record.layers[p].activation for p in run.bent]
    squashing = any(run.record.layers[p].saturates for p in run.bent)
    depth = len(run.record.layers)
    if signal == "time_gradient":
        cause = "Each time step multiplies the gradient by the recurrent weights and the slope of the activation."
        remedies = (
            Remedy("Use an LSTM (forget bias 1) or GRU, or start the recurrent weights as the identity."),
            Remedy("Shorten the sequences."),
        )
    else:
        cause = (
            f"Each layer multiplies the gradient by its weights and by the slope of {names[0] if names else 'it'}"
            + (", which is at most 1/4 for the sigmoid" if "sigmoid" in names else "")
            + f"; after {depth} layers little is left."
        )
        remedies = (
            Remedy(
                "Use ReLU (or SELU, SiLU) with the initialisation that fits it.",
                {"activation": "relu" if squashing else "selu", "initializer": None},
            ),
            Remedy("Put residual connections or a normalisation between the layers.", {"residual": True}),
            Remedy("Use fewer layers.", {"hidden_widths": (64, 64)}),
        )
    return Finding(
        name="vanishing_gradient",
        family="activation",
        severity="error",
        symptom="The first layers hardly learn: almost no gradient reaches them.",
        evidence=(Evidence(f"gradient {where}", ratio, VANISHED, "Glorot & Bengio 2010", signal),),
        cause=cause,
        remedies=remedies,
        confidence=0.9 if ratio < VANISHED / 4 else 0.75,
        depth=2,
    )


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
        symptom=f"{level:.0%} of the {layer.activation} outputs of layer {layer.name} sit on the flat ends.",
        evidence=(Evidence("share of entries with almost no slope", level, 0.5, "Glorot & Bengio 2010", "saturated"),),
        cause="What goes into the activation is too large, "
        + ("because the inputs are." if wide else "because the weights are.")
        + " On the flat ends the slope is nearly zero, and so is the gradient.",
        remedies=(
            Remedy("Standardise the inputs.") if wide else Remedy("Start with smaller weights.", {"initializer": None}),
            Remedy("Use an activation without flat ends, such as ReLU.", {"activation": "relu"}),
            Remedy("Normalise between the layers.", {"normalisation": "layer"}),
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
        symptom=f"{level:.0%} of the units of layer {layer.name} are dead: they output the same for every row.",
        evidence=(
            Evidence("share of units without any gradient on the probe batch", level, 0.9, "Lu et al. 2019", "dead"),
        ),
        cause="They were dead before the first update: their weights and biases start where the activation is flat."
        if born
        else "A large step pushed their biases so far down that no row switches them on again.",
        remedies=(
            Remedy("Start biases at zero and use He's initialisation; make narrow layers wider.", {"initializer": None})
            if born
            else Remedy("Lower the learning rate.", {"learning_rate": {"times": 0.1}}),
            Remedy("Use an activation with a slope on both sides.", {"activation": "leaky_relu"}),
            Remedy("Use fewer, wider layers.", {"hidden_widths": (64, 64)}),
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
        symptom="The output is a ReLU that is off for every row: it puts out 0, and no weight ever moves.",
        evidence=(
            Evidence("norm of the gradient, largest of the run", 0.0, None, "Lu et al. 2019", "gradient_norm"),
            Evidence("output activation", run.links[-1]),
        ),
        cause="What enters it is zero or less for every row from the start, and there the slope of ReLU is 0: at zero, "
        "too.",
        remedies=(
            Remedy("Leave the output without an activation.", {"output_activation": None}),
            Remedy("Start with random weights.", {"initializer": None}),
            Remedy("Add a hidden layer for what no straight line can tell apart.", {"hidden_widths": (32,)}),
        ),
        confidence=0.97,
        depth=1,
    )


def representation_collapse(run: Signals) -> Finding | None:
    """All rows look alike to the last hidden layer: its spread over the rows is gone, from the start.

    Source: Schoenholz et al. 2017, "Deep information propagation". Margin: healthy runs are above 0.05.
    """
    ratio = run.signal_ratio
    if not run.stuck or run.broken or not ratio < 1e-3 or run.dead[0] > 0.9:
        return None
    return Finding(
        name="representation_collapse",
        family="activation",
        severity="warning",
        symptom="The deeper layers cannot tell the rows apart.",
        evidence=(
            Evidence("spread over rows, last hidden layer / first", ratio, 1e-3, "Schoenholz et al. 2017", "unit_std"),
        ),
        cause="Each layer contracts the differences between rows; with many layers nothing of them is left.",
        remedies=(
            Remedy("Use fewer or wider layers.", {"hidden_widths": (64, 64)}),
            Remedy("Use the initialisation that fits the activation.", {"initializer": None}),
            Remedy("Normalise between the layers.", {"normalisation": "layer"}),
        ),
        confidence=0.55,
        depth=2,
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
        symptom=f"The network is a linear model: {run.score_name} stays at {run.score:.2f}.",
        evidence=(
            Evidence("score of a linear model on these data", float(linear), float(reference), "reference models here"),
        ),
        cause="Several linear layers in a row are one linear layer."
        if several
        else "A network without a hidden layer is a linear model; these data (XOR is the classic) need a bend.",
        remedies=(
            Remedy("Put an activation after each hidden layer.", {"activation": "relu"})
            if several
            else Remedy("Add a hidden layer with an activation.", {"hidden_widths": (32,), "activation": "relu"}),
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
        symptom=f"Layer {found[0].name} has {found[0].activation} as its activation, and the network does not learn.",
        evidence=(Evidence("activation of a hidden layer", str(found[0].activation), None, "Goodfellow et al. 2016"),),
        cause="The exponential of an exponential overflows within a few layers."
        if exploding
        else "A softmax makes the outputs of a layer share one unit of mass: little signal and little gradient pass.",
        remedies=(Remedy("Use ReLU in hidden layers.", {"activation": "relu"}),),
        confidence=0.85,
        depth=2,
    )


def exploding_activation(run: Signals) -> Finding | None:
    """The signal grows from layer to layer before anything was learned: a hundredfold or until it overflows.

    Source: He et al. 2015, "Delving deep into rectifiers", section 2.2. Margin: healthy runs are below 20.
    """
    if not run.unlearned:
        return None
    spread = run.at_start("activation_std")
    places = [p for p in run.hidden if p < len(spread)]
    if len(places) < 2:
        return None
    values = spread[places]
    overflow = run.broken.get("where") == "activations" and run.broken.get("step", 9) <= 2
    infinite = bool(len(values)) and not np.isfinite(values).all() and run.data.get("nan", 0) == 0
    growth = float(values[-1] / values[0]) if values[0] > 0 else math.nan
    if not (growth > BLOWN or overflow or infinite):
        return None
    return Finding(
        name="exploding_activation",
        family="activation",
        severity="error",
        symptom="The signal grows from layer to layer"
        + (f" and overflows in {run.broken.get('name')}." if overflow else "."),
        evidence=(
            Evidence(
                "spread of the activations, last hidden layer / first",
                growth if math.isfinite(growth) else "overflow",
                BLOWN,
                "He et al. 2015",
                "activation_std",
            ),
        ),
        cause="The weights, or the activation itself, make every layer's output larger than its input.",
        remedies=(
            Remedy("Use the initialisation that fits the activation.", {"initializer": None}),
            Remedy("Use ReLU or SELU.", {"activation": "relu"}),
            Remedy("Normalise between the layers.", {"normalisation": "layer"}),
        ),
        confidence=0.85,
        depth=2,
    )


def attention_logit_growth(run: Signals) -> Finding | None:
    """Attention is all on one key before anything was learned: its logits are too large, its softmax has no slope.

    Source: Dehghani et al. 2023, "Scaling vision transformers to 22 billion parameters", section 2 (QK normalisation);
    Wortsman et al. 2023. Margin: healthy runs start below 0.5.
    """
    series = run.output.get("attention") or []
    keys = run.output.get("attention_keys") or 0
    if not run.unlearned or not series or keys < 3:
        return None
    first, largest = series[0][1], max(entry[1] for entry in series)
    if not (first > 0.8 or (largest > 0.97 and run.stuck)):
        return None
    return Finding(
        name="attention_logit_growth",
        family="activation",
        severity="error",
        symptom=f"Each query looks at one key only: the largest weight is {max(first, largest):.2f} on average.",
        evidence=(Evidence("mean largest attention weight at the start", float(first), 0.8, "Dehghani et al. 2023"),),
        cause="The products of queries and keys are large, so the softmax is nearly one-hot and passes no gradient.",
        remedies=(
            Remedy("Divide the logits by the root of the head's width; use the default initialisation."),
            Remedy("Normalise queries and keys."),
        ),
        confidence=0.9,
        depth=2,
    )
