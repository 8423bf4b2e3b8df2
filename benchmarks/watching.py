"""What watching costs: a PyTorch loop with and without `trivium.watch`, and our own engine with and without looks.

python benchmarks/watching.py [--steps 3000] [--json FILE]

Blocks of 50 steps of both loops alternate on one thread, so that whatever else the machine does falls on both;
processor time counts. After the last step the parameters of both are compared bit by bit. Our own engine trains on
20,000 rows of 32 inputs in batches of 256, with and without looks in turns; times are per epoch.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

BLOCK = 50
NETWORKS = {"3 x 512": (512, 512, 512), "2 x 256": (256, 256), "2 x 64": (64, 64)}


class Loop:
    """A training loop of a user, cut into blocks."""

    def __init__(self, widths: tuple[int, ...], batch: int) -> None:
        import torch
        from torch import nn

        torch.manual_seed(0)
        self.rows, self.labels = torch.randn(20_000, 64), torch.randint(0, 10, (20_000,))
        layers: list[Any] = []
        inputs = 64
        for width in widths:
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(0.1)]
            inputs = width
        self.model = nn.Sequential(*layers, nn.Linear(inputs, 10))
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.loss_fn, self.batch, self.seconds = nn.CrossEntropyLoss(), batch, 0.0
        self.state = torch.get_rng_state()

    def run(self, steps: int) -> None:
        import torch

        torch.set_rng_state(self.state)
        start = time.process_time()
        for _ in range(steps):
            pick = torch.randint(0, len(self.rows), (self.batch,))
            loss = self.loss_fn(self.model(self.rows[pick]), self.labels[pick])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        self.seconds += time.process_time() - start
        self.state = torch.get_rng_state()


def compare(widths: tuple[int, ...], steps: int, batch: int) -> dict[str, Any]:
    import torch

    import trivium

    plain, watched = Loop(widths, batch), Loop(widths, batch)
    watch = trivium.watch(
        watched.model,
        watched.optimizer,
        loss_fn=watched.loss_fn,
        train=(watched.rows[:18_000], watched.labels[:18_000]),
        validation=(watched.rows[18_000:], watched.labels[18_000:]),
    )
    for block in range(steps // BLOCK):
        first, second = (plain, watched) if block % 2 else (watched, plain)
        first.run(BLOCK)
        second.run(BLOCK)
    same = all(torch.equal(a, b) for a, b in zip(plain.model.parameters(), watched.model.parameters(), strict=True))
    looks, scores = len(watch.record.moment), len(watch.record.epoch)
    start = time.process_time()
    watch.close()
    return {
        "plain_ms": 1000 * plain.seconds / steps,
        "watched_ms": 1000 * watched.seconds / steps,
        "overhead": watched.seconds / plain.seconds - 1,
        "closing_s": time.process_time() - start,
        "looks": looks,
        "scores": scores,
        "same_bits": same,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    import _own_engine
    import torch

    torch.set_num_threads(1)
    table = {}
    print(f"{'network':10} {'plain':>9} {'watched':>9} {'overhead':>9} {'looks':>6} {'scores':>7} same bits")
    for name, widths in NETWORKS.items():
        if options.only not in name:
            continue
        row = table[name] = compare(widths, options.steps, options.batch)
        print(
            f"{name:10} {row['plain_ms']:6.2f} ms {row['watched_ms']:6.2f} ms {row['overhead']:9.1%} "
            f"{row['looks']:6} {row['scores']:7} {row['same_bits']}",
            flush=True,
        )
    print(f"\n{'our own':10} {'plain':>9} {'watched':>9} {'overhead':>9} {'looks':>6} same bits")
    for name, widths, epochs in (("256-256", (256, 256), 30), ("64-64", (64, 64), 100)):
        row = table[name] = _own_engine.compare(widths, epochs)
        print(
            f"{name:10} {row['plain_ms']:6.2f} ms {row['watched_ms']:6.2f} ms {row['overhead']:9.1%} "
            f"{row['looks']:6} {row['same_bits']}",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps({"steps": options.steps, "batch": options.batch, **table}, indent=1))


if __name__ == "__main__":
    main()
