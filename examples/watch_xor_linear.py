"""The tutorial's logistic regression on XOR, watched: as a PyTorch loop with two more lines, and as an estimator."""

import warnings

import numpy as np
import torch
from _show import plt, save_picture

import trivium

X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = torch.tensor([0.0, 1.0, 1.0, 0.0])


def loss_of(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], targets)


def loop() -> "trivium.diagnosis.torch.Watch":
    """A logistic regression by gradient descent; the line that watches it stands before the loop."""
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    watch = trivium.watch(model, optimizer, loss_fn=loss_of, train=(X, XOR))
    for _ in range(400):
        optimizer.zero_grad()
        loss_of(model(X), XOR).backward()
        optimizer.step()
    return watch


def estimator() -> trivium.NeuralClassifier:
    """The same model behind `fit`."""
    model = trivium.NeuralClassifier(
        hidden_widths=(), optimizer="gd", learning_rate=0.5, epochs=400, validation_fraction=0, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says at once what the diagnosis explains below
        return model.fit(X.numpy(), XOR.numpy().astype(int))


def main() -> dict[str, str | None]:
    watch, fitted = loop(), estimator()
    print(watch.report())
    record = watch.record
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot(record.step, record.step_loss, label="loss of the loop")
    axes.axhline(np.log(2), color="grey", linestyle=":", label="ln 2: knowing nothing")
    axes.set(xlabel="update", ylabel="cross-entropy", title="No straight line parts XOR")
    axes.legend()
    save_picture(figure, "watch_xor_linear")
    found = {"loop": watch.diagnosis.first, "estimator": fitted.diagnosis_.first}
    return {name: finding and finding.name for name, finding in found.items()}


if __name__ == "__main__":
    main()
