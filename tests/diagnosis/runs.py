"""Records made by hand: a healthy run, and for each rule what has to be changed in it to make that rule speak."""

from dataclasses import replace
from typing import Any

import numpy as np

from trivium.diagnosis.record import Layer, RunRecord

LAYERS = (
    Layer("a", "dense", 8, 32, "tanh", saturates=True),
    Layer("b", "dense", 32, 32, "tanh", saturates=True),
    Layer("c", "dense", 32, 3, output=True),
)
MOMENTS = np.array([0, 1, 2, 4, 8, 50, 300])


def table(*layers: float) -> np.ndarray:
    return np.tile(np.array(layers), (len(MOMENTS), 1))


def healthy(**facts: dict[str, Any]) -> RunRecord:
    """Three classes, learned to 0.95 where simple models reach 0.95."""
    sections: dict[str, dict[str, Any]] = {
        "run": {"steps": 300, "rows": 320, "batch_size": 32, "nonlinear": True, "mode": "train"}
        | {"gain": {"a.weight": 1.0, "b.weight": 1.0, "c.weight": 1.0}},
        "loss": {"kind": "cross_entropy", "link": ["log_softmax"], "sign": 1, "reduction": "mean", "baseline": 1.1}
        | {"perfect": 0.0},
        "output": {"width": 3},
        "optimizer": {"name": "sgd", "momentum": 0.9, "weight_decay": 0.0},
        "targets": {"kind": "classes", "classes": 3, "counts": [110, 105, 105]},
        "data": {"rows": 320, "nan": 0, "infinite": 0, "typical": 1.0, "largest_spread": 1.2, "constant": 0.0}
        | {"outliers": 0, "overlap": 0.0, "distinct": 1.0, "same": False, "shift": 0.05, "shift_scale": 1.0}
        | {"majority": 0.34, "linear": 0.7, "reference": 0.95, "agreement": 0.93, "agreement_trees": 0.94}
        | {"agreement_linear": 0.7, "kept_rows": 100, "clearest": 1.0},
    }
    for section, changes in facts.items():
        sections[section] = sections[section] | changes
    fall = 0.1 + np.exp(-np.arange(300) / 20)
    epochs = np.arange(31)
    rise = 0.34 + 0.61 * (1 - np.exp(-epochs / 2))
    return RunRecord(
        layers=LAYERS,
        step=np.arange(300),
        step_loss=fall,
        step_learning_rate=np.full(300, 0.1),
        moment=MOMENTS,
        activation_std=table(0.6, 0.5, 1.0),
        unit_std=table(0.5, 0.45, 1.0),
        dead=table(0.0, 0.0, np.nan),
        saturated=table(0.1, 0.1, np.nan),
        gradient_rms=table(0.02, 0.03, 0.05),
        weight_norm=table(5.0, 5.0, 3.0),
        update_ratio=table(0.005, 0.005, 0.006),
        gradient_norm=np.full(7, 1.0),
        clipping=np.ones(7),
        epoch=epochs,
        epoch_step=epochs * 10,
        train_loss=0.1 + np.exp(-epochs / 2),
        batch_loss=0.1 + np.exp(-epochs / 2),
        validation_loss=0.12 + np.exp(-epochs / 2),
        train_metric=rise,
        batch_metric=rise,
        validation_metric=rise,
        validation_recall=np.tile([0.9, 0.95, 0.94], (31, 1)),
        facts=sections,
    )


def unlearned(score: float = 0.4, **facts: dict[str, Any]) -> RunRecord:
    """The same run, come to rest at a low score."""
    flat = np.full(31, score)
    level = np.full(31, 1.0)
    return replace(
        healthy(**facts),
        train_metric=flat,
        batch_metric=flat,
        validation_metric=flat,
        train_loss=level,
        batch_loss=level,
        validation_loss=level,
        step_loss=np.full(300, 1.0),
    )


RELU = (replace(LAYERS[0], activation="relu", saturates=False), replace(LAYERS[1], activation="relu", saturates=False))
NUMBERS = {"kind": "numbers", "minimum": -2.0, "maximum": 2.0, "std": 1.0, "mean": 0.0, "counts": None}
LOST = {"majority": 0.34, "reference": 0.36, "agreement": 0.33, "agreement_trees": 0.34, "agreement_linear": 0.33}


def _jumping() -> np.ndarray:
    return np.where(np.arange(31) % 2 == 0, 0.4, 0.6)


FAULTS: dict[str, RunRecord] = {
    "vanishing_gradient": replace(unlearned(), gradient_rms=table(1e-6, 1e-4, 0.05)),
    "saturated_activation": replace(unlearned(), saturated=table(0.8, 0.1, np.nan)),
    "dying_relu": replace(unlearned(), layers=(*RELU, LAYERS[2]), dead=table(0.2, 1.0, np.nan)),
    "representation_collapse": replace(unlearned(), unit_std=table(0.5, 1e-5, 1.0)),
    "missing_nonlinearity": unlearned(0.68, run={"nonlinear": False}),
    "bad_activation": replace(unlearned(), layers=(replace(LAYERS[0], activation="softmax"), *LAYERS[1:])),
    "exploding_activation": replace(unlearned(), activation_std=table(1.0, 500.0, 10.0)),
    "attention_logit_growth": unlearned(output={"attention": [[0, 0.95]], "attention_keys": 20}),
    "batch_too_small": unlearned(run={"batch_size": 1}),
    "batch_too_large": unlearned(run={"batch_size": 320, "steps": 10}),
    "not_shuffled": unlearned(run={"order": "fixed", "order_mixing": 0.1}),
    "nan_in_input": unlearned(data={"nan": 3, "first_hole": {"row": 5, "column": 1}}),
    "constant_inputs": unlearned(data={"constant": 1.0}),
    "unnormalized_inputs": unlearned(data={"typical": 120.0}),
    "inputs_too_small": unlearned(data={"typical": 1e-3, "largest_spread": 2e-3}),
    "unnormalized_targets": unlearned(targets=NUMBERS | {"std": 300.0}, data={"majority": 0.0}),
    "data_outliers": unlearned(data={"outliers": 2, "outlier_rows": [4, 9], "outlier_factor": 900.0}),
    "data_leakage": healthy(data={"overlap": 0.9}),
    "train_val_distribution_shift": unlearned(data={"shift": 4.0}),
    "label_misalignment": unlearned(0.33, data=LOST),
    "label_noise": replace(healthy(data={"clearest": 0.6}), train_metric=np.full(31, 1.3)),
    "class_imbalance": replace(
        healthy(targets={"counts": [300, 10, 10]}), validation_recall=np.tile([1.0, 0.1, 0.0], (31, 1))
    ),
    "overfitting": replace(
        healthy(), train_metric=np.ones(31), validation_loss=np.concatenate([np.linspace(1, 0.6, 10), np.full(21, 1.5)])
    ),
    "over_regularized": replace(
        unlearned(loss={"penalty": True}), weight_norm=np.linspace(5, 0.1, 7)[:, None] * np.ones((1, 3))
    ),
    "dropout_too_high": unlearned(run={"dropout": 0.9}),
    "train_eval_mismatch": replace(unlearned(run={"batch_norms": 2}), batch_metric=np.full(31, 0.95)),
    "undertrained": unlearned(run={"steps": 20}),
    "underfitting": unlearned(0.6),
    "symmetric_init": unlearned(run={"symmetric": ["a.weight"]}),
    "bad_init": unlearned(run={"gain": {"a.weight": 8.0, "b.weight": 8.0, "c.weight": 8.0}}),
    "lr_too_high": replace(unlearned(), update_ratio=table(0.5, 0.4, 0.3)),
    "lr_too_low": replace(unlearned(), update_ratio=table(1e-6, 1e-6, 1e-6)),
    "lr_decays_too_fast": replace(unlearned(), step_learning_rate=0.1 * 0.9 ** np.arange(300)),
    "oscillating_loss": replace(unlearned(), validation_metric=_jumping()),
    "loss_output_mismatch": unlearned(loss={"link": ["softmax", "log_softmax"]}),
    "loss_sign_flipped": unlearned(loss={"sign": -1}),
    "loss_reduction_sum": unlearned(loss={"reduction": "sum"}),
    "unsafe_logarithm": healthy(loss={"safe_log": False}),
    "nan_or_inf": replace(
        unlearned(run={"first_nonfinite": {"step": 7, "where": "activations", "name": "b"}}),
        validation_metric=np.full(31, np.nan),
    ),
    "exploding_gradient": replace(unlearned(), gradient_rms=table(900.0, 30.0, 0.1)),
    "parameters_not_updated": unlearned(run={"never_given": ["a.weight", "a.bias"]}),
    "gradients_not_zeroed": unlearned(run={"gradients_accumulate": True}),
    "momentum_too_high": unlearned(optimizer={"momentum": 0.995}),
    "epsilon_too_large": unlearned(optimizer={"epsilon": 1.0}),
    "clipping_too_tight": replace(unlearned(), clipping=np.full(7, 0.01)),
}
"""Rule -> a run with its fault."""
