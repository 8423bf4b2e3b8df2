"""The tutorial's ReLU regression on XOR, dead from the start, watched: as a PyTorch loop, and as an estimator."""

import warnings

import torch
from _show import plt, save_picture

import trivium

X = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = torch.tensor([0.0, 1.0, 1.0, 0.0])


def loss_of(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.mse_loss(outputs[:, 0], targets)


def loop() -> "trivium.diagnosis.torch.Watch":
    """relu(x w + b) by gradient descent from zero; the line that watches it stands before the loop."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU())
    torch.nn.init.zeros_(model[0].weight)
    torch.nn.init.zeros_(model[0].bias)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    watch = trivium.watch(model, optimizer, loss_fn=loss_of, train=(X, XOR))
    for _ in range(200):
        optimizer.zero_grad()
        loss_of(model(X), XOR).backward()
        optimizer.step()
    return watch


def estimator() -> trivium.NeuralRegressor:
    """The same model behind `fit`."""
    model = trivium.NeuralRegressor(
        hidden_widths=(), output_activation="relu", initializer="zeros", optimizer="gd", learning_rate=0.1, epochs=200,
        validation_fraction=0, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says at once what the diagnosis explains below
        return model.fit(X.numpy(), XOR.numpy())


def main() -> dict[str, str | None]:
    watch, fitted = loop(), estimator()
    print(watch.report())
    record = watch.record
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot(record.step, record.step_loss, label="loss")
    axes.plot(record.moment, record.gradient_norm, "o-", label="norm of the gradient")
    axes.set(xlabel="update", title="At zero the slope of ReLU is 0: no gradient, and nothing moves")
    axes.legend()
    save_picture(figure, "watch_dead_relu")
    found = {"loop": watch.diagnosis.first, "estimator": fitted.diagnosis_.first}
    return {name: finding and finding.name for name, finding in found.items()}


if __name__ == "__main__":
    main()
