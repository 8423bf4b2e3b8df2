"""The learning rate: too small, right and too large, on one table."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture
from sklearn.datasets import load_breast_cancer

from trivium import NeuralClassifier

RATES = {"too small": 1e-4, "right": 0.1, "too large": 100.0}


def main() -> dict[str, float]:
    X, y = load_breast_cancer(return_X_y=True)
    models = {}
    for name, rate in RATES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the runs that learn nothing say so; here the table shows it
            models[name] = NeuralClassifier(
                (32,), activation="tanh", optimizer="sgd", learning_rate=rate, epochs=30, patience=None, random_state=0
            ).fit(X, y)
    print_table(
        "SGD on the breast cancer table, 30 epochs",
        ["learning rate", "", "first loss", "last loss", "epochs in which the loss rose", "validation accuracy"],
        [
            (
                RATES[name],
                name,
                model.history_.train_loss[0],
                model.history_.train_loss[-1],
                int(np.sum(np.diff(model.history_.train_loss) > 0)),
                model.history_.validation_metric[-1],
            )
            for name, model in models.items()
        ],
    )
    print(f"A network that looks at nothing has a loss of {models['right'].history_.baseline_loss:.3f}.")

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, model in models.items():
        axes.semilogy(np.maximum(model.history_.train_loss, 1e-4), label=f"{RATES[name]:g}: {name}")
    axes.axhline(models["right"].history_.baseline_loss, color="grey", linestyle=":", label="constant prediction")
    axes.set(xlabel="epoch", ylabel="training loss", title="The learning rate decides")
    axes.legend()
    save_picture(figure, "learning_rates")
    return {name: model.history_.train_loss[-1] for name, model in models.items()}


if __name__ == "__main__":
    main()
