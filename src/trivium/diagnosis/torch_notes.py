"""What a watch writes down about a PyTorch run, and the record made of it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from trivium.diagnosis import torch_graph as graph
from trivium.diagnosis import torch_score as scores
from trivium.diagnosis.data_facts import column_facts, grid_facts, split_facts, target_facts, token_facts
from trivium.diagnosis.loss_facts import behaviour, entropy
from trivium.diagnosis.record import RunRecord, Series, column, plain
from trivium.diagnosis.torch_probe import Prober, call, first_array, untouched, weight_of

PROBE_ROWS = 256
WINDOW = 8
"""Gradients in a row from which the noise scale is taken."""

LOOKS = (
    "activation_mean activation_std unit_std dead saturated rank gradient_rms weight_norm update_ratio gradient_norm "
    "clipping output_std output_mean"
).split()
ENDS = (
    "epoch train_loss train_metric batch_loss batch_metric validation_loss validation_metric validation_recall"
).split()


class Notes:
    """Everything that was seen so far."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, loss_fn: Callable | None, train: Any, validation: Any
    ) -> None:
        self.model, self.optimizer, self.loss_fn = model, optimizer, loss_fn
        self.skipped: list[dict[str, str]] = []
        self.run: dict[str, Any] = {"framework": "torch"}
        self.loss: dict[str, Any] = {}
        self.output: dict[str, Any] = {}
        self.targets: dict[str, Any] = {}
        self.data: dict[str, Any] | None = None
        self.steps, self.snapshots, self.ends = Series(4096), Series(256), Series(512)
        self.prober = Prober(model)
        self.named = [(n, p) for n, p in model.named_parameters() if not nn.parameter.is_lazy(p)]
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self.held = [(n, p) for n, p in self.named if id(p) in own]
        self.norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
        self.device = self.named[0][1].device if self.named else torch.device("cpu")
        self.train, self.kept = pair(train), pair(validation)
        self.total = len(self.train[0]) if self.train else 0
        self._rows = scores.Rows(*self.train, self.device, scores.TRAIN_ROWS) if self.train else None
        self._kept_rows = scores.Rows(*self.kept, self.device, scores.KEPT_ROWS) if self.kept else None
        self.seen = sum(len(rows.inputs) for rows in (self._rows, self._kept_rows) if rows)
        self._probe: Any = self._rows.head(PROBE_ROWS).inputs if self._rows else None
        self._moved: set[str] = set()
        self._sums: list[torch.Tensor] = []
        self._squares, self._seen = 0.0, 0
        self._noise: list[tuple[int, float]] = []
        self._sharpness: list[tuple[int, float]] = []
        self._orders: list[bool] = []

    def skip(self, what: str, why: str) -> None:
        if len(self.skipped) < 50:
            self.skipped.append({"what": what, "why": why[:300]})

    # ------------------------------------------------------------ facts

    def begin(self, loss: torch.Tensor, output: torch.Tensor, inputs: Any) -> None:
        """Facts that stand still, before the first gradient."""
        self.loss |= graph.loss_facts(loss.grad_fn, output.grad_fn)
        self.output |= {"width": int(output.shape[-1]) if output.dim() > 1 else 1}
        if self.train and self.train[1] is not None:
            targets = _array(self.train[1])
        else:
            saved = graph.saved_targets(loss.grad_fn, output.grad_fn)
            targets = None if saved is None else saved.detach().cpu().numpy()
        if targets is not None:
            self.targets |= target_facts(targets, self.loss.get("kind"), self.output["width"])
        if self.loss_fn is None:
            self.loss_fn = scores.known_loss(self.loss)
        if self.loss_fn is not None and self._rows is not None and self._rows.targets is not None:
            few = self._rows.head(64)
            ask = scores.asker(self.loss_fn, self.device)
            asked = behaviour(ask, _array(few.targets), self.targets, self.output["width"])
            self.loss |= {name: value for name, value in asked.items() if value is not None}
        self.loss["baseline"] = self._baseline()
        if self._probe is None and first_array(inputs) is not None:
            self._probe = _head(inputs, PROBE_ROWS)
        self._weights()

    def _baseline(self) -> float | None:
        """The loss of the best constant prediction, for the losses where it is known in closed form."""
        kind, loss = self.targets.get("kind"), self.loss.get("kind")
        if kind == "tokens" and loss == "cross_entropy":
            return entropy(self.targets | {"kind": "classes"}, "classes")
        if kind in ("classes", "several") and loss in ("cross_entropy", "bce"):
            return entropy(self.targets, kind)
        if loss == "mse" and kind == "numbers":
            return self.targets.get("std", math.nan) ** 2
        return None

    def _weights(self) -> None:
        """How the weights start."""
        symmetric, scale = [], {}
        for name, p in self.named:
            if p.dim() < 2:
                continue
            flat = p.detach().reshape(p.shape[0], -1)
            if len(flat) > 1 and float((flat - flat[0]).abs().max()) == 0:
                symmetric.append(name)
            scale[name] = float(flat.float().pow(2).mean().sqrt()) * math.sqrt(flat.shape[1])
        held = {id(p) for _, p in self.held}
        drops = [m.p for m in self.model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
        self.run |= {
            "symmetric": symmetric,
            "gain": scale,
            "parameters": sum(p.numel() for _, p in self.named),
            "never_given": [n for n, p in self.named if id(p) not in held and p.requires_grad],
            "frozen": [n for n, p in self.named if not p.requires_grad],
            "dropout": max(drops, default=0.0),
            "batch_norms": len(self.norms),
            "batch_norm_momentum": min((m.momentum for m in self.norms if m.momentum is not None), default=None),
            "recurrent": any(isinstance(m, nn.RNNBase) for m in self.model.modules()),
        }

    def optimizer_facts(self) -> dict[str, Any]:
        group = self.optimizer.param_groups[0]
        betas = group.get("betas") or (None, None)
        return {
            "name": type(self.optimizer).__name__.lower(),
            "momentum": group.get("momentum", betas[0]),
            "beta1": betas[0],
            "beta2": betas[1] if len(betas) > 1 else group.get("alpha"),
            "epsilon": group.get("eps"),
            "weight_decay": max(g.get("weight_decay", 0) or 0 for g in self.optimizer.param_groups),
            "nesterov": group.get("nesterov"),
        }

    def see_graph(self, step: int, loss: torch.Tensor, output: torch.Tensor) -> None:
        facts = graph.network_facts(output.grad_fn)
        if "nonlinear" in facts:
            self.run["nonlinear"] = facts["nonlinear"]
        if facts.get("attention") is not None:
            self.output.setdefault("attention", []).append([step, facts["attention"]])
            self.output["attention_keys"] = facts["attention_keys"]
        if step == 0:
            final = scores.linked(output.detach().float(), self.loss)
            self.output |= {"minimum": float(final.min()), "maximum": float(final.max())}

    def see_order(self, step: int, inputs: Any, batch: int) -> None:
        """Whether the batches of the first steps are the rows of the table in their order."""
        given = first_array(inputs)
        if self.train and given is not None and batch < self.total and (step + 1) * batch <= self.total:
            own = _tensor(self.train[0])[step * batch : (step + 1) * batch].to(given.device, given.dtype)
            self._orders.append(bool(own.shape == given.shape and torch.equal(own, given.detach())))

    def trace(self, step: int, inputs: Any) -> None:
        """Where the first number that is not finite stands."""
        given, found = first_array(inputs), {"step": step, "where": "loss", "name": None}
        bad = next((n for n, p in self.named if not bool(torch.isfinite(p).all())), None)
        if given is not None and given.is_floating_point() and not bool(torch.isfinite(given).all()):
            found |= {"where": "inputs"}
        elif bad is not None:
            found |= {"where": "parameters", "name": bad}
        else:
            looks, _ = self.prober.look(inputs)
            place = next((place for place, look in enumerate(looks) if not look["finite"]), None)
            if place is not None:
                found |= {"where": "activations", "name": self.prober.layers()[place].name}
        self.run["first_nonfinite"] = found

    # ------------------------------------------------------------ series

    def gradient(self, step: int, batch: int) -> None:
        """One of the gradients in a row that give the noise scale (McCandlish et al. 2018, appendix A.1)."""
        arrays = [p.grad.detach().float() for _, p in self.named if p.grad is not None and not p.grad.is_sparse]
        if self._seen == 0:
            self._sums, self._squares = [torch.zeros_like(array) for array in arrays], 0.0
        for total, array in zip(self._sums, arrays, strict=True):
            total.add_(array)
            self._squares += float(array.norm()) ** 2
        self._seen += 1
        if self._seen == WINDOW:
            self._seen = 0
            square = sum(float(total.norm()) ** 2 for total in self._sums) / WINDOW**2
            noise = (self._squares - WINDOW * square) / (WINDOW - 1)
            square -= noise / WINDOW
            self._noise.append((step, batch * noise / square if square > 0 else math.inf))

    def changes(self, old: list[torch.Tensor], squares: dict[str, float], given: float) -> dict[str, Any]:
        """Gradients and updates of a step, by layer."""
        weights = {id(weight_of(stage.module)): place for place, stage in enumerate(self.prober.stages or [])}
        count = len(weights)
        row: dict[str, Any] = {name: [math.nan] * count for name in ("gradient_rms", "weight_norm", "update_ratio")}
        for (name, p), before in zip(self.named, old, strict=True):
            moved, norm = float((p.detach() - before).float().norm()), float(before.float().norm())
            if moved > 0:
                self._moved.add(name)
            place = weights.get(id(p))
            if place is not None:
                row["weight_norm"][place] = norm
                row["update_ratio"][place] = moved / norm if norm else math.nan
                if name in squares:
                    row["gradient_rms"][place] = math.sqrt(squares[name] / p.numel())
        total = math.sqrt(sum(squares.values()))
        return row | {"gradient_norm": total, "clipping": given / total if total else math.nan}

    def look(self, step: int, row: dict[str, Any] | None = None) -> None:
        """A snapshot of all layers on the probe batch, added to what is known of the step."""
        if self._probe is None:
            return
        layers, output = self.prober.look(self._probe)
        row = dict(row or {})
        for name in ("activation_mean", "activation_std", "unit_std", "dead", "saturated", "rank"):
            row[name] = [layer.get(name, math.nan) for layer in layers]
        if output is not None and output.numel():
            final = scores.linked(output.float(), self.loss)
            row["output_std"] = float(final.reshape(len(final), -1).std(0).mean())
            row["output_mean"] = float(final.mean())
        self.snapshots.append(step, row)

    def time_gradient(self) -> None:
        """For recurrent networks: how much of the gradient reaches the first time step, relative to the last one."""
        if not self.run.get("recurrent") or self.loss_fn is None or self._rows is None:
            return
        few = self._rows.head(64)
        if few.inputs.dim() != 3 or not few.inputs.is_floating_point():
            return
        with untouched(self.model), torch.enable_grad():
            inputs = few.inputs.detach().clone().requires_grad_()
            (slope,) = torch.autograd.grad(self.loss_fn(call(self.model, inputs), few.targets).mean(), inputs)
        rms = slope.float().pow(2).mean((0, 2)).sqrt()
        self.run.setdefault("time_gradient", []).append([float(rms[0]), float(rms[-1])])

    def end(self, epoch: float, step: int) -> None:
        """Scores at the end of an epoch."""
        row: dict[str, Any] = {"epoch": epoch}
        common = (self.loss_fn, self.loss, self.targets)
        if self._rows is not None:
            found = scores.evaluate(self.model, self._rows, *common, train=False)
            row |= {"train_loss": found["loss"], "train_metric": found["metric"]}
            if self.norms:
                found = scores.evaluate(self.model, self._rows, *common, train=True)
            row |= {"batch_loss": found["loss"], "batch_metric": found["metric"]}
        if self._kept_rows is not None:
            found = scores.evaluate(self.model, self._kept_rows, *common, train=False)
            row |= {"validation_loss": found["loss"], "validation_metric": found["metric"]}
            row["validation_recall"] = found.get("recall")
        self.ends.append(step, row)

    def curvature(self, step: int, iterations: int = 15) -> None:
        """Largest eigenvalue of the loss's second derivative, by power iteration on at most 128 rows."""
        if self.loss_fn is None or self._rows is None:
            return
        few, live = self._rows.head(128), [p for _, p in self.named if p.requires_grad]
        with untouched(self.model), torch.enable_grad():
            generator = torch.Generator().manual_seed(0)
            direction = [torch.randn(p.shape, generator=generator).to(p) for p in live]
            loss = self.loss_fn(call(self.model, few.inputs), few.targets).mean()
            slopes = torch.autograd.grad(loss, live, create_graph=True, allow_unused=True)
            used = [(p, s, d) for p, s, d in zip(live, slopes, direction, strict=True) if s is not None]
            live, slopes, direction = [u[0] for u in used], [u[1] for u in used], [u[2] for u in used]
            value = math.nan
            for _ in range(iterations):
                size = math.sqrt(sum(float((d * d).sum()) for d in direction)) or 1.0
                direction = [d / size for d in direction]
                along = torch.stack([(s * d).sum() for s, d in zip(slopes, direction, strict=True)]).sum()
                turned = torch.autograd.grad(along, live, retain_graph=True, allow_unused=True)
                turned = [torch.zeros_like(p) if t is None else t for p, t in zip(live, turned, strict=True)]
                value = sum(float((t * d).sum()) for t, d in zip(turned, direction, strict=True))
                direction = [t.detach() for t in turned]
        self._sharpness.append((step, value))

    # ------------------------------------------------------------ the record

    def finish_data(self) -> None:
        """Facts of the table, once."""
        if self.data is not None:
            return
        self.data = {}
        if not self.train:
            return
        rows, targets = _array(self.train[0]), self.train[1]
        whole = np.issubdtype(rows.dtype, np.integer)
        kind = self.targets.get("kind")
        if not whole:
            self.data |= column_facts(rows)
        if self.kept and targets is not None and self.kept[1] is not None:
            both = (rows, _array(targets), _array(self.kept[0]), _array(self.kept[1]))
            self.data |= token_facts(*both) if kind == "tokens" else split_facts(*both, kind)
        elif self.kept:
            self.data |= split_facts(rows, rows, _array(self.kept[0]), rows, None)
        elif targets is not None:
            self.data |= grid_facts(rows, _array(targets), kind)

    def record(self, updates: int, batch: int, epoch: float, mode: str | None) -> RunRecord:
        run = self.run | {
            "steps": updates,
            "rows": self.total or None,
            "batch_size": batch,
            "epochs": epoch,
            "steps_per_epoch": math.ceil(self.total / batch) if self.total and batch else None,
            "not_updated": [n for n, p in self.named if n not in self._moved and p.requires_grad],
            "mode": mode,
        }
        if self._orders:
            run["order"] = "fixed" if all(self._orders) else "shuffled"
            if all(self._orders) and self.train and self.train[1] is not None:
                run["order_mixing"] = mixing(_array(self.train[1]), batch, self.targets.get("kind"))
        steps = np.array(self.steps.rows, dtype=float).reshape(-1, 2)
        looks, ends = self.snapshots.rows, self.ends.rows
        facts = {
            "run": run,
            "loss": self.loss,
            "output": self.output,
            "optimizer": self.optimizer_facts(),
            "targets": self.targets,
            "data": self.data or {},
            "skipped": self.skipped,
        }
        return RunRecord(
            layers=self.prober.layers(),
            step=self.steps.numbers,
            step_loss=steps[:, 0],
            step_learning_rate=steps[:, 1],
            moment=self.snapshots.numbers,
            epoch_step=self.ends.numbers,
            noise_step=np.array([step for step, _ in self._noise]),
            noise_scale=np.array([value for _, value in self._noise]),
            sharpness_step=np.array([step for step, _ in self._sharpness]),
            sharpness=np.array([value for _, value in self._sharpness]),
            facts=plain(facts),
            **{name: column(looks, name) for name in LOOKS},
            **{name: column(ends, name) for name in ENDS},
        )


def mixing(targets: np.ndarray, batch: int, kind: str | None) -> float | None:
    """Spread of the targets within batches of neighbouring rows, relative to that of all rows; 1 where well mixed."""
    if kind == "classes" and targets.ndim == 1:
        goal = (targets[:, None] == np.unique(targets)[None, :]).astype(float)
    else:
        goal = targets.reshape(len(targets), -1).astype(float)
    whole = float(goal.var(0).sum())
    parts = [goal[start : start + batch] for start in range(0, len(goal), batch)]
    inner = float(np.average([part.var(0).sum() for part in parts], weights=[len(part) for part in parts]))
    expected = whole * (1 - 1 / batch) if batch > 1 else whole
    return inner / expected if expected > 0 and batch > 1 else None


def pair(given: Any) -> tuple[Any, Any] | None:
    """(inputs, targets) of what a user calls data: a pair of arrays, a TensorDataset, or a DataLoader of one."""
    if given is None:
        return None
    given = getattr(given, "dataset", given)
    tensors = getattr(given, "tensors", None)
    if tensors is not None:
        return tensors[0], tensors[1] if len(tensors) > 1 else None
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    raise TypeError(f"train must be a pair (X, y), a TensorDataset or a DataLoader of one, got {type(given).__name__}.")


def _array(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _tensor(values: Any) -> torch.Tensor:
    return values if isinstance(values, torch.Tensor) else torch.as_tensor(np.asarray(values))


def _head(inputs: Any, count: int) -> Any:
    if isinstance(inputs, dict):
        return {name: _head(value, count) for name, value in inputs.items()}
    return inputs[:count].detach().clone() if isinstance(inputs, torch.Tensor) else inputs
