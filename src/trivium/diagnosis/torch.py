"""A watch on a PyTorch program: the hooks, and when they look."""

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trivium.diagnosis.record import RunRecord
from trivium.diagnosis.schedule import Budget
from trivium.diagnosis.torch_notes import PROBE_ROWS, Notes
from trivium.diagnosis.torch_probe import first_array

_WATCHES: list["Watch"] = []
_BACKWARD = torch.Tensor.backward


def _harmless(method: Callable) -> Callable:
    """A failure inside is a line of the record, never an exception in the user's loop; the third one ends that part."""
    name = method.__name__.strip("_")

    @functools.wraps(method)
    def guarded(self: "Watch", *arguments: Any, **options: Any) -> Any:
        if self._closed or self._busy or self._failures.get(name, 0) >= 3:
            return
        self._busy = True
        try:
            method(self, *arguments, **options)
        except Exception as error:
            self._failures[name] = self._failures.get(name, 0) + 1
            self._notes.skip(name.replace("_", " "), f"{type(error).__name__}: {error}")
        finally:
            self._busy = False

    return guarded


def _watched_backward(self: torch.Tensor, *arguments: Any, **options: Any) -> Any:
    for each in tuple(_WATCHES):
        each._before_backward(self)
    result = _BACKWARD(self, *arguments, **options)
    for each in tuple(_WATCHES):
        each._after_backward()
    return result


class Watch:
    """A running watch; see `trivium.watch`. What it measures is in `torch_notes`, when in `schedule`."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss_fn: Callable | None,
        train: Any,
        validation: Any,
        budget: float,
        sharpness: bool,
    ) -> None:
        inner = getattr(model, "_orig_mod", model)
        inner = getattr(inner, "module", inner)
        self._notes = Notes(inner, optimizer, loss_fn, train, validation)
        self._sharpness, self._model, self._optimizer = sharpness, model, optimizer
        self._failures: dict[str, int] = {}
        self._updates = self._rows = self._epoch = self._batch = self._backwards = 0
        self._busy = self._closed = self._broken = False
        self._window = 8
        self._given: Any = None
        self._output: Any = None
        self._mode: str | None = None
        self._pending: dict[str, Any] = {}
        named = self._notes.named
        self._budget = Budget(sum(p.numel() for _, p in named), len(named), budget)
        self._handles = [
            model.register_forward_hook(self._after_forward, with_kwargs=True),
            optimizer.register_step_pre_hook(lambda *_: self._before_step()),
            optimizer.register_step_post_hook(lambda *_: self._after_step()),
        ]
        if not _WATCHES:
            torch.Tensor.backward = _watched_backward  # type: ignore[method-assign]
        _WATCHES.append(self)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take every hook away and look a last time; harmless when called again."""
        if self._closed:
            return
        self._last_look()
        self._facts_of_data()
        self._closed = True
        for handle in self._handles:
            handle.remove()
        _WATCHES.remove(self)
        if not _WATCHES:
            torch.Tensor.backward = _BACKWARD  # type: ignore[method-assign]
        self._output = self._given = None

    @property
    def record(self) -> RunRecord:
        """What was measured so far."""
        epochs = self._rows / self._notes.total if self._notes.total else float(self._epoch)
        return self._notes.record(self._updates, self._batch, epochs, self._mode)

    @property
    def diagnosis(self) -> Any:
        """The verdict of the rules over what was measured; ends the watch."""
        from trivium.diagnosis.ranking import diagnose

        self.close()
        return diagnose(self.record)

    @property
    def findings(self) -> Any:
        """What is wrong, root first; empty for a run without fault. Ends the watch."""
        return self.diagnosis.findings

    def report(self, lang: str | None = None) -> str:
        """The verdict in words, in English or Chinese ("zh"); ends the watch."""
        return self.diagnosis.text(lang)

    def loss(self, value: torch.Tensor) -> torch.Tensor:
        """Tell the watch the loss of a step that no `loss.backward()` will show; returns it."""
        self._before_backward(value)
        return value

    # ---------------------------------------------------------------- hooks

    def _after_forward(self, module: nn.Module, arguments: tuple, options: dict, output: Any) -> None:
        if self._busy or self._closed or not torch.is_grad_enabled():
            return
        array = first_array(output)
        if isinstance(array, torch.Tensor) and array.grad_fn is not None:
            self._output, self._mode = array, "train" if module.training else "eval"
            self._given = options or (arguments[0] if len(arguments) == 1 else arguments)

    @_harmless
    def _before_backward(self, loss: torch.Tensor) -> None:
        if self._output is None:
            return
        if loss.numel() != 1:
            raise ValueError("the loss that went backward is not one number")
        value, given, notes = float(loss.detach()), first_array(self._given), self._notes
        batch = len(given) if given is not None and given.dim() else 1
        first = self._backwards == 0
        self._pending["loss"] = value if first else self._pending.get("loss", 0.0) + value
        self._rows += batch
        self._batch = max(self._batch, batch)
        if self._updates == 0 and first:
            notes.begin(loss, self._output, self._given)
        if first and self._updates in (1, 2, 3, 8):
            left = any(p.grad is not None and bool(p.grad.any()) for _, p in notes.held)
            notes.run["gradients_accumulate"] = left
        if first and self._updates < 4:
            notes.see_order(self._updates, self._given, batch)
        if self._budget.due(self._updates):
            notes.see_graph(self._updates, loss, self._output)
        if not math.isfinite(value) and not self._broken:
            self._broken = True
            notes.trace(self._updates, self._given)

    @_harmless
    def _after_backward(self) -> None:
        if self._output is None:
            return
        self._output = None
        self._backwards += 1
        if self._budget.due(self._updates):
            dense = [(n, p.grad) for n, p in self._notes.named if p.grad is not None and not p.grad.is_sparse]
            self._pending["squares"] = {n: float(g.detach().float().pow(2).sum()) for n, g in dense}
        if self._window and not self._broken:
            self._window -= 1
            self._notes.gradient(self._updates, self._batch)

    @_harmless
    def _before_step(self) -> None:
        notes, pending = self._notes, self._pending
        if self._updates == 0:
            notes.look(0)
            notes.end(0, 0)
            notes.time_gradient()
            if self._sharpness:
                notes.curvature(0)
        pending["rate"] = float(self._optimizer.param_groups[0]["lr"])
        if self._budget.due(self._updates):
            pending["old"] = [p.detach().clone() for _, p in notes.named]
            dense = [p.grad for _, p in notes.named if p.grad is not None and not p.grad.is_sparse]
            pending["given"] = math.sqrt(sum(float(g.detach().float().pow(2).sum()) for g in dense))

    @_harmless
    def _after_step(self) -> None:
        notes, pending, self._pending = self._notes, self._pending, {}
        notes.steps.append(self._updates, (pending.get("loss", math.nan), pending.get("rate", math.nan)))
        self._backwards = 0
        due = self._budget.due(self._updates)
        self._updates += 1
        self._budget.trained(self._batch)
        if due and "old" in pending and not (self._broken and self._updates > 5):
            row = notes.changes(pending["old"], pending.get("squares", {}), pending["given"])
            notes.look(self._updates, row)
            self._budget.looked(self._updates, PROBE_ROWS)
        if notes.total and self._rows >= (self._epoch + 1) * notes.total:
            self._epoch = int(self._rows // notes.total)
            if self._budget.affords(notes.seen * (2 if notes.norms else 1)):
                notes.end(self._epoch, self._updates)
                if len(notes.ends) in (2, 8, 32):
                    self._window = 8
                    notes.time_gradient()

    @_harmless
    def _last_look(self) -> None:
        if not self._updates:
            return
        notes = self._notes
        if not len(notes.snapshots) or notes.snapshots.numbers[-1] != self._updates:
            notes.look(self._updates)
        if not len(notes.ends) or notes.ends.numbers[-1] != self._updates:
            notes.end(self._rows / notes.total if notes.total else self._epoch + 1, self._updates)
        notes.time_gradient()
        if self._sharpness:
            notes.curvature(self._updates)

    @_harmless
    def _facts_of_data(self) -> None:
        self._notes.finish_data()
