"""Digits by a small convolution of one's own in Flax NNX, beside ours and a line: the same estimator around each."""

import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture
from flax import nnx
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trivium import NeuralClassifier

SIDE = 8  # a digit is a picture of 8 by 8


class Convolution(nnx.Module):
    """Pictures in one row of numbers each, to one output per class."""

    def __init__(self, rngs: nnx.Rngs, n_inputs: int, n_outputs: int):
        self.edges = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.evened = nnx.BatchNorm(16, rngs=rngs)
        self.shapes = nnx.Conv(16, 32, (3, 3), rngs=rngs)
        self.dropout = nnx.Dropout(0.2, rngs=rngs)
        self.classes = nnx.Linear(n_inputs // 4 * 32, n_outputs, rngs=rngs)

    def __call__(self, X):
        X = nnx.relu(self.evened(self.edges(X.reshape(-1, SIDE, SIDE, 1))))
        X = nnx.relu(self.shapes(nnx.max_pool(X, (2, 2), strides=(2, 2))))
        return self.classes(self.dropout(X.reshape(X.shape[0], -1)))


def line(rngs: nnx.Rngs, n_inputs: int, n_outputs: int) -> nnx.Module:
    return nnx.Linear(n_inputs, n_outputs, rngs=rngs)


def main() -> dict[str, float]:
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    models = {
        name: NeuralClassifier(**network, random_state=0).fit(X, y)
        for name, network in {
            "your line": {"network": line},
            "ours, 256-256": {},
            "your convolution": {"network": Convolution},
        }.items()
    }
    accuracies = {name: float(model.score(X_test, y_test)) for name, model in models.items()}
    print_table(
        "Handwritten digits, 1,257 to learn from and 540 to test",
        ["network", "epochs", "accuracy", "diagnosis"],
        [
            (name, len(model.history_.train_loss), accuracies[name], str(model.diagnosis_).splitlines()[0])
            for name, model in models.items()
        ],
    )

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
    for name, model in models.items():
        left.semilogy(model.history_.validation_loss, label=name)
    left.set(xlabel="epoch", ylabel="cross-entropy of the validation part", title="What the network makes of an epoch")
    left.legend()
    said = models["your convolution"].predict(X_test)
    wrong = np.flatnonzero(said != y_test)[:6]
    pictures = np.pad(X_test[wrong].reshape(-1, SIDE, SIDE), ((0, 0), (2, 0), (0, 2)))
    right.imshow(np.vstack([np.hstack(row) for row in pictures.reshape(2, 3, SIDE + 2, SIDE + 2)]), cmap="gray_r")
    for number, place in enumerate(wrong):
        corner = (SIDE + 2) * (number % 3), (SIDE + 2) * (number // 3)
        right.text(*corner, f"{said[place]}, is {y_test[place]}", color="tab:red", va="top", size=11)
    right.set_axis_off()
    right.set_title("What the convolution misreads")
    save_picture(figure, "own_network_flax")
    return accuracies


if __name__ == "__main__":
    main()
