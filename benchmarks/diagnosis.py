"""The diagnosis on programs that are known to fail, and on healthy ones.

python benchmarks/diagnosis.py [--cases FOLDER] [--seeds 0,1,2] [--json FILE] [--only TEXT] [--jobs 2]
    [--watched | --native]

FOLDER holds `cases.yaml` and the `engine.py` that trains a case in PyTorch; default: ../shared/diagnosis beside the
repository. Each program runs as given, with `trivium.watch` attached to its network and optimizer. A failing run counts
as right when the first finding is one of the case's `expected` or `acceptable` labels; a healthy run counts as a false
alarm when any finding is a warning or an error. Then the programs that our estimators' parameters can say run as
estimators, and those that fail once more with `on_problem="fix"`. `--watched` and `--native` leave the other part out.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from _native import run_native, show_native

os.environ.setdefault("OMP_NUM_THREADS", "1")

DEFAULT = Path(__file__).parents[2] / "shared" / "diagnosis"

SYNONYMS = {
    "bad_init": ("init_too_small", "init_too_large", "poor_init", "bad_initialization", "bad_initialisation"),
    "dying_relu": ("dead_relu", "dead_units"),
    "bad_activation": ("softmax_in_hidden", "softmax_inside", "softmax_hidden"),
    "missing_nonlinearity": ("missing_activation", "missing_non_linearity", "no_activation", "linear_model"),
    "batch_too_small": ("batchnorm_small_batch",),
    "not_shuffled": ("data_not_shuffled", "no_shuffle", "unshuffled_data", "missing_shuffle", "shuffle_missing"),
    "gradients_not_zeroed": ("missing_zero_grad", "no_zero_grad", "zero_grad_missing", "gradients_accumulate"),
    "parameters_not_updated": ("weights_not_updated", "frozen_parameters", "untrained_parameters"),
    "momentum_too_high": ("momentum_out_of_range", "bad_momentum"),
    "epsilon_too_large": ("epsilon_out_of_range", "eps_too_large", "bad_epsilon"),
    "clipping_too_tight": ("clipping_always_on", "gradient_clipping_too_tight", "clip_too_small", "over_clipping"),
    "dropout_too_high": ("too_much_dropout", "excessive_dropout"),
    "over_regularized": ("over_regularised", "weights_vanishing", "weight_decay_too_high"),
    "underfitting": ("capacity_too_small", "insufficient_capacity", "model_too_small"),
    "train_eval_mismatch": ("batchnorm_misconfigured", "wrong_mode"),
    "loss_output_mismatch": ("output_range_mismatch", "softmax_wrong_axis", "double_softmax"),
    "label_misalignment": ("no_signal", "random_labels"),
    "data_leakage": ("suspicious_val", "target_leak", "train_val_overlap"),
    "nan_or_inf": ("unsafe_log", "unsafe_logarithm"),
}
"""A finding -> other names of the same fault, as labels of cases may have them; counted apart from the exact ones."""


def load_engine(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("diagnosis_engine", folder / "engine.py")
    assert spec is not None
    assert spec.loader is not None
    engine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(engine)
    return engine


def load_cases(folder: Path) -> list[dict[str, Any]]:
    import yaml

    return yaml.safe_load((folder / "cases.yaml").read_text(encoding="utf-8"))


def watched_run(engine: ModuleType, case: dict[str, Any], seed: int) -> tuple[Any, dict[str, Any]]:
    """(the closed watch, what the engine says of the end) of one program.

    The two lines that a user would add go to where the engine makes its optimizer. Its own measuring, which is no part
    of the program, is left out, but for the gradients that it zeroes.
    """
    import trivium

    originals = {name: getattr(engine, name) for name in ("make_data", "make_opt")}
    held: dict[str, Any] = {}

    def make_data(spec: Any, seed: int) -> Any:
        held["data"] = originals["make_data"](spec, seed)
        return held["data"]

    def make_opt(case: dict[str, Any], network: Any) -> Any:
        optimizer = originals["make_opt"](case, network)
        data, final = held["data"], case["model"].get("out_act")

        def loss_fn(outputs: Any, targets: Any) -> Any:
            return engine.loss_fn(case["loss"], engine.out_act(outputs, final), targets, data["task"])

        held["watch"] = trivium.watch(
            network,
            optimizer,
            loss_fn=loss_fn,
            train=(data["Xtr"], data["ytr"]),
            validation=(data["Xva"], data["yva"]),
        )
        return optimizer

    def zeroes(network: Any, *_: Any, **__: Any) -> float:
        network.zero_grad()
        return float("nan")

    replaced = originals | {
        name: getattr(engine, name)
        for name in ("probe", "lite_probe", "noise_scale", "sharpness")
        if hasattr(engine, name)
    }
    stand_ins = {"make_data": make_data, "make_opt": make_opt, "noise_scale": zeroes, "sharpness": zeroes} | {
        "probe": lambda *_: {"layers": [], "grads": []},
        "lite_probe": lambda *_: {},
    }
    try:
        for name in replaced:
            setattr(engine, name, stand_ins[name])
        history = engine.train(case, seed)
    finally:
        for name, function in replaced.items():
            setattr(engine, name, function)
        if "watch" in held:
            held["watch"].close()
    return held["watch"], history["final"]


def run_one(job: tuple[str, dict[str, Any], int]) -> dict[str, Any]:
    """One program, watched and diagnosed, as a row of the table."""
    folder, case, seed = job
    import torch

    from trivium.diagnosis.ranking import diagnose

    torch.set_num_threads(1)
    engine = load_engine(Path(folder))
    start = time.perf_counter()
    row: dict[str, Any] = {"case": case["id"], "seed": seed, "family": case["family"], "kind": case["kind"]}
    try:
        watch, _ = watched_run(engine, case, seed)
    except Exception as error:  # a program of the folder that does not run at all
        return row | {"failed": f"{type(error).__name__}: {error}", "right": False, "findings": []}
    seconds, record = time.perf_counter() - start, watch.record
    begun = time.process_time()
    verdict = diagnose(record)
    row |= {"seconds": seconds, "rules_ms": 1000 * (time.process_time() - begun)}
    return row | judge(case, [(f.name, f.severity, f.because_of) for f in verdict.findings], verdict.skipped)


def judge(case: dict[str, Any], findings: list[tuple[str, str, str | None]], skipped: Any = ()) -> dict[str, Any]:
    loud = [name for name, severity, _ in findings if severity != "info"]
    accepted = {*(case.get("expected") or ()), *(case.get("acceptable") or ())}
    healthy = case["kind"] == "healthy"
    first = {loud[0], *SYNONYMS.get(loud[0], ())} if loud else set()
    return {
        "right": not loud if healthy else bool(loud) and loud[0] in accepted,
        "right_in_other_words": not loud if healthy else bool(first & accepted),
        "first": loud[0] if loud else None,
        "findings": findings,
        "accepted": sorted(accepted),
        "skipped": list(skipped),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    failing = [row for row in rows if row["kind"] != "healthy"]
    healthy = [row for row in rows if row["kind"] == "healthy"]
    families = sorted({row["family"] for row in failing})
    return {
        "failing_runs": len(failing),
        "right_first": sum(row["right"] for row in failing) / max(len(failing), 1),
        "right_in_other_words": sum(row.get("right_in_other_words", False) for row in failing) / max(len(failing), 1),
        "right_any": sum(
            any(name in row["accepted"] for name, severity, _ in row["findings"] if severity != "info")
            for row in failing
            if "accepted" in row
        )
        / max(len(failing), 1),
        "healthy_runs": len(healthy),
        "false_alarms": sum(not row["right"] for row in healthy) / max(len(healthy), 1),
        "families": {
            family: [
                sum(r["right"] for r in failing if r["family"] == family),
                sum(r["family"] == family for r in failing),
            ]
            for family in families
        },
        "confusion": Counter(
            f"{row['case']}: {row['first']} in place of {', '.join(row['accepted']) or 'nothing'}"
            if "accepted" in row
            else f"{row['case']}: did not run ({row['failed']})"
            for row in rows
            if not row["right"]
        ),
        "rules_ms": max((row.get("rules_ms", 0.0) for row in rows), default=0.0),
    }


def show(result: dict[str, Any]) -> None:
    print(f"failing runs: {result['failing_runs']}, right by first finding {result['right_first']:.1%} (goal 98 %)")
    print(f"              counting other names of the same fault {result['right_in_other_words']:.1%}")
    print(f"              right by any finding {result['right_any']:.1%}")
    print(
        f"healthy runs: {result['healthy_runs']}, with a warning or error {result['false_alarms']:.1%} "
        "(goal 0, at most 2 %)"
    )
    print(f"rules: {result['rules_ms']:.1f} ms at most (goal 50)")
    for family, (right, total) in result["families"].items():
        print(f"  {family:24} {right:3} of {total}")
    for line, times in sorted(result["confusion"].items()):
        print(f"  x{times} {line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, default=DEFAULT)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="", help="only cases whose id contains this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--watched", action="store_true", help="only watch the programs as they are")
    part.add_argument("--native", action="store_true", help="only run the programs as estimators, and mend them")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    cases = [case for case in load_cases(options.cases) if options.only in case["id"]]
    jobs = [(str(options.cases), case, seed) for case in cases for seed in seeds]
    result: dict[str, Any] = {}
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        if not options.native:
            rows = _timed(pool, run_one, jobs)
            result = {**summary(rows), "runs": rows}
            show(result)
        if not options.watched:
            result["native"] = _timed(pool, run_native, jobs)
            show_native(result["native"])
    if options.json:
        options.json.write_text(json.dumps(result, indent=1))


def _timed(pool: Any, run: Callable[[Any], dict[str, Any]], jobs: list[Any]) -> list[dict[str, Any]]:
    """The rows of all jobs, in the order of the cases; how long they took is printed above the table."""
    start, rows = time.perf_counter(), []
    for row in pool.imap_unordered(run, jobs):
        rows.append(row)
        print(f"\r{len(rows)} of {len(jobs)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(
        f"{'as estimators' if run is run_native else 'watched'}: {len(rows)} runs, {time.perf_counter() - start:.0f} s"
    )
    return sorted(rows, key=lambda row: (row["case"], row["seed"]))


if __name__ == "__main__":
    main()
