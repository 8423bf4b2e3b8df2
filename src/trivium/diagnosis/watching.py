"""`watch`: the diagnosis of a PyTorch program, in two lines of the user's own loop."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trivium.diagnosis.torch import Watch


def watch(
    model: Any,
    optimizer: Any,
    *,
    loss_fn: Callable | None = None,
    train: Any = None,
    validation: Any = None,
    budget: float = 0.03,
    sharpness: bool = False,
) -> "Watch":
    """Watch a training loop: `watch = trivium.watch(model, optimizer)` before it, `print(watch.report())` after it.

    loss_fn     (outputs, targets) -> loss, the criterion of the loop; without it the losses of PyTorch that the
                autograd graph shows are known, other ones not
    train       (X, y), a TensorDataset or a DataLoader of one: facts of the data, scores per epoch
    validation  the same, for rows that are not trained on
    budget      share of the training's work that looking may cost, beyond a first look
    sharpness   whether to measure the largest curvature of the loss at the start and the end; needs loss_fn and train

    Training stays the same to the bit: random states, modes and batch-norm buffers are left as they were. The watch
    ends with `close()`, at the end of a `with` block, or when a report is asked for. Until then `Tensor.backward` is
    wrapped, which is how the loss and its graph are seen. What cannot be measured is listed in
    `watch.record.facts["skipped"]` and never stops the loop.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise ImportError("watch needs PyTorch, which is not installed. Install it: pip install torch") from None
    from trivium.diagnosis.torch import Watch

    if not 0 <= budget <= 1:
        raise ValueError(f"budget must be a share from 0 to 1, got {budget!r}. Try 0.03.")
    return Watch(model, optimizer, loss_fn, train, validation, budget, sharpness)
