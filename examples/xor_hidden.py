"""XOR with one small hidden layer: solved."""

import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture

from trivium import NeuralClassifier

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
XOR = np.array([0, 1, 1, 0])


def main() -> dict[str, float]:
    models = {
        activation: NeuralClassifier(
            hidden_widths=(8,),
            activation=activation,
            optimizer="gd",
            learning_rate=0.5,
            epochs=1000,
            validation_fraction=0,
            random_state=0,
        ).fit(X, XOR)
        for activation in ("tanh", "relu", "sigmoid")
    }
    print_table(
        "XOR with 8 hidden units, gradient descent",
        ["activation", "epochs to loss < 0.1", "last loss", "accuracy", "P(1) of 00, 01, 10, 11"],
        [
            (
                name,
                next((epoch + 1 for epoch, loss in enumerate(model.history_.train_loss) if loss < 0.1), "never"),
                model.history_.train_loss[-1],
                float(model.score(X, XOR)),
                np.round(model.predict_proba(X)[:, 1], 3).tolist(),
            )
            for name, model in models.items()
        ],
    )

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name, model in models.items():
        left.semilogy(model.history_.train_loss, label=name)
    left.set(xlabel="epoch", ylabel="cross-entropy", title="Every activation solves it, at its own pace")
    left.legend()
    side = np.linspace(-0.5, 1.5, 200)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    probability = models["tanh"].predict_proba(grid)[:, 1].reshape(200, 200)
    picture = right.contourf(side, side, probability, levels=20, cmap="RdBu_r", vmin=0, vmax=1)
    figure.colorbar(picture, ax=right, label="P(XOR = 1)")
    right.scatter(*X.T, c=XOR, cmap="gray", edgecolors="black", s=80)
    right.set(xlabel="first input", ylabel="second input", title="What the tanh network says")
    figure.tight_layout()
    save_picture(figure, "xor_hidden")
    return {name: float(model.score(X, XOR)) for name, model in models.items()}


if __name__ == "__main__":
    main()
