"""Recipes as parameters of the estimators: `preset="default"`, measured on real tables, and those of the literature.

A preset fills in what the user left at its default; what the user chose himself stays.
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

_FAST = {"activation": "silu", "embedding": "joined", "dropout": 0.15, "learning_rate": 2e-3}
_DEFAULT = _FAST | {"hidden_widths": (256, 256, 256), "activation": "mish", "bagging": 8}

PRESETS: dict[str, dict[Task, dict[str, Any]]] = {
    "fast": {"classification": _FAST, "regression": _FAST},
    "default": {"classification": _DEFAULT, "regression": _DEFAULT},
    "best": {"classification": _DEFAULT | {"bagging": 16}, "regression": _DEFAULT | {"bagging": 16}},
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
"""By name and task, parameters of the estimators.

fast           one network: numbers embedded by waves and by bins, some dropout
default        deeper, and a network per fold of eight, of which the average predicts: the most accurate for its time
best           twice as many folds
realmlp        RealMLP-TD: Holzmüller, Grinsztajn & Steinwart 2024, "Better by default: Strong pre-tuned MLPs and
               boosted trees on tabular data", table B.1
realmlp_small  RealMLP-TD-S: the same, without embeddings, dropout, decay, learned mix and data-driven start
tabm           TabM: Gorishniy, Kotelnikov & Babenko 2025, "TabM: Advancing tabular deep learning with parameter-
               efficient ensembling", as the authors' package sets it; copies see the same batches here
"""


def applied(given: Mapping[str, Any], defaults: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """Parameters of an estimator with those of its preset in the place of what stands at its default.

    given     parameter -> value, as `get_params` returns them
    defaults  parameter -> value where nobody chose
    Trap: a parameter set to its own default counts as left alone.
    Raises ValueError for a preset that there is not.
    """
    preset = given.get("preset")
    if preset is None:
        return dict(given)
    key = preset.lower().replace("-", "_").replace(" ", "_") if isinstance(preset, str) else None
    if key not in PRESETS:
        near = get_close_matches(str(key), PRESETS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(PRESETS)}, or leave it out."
        raise ValueError(f"unknown preset {preset!r}: {hint}")
    chosen = {name for name, value in given.items() if name in defaults and not _same(value, defaults[name])}
    return {**given, **{name: value for name, value in PRESETS[key][task].items() if name not in chosen}}


def _same(value: Any, default: Any) -> bool:
    return value is default or (type(value) is type(default) and bool(value == default))
