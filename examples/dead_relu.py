"""ReLU regression on XOR: started at zero it is dead, because relu'(0) = 0; and what mends it."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture

from trivium import NeuralRegressor

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR = np.array([0.0, 1.0, 1.0, 0.0])

COMMON = {"optimizer": "gd", "learning_rate": 0.1, "epochs": 200, "validation_fraction": 0, "random_state": 1}
RUNS = {
    "relu(x w + b), zero start": {"hidden_widths": (), "output_activation": "relu", "initializer": "zeros"},
    "relu(x w + b), Glorot start": {"hidden_widths": (), "output_activation": "relu", "initializer": "glorot_uniform"},
    "8 relu units, zero start": {"hidden_widths": (8,), "activation": "relu", "initializer": "zeros"},
    "8 relu units, He start": {"hidden_widths": (8,), "activation": "relu"},
}


def main() -> dict[str, float]:
    models = {}
    for name, choices in RUNS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the runs that learn nothing say so; here the table shows it
            models[name] = NeuralRegressor(**COMMON, **choices).fit(X, XOR)
    errors = {name: float(np.mean((model.predict(X) - XOR) ** 2)) for name, model in models.items()}
    moved = {name: sum(float(np.abs(layer["weights"]).sum()) for layer in m.parameters_) for name, m in models.items()}
    print_table(
        "Regression on XOR, 200 steps of gradient descent",
        ["network", "mean squared error", "sum of |weights|", "predictions of 00, 01, 10, 11"],
        [(name, errors[name], moved[name], np.round(model.predict(X), 3).tolist()) for name, model in models.items()],
    )
    print(
        "At zero weights every pre-activation is 0, relu'(0) is 0, and no gradient reaches a weight: the first\n"
        "network never moves. A random start wakes it, but below the ReLU it is linear and cannot bend around\n"
        "XOR. A hidden layer can, if its units start apart from each other: with zeros they are dead as well."
    )

    figure, axes = plt.subplots(figsize=(7, 4))
    for (name, model), style in zip(models.items(), ("-", "-", (0, (4, 4)), "-"), strict=True):  # two lie on each other
        losses = np.asarray(model.history_.train_loss)
        axes.semilogy(losses / losses[0], label=name, linestyle=style, linewidth=2)
    axes.set(xlabel="epoch", ylabel="loss / loss at the start", title="Dead, linear, dead, mended", ylim=(1e-6, 3))
    axes.set_xlim(0, 100)
    axes.legend(loc="center right")
    save_picture(figure, "dead_relu")
    return errors


if __name__ == "__main__":
    main()
