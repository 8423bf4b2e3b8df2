"""A look into a PyTorch network without leaving a trace: its layers, and what a batch does in them."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from trivium.diagnosis.record import Layer

RANK_ROWS, RANK_UNITS = 96, 512
_SAME = (nn.modules.dropout._DropoutNd, nn.Identity, nn.Flatten, nn.Unflatten)
_FUNCTIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "elu": nn.functional.elu,
    "selu": nn.functional.selu,
    "leaky_relu": nn.functional.leaky_relu,
    "softplus": nn.functional.softplus,
    "exp": torch.exp,
}
_ROWWISE = ("softmax", "log_softmax", "softmin", "glu", "softmax2d")


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every mode, every batch-norm buffer and every random state is as before.

    The buffers are exchanged for copies and put back, not written to: a backward pass may still need them as they are.
    """
    modes = [(module, module.training) for module in model.modules()]
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._NormBase)]
    buffers = [(norm, name, b) for norm in norms for name, b in norm._buffers.items() if b is not None]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    on_device = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        for norm, name, buffer in buffers:
            norm._buffers[name] = buffer.clone()
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, name, buffer in buffers:
            norm._buffers[name] = buffer
        torch.set_rng_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
        if on_device is not None:
            torch.cuda.set_rng_state_all(on_device)


def as_trained(model: nn.Module) -> None:
    """Batch normalisation with the statistics of the batch, as in training; all else stays in evaluation mode."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.train()


def call(model: nn.Module, inputs: Any) -> torch.Tensor:
    """The network's output, the first array of it where it returns several."""
    if isinstance(inputs, dict):
        return first_array(model(**inputs))
    return first_array(model(*inputs) if isinstance(inputs, tuple) else model(inputs))


def first_array(outputs: Any) -> Any:
    if isinstance(outputs, torch.Tensor):
        return outputs
    if hasattr(outputs, "logits"):
        return outputs.logits
    entries = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, list | tuple) else ()
    return next((found for entry in entries if isinstance(found := first_array(entry), torch.Tensor)), None)


@dataclass
class Stage:
    """A layer with weights, and the module that bends its outputs."""

    name: str
    module: nn.Module
    kind: str
    bend: nn.Module | None = None
    activation: str | None = None
    normalised: bool = False
    saturates: bool = False
    elementwise: bool = False


def weight_of(module: nn.Module) -> torch.Tensor | None:
    """The largest array of weights that a module holds itself; None without one of two axes or more."""
    own = [p for p in module.parameters(recurse=False) if p.dim() >= 2 and not nn.parameter.is_lazy(p)]
    return max(own, key=lambda p: p.numel()) if own else None


def _kind(module: nn.Module) -> str:
    if isinstance(module, nn.Linear):
        return "dense"
    if isinstance(module, nn.modules.conv._ConvNd):
        return "convolution"
    if isinstance(module, nn.RNNBase):
        return "recurrent"
    return "embedding" if isinstance(module, nn.Embedding | nn.EmbeddingBag) else "other"


def snake(name: str) -> str:
    known = {"ReLU": "relu", "GELU": "gelu", "SiLU": "silu", "ELU": "elu", "SELU": "selu", "CELU": "celu"} | {
        "LeakyReLU": "leaky_relu",
        "PReLU": "prelu",
        "ReLU6": "relu6",
        "LogSoftmax": "log_softmax",
    }
    return known.get(name, name.lower())


class Prober:
    """Runs a batch through a network and reports on every layer."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.names = {id(module): name for name, module in model.named_modules()}
        self.stages: list[Stage] | None = None

    def layers(self) -> tuple[Layer, ...]:
        stages, found = self.stages or [], []
        for place, stage in enumerate(stages):
            weight = weight_of(stage.module)
            shape = tuple(weight.shape) if weight is not None else (0, 0)
            width = getattr(stage.module, "hidden_size", None) or (shape[1] if stage.kind == "embedding" else shape[0])
            inputs = shape[0] if stage.kind == "embedding" else int(np.prod(shape[1:]))
            found.append(
                Layer(
                    name=stage.name or stage.kind,
                    kind=stage.kind,
                    inputs=int(inputs),
                    width=int(width),
                    activation=stage.activation,
                    output=place == len(stages) - 1,
                    saturates=stage.saturates,
                    normalised=stage.normalised,
                )
            )
        return tuple(found)

    def look(self, inputs: Any) -> tuple[list[dict[str, Any]], torch.Tensor | None]:
        """Statistics per layer and the output, of a batch in the state in which training sees it."""
        calls: list[tuple[nn.Module, Any, Any]] = []

        def note(module: nn.Module, arguments: Any, output: Any) -> None:
            given = first_array(arguments)
            if isinstance(given, torch.Tensor) and isinstance(made := first_array(output), torch.Tensor):
                calls.append((module, given, made))

        watched = [m for m in self.model.modules() if not list(m.children()) or weight_of(m) is not None]
        handles = [module.register_forward_hook(note) for module in watched]
        try:
            with torch.no_grad(), untouched(self.model):
                as_trained(self.model)
                output = call(self.model, inputs)
        finally:
            for handle in handles:
                handle.remove()
        stages, arrays = self._match(calls)
        self.stages = stages
        return [self._statistics(stage, *arrays[place]) for place, stage in enumerate(stages)], output

    def _match(self, calls: list[tuple[nn.Module, Any, Any]]) -> tuple[list[Stage], list[tuple[Any, Any]]]:
        """The layers in the order in which they ran, each with (before, after) its activation."""
        stages: list[Stage] = []
        arrays: list[tuple[Any, Any]] = []
        seen: dict[int, int] = {}
        for module, given, made in calls:
            if weight_of(module) is not None:
                if stages and stages[-1].bend is None and stages[-1].activation is None:
                    self._without_module(stages[-1], arrays, given)
                if id(module) in seen:
                    continue
                seen[id(module)] = len(stages)
                stages.append(Stage(self.names.get(id(module), ""), module, _kind(module)))
                arrays.append((made, made))
                if isinstance(module, nn.RNNBase):
                    stages[-1].activation = "relu" if getattr(module, "nonlinearity", "") == "relu" else "tanh"
            elif not stages or isinstance(module, _SAME) or "Pool" in type(module).__name__:
                continue
            elif "Norm" in type(module).__name__ and stages[-1].bend is None:
                if made.shape == arrays[-1][1].shape:
                    stages[-1].normalised = True
                    arrays[-1] = (made, made)
            elif (
                stages[-1].bend is None
                and stages[-1].activation is None
                and (made.shape == given.shape == arrays[-1][0].shape and _bends(module))
            ):
                stages[-1].bend = module
                arrays[-1] = (given, made)
                _describe(stages[-1])
        return stages, arrays

    def _without_module(self, stage: Stage, arrays: list, given: torch.Tensor) -> None:
        """A function in place of a module: the next layer's input tells which."""
        before = arrays[-1][0]
        if before.numel() != given.numel():
            if given.numel() and bool((given >= 0).all()) and bool((before < 0).any()) and stage.kind == "convolution":
                stage.activation = "relu"  # pooled after it
                arrays[-1] = (before, torch.relu(before))
            return
        flat, after = before.reshape(-1)[:4096], given.reshape(-1)[:4096]
        if not flat.numel() or float(flat.abs().max()) < 0.01:
            return  # so near to zero, most activations are a straight line
        if torch.allclose(flat, after, atol=1e-6):
            stage.activation = "identity"
            return
        for name, function in _FUNCTIONS.items():
            if torch.allclose(function(flat), after, rtol=1e-3, atol=1e-5):
                stage.activation, stage.elementwise = name, True
                stage.saturates = name in ("tanh", "sigmoid")
                arrays[-1] = (before, given.reshape(before.shape))
                return

    def _statistics(self, stage: Stage, before: torch.Tensor, after: torch.Tensor) -> dict[str, Any]:
        units = _units(after.detach().float(), stage.kind)
        found: dict[str, Any] = {
            "finite": bool(torch.isfinite(units).all()),
            "activation_mean": float(units.mean()),
            "activation_std": float(units.std()) if units.numel() > 1 else 0.0,
        }
        if not found["finite"] or len(units) < 2:
            return found
        found["unit_std"] = float(units.std(0).mean())
        found["rank"] = _rank(units)
        slope = self._slope(stage, before)
        if slope is not None:
            slope = _units(slope, stage.kind)
            if len(units) >= 16:
                found["dead"] = float((slope.abs().amax(0) <= 1e-6).float().mean())
            if stage.saturates:
                top = 0.25 if stage.activation == "sigmoid" else 1.0
                found["saturated"] = float((slope.abs() < 0.05 * top).float().mean())
        return found

    def _slope(self, stage: Stage, before: torch.Tensor) -> torch.Tensor | None:
        """The derivative of the activation at every entry."""
        if not stage.elementwise:
            return None
        function = stage.bend or _FUNCTIONS[str(stage.activation)]
        with torch.enable_grad():
            z = before.detach().float().clone().requires_grad_()
            (slope,) = torch.autograd.grad(function(z).sum(), z)
        return slope


def _bends(module: nn.Module) -> bool:
    """Whether a module without weights changes what it gets, as an activation does."""
    line = torch.linspace(-2.0, 2.0, 24).reshape(4, 6)
    for shape in ((4, 6), (2, 3, 2, 2), (2, 3, 4)):
        try:
            with torch.no_grad():
                return not torch.equal(module(line.reshape(shape)), line.reshape(shape))
        except Exception:  # another number of axes
            continue
    return True


def _describe(stage: Stage) -> None:
    """Name, and whether the activation works entry by entry and is flat on both sides."""
    assert stage.bend is not None
    stage.activation = snake(type(stage.bend).__name__)
    if stage.activation in _ROWWISE:
        return
    with torch.no_grad():
        line = torch.tensor([-30.0, -25.0, -1.0, 0.5, 1.0, 25.0, 30.0])
        wide = line.repeat(8, 1)
        try:
            bent = stage.bend(wide)
            swapped = stage.bend(wide.flip(1)).flip(1)
        except Exception:  # a module that wants more axes
            return
    stage.elementwise = bool(torch.equal(bent, swapped)) and bool(torch.equal(bent[0], bent[1]))
    row = bent[0]
    if stage.elementwise and bool(torch.isfinite(row).all()):
        flat = lambda a, b: abs(float(a - b)) < 1e-3  # noqa: E731
        stage.saturates = flat(row[0], row[1]) and flat(row[-1], row[-2]) and not flat(row[0], row[-1])


def _units(array: torch.Tensor, kind: str) -> torch.Tensor:
    """(rows and places, units)."""
    if kind == "convolution" and array.dim() >= 3:
        array = array.movedim(1, -1)
    return array.reshape(-1, array.shape[-1]) if array.dim() else array.reshape(1, 1)


def _rank(units: torch.Tensor) -> float | None:
    """exp(entropy of the shares of the singular values) / the most that is possible (Roy & Vetterli 2007)."""
    few = units[:: max(1, len(units) // RANK_ROWS)][:RANK_ROWS, :RANK_UNITS]
    few = few.double() - few.double().mean(0)
    size = float(few.abs().max())
    if not 1e-150 < size < 1e150:
        return 0.0 if size <= 1e-150 else None
    few = few / size
    most = min(few.shape[0] - 1, few.shape[1])
    if most < 1:
        return None
    gram = few @ few.T if few.shape[0] < few.shape[1] else few.T @ few
    try:
        values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    except torch.linalg.LinAlgError:
        return None
    shares = values / values.sum()
    return float(torch.exp(-(shares * (shares + 1e-12).log()).sum())) / most
