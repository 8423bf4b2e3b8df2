"""Precision and speed of the catalogs beside JAX, Optax and PyTorch.

python benchmarks/catalogs.py [--json FILE] [--only activations|losses|speed]
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import _losses
import _peers
import _precision
import _speed
import mpmath as mp
import numpy as np
from rich.console import Console
from rich.table import Table

from laws.formulas import truth_of
from laws.precision import line
from trivium import activations, losses
from trivium.catalog import members

LIBRARIES = ("ours", "jax", "torch")
WHOLE_ROWS = ("gates", "simplex")
"""Files of activations that are not elementwise."""
WAVES = ("sine", "snake")
"""Measured against their height, as their law does."""
UNLIKE = {"rrelu": "PyTorch draws its slope"} | _losses.UNLIKE


def elementwise() -> list[str]:
    """The activations that take one number."""
    return [
        name
        for name, function in sorted(members(activations).items())
        if function.__module__.rpartition(".")[2] not in WHOLE_ROWS
    ]


def precision_of_activations() -> dict[str, Any]:
    """Worst errors by name and library, at the default numbers."""
    places, table = line(), {}
    for name in elementwise():
        function = members(activations)[name]
        formula, numbers = truth_of(function), _precision.numbers_of(function)
        truth = _precision.truths(lambda z, formula=formula, numbers=numbers: formula(z=z, **numbers), places)
        if name in WAVES:
            heights = (1.0, float(max(1, *numbers.values())))
            ours = _precision.errors_of_waves(_precision.by_jax(function, places), truth, places, heights)
            table[name] = {"ours": ours, "jax": None, "torch": None}
        else:
            table[name] = _beside(function, "activations", name, truth, places)
    return table


def precision_of_losses() -> dict[str, Any]:
    """Worst errors of values and gradients by name and library, logits of every size up to 1e4."""
    table = {}
    for name, case in _losses.CASES.items():
        with mp.workdps(60):
            truth = case.truth(*case.arguments)
        table[name] = _beside(members(losses)[name], "losses", name, truth, *case.arguments)
    return table


def _beside(ours: Callable, catalog: str, name: str, truth: tuple, *arguments: np.ndarray) -> dict[str, Any]:
    more = {"reduction": "none"} if catalog == "losses" else {}
    jax = torch = None
    if name not in UNLIKE:
        jax, torch = _peers.of(catalog, name, "jax"), _peers.of(catalog, name, "torch", **more)
    places = arguments[0]
    return {
        "ours": _precision.errors(_precision.by_jax(ours, *arguments), truth, places),
        "jax": jax and _precision.errors(_precision.by_jax(jax, *arguments), truth, places),
        "torch": torch and _precision.errors(_precision.by_torch(torch, *arguments), truth, places),
    }


def speed(repetitions: int) -> list[dict[str, Any]]:
    """Seconds in a network and alone, ours and JAX's."""
    rows = []
    for name in elementwise():
        theirs = _peers.of("activations", name, "jax")
        if theirs is None:
            continue
        ours = members(activations)[name]
        network = _speed.compare(_speed.in_a_network(ours), _speed.in_a_network(theirs), repetitions)
        alone = _speed.compare(_speed.alone(ours), _speed.alone(theirs), 2 * repetitions)
        rows.append({"name": name, "network": network, "alone": alone})
    return rows


def print_precision(title: str, names: tuple[str, str, str], table: dict[str, Any]) -> None:
    shown = Table(title=f"{title}: worst error in ulp of float32", title_justify="left")
    shown.add_column("")
    for name in names:
        shown.add_column(f"{name}, value", justify="right")
        shown.add_column("derivative", justify="right")
    for name, row in table.items():
        cells = []
        for library in LIBRARIES:
            errors = row[library]
            cells += [_cell(errors[kind]) for kind in ("value", "derivative")] if errors else ["", ""]
        shown.add_row(name, *cells)
    Console(width=118).print(shown)


def _cell(ulps: float) -> str:
    return "all digits" if ulps > _precision.NO_DIGIT else f"{ulps:,.1f}"


def print_speed(rows: list[dict[str, Any]]) -> None:
    shape = "-".join(map(str, _speed.WIDTHS))
    shown = Table(
        title=f"Speed: {_speed.STEPS} steps of SGD on {shape}, batch {_speed.BATCH}; alone: value and derivative of "
        f"{np.prod(_speed.ALONE):,} numbers. Ratios above 1 are slower than jax.nn",
        title_justify="left",
    )
    for head in ("", "ours, ms", "jax.nn, ms", "ratio", "of the fastest", "alone: ours, µs", "jax.nn, µs", "ratio"):
        shown.add_column(head, justify="right")
    for row in sorted(rows, key=lambda row: -row["network"]["ratio"]):
        network, alone = row["network"], row["alone"]
        shown.add_row(
            row["name"],
            f"{network['ours_median'] * 1e3:.1f}",
            f"{network['jax_median'] * 1e3:.1f}",
            f"{network['ratio']:.3f}",
            f"{network['ratio_of_min']:.3f}",
            f"{alone['ours_median'] * 1e6:.0f}",
            f"{alone['jax_median'] * 1e6:.0f}",
            f"{alone['ratio']:.2f}",
        )
    Console(width=118).print(shown)


def machine() -> dict[str, Any]:
    """What was measured on what."""
    packages = {name: version(name) for name in ("jax", "optax", "torch", "numpy")}
    return {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version(), **packages}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file for what was measured")
    parser.add_argument("--only", choices=("activations", "losses", "speed"))
    parser.add_argument("--repetitions", type=int, default=100, help="of each network, in turns with JAX's")
    given = parser.parse_args()
    result: dict[str, Any] = {"machine": machine()}
    if given.only in (None, "activations"):
        result["activations"] = precision_of_activations()
        print_precision("Activations", ("ours", "jax.nn", "PyTorch"), result["activations"])
    if given.only in (None, "losses"):
        result["losses"] = precision_of_losses()
        print_precision("Losses", ("ours", "Optax", "PyTorch"), result["losses"])
    if given.only in (None, "speed"):
        result["speed"] = speed(given.repetitions)
        print_speed(result["speed"])
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
