"""XOR by logistic regression: no straight line parts the classes, and the loss stays at ln 2."""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture

from trivium import NeuralClassifier

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
AND, XOR = np.array([0, 0, 0, 1]), np.array([0, 1, 1, 0])


def fit(y: np.ndarray) -> tuple[NeuralClassifier, str]:
    """A logistic regression, by gradient descent on all four rows; returns it with what it says of itself."""
    model = NeuralClassifier(
        hidden_widths=(), optimizer="gd", learning_rate=0.5, epochs=400, validation_fraction=0, random_state=0
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(X, y)
    return model, " ".join(str(warning.message) for warning in said) or "learned"


def main() -> dict[str, float]:
    results = {name: fit(y) for name, y in (("AND", AND), ("XOR", XOR))}
    losses = {name: model.history_.train_loss[-1] for name, (model, _) in results.items()}
    print_table(
        f"Logistic regression on four rows (ln 2 = {math.log(2):.6f})",
        ["target", "last loss", "accuracy", "P(1) of 00, 01, 10, 11"],
        [
            (name, losses[name], float(model.score(X, y)), np.round(model.predict_proba(X)[:, 1], 3).tolist())
            for (name, (model, _)), y in zip(results.items(), (AND, XOR), strict=True)
        ],
    )
    print(f"XOR: {results['XOR'][1]}")

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name, (model, _) in results.items():
        left.plot(model.history_.train_loss, label=name)
    left.axhline(math.log(2), color="grey", linestyle=":", label="ln 2")
    left.set(xlabel="epoch", ylabel="cross-entropy", title="AND is learned, XOR is not")
    left.legend()
    right.scatter(*X[XOR == 0].T, s=120, marker="o", label="XOR = 0")
    right.scatter(*X[XOR == 1].T, s=120, marker="s", label="XOR = 1")
    right.set(xlabel="first input", ylabel="second input", title="No straight line parts circles and squares")
    right.legend(loc="center")
    figure.tight_layout()
    save_picture(figure, "xor_linear")
    return losses


if __name__ == "__main__":
    main()
