"""The programs of the diagnosis benchmark as estimators, where our parameters can say them; and their repair."""

import math
import warnings
from functools import partial
from typing import Any

import jax
import numpy as np

STARTS = ("he_uniform", "glorot_uniform", "lecun_normal", "he_normal", "zeros")
USUAL = {("ce_logits", None), ("bce_logits", None), ("cce_probs", "softmax"), ("bce_probs", "sigmoid")}
"""Losses behind output activations that are our losses on raw outputs."""

MODEL = {"type", "hidden", "act", "init", "out", "out_act", "dropout", "bn", "residual", "ln"}
TRAIN = {"l2", "jitter", "balanced_weight"}
DATA = {"scale", "shift", "nan_row", "y_scale"}
"""Faults that an estimator's own encoding takes away: it scales, and it fills what is missing."""


class NotSaidError(Exception):
    """A part of a program that no parameter of our estimators says."""


def estimator(case: dict[str, Any], data: dict[str, Any], seed: int, on_problem: str = "warn") -> Any:
    """The case as an estimator, not fitted yet. Raises NotSaidError."""
    from trivium import NeuralClassifier, NeuralRegressor

    model, train, task = case["model"], case["train"], data["task"]
    parts = [
        *(f"data.{name}" for name in DATA & case["data"].keys()),
        *(f"model.{name}" for name in model.keys() - MODEL),
        *(f"train.{name}" for name in train.keys() - TRAIN),
    ]
    if parts or model["type"] != "mlp" or data["Xtr"].dim() != 2:
        raise NotSaidError(", ".join(parts) or f"a network of type {model['type']}")
    if not isinstance(model["act"], str) or model["act"] == "exp":
        raise NotSaidError(f"activation {model['act']}")
    chosen: dict[str, Any] = {
        "hidden_widths": tuple(model["hidden"]),
        "activation": model["act"],
        "dropout": model.get("dropout") or 0.0,
        "normalisation": "batch" if model.get("bn") else "layer" if model.get("ln") else None,
        "residual": bool(model.get("residual")),
        "batch_size": case["batch"],
        "epochs": case["epochs"],
        "patience": None,
        "zero_last_layer": False,
        "on_problem": on_problem,
        "random_state": seed,
        "initializer": _start(model.get("init")),
        **_loss(case["loss"], model.get("out_act")),
        **_optimizer(case, math.ceil(len(data["Xtr"]) / case["batch"])),
    }
    if "l2" in train:
        chosen["weight_decay"] = 2 * train["l2"]
    if "jitter" in train:
        chosen["input_noise"] = train["jitter"] / float(data["Xtr"].std())
    if train.get("balanced_weight"):
        chosen["class_weight"] = "balanced"
    return (NeuralRegressor if task == "reg" else NeuralClassifier)(**chosen)


def _start(init: str | None) -> Any:
    if init is None or init in STARTS:
        return init
    kind, _, size = init.partition(":")
    if kind == "normal":
        return jax.nn.initializers.normal(float(size))
    if kind == "uniform05":
        return partial(jax.random.uniform, minval=-0.05, maxval=0.05)
    raise NotSaidError(f"start {init}")


def _loss(loss: str, output: str | None) -> dict[str, Any]:
    output = None if output == "none" else output
    if (loss, output) in USUAL:
        return {}
    names = {"mse": "mse", "mae": "mae", "ce_logits": "cross_entropy", "bce_logits": "binary_cross_entropy"}
    if loss not in names:
        raise NotSaidError(f"loss {loss} behind {output}")
    return {"loss": names[loss], "output_activation": output}


def _optimizer(case: dict[str, Any], steps_per_epoch: int) -> dict[str, Any]:
    from trivium import schedules

    given, schedule = dict(case["opt"]), case["sched"]
    name, chosen = given.pop("name"), {"learning_rate": given.pop("lr")}
    options: dict[str, Any] = {}
    if "wd" in given and name == "adamw":
        chosen["weight_decay"] = given.pop("wd")
    if "eps" in given:
        options["epsilon"] = given.pop("eps")
    if "betas" in given:
        options["beta1"], options["beta2"] = given.pop("betas")
    options |= {word: given.pop(word) for word in ("momentum", "nesterov") if word in given}
    if given:
        raise NotSaidError(f"optimizer {name} with {', '.join(given)}")
    if schedule is not None:
        steps, kind = steps_per_epoch * case["epochs"], schedule["name"]
        rise = max(1, round(schedule.get("warmup", 0) * steps))
        made = {
            "exp": lambda: schedules.step(
                1.0, every=steps_per_epoch * schedule.get("every", 1), factor=schedule["gamma"]
            ),
            "cosine": lambda: schedules.cosine(1.0, steps=steps),
            "warmup_cosine": lambda: schedules.warmup(schedules.cosine(1.0, steps=steps - rise), steps=rise),
        }.get(kind)
        if made is None:
            raise NotSaidError(f"schedule {kind}")
        chosen["schedule"] = made()
    return {"optimizer": name, "optimizer_options": options or None, **chosen}


def fitted(model: Any, data: dict[str, Any]) -> Any:
    """The estimator after its fit on the case's training rows, with its own validation rows."""
    X, y, X_aside, y_aside = (np.asarray(data[name]) for name in ("Xtr", "ytr", "Xva", "yva"))
    if data["task"] == "multilabel":
        y, y_aside = y.astype(int), y_aside.astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, y, validation_data=(X_aside, y_aside))


def learned(case: dict[str, Any], model: Any, data: dict[str, Any]) -> bool | None:
    """Whether it reached what the case calls learned; None where an estimator cannot be asked that."""
    from sklearn.metrics import balanced_accuracy_score, r2_score

    wanted, X, y = case["ok"], np.asarray(data["Xva"]), np.asarray(data["yva"])
    if wanted["metric"] in ("val_acc", "val_bal_acc", "val_r2"):
        said = model.predict(X)
        if not np.isfinite(said).all():
            return False
        score = {
            "val_acc": lambda: float((said == y).all(axis=-1).mean() if y.ndim == 2 else (said == y).mean()),
            "val_bal_acc": lambda: balanced_accuracy_score(y, said),
            "val_r2": lambda: r2_score(y, said),
        }[wanted["metric"]]()
        return bool(score >= wanted["min"])
    if wanted["metric"] == "val_loss_best_ratio":
        return True  # the estimators keep their best epoch
    return None


def run_native(job: tuple[str, dict[str, Any], int]) -> dict[str, Any]:
    """One case as an estimator: its verdict, and what `on_problem="fix"` makes of it."""
    from pathlib import Path

    from diagnosis import judge, load_engine

    folder, case, seed = job
    row: dict[str, Any] = {name: case[name] for name in ("family", "kind")} | {"case": case["id"], "seed": seed}
    engine = load_engine(Path(folder))
    data = engine.make_data(case["data"], seed)
    try:
        model = estimator(case, data, seed)
    except NotSaidError as error:
        return row | {"not_said": str(error)}
    try:
        fitted(model, data)
    except ValueError as error:
        return row | {"refused": str(error).splitlines()[0]}
    except Exception as error:  # which is a fault of ours
        return row | {"failed": f"{type(error).__name__}: {error}"}
    findings = [(f.name, f.severity, f.because_of) for f in model.diagnosis_.findings]
    row |= judge(case, findings, model.diagnosis_.skipped) | {"learned": learned(case, model, data)}
    mendable = case["kind"] != "healthy" and not any(f["set"].split(".")[0] == "data" for f in case["fix"])
    if mendable and row["learned"] is False:
        mended = fitted(model.set_params(on_problem="fix"), data)
        row["mended"] = learned(case, mended, data)
        row["repairs"] = [(repair.finding, str(dict(repair.change)), repair.kept) for repair in mended.repairs_]
    return row


def show_native(rows: list[dict[str, Any]]) -> None:
    """The table of what the estimators say and mend."""
    ran = [row for row in rows if "right" in row]
    failing = [row for row in ran if row["kind"] != "healthy"]
    failed = [row for row in failing if row["learned"] is False]
    healthy = [row for row in ran if row["kind"] == "healthy" and row["learned"] is not False]
    mended = [row for row in failed if row.get("mended") is not None]
    refused = [row for row in rows if "refused" in row]
    print(f"said by our parameters: {len(ran)} of {len(rows)} runs; refused before training: {len(refused)}")
    print(f"failing programs that fail here too: {len(failed)}, right by first finding {_share(failed, 'right')}")
    print(f"  in other words {_share(failed, 'right_in_other_words')}; the other {len(failing) - len(failed)} learn")
    alarms = sum(not row["right"] for row in healthy)
    print(f"healthy runs that learn here too: {len(healthy)}, with an alarm: {alarms}")
    print(f"repair by on_problem='fix': {_share(mended, 'mended')} learn (goal 95 %; AutoTrainer, on its own: 97 %)")
    for row in rows:
        where = f"  {row['case']} seed {row['seed']}:"
        if "failed" in row:
            print(where, "did not run:", row["failed"][:110])
        elif "refused" in row:
            print(where, "refused:", row["refused"][:110])
        elif row.get("learned") is False or (row in healthy and not row["right"]):
            wrong = "" if row["right"] else f", in place of {', '.join(row['accepted']) or 'nothing'}"
            print(where, f"{row['first']}{wrong}; mended: {row.get('mended')}")
    reasons = sorted({f"{row['case']}: {row['not_said']}" for row in rows if "not_said" in row})
    print("not said:", "; ".join(reasons))


def _share(rows: list[dict[str, Any]], name: str) -> str:
    count = sum(bool(row[name]) for row in rows)
    return f"{count} of {len(rows)}" + (f" ({count / len(rows):.0%})" if rows else "")
