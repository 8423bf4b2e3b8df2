"""A PyTorch network's loss and score on rows kept ready, and what its outputs mean."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from trivium.diagnosis.torch_probe import as_trained, call, untouched

TRAIN_ROWS, KEPT_ROWS = 400, 600
"""Rows that a score sees, at most."""

_LINKS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
    "exp": torch.exp,
    "hardtanh": functional.hardtanh,
    "hardsigmoid": functional.hardsigmoid,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "leaky_relu": functional.leaky_relu,
}


class Rows:
    """Some rows of inputs and targets, thinned evenly to `most`, as tensors on the network's device."""

    def __init__(self, inputs: Any, targets: Any, device: torch.device, most: int) -> None:
        total = len(inputs)
        pick = np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))
        self.inputs = _tensor(inputs, device)[torch.as_tensor(pick)] if total else _tensor(inputs, device)
        self.targets = None if targets is None else _tensor(targets, device)[torch.as_tensor(pick)]
        self.total = total

    def head(self, count: int) -> "Rows":
        some = Rows.__new__(Rows)
        step = max(1, len(self.inputs) // count)
        some.inputs, some.total = self.inputs[::step][:count], self.total
        some.targets = None if self.targets is None else self.targets[::step][:count]
        return some


def _tensor(values: Any, device: torch.device) -> torch.Tensor:
    if not isinstance(values, torch.Tensor):
        values = torch.as_tensor(np.asarray(values))
        if values.dtype == torch.float64:
            values = values.float()
    return values.detach().to(device)


def linked(outputs: torch.Tensor, facts: dict[str, Any]) -> torch.Tensor:
    """Outputs after the activations that the program applies to them outside the network."""
    for name in facts.get("link", [])[len(facts.get("link_inside", [])) :]:
        if name in ("softmax", "log_softmax"):
            outputs = outputs.softmax(facts.get("link_axis") or -1)
        elif name in _LINKS:
            outputs = _LINKS[name](outputs)
    return outputs


def predicted(outputs: torch.Tensor, loss: dict[str, Any], targets: dict[str, Any]) -> torch.Tensor:
    """Labels, 0/1 rows or numbers, by what the targets are."""
    kind = targets.get("kind")
    if kind == "tokens" or (kind == "classes" and outputs.dim() > 1 and outputs.shape[-1] > 1):
        return linked(outputs, loss).argmax(-1)
    links = [name for name in loss.get("link", []) if name in ("sigmoid", "softmax", "relu", "tanh", "hardsigmoid")]
    logits = loss.get("kind") == "bce" and not links
    final = linked(outputs, loss)
    if kind == "classes":
        return (final.reshape(-1) > (0.0 if logits else 0.5)).long()
    if kind == "several":
        return (final > (0.0 if logits else 0.5)).float()
    return final


def score(outputs: torch.Tensor, targets: torch.Tensor, loss: dict[str, Any], facts: dict[str, Any]) -> float:
    """Accuracy, or R2 for numbers; NaN where the outputs are not finite."""
    if not bool(torch.isfinite(outputs).all()):
        return math.nan
    guess, kind = predicted(outputs, loss, facts), facts.get("kind")
    if kind == "numbers":
        truth = targets.float().reshape(guess.shape) if targets.numel() == guess.numel() else targets.float()
        spread = float(((truth - truth.mean(0)) ** 2).sum())
        return 1 - float(((guess - truth) ** 2).sum()) / spread if spread else math.nan
    if kind == "several":
        return float((guess == (targets > 0.5)).reshape(len(guess), -1).all(1).float().mean())
    return float((guess.reshape(-1) == labels_of(targets, facts).reshape(-1)).float().mean())


def labels_of(targets: torch.Tensor, facts: dict[str, Any]) -> torch.Tensor:
    return targets.argmax(-1) if facts.get("one_hot") else targets.long()


def recalls(outputs: torch.Tensor, targets: torch.Tensor, loss: dict[str, Any], facts: dict[str, Any]) -> list[float]:
    """Share of each class's rows that are predicted as such, NaN for a class without rows."""
    guess, truth = predicted(outputs, loss, facts).reshape(-1), labels_of(targets, facts).reshape(-1)
    return [float((guess[truth == k] == k).float().mean()) for k in range(min(facts.get("classes", 0), 50))]


def evaluate(
    model: nn.Module, rows: Rows, loss_fn: Callable | None, loss: dict[str, Any], facts: dict[str, Any], *, train: bool
) -> dict[str, Any]:
    """Loss and score in evaluation mode; with `train`, batch normalisation takes the statistics of these rows."""
    with torch.no_grad(), untouched(model):
        if train:
            as_trained(model)
        outputs = call(model, rows.inputs)
        found: dict[str, Any] = {"loss": math.nan, "metric": math.nan}
        if rows.targets is None or outputs is None:
            return found
        if loss_fn is not None:
            found["loss"] = float(loss_fn(outputs, rows.targets).mean())
        if facts.get("kind"):
            found["metric"] = score(outputs, rows.targets, loss, facts)
        if facts.get("kind") == "classes" and bool(torch.isfinite(outputs).all()):
            found["recall"] = recalls(outputs, rows.targets, loss, facts)
        return found


def known_loss(loss: dict[str, Any]) -> Callable | None:
    """The loss that the graph shows, where it is one of PyTorch's own on bare outputs; else None."""
    kind, bare = loss.get("kind"), not [name for name in loss.get("link", []) if name != "log_softmax"]
    if kind == "cross_entropy" and bare and "log_softmax" in loss.get("link", []):
        return lambda outputs, targets: functional.cross_entropy(outputs, targets)
    if kind in ("mse", "mae") and bare:
        function = functional.mse_loss if kind == "mse" else functional.l1_loss
        return lambda outputs, targets: function(outputs, targets.reshape(outputs.shape).float())
    if kind == "bce" and "BinaryCrossEntropyWithLogits" in loss.get("nodes", []) and bare:
        return lambda outputs, targets: functional.binary_cross_entropy_with_logits(
            outputs, targets.reshape(outputs.shape).float()
        )
    return None


def asker(loss_fn: Callable, device: torch.device) -> Callable[[np.ndarray, np.ndarray], float]:
    """The loss as a function of NumPy arrays, NaN where it refuses."""

    def ask(outputs: np.ndarray, targets: np.ndarray) -> float:
        given = torch.as_tensor(outputs, dtype=torch.float32, device=device)
        try:
            with torch.no_grad():
                return float(loss_fn(given, torch.as_tensor(targets, device=device)).mean())
        except Exception:  # a loss of the user's own, of unknown wants
            return math.nan

    return ask
