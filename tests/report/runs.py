"""Records of runs, made of numbers: what the reports are tested on."""

import numpy as np

from trivium.diagnosis.record import Layer, RunRecord

FACTS = {
    "run": {"steps": 400, "rows": 700, "batch_size": 32, "nonlinear": True, "epochs": 4},
    "loss": {"kind": "cross_entropy", "baseline": 0.693, "sign": 1, "reduction": "mean"},
    "optimizer": {"name": "sgd", "learning_rate": 0.01},
    "targets": {"kind": "classes", "classes": 2, "counts": [350, 350]},
    "data": {"rows": 700, "majority": 0.5, "reference": 0.9, "linear": 0.85, "typical": 1.0, "largest_spread": 1.0},
}


def fading(**facts) -> RunRecord:
    """Ten sigmoid layers, the gradient of each a tenth of that of the next; nothing is learned."""
    moments = np.array([0, 1, 2, 5, 10, 50, 200, 399])
    layers = tuple(Layer(f"layer{place}", "dense", 24, 24, "sigmoid", saturates=True) for place in range(9))
    layers += (Layer("out", "dense", 24, 2, "identity", output=True),)
    rms = np.outer(np.linspace(1, 0.5, len(moments)), 10.0 ** np.arange(-10, 0))
    return RunRecord(
        layers=layers,
        step=np.arange(400),
        step_loss=np.full(400, 0.693),
        step_learning_rate=np.full(400, 0.01),
        moment=moments,
        gradient_rms=rms,
        update_ratio=np.full((len(moments), 10), 1e-3),
        weight_norm=np.full((len(moments), 10), 5.0),
        dead=np.zeros((len(moments), 10)),
        activation_std=np.full((len(moments), 10), 0.2),
        gradient_norm=np.full(len(moments), 0.3),
        epoch=np.arange(5),
        epoch_step=np.arange(5) * 100,
        train_loss=np.full(5, 0.693),
        train_metric=np.full(5, 0.5),
        batch_metric=np.full(5, 0.5),
        validation_loss=np.full(5, 0.694),
        validation_metric=np.full(5, 0.5),
        facts={**FACTS, **facts},
    )


def learned() -> RunRecord:
    """A run that has reached what simple models reach."""
    rise = np.array([0.5, 0.7, 0.85, 0.91, 0.92])
    record = fading()
    return RunRecord(
        **{name: getattr(record, name) for name in ("layers", "step", "step_learning_rate", "moment", "update_ratio")},
        step_loss=np.linspace(0.7, 0.1, 400),
        gradient_rms=np.ones_like(record.gradient_rms),
        epoch=record.epoch,
        epoch_step=record.epoch_step,
        train_loss=0.7 - 0.6 * (rise - 0.5),
        train_metric=rise,
        validation_loss=0.7 - 0.6 * (rise - 0.5),
        validation_metric=rise,
        facts=FACTS,
    )


def sorted_and_holed() -> RunRecord:
    """Three faults at once: holes in the data, rows in order, a loss with the wrong sign."""
    record = fading(
        run={**FACTS["run"], "order": "fixed", "order_mixing": 0.1},
        loss={**FACTS["loss"], "sign": -1},
        data={**FACTS["data"], "nan": 3, "first_hole": {"row": 4, "column": 1}},
    )
    assert record.section("data")["nan"] == 3
    return record
