"""Recipes as parameters of the estimators: `preset="default"`, measured on real tables, and those of the literature.

A preset fills in what the user left at its default; what the user chose himself stays. Where nothing at all is chosen
of a network and its training, "default" holds; as soon as something is, the rest is plain.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Literal

Task = Literal["classification", "regression"]

_REALMLP = {
    "hidden_widths": (256, 256, 256),
    "optimizer": "adam",
    "optimizer_options": {"beta2": 0.95},
    "schedule": "coslog4",
    "initializer": "lecun_normal",
    "parametrisation": "ntk",
    "rate_factors": {"biases": 0.1},
    "front_scale": True,
    "scaling": "robust",
    "batch_size": 256,
    "epochs": 256,
    "patience": None,
    "validation_fraction": 0.2,
}
"""What RealMLP-TD and RealMLP-TD-S share."""

_LARGE = {
    "dropout": 0.15,
    "weight_decay": 0.02,
    "schedules": {"dropout": "flat_cosine", "weight_decay": "flat_cosine"},
    "rate_factors": {"biases": 0.1, "share": 0.1},
    "start": "data_driven",
    "embedding": "pbld",
    "embed_above": 9,
}
_SMALL = {"start": "random_biases", "zero_last_layer": True}

_TABM = {
    "hidden_widths": (512, 512, 512),
    "activation": "relu",
    "copies": 32,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.0,
    "dropout": 0.1,
    "scaling": "quantile",
    "batch_size": 256,
    "epochs": 1000,
    "patience": 16,
    "validation_fraction": 0.2,
}

_OURS = {
    "hidden_widths": (128, 128, 128), "activation": "silu", "embedding": "joined", "dropout": 0.15,
    "learning_rate": 8e-3, "schedule": "cosine", "epochs": 32, "patience": None, "neighbours": True, "screening": True,
    "scaling": "adaptive", "embed_above": "adaptive",
}  # fmt: skip
_FAST = _OURS | {"bagging": {"folds": 8, "networks": 4}}
_DEFAULT = _OURS | {"bagging": 8}
_BEST = _OURS | {"bagging": 16}

PRESETS: dict[str, dict[Task, dict[str, Any]]] = {
    "fast": {"classification": _FAST, "regression": _FAST},
    "default": {"classification": _DEFAULT, "regression": _DEFAULT},
    "best": {"classification": _BEST, "regression": _BEST},
    "realmlp": {
        "classification": _REALMLP
        | _LARGE
        | {"activation": "learned_mix(selu)", "learning_rate": 0.04, "label_smoothing": 0.1},
        "regression": _REALMLP | _LARGE | {"activation": "learned_mix(mish)", "learning_rate": 0.2, "clamp": True},
    },
    "realmlp_small": {
        "classification": _REALMLP | _SMALL | {"activation": "selu", "learning_rate": 0.04, "label_smoothing": 0.1},
        "regression": _REALMLP | _SMALL | {"activation": "mish", "learning_rate": 0.07},
    },
    "tabm": {"classification": _TABM, "regression": _TABM},
}
"""By name and task, parameters of the estimators; the first three depend on the number of rows as well, see `OF_ROWS`.

fast           networks for four of eight folds, of 4,000 rows and more for two: numbers embedded by waves and by bins,
               some dropout, a set number of epochs at a rate that falls
default        a network for each of the eight, of 10,000 rows and more for four of sixteen, of which the average
               predicts: the most accurate for its time
best           of sixteen folds, and of 4,000 rows and more wider
realmlp        RealMLP-TD: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and
               boosted trees on tabular data", table B.1
realmlp_small  RealMLP-TD-S: the same, without embeddings, dropout, decay, learned mix and data-driven start
tabm           TabM: Gorishniy, Kotelnikov & Babenko 2025, "TabM: Advancing tabular deep learning with parameter-
               efficient ensembling", as the authors' package sets it; copies see the same batches here
"""

FEW = 4_000
"""Rows below which epochs cost less than what there is to compile."""

_BY_ROWS = (
    (FEW, {"dropout": 0.05}),
    (8_000, {"embedding": {"name": "joined", "bins": 64}, "weight_decay": 0.1}),
    (200_000, {"hidden_widths": (256, 128, 128), "batch_size": 512, "learning_rate": 1.13e-2, "epochs": 10}),
    (1_000_000, {"epochs": 6}),
)
OF_ROWS: dict[str, tuple[tuple[int, dict[str, Any]], ...]] = {
    "fast": (*_BY_ROWS, (FEW, {"bagging": {"folds": 8, "networks": 2}})),
    "default": (*_BY_ROWS, (10_000, {"bagging": {"folds": 16, "networks": 4}})),
    "best": (*_BY_ROWS, (FEW, {"hidden_widths": (256, 256, 256)})),
}
"""Per recipe, from so many rows on, what they change: less dropout, finer bins and wider networks, that more rows can
fill; larger batches, at a learning rate that grows with the root of their size; and fewer epochs, each of which is
worth more steps."""

RARE = 32
"""Rows of the rarest class that a fold has at least, where many rows make networks for some of the folds only: of a
class with fewer, each network knows little, and what it knows depends on its rows."""

PATIENT = {"patience": 8}
"""For classes, of `FEW` rows and more: they are learned by heart, where numbers may gain in the last epochs only."""

LEFT = "default"
"""The value of a parameter that nobody chose: as the preset says, or as a plain network has it."""

PLAIN = {
    "hidden_widths": (256, 256), "activation": "relu", "embedding": None, "dropout": 0.0, "bagging": None,
    "neighbours": False, "screening": False, "scaling": "standard", "embed_above": None, "schedule": None,
    "epochs": 100, "patience": 16,
}  # fmt: skip
"""What such a parameter is without a preset."""

BESIDE = {
    "preset", "loss", "class_weight", "calibration", "precision", "time_limit", "callbacks", "on_problem",
    "random_state", "verbose",
}  # fmt: skip
"""Parameters that are no choice of a network or of its training: whoever sets these alone has left it to the preset."""


def applied(
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    task: Task,
    rows: int | None = None,
    rarest: int | None = None,
) -> dict[str, Any]:
    """Parameters of an estimator with those of its preset in the place of what stands at its default.

    given     parameter -> value, as `get_params` returns them
    defaults  parameter -> value where nobody chose
    rows      to learn from, on which our own recipes depend; None where they are not known: few
    rarest    how many of them the rarest class has; None where there are no classes
    Trap: a parameter whose default is a value, and no "default", counts as left alone where it is set to that value.
    Raises ValueError for a preset that there is not.
    """
    key = in_use(given, defaults)
    chosen = {name for name, value in given.items() if name in defaults and not _same(value, defaults[name])}
    recipe = {} if key is None else PRESETS[key][task] | _of_rows(key, task, rows or 0, rarest)
    plain = {name: value for name, value in PLAIN.items() if _same(given[name], LEFT)}
    return {**given, **plain, **{name: value for name, value in recipe.items() if name not in chosen}}


def _of_rows(key: str, task: Task, rows: int, rarest: int | None) -> dict[str, Any]:
    """What a recipe changes for so many rows."""
    found = dict(PATIENT) if key in OF_ROWS and task == "classification" and rows >= FEW else {}
    for fewest, changes in OF_ROWS.get(key, ()):
        rare = rarest is not None and "bagging" in changes and rarest < RARE * changes["bagging"]["folds"]
        found |= changes if rows >= fewest and not rare else {}
    return found


def in_use(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """The name of the preset that holds; None for a plain network. Without one, where nothing is chosen, "default".

    Raises ValueError for a preset that there is not.
    """
    preset = given.get("preset")
    if preset is None:
        touched = [name for name in given if name not in BESIDE and not _same(given[name], defaults.get(name))]
        return None if touched or given.get("loss") == "auto" else "default"
    key = preset.lower().replace("-", "_").replace(" ", "_") if isinstance(preset, str) else None
    if key == "plain":
        return None
    if key not in PRESETS:
        near = get_close_matches(str(key), [*PRESETS, "plain"], n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from plain, {', '.join(PRESETS)}, or leave it out."
        raise ValueError(f"unknown preset {preset!r}: {hint}")
    return key


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))
