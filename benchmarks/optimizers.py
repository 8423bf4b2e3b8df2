"""Optimizers beside PyTorch: the same parameters from the same gradients, and the time of one update.

python benchmarks/optimizers.py [--json FILE] [--only agreement|speed] [--repeats 3]

Agreement: 300 gradients in float64, the same ones for both; the largest difference of the final parameters as a share
of the largest entry of their array. Speed: 10 million float32 parameters in one array and in 100, one compiled update
with donated state and parameters against PyTorch's fused one, in turns, each library at the better of one and two
threads. Bytes are counted from the arrays that the loops of each must read and write.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

STEPS, TURNS, WARM = 300, 20, 3
SIZES = {"1 array of 10,000,000": (1, 10_000_000), "100 arrays of 100,000": (100, 100_000)}
NAMES = ("adam", "adamw", "sgd", "lion")
THREADS = (1, 2)

PASSES = {"adam": (10, 7), "adamw": (10, 7), "sgd": (6, 5), "lion": (7, 11)}
"""How often an array of the parameters' size is read or written in one update, by us and by PyTorch.

XLA on the CPU writes each result in a loop of its own. For Adam: gradient, first -> first; gradient, second -> second;
parameter, first, second -> parameter; in all 3 + 3 + 4, where one loop needs 4 + 3.
"""

ONE_LOOP = "--xla_backend_extra_options=xla_cpu_use_multi_output_fusion"
"""An experimental switch of XLA with which loops over the same arrays become one."""


@dataclass(frozen=True)
class Case:
    """An optimizer of PyTorch, and ours with the options under which they shall agree."""

    theirs: str
    their_options: dict[str, Any]
    ours: str
    our_options: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    only: str | None = None  # the one array that PyTorch's takes
    in_float64: bool = False  # whether PyTorch's rounding to bfloat16 is taken out

    @property
    def title(self) -> str:
        return f"{self.theirs}({', '.join(f'{name}={value}' for name, value in self.their_options.items())})"


DECOUPLED = "its weight_decay is added to the gradient, ours shrinks the parameters: agree without"
CASES = (
    Case("SGD", {"lr": 0.01}, "sgd", {"learning_rate": 0.01}, "gd as well"),
    Case("SGD", {"lr": 0.01, "momentum": 0.9}, "sgd", {"learning_rate": 0.01, "momentum": 0.9}),
    Case(
        "SGD",
        {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        "sgd",
        {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    Case(
        "SGD",
        {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        "sgd",
        {"learning_rate": 0.01, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
    ),
    Case("Adam", {}, "adam", {}, "its weight_decay is added to the gradient, adamw's is not: agree without"),
    Case("AdamW", {}, "adamw"),
    Case("Adam", {"amsgrad": True}, "amsgrad"),
    Case("AdamW", {"amsgrad": True, "weight_decay": 0.1}, "amsgrad", {"weight_decay": 0.1}),
    Case("Adamax", {}, "adamax", {}, DECOUPLED),
    Case("NAdam", {}, "nadam"),
    Case("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}, "nadam", {"weight_decay": 0.1}),
    Case("RAdam", {}, "radam", {}, "it adds eps before the zero start is taken off: the next row"),
    Case("RAdam", {"eps": 1e-30}, "radam", {"epsilon": 1e-30}, "without eps they agree"),
    Case(
        "RAdam",
        {"eps": 1e-30, "weight_decay": 0.1, "decoupled_weight_decay": True},
        "radam",
        {"epsilon": 1e-30, "weight_decay": 0.1},
    ),
    Case("Adagrad", {}, "adagrad", {}, DECOUPLED),
    Case("Adagrad", {"initial_accumulator_value": 0.1}, "adagrad", {"start_value": 0.1}),
    Case("Adadelta", {}, "adadelta", {}, DECOUPLED),
    Case("RMSprop", {}, "rmsprop", {}, DECOUPLED),
    Case("RMSprop", {"momentum": 0.9, "centered": True}, "rmsprop", {"momentum": 0.9, "centered": True}),
    Case("Rprop", {}, "rprop"),
    Case("Adafactor", {"weight_decay": 0.1}, "adafactor", {"weight_decay": 0.1}),
    Case("Muon", {"adjust_lr_fn": "match_rms_adamw"}, "muon", {}, "it works in bfloat16: the next row", "matrix"),
    Case(
        "Muon",
        {"adjust_lr_fn": "match_rms_adamw", "eps": 1e-30},
        "muon",
        {"epsilon": 1e-30},
        "its bfloat16 replaced by float64; it floors the length by eps, ours adds epsilon",
        "matrix",
        True,
    ),
)
SHARED = {"Muon": {"learning_rate": 1e-3, "weight_decay": 0.1}, "Rprop": {"learning_rate": 0.01}}
"""Defaults that differ: ours are set to PyTorch's."""
MISSING = {
    "ASGD": "an average of SGD: parameter_average(sgd)",
    "LBFGS": "takes closures, not gradients",
    "SparseAdam": "sparse gradients alone",
}


# --- agreement -------------------------------------------------------------------------------------------------------


def agreement() -> list[dict[str, Any]]:
    import jax

    with jax.enable_x64(True):
        return [
            {"torch": case.title, "ours": case.ours, "options": case.our_options, "difference": difference(case)}
            | ({"note": case.note} if case.note else {})
            for case in CASES
        ]


def difference(case: Case) -> float:
    """The largest difference of the parameters after 300 steps, as a share of their array's largest entry."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    import optax
    import torch

    from trivium import optimizers

    random = np.random.default_rng(3)
    shapes = {"matrix": (5, 4), "vector": (4,), "tall": (7, 2)}
    names = [case.only] if case.only else list(shapes)
    gradients = {name: random.normal(size=shapes[name]) + random.normal(size=(STEPS, *shapes[name])) for name in names}
    start = {name: random.normal(size=shapes[name]) for name in names}

    theirs = {name: torch.nn.Parameter(torch.from_numpy(array.copy())) for name, array in start.items()}
    peer = getattr(torch.optim, case.theirs)(list(theirs.values()), **case.their_options)
    with _float64_for_bfloat16() if case.in_float64 else _nothing():
        for step in range(STEPS):
            for name, parameter in theirs.items():
                parameter.grad = torch.from_numpy(gradients[name][step].copy())
            peer.step()

    transformation = getattr(optimizers, case.ours)(**SHARED.get(case.theirs, {}) | case.our_options)

    def step(carry, gradient):
        parameters, state = carry
        updates, state = transformation.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, updates), state), None

    parameters = jax.tree.map(jnp.asarray, start)
    ours = jax.lax.scan(step, (parameters, transformation.init(parameters)), jax.tree.map(jnp.asarray, gradients))[0][0]
    return max(
        float(np.abs(np.asarray(ours[name]) - theirs[name].detach().numpy()).max() / np.abs(ours[name]).max())
        for name in names
    )


@contextmanager
def _float64_for_bfloat16() -> Iterator[None]:
    import torch

    kept = torch.Tensor.bfloat16
    torch.Tensor.bfloat16 = torch.Tensor.clone
    try:
        yield
    finally:
        torch.Tensor.bfloat16 = kept


@contextmanager
def _nothing() -> Iterator[None]:
    yield


# --- speed -----------------------------------------------------------------------------------------------------------


def speed(repeats: int) -> list[dict[str, Any]]:
    """The best of the repeats and of one and two threads, each in a process of its own."""
    runs = [
        _in_a_process(threads, one_loop)
        for _ in range(repeats)
        for threads in THREADS[: os.cpu_count()]
        for one_loop in (False, True)
    ]
    return [_summary(size, name, runs) for size in SIZES for name in NAMES]


def _summary(size: str, name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    def best(library: str, one_loop: bool) -> dict[str, float]:
        timings = [
            run[size][name][library] | {"threads": run["threads"]} for run in runs if run["one_loop"] == one_loop
        ]
        return min(timings, key=lambda timing: timing["median"])

    ours, theirs, one_loop = best("ours", False), best("torch", False), best("ours", True)
    counts = dict(zip(("ours", "torch"), PASSES[name], strict=True))
    return {
        "size": size,
        "optimizer": name,
        "ours": ours,
        "torch": theirs,
        "ours, loops fused": one_loop,
        "ratio of medians": ours["median"] / theirs["median"],
        "ratio of least": ours["least"] / theirs["least"],
        "ratio of medians, loops fused": one_loop["median"] / theirs["median"],
        "bytes": {library: count * 40_000_000 for library, count in counts.items()},
        "ratio of bytes": counts["ours"] / counts["torch"],
    }


def _in_a_process(threads: int, one_loop: bool) -> dict[str, Any]:
    flags = " ".join(filter(None, [os.environ.get("XLA_FLAGS"), ONE_LOOP if one_loop else None]))
    command = [sys.executable, __file__, "--child", str(threads)]
    done = subprocess.run(command, env=os.environ | {"XLA_FLAGS": flags}, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) | {"threads": threads, "one_loop": one_loop}


def timings(threads: int) -> dict[str, Any]:
    """Seconds of one update, median and least of twenty; ours and PyTorch's in turns."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # before XLA counts the cores
    import torch

    torch.set_num_threads(threads)
    table: dict[str, Any] = {}
    for size, (count, length) in SIZES.items():
        table[size] = {}
        for name in NAMES:
            calls = {"ours": _ours(name, count, length), "torch": _torch(name, count, length)}
            table[size][name] = _in_turns(calls)
    return table


def _in_turns(calls: dict[str, Callable[[], None]]) -> dict[str, dict[str, float]]:
    seconds: dict[str, list[float]] = {library: [] for library in calls}
    for turn in range(WARM + TURNS):
        for library, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= WARM:
                seconds[library].append(time.perf_counter() - start)
    return {library: {"median": statistics.median(s), "least": min(s)} for library, s in seconds.items()}


def _arrays(count: int, length: int, seed: int) -> list[Any]:
    import numpy as np

    random = np.random.default_rng(seed)
    return [random.standard_normal(length, np.float32) / 100 for _ in range(count)]


def _ours(name: str, count: int, length: int) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp
    import optax

    from trivium import optimizers

    options = {"momentum": 0.9} if name == "sgd" else {}
    transformation = getattr(optimizers, name)(**options)

    @partial(jax.jit, donate_argnums=(0, 1))
    def update(parameters, state, gradients):
        updates, state = transformation.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    parameters, gradients = ([jnp.asarray(a) for a in _arrays(count, length, seed)] for seed in (0, 1))
    kept = [(parameters, jax.jit(transformation.init)(parameters))]

    def call() -> None:
        kept[0] = jax.block_until_ready(update(*kept[0], gradients))

    return call


def _torch(name: str, count: int, length: int) -> Callable[[], Any]:
    import torch

    parameters = [torch.nn.Parameter(torch.from_numpy(a)) for a in _arrays(count, length, 0)]
    for parameter, gradient in zip(parameters, _arrays(count, length, 1), strict=True):
        parameter.grad = torch.from_numpy(gradient)
    if name == "lion":
        return _torch_lion(parameters)
    make = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": partial(torch.optim.SGD, lr=0.01, momentum=0.9),
    }
    return make[name](parameters, fused=True).step


def _torch_lion(parameters: list[Any]) -> Callable[[], None]:
    """In place, with one array to work in: PyTorch has no Lion."""
    import torch

    averages = [torch.zeros_like(parameter) for parameter in parameters]
    work = torch.empty_like(averages[0])

    def call() -> None:
        with torch.no_grad():
            for parameter, average in zip(parameters, averages, strict=True):
                torch.lerp(average, parameter.grad, 0.1, out=work)
                parameter.add_(work.sign_(), alpha=-1e-4)
                average.lerp_(parameter.grad, 0.01)

    return call


# --- tables ----------------------------------------------------------------------------------------------------------


def print_agreement(rows: list[dict[str, Any]]) -> None:
    print(f"Largest relative difference after {STEPS} steps in float64")
    for row in rows:
        options = ", ".join(f"{name}={value}" for name, value in row["options"].items())
        print(f"{row['difference']:9.1e}  {row['torch']:<82} {row['ours']}({options})")
        if "note" in row:
            print(f"{'':11}{row['note']}")
    print("Not compared:", "; ".join(f"{name} ({why})" for name, why in MISSING.items()))


def print_speed(rows: list[dict[str, Any]]) -> None:
    print("\nMilliseconds of one update of 10 million float32 parameters: median (least) @ threads")
    print(f"{'':31}{'ours':<19}{'torch':<19}{'ratio':<7}{'least':<7}{'bytes':<8}{'ours, loops fused':<20}ratio")
    for row in rows:
        cells = [
            f"{timing['median'] * 1e3:.2f} ({timing['least'] * 1e3:.2f}) @ {timing['threads']}"
            for timing in (row["ours"], row["torch"], row["ours, loops fused"])
        ]
        print(
            f"{row['size']:<24}{row['optimizer']:<7}{cells[0]:<19}{cells[1]:<19}{row['ratio of medians']:<7.2f}"
            f"{row['ratio of least']:<7.2f}{row['ratio of bytes']:<8.2f}{cells[2]:<20}"
            f"{row['ratio of medians, loops fused']:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--only", choices=("agreement", "speed"), help="one of the two; both if left out")
    parser.add_argument("--repeats", type=int, default=3, help="processes per thread count, of which the best counts")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(timings(arguments.child)))
        return
    figures: dict[str, Any] = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("jax", "optax", "torch")},
    }
    if arguments.only != "speed":
        figures["agreement"] = agreement()
        print_agreement(figures["agreement"])
    if arguments.only != "agreement":
        figures["speed"] = speed(arguments.repeats)
        print_speed(figures["speed"])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
