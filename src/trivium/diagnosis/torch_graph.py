"""What PyTorch's autograd graph says about a program: which loss, on which output activation, of which network.

The graph holds what really ran, whoever wrote it: a softmax before a loss that applies its own, a logarithm without a
guard, a network without any non-linearity. Read before `backward`, while its saved arrays are there.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

ROOM = 20_000
"""Nodes looked at, at most."""

LINKS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "log_sigmoid",
    "Relu": "relu",
    "ClampMin": "relu",
    "Tanh": "tanh",
    "Softplus": "softplus",
    "Exp": "exp",
    "Elu": "elu",
    "Gelu": "gelu",
    "Silu": "silu",
    "LeakyRelu": "leaky_relu",
    "Hardtanh": "hardtanh",
    "Hardsigmoid": "hardsigmoid",
}
_SHAPES = {
    *("View", "UnsafeView", "Reshape", "ReshapeAlias", "Squeeze", "Unsqueeze", "T", "Transpose", "Permute", "Expand"),
    *("Select", "Slice", "Clone", "Alias", "ToCopy", "Index", "Flatten", "Contiguous", "AsStrided", "Div", "MulScalar"),
}
_LINEAR = {
    *("Addmm", "Mm", "Bmm", "Addbmm", "Baddbmm", "Mv", "Dot", "Linear", "Convolution", "MkldnnConvolution", "Add"),
    *("Sub", "Rsub", "Neg", "Mean", "Sum", "AvgPool2D", "AvgPool1D", "Cat", "Stack", "Embedding", "AccumulateGrad"),
    *("NativeDropout", "Dropout", "FusedDropout", "AdaptiveAvgPool2D", "Unfold", "Im2Col", "Split", "Unbind", "Cpu"),
    *("ConstantPadNd", "Pad", "Roll", "Flip", "Chunk", "NativeBatchNorm", "CudnnBatchNorm", "Copy", "Diag"),
}
_FUSED = {"NllLoss": "nll", "NllLoss2D": "nll", "MseLoss": "mse", "L1Loss": "mae", "SmoothL1Loss": "huber"} | {
    "HuberLoss": "huber",
    "BinaryCrossEntropy": "bce",
    "BinaryCrossEntropyWithLogits": "bce",
    "KlDiv": "kl_divergence",
    "CtcLoss": "ctc",
    "SoftMarginLoss": "logistic",
    "MultiMarginLoss": "hinge",
}
_REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}


def name_of(node: Any) -> str:
    """'Softmax' of a SoftmaxBackward0."""
    return node.name().rpartition("::")[2].split("Backward")[0]


def above(node: Any, stop: frozenset = frozenset()) -> Iterator[Any]:
    """Every node that `node` was computed from, nearest first, not past those in `stop`."""
    seen, waiting = {node}, deque([node])
    while waiting and len(seen) < ROOM:
        current = waiting.popleft()
        yield current
        if current in stop:
            continue
        for parent, _ in current.next_functions:
            if parent is not None and parent not in seen:
                seen.add(parent)
                waiting.append(parent)


def path(loss: Any, output: Any) -> list[Any] | None:
    """The shortest way from the network's output node to the loss, both ends included; None where there is none."""
    came: dict[Any, Any] = {loss: None}
    for node in above(loss, frozenset([output])):
        if node is output:
            way = [node]
            while came[way[-1]] is not None:
                way.append(came[way[-1]])
            return way
        for parent, _ in node.next_functions:
            if parent is not None:
                came.setdefault(parent, node)
    return None


def loss_facts(loss: Any, output: Any) -> dict[str, Any]:
    """Facts about the loss, from the node that made it and the node that made the network's output."""
    way = path(loss, output)
    if way is None:
        return {}
    names = [name_of(node) for node in way]
    inside = output  # output activations that stand inside the network
    before: list[Any] = []
    while name_of(inside) in LINKS or name_of(inside) in _SHAPES:
        before.insert(0, inside)
        if not inside.next_functions or inside.next_functions[0][0] is None or len(before) > 8:
            break
        inside = inside.next_functions[0][0]
    first = names[0] in LINKS or names[0] in _SHAPES
    chain = before + way[1 if first else 0 :]
    outside = way[1 if first else 0 :]
    if not first:
        chain, outside = way[1:], way[1:]
    links, core = [], []
    for place, node in enumerate(chain):
        name = name_of(node)
        if name in LINKS:
            links.append(node)
        elif name not in _SHAPES:
            core = [name_of(later) for later in chain[place:]]
            break
    link_names = [LINKS[name_of(node)] for node in links]
    within = {id(node) for node in before}
    between = [name_of(node) for node in above(loss, frozenset([output])) if node is not output]
    facts: dict[str, Any] = {
        "link": link_names,
        "link_inside": [LINKS[name_of(node)] for node in links if id(node) in within],
        "link_axis": next((_axis(node) for node in links if name_of(node) in ("Softmax", "LogSoftmax")), None),
        "penalty": any(
            name_of(node) == "AccumulateGrad" for node in above(loss, frozenset([output])) if node is not output
        ),
        "nodes": [name_of(node) for node in chain][:20],
    }
    facts["kind"] = _kind(core, link_names, between)
    facts["reduction"] = _reduction(outside)
    facts["sign"] = _sign(core, facts["kind"])
    facts["weighted"] = any(_saved(node, "weight") is not None for node in chain)
    facts["safe_log"] = _safe_log([name_of(node) for node in chain], facts["kind"])
    return facts


def _axis(node: Any) -> int | None:
    """The axis of a softmax, counted from the first; negative ones as they are (the rank is not stored)."""
    axis, result = getattr(node, "_saved_dim", None), _saved(node, "result")
    if axis is None:
        return None
    axis = axis - 2**64 if axis > 2**63 else axis
    return axis - result.dim() if result is not None and axis >= 0 else axis


def _kind(core: list[str], links: list[str], between: list[str]) -> str:
    for name in core:
        kind = _FUSED.get(name)
        if kind == "nll":
            return "cross_entropy" if "log_softmax" in links or "Log" in core else "nll"
        if kind:
            return kind
    if "log_softmax" in links or "Logsumexp" in between:
        return "cross_entropy"
    if "Log" in core or "Log" in between:
        return "bce" if between.count("Log") > 1 or links[-1:] == ["sigmoid"] else "cross_entropy"
    if "Pow" in core or ("Mul" in core and "Sub" in core):
        return "rmse" if "Sqrt" in core else "mse"
    if "Norm" in core or "LinalgVectorNorm" in core:
        return "rmse"
    return "mae" if "Abs" in core else "other"


def _reduction(way: list[Any]) -> str | None:
    """How the rows of a batch become one number; the node nearest to the loss decides."""
    found = None
    for node in way:
        name = name_of(node)
        if name in _FUSED:
            found = _REDUCTIONS.get(getattr(node, "_saved_reduction", 0), found)
        elif name == "Mean":
            found = "mean"
        elif name == "Sum" and found != "mean":
            found = "sum"
        elif name == "Div" and found == "sum":
            found = "mean"
    return found


def _sign(core: list[str], kind: str) -> int | None:
    """-1 where a loss of PyTorch's own is negated on its way; None for a formula, whose signs say nothing alone."""
    places = [place for place, name in enumerate(core) if name in _FUSED]
    if not places:
        return None
    return -1 if core[places[0] :].count("Neg") % 2 else 1


def _safe_log(names: list[str], kind: str) -> bool | None:
    """False where a logarithm of something that can be zero stands without a bound or an added constant before it."""
    if "Log" not in names:
        return None
    return any(name in ("Clamp", "ClampMin", "Add", "Maximum") for name in names[: names.index("Log")])


def _saved(node: Any, name: str) -> Any:
    try:
        return getattr(node, f"_saved_{name}", None)
    except RuntimeError:  # freed already
        return None


def saved_targets(loss: Any, output: Any) -> Any:
    """The targets that a loss of PyTorch's own keeps for its derivative, None for a formula."""
    for node in path(loss, output) or []:
        if name_of(node) in _FUSED:
            return _saved(node, "target")
    return None


def network_facts(output: Any) -> dict[str, Any]:
    """Whether anything between the inputs and the output bends, and how sharp the attention is.

    attention       mean over queries of the largest weight in each softmax inside, None without one
    attention_keys  how many weights compete
    """
    bends, sharpest, keys, width = False, None, None, 0
    inside = output
    while (name_of(inside) in LINKS or name_of(inside) in _SHAPES) and inside.next_functions:
        inside = inside.next_functions[0][0]
        if inside is None:
            return {}
    for node in above(inside):
        name = name_of(node)
        width += 1
        if name not in _LINEAR and name not in _SHAPES and name not in ("Mul", "Pow"):
            bends = True
        if name == "Mul" and _saved(node, "self") is not None and _saved(node, "other") is not None:
            bends = True  # a product of two computed arrays, as in a gate
        if name in ("Softmax", "SafeSoftmax"):
            weights = _saved(node, "result")
            if weights is not None and weights.dim() >= 3:
                largest = _largest_weight(weights)
                if largest is not None and (sharpest is None or largest > sharpest):
                    sharpest, keys = largest, int(weights.shape[-1])
        elif "ScaledDotProduct" in name:
            largest = _fused_attention(node)
            if largest is not None and (sharpest is None or largest > sharpest):
                sharpest = largest
    return {"nonlinear": bends if width < ROOM else True, "attention": sharpest, "attention_keys": keys}


def _largest_weight(weights: Any) -> float | None:
    """Mean over the rows in which at least three keys are open of the largest weight."""
    rows = weights.detach().reshape(-1, weights.shape[-1])[:20_000]
    return float(rows.max(-1).values.mean()) if rows.shape[-1] >= 3 else None


def _fused_attention(node: Any) -> float | None:
    query, key = _saved(node, "query"), _saved(node, "key")
    if query is None or key is None or key.shape[-2] < 3:
        return None
    scale = _saved(node, "scale") or query.shape[-1] ** -0.5
    logits = query.detach()[:8].float() @ key.detach()[:8].float().transpose(-1, -2) * scale
    return float(logits.softmax(-1).amax(-1).mean())
