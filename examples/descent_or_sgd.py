"""Gradient descent against stochastic gradient descent: steps per pass over the rows, and what they buy."""

import matplotlib.pyplot as plt
from _show import print_table, save_picture
from sklearn.datasets import load_digits

from trivium import NeuralClassifier

EPOCHS = 40
RUNS = {
    "gradient descent": {"optimizer": "gd"},
    "SGD, batches of 256": {"optimizer": "sgd", "batch_size": 256},
    "SGD, batches of 32": {"optimizer": "sgd", "batch_size": 32},
    "SGD, batches of 32, momentum": {
        "optimizer": "sgd",
        "batch_size": 32,
        "optimizer_options": {"momentum": 0.9, "nesterov": True},
    },
}


def main() -> dict[str, float]:
    X, y = load_digits(return_X_y=True)
    models = {
        name: NeuralClassifier((64,), learning_rate=0.05, epochs=EPOCHS, patience=None, random_state=0, **choices).fit(
            X, y
        )
        for name, choices in RUNS.items()
    }
    rows = round(0.9 * len(X))
    print_table(
        f"Digits, one learning rate (0.05), {EPOCHS} passes over {rows} rows",
        ["optimizer", "steps per pass", "loss after 5", f"loss after {EPOCHS}", "best validation accuracy", "seconds"],
        [
            (
                name,
                -(-rows // RUNS[name].get("batch_size", rows)),
                model.history_.train_loss[4],
                model.history_.train_loss[-1],
                max(model.history_.validation_metric),
                model.history_.seconds[-1],
            )
            for name, model in models.items()
        ],
    )
    print("Gradient descent looks at every row before it moves once; SGD has moved dozens of times by then.")

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, model in models.items():
        axes.semilogy(model.history_.train_loss, label=name)
    axes.set(xlabel="passes over the rows", ylabel="training loss", title="The same rows, the same learning rate")
    axes.set_ylim(bottom=3e-5)  # room for the legend
    axes.legend(loc="lower left", ncols=2)
    save_picture(figure, "descent_or_sgd")
    return {name: model.history_.train_loss[-1] for name, model in models.items()}


if __name__ == "__main__":
    main()
