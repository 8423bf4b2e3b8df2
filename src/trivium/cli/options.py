"""Every option of `trivium train`, a line each: flags, the keys of a configuration file and the help come from here.

The estimators' parameters stand here without an import of them, so that help comes at once; a test compares both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from trivium.cli.kinds import (
    CLASS_WEIGHTS,
    FACTORS,
    FOLDS,
    LEVELS,
    NAME,
    NUMBER,
    PAIRS,
    PRESET,
    PROBLEM,
    SCALING,
    SCHEDULES,
    SCORE,
    START,
    SWITCH,
    WHOLE,
    WIDTHS,
    Kind,
    one_of,
    text,
)
from trivium.precision import PRECISIONS

NETWORK, TRAINING, REGULARISATION = "Network", "Training", "Regularisation"
SEARCH, ROWS, OUTPUT = "Search", "Rows", "Output"

AUTO, NONE, LEFT = "auto", "none", "default"


@dataclass(frozen=True)
class Option:
    """One option.

    name     the estimator's parameter, or one of a run; the flag has hyphens for its underscores
    default  what holds where nobody chose
    panel    under which heading of the help it stands
    about    a line of help
    open     whether "auto" leaves it to a search
    none     whether "none" is a choice, as Python's None is; so it is where it is the default
    """

    name: str
    default: Any
    kind: Kind
    panel: str
    about: str
    open: bool = False
    none: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def takes_none(self) -> bool:
        """Whether "none" is no text like any other here."""
        return self.none or (self.default is None and not self.kind.free)

    @property
    def words(self) -> list[str]:
        """What may be said in the place of a value."""
        return [LEFT] * (self.default == LEFT) + [AUTO] * self.open + [NONE] * self.takes_none

    @property
    def metavar(self) -> str:
        """What may follow the flag."""
        return "|".join([self.kind.metavar, *self.words])

    def read(self, value: Any) -> Any:
        """The value that a text, or a TOML file, means. Raises ValueError with what it must be and what to try."""
        word = value.strip().lower() if isinstance(value, str) else ""
        if word in self.words:
            return None if word == NONE else word
        try:
            return self.kind.read(value)
        except (ValueError, TypeError):
            raise ValueError(
                f"{self.name} must be {' or '.join([self.kind.wanted, *self.words])}, got {value!r}. "
                f"Try {self.kind.example}."
            ) from None


PARAMETERS = (
    Option("preset", None, PRESET, NETWORK, "For what is left: plain, fast, default, best, realmlp, tabm."),
    Option("hidden_widths", LEFT, WIDTHS, NETWORK, "Units of each hidden layer; none: linear.", open=True),
    Option("activation", LEFT, NAME, NETWORK, "Of the hidden layers: see `trivium catalog activations`.", open=True),
    Option("output_activation", None, NAME, NETWORK, "Of the last layer; none: the one that fits the loss."),
    Option("normalisation", None, one_of("batch", "layer"), NETWORK, "Of the hidden layers.", open=True),
    Option("residual", False, SWITCH, NETWORK, "A hidden layer as wide as the one before adds to it.", open=True),
    Option("initializer", None, NAME, NETWORK, "Of the weights; none: the one that fits the activation."),
    Option("embedding", LEFT, NAME, NETWORK, "Of numbers: pbld, periodic, piecewise_linear or joined.", none=True),
    Option("embed_above", LEFT, LEVELS, NETWORK, "Categories with more levels are embedded. Plain: none.", none=True),
    Option("scaling", LEFT, SCALING, NETWORK, "Of numbers: standard (plain), robust, quantile, adaptive."),
    Option("front_scale", False, SWITCH, NETWORK, "Each input of the first layer has a learned factor."),
    Option("parametrisation", "standard", one_of("standard", "ntk"), NETWORK, "ntk: weights are about 1."),
    Option("start", "usual", START, NETWORK, "Of weights: usual, random_biases, data_driven."),
    Option("zero_last_layer", None, SWITCH, NETWORK, "The network begins as 0 everywhere."),
    Option("copies", 1, WHOLE, NETWORK, "Networks in one, which share weights; predictions are averaged."),
    Option("loss", None, NAME, TRAINING, "See `trivium catalog losses`; none: the usual one of the task.", open=True),
    Option("optimizer", "adamw", NAME, TRAINING, "See `trivium catalog optimizers`.", open=True),
    Option("learning_rate", None, NUMBER, TRAINING, "Size of a step; none: the optimizer's own.", open=True),
    Option("schedule", LEFT, NAME, TRAINING, "Of the learning rate: cosine, one_cycle, ...", open=True, none=True),
    Option("schedules", None, SCHEDULES, TRAINING, "Of other numbers over the run."),
    Option("rate_factors", None, FACTORS, TRAINING, "On the steps of arrays, by their name."),
    Option("optimizer_options", None, PAIRS, TRAINING, "Its other numbers: momentum=0.9,nesterov=true."),
    Option("batch_size", None, WHOLE, TRAINING, "Rows per step; none: 256.", open=True),
    Option("precision", None, one_of(*PRECISIONS), TRAINING, "Of matrix products, where a GPU has faster ones."),
    Option("epochs", LEFT, WHOLE, TRAINING, "Most passes over the rows. Plain: 100."),
    Option("patience", LEFT, WHOLE, TRAINING, "Epochs without progress that end training. Plain: 16.", none=True),
    Option("time_limit", None, NUMBER, TRAINING, "Seconds of training."),
    Option("dropout", LEFT, NUMBER, REGULARISATION, "Share of the hidden units that a step leaves out.", open=True),
    Option("weight_decay", None, NUMBER, REGULARISATION, "How weights shrink; none: the optimizer's own.", open=True),
    Option("input_noise", 0.0, NUMBER, REGULARISATION, "Standard deviation of noise on the encoded inputs.", open=True),
    Option("mixup", 0.0, NUMBER, REGULARISATION, "Alpha of the shares by which rows are mixed; 0 for none.", open=True),
    Option("averaging", 0.0, NUMBER, REGULARISATION, "Decay of a moving average that predicts: 0.999; 0 for none."),
    Option("feature_selection", 0.0, NUMBER, REGULARISATION, "How strongly learned gates of columns are pulled shut."),
    Option("clamp", False, SWITCH, REGULARISATION, "Predicted numbers stay within those of the fit."),
    Option("label_smoothing", 0.0, NUMBER, REGULARISATION, "Share of a class's 1 that all classes take.", open=True),
    Option("class_weight", None, CLASS_WEIGHTS, REGULARISATION, "How much the rows of each class count."),
    Option("on_problem", "warn", PROBLEM, TRAINING, "What to do where the diagnosis finds a fault; fix mends it."),
    Option("calibration", None, one_of("temperature"), TRAINING, "Makes probabilities as sure as they should be."),
    Option("scoring", None, SCORE, TRAINING, "A scikit-learn score that chooses the best epoch; none: the loss."),
    Option("population", None, WHOLE, SEARCH, "Networks that train at once; none: as many as the search needs."),
    Option("ensemble", None, WHOLE, SEARCH, "Most of them that are averaged; none: the best alone."),
    Option("bagging", LEFT, FOLDS, SEARCH, "A network per fold; their average predicts.", none=True),
    Option("neighbours", LEFT, SWITCH, SEARCH, "What was lacking on rows nearby is added, where that helps."),
    Option("screening", LEFT, SWITCH, SEARCH, "Columns that tell nothing of the target are left out."),
    Option("validation_fraction", 0.1, NUMBER, ROWS, "Share kept aside to choose the best epoch."),
)  # fmt: skip
"""The estimators' parameters."""

UNREACHED = {
    "callbacks": "functions of Python",
    "network": "functions of Python",
    "warm_start": "a command fits once",
    "verbose": "the shell's --quiet and --json say it",
    "random_state": "an option of the run, for the seed parts the rows as well",
}
"""Parameters of the estimators that are no line above, and why."""

_DATA = (
    Option("table", None, text("TABLE", "houses.csv"), ROWS, "A CSV (also .csv.gz) or Parquet file."),
    Option("target", None, text("COLUMN", "price"), ROWS, "The column to predict."),
    Option(
        "task", None, one_of("classification", "regression"), ROWS, "classification or regression; guessed if left out."
    ),
    Option("test_fraction", 0.2, NUMBER, ROWS, "Share held out for the scores; 0 for none."),
    Option("random_state", 0, WHOLE, ROWS, "Seed of the split, the initial weights and the order."),
)
_FILES = (
    Option("out", None, text("MODEL", "houses.trivium"), OUTPUT, "Where to save the model."),
    Option("report", None, text("HTML", "houses.html"), OUTPUT, "The report; beside the model if left out."),
    Option("record", None, text("RECORD", "houses.record"), OUTPUT, "What was measured, for `trivium diagnose`."),
)
RUN = (*_DATA, *_FILES)
"""What else a run is told."""

OPTIONS = (*_DATA, *PARAMETERS, *_FILES)


def by_name(options: Sequence[Option] = OPTIONS) -> dict[str, Option]:
    return {option.name: option for option in options}


def read_all(given: Mapping[str, Any], options: Sequence[Option] = OPTIONS, source: str = "") -> dict[str, Any]:
    """The values that these texts, or values of a file, mean.

    source  where they stand, for the message
    Raises ValueError that names every one that is unknown, with the nearest known name, or wrong.
    """
    known = by_name(options)
    found, problems = {}, []
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}."
            problems.append(f"unknown option {name!r}{source}: {hint}")
            continue
        try:
            found[name] = known[name].read(value)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return found
