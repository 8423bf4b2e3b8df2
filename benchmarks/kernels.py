"""Where the time of training goes, kernel by kernel: `python benchmarks/kernels.py`.

16 networks at once as in `throughput.py`, traced by JAX's own profiler. Time of the cores is split into matrix products
and all else, each on the way forward, on the way back or in the update; what is left of the cores' time is waiting and
starting kernels. Tracing itself slows training down, by the ratio that is printed.
"""

import argparse
import gzip
import json
import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import jax
from throughput import MEMBERS, member, population, words

from trivium.training import devices
from trivium.training.epochs import run
from trivium.training.rows import Store

EPOCHS = 3
PRODUCTS = ("dot", "ynn_fusion", "custom-call", "onednn")
"""How the names of kernels begin that multiply matrices, bias and sums of columns included where they are fused."""

HOLDING = ("while", "conditional", "call")
"""How the names of those begin that hold others."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the time of training goes, kernel by kernel.")
    parser.add_argument("--hidden", action="append", metavar="N,N", help="hidden widths; default: 64,64 and 256,256")
    parser.add_argument("--top", type=int, default=8, help="kernels that are named")
    given = parser.parse_args()
    for widths in given.hidden or ["64,64", "256,256"]:
        show(tuple(map(int, widths.split(","))), given.top)


def show(hidden: tuple[int, ...], top: int) -> None:
    """The table of one kind of network."""
    population(hidden, EPOCHS)()  # compiles
    plain = seconds(hidden)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=True):
            traced = seconds(hidden)
        took, calls = kernels(Path(folder))
    origin = origins(hidden)
    cores = min(MEMBERS, devices.cores())
    whole = traced * cores * 1e6
    print(f"{MEMBERS} networks {words(hidden)}, {EPOCHS} epochs: {plain:.2f} s, {traced / plain:.2f} times that traced")
    shares: Counter[str] = Counter()
    for name, duration in took.items():
        kind = "matrix products" if name.startswith(PRODUCTS) else "all else"
        shares[f"{kind}, {origin.get(name, 'elsewhere')}"] += duration
    shares["waiting, and starting kernels"] = round(whole - sum(took.values()))
    for what, duration in shares.most_common():
        print(f"  {what:42}{duration / whole:>7.1%}")
    print(f"  {'kernel':42}{'share':>7}{'calls':>9}{'microseconds each':>20}")
    for name, duration in took.most_common(top):
        print(f"  {name[:40]:42}{duration / whole:>7.1%}{calls[name]:>9}{duration / calls[name]:>20.1f}")
    print()


def seconds(hidden: tuple[int, ...]) -> float:
    train = population(hidden, EPOCHS)
    began = time.perf_counter()
    train()
    return time.perf_counter() - began


def kernels(folder: Path) -> tuple[Counter[str], Counter[str]]:
    """Microseconds and calls of each kernel, from a trace."""
    (path,) = folder.rglob("perfetto_trace.json.gz")
    read: Any = json.loads(gzip.decompress(path.read_bytes()))
    events = read["traceEvents"] if isinstance(read, dict) else read
    threads = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in events
        if event.get("ph") == "M" and event["name"] == "thread_name"
    }
    took, calls = Counter(), Counter()
    for event in events:
        name, thread = event.get("name", ""), threads.get((event.get("pid"), event.get("tid")), "")
        kernel = re.fullmatch(r"[a-z_\-0-9]+(\.\d+)*", name) and not name.startswith(HOLDING)
        if event.get("ph") == "X" and kernel and "python" not in thread:
            took[name] += event["dur"]
            calls[name] += 1
    return took, calls


def origins(hidden: tuple[int, ...]) -> dict[str, str]:
    """By kernel, the part of a step that it belongs to, from what the compiler noted of it."""
    one = member(hidden, 0)
    rows = Store().rows(one.rows, None)
    numbers = {name: jax.numpy.float32(value) for name, value in one.numbers.items()}
    text = run.plain.lower(one.program, numbers, one.state, rows, None, 1, 2**30).compile().as_text()
    found = {}
    for line in (text or "").splitlines():
        named = re.match(r"\s+(?:ROOT )?%?(\S+) = ", line)
        if named:
            way = "on the way back" if "transpose(" in line else "on the way forward" if "jvp(" in line else "elsewhere"
            found[named.group(1)] = way
    return found


if __name__ == "__main__":
    main()
