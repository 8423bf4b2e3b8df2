"""Why the squared error serves classes badly: a network that is sure and wrong gets hardly any gradient from it."""

import warnings

import jax
import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from trivium import NeuralClassifier, activations, losses

WRONG, RIGHT = 100, 60
LOSSES = {"cross-entropy": "binary_cross_entropy", "squared error": "squared_error"}


def squared_error(z, target):
    """Of the probability, as a function of the logit."""
    return losses.squared_error(activations.sigmoid(z), target)


def gradients(loss, logits: np.ndarray) -> np.ndarray:
    """By the logit, where the target is 1."""
    return np.asarray(jax.vmap(jax.grad(loss), (0, None))(logits, np.float32(1)))


def accuracies(loss: str) -> list[float]:
    """On held-out rows, after each epoch: first the classes are swapped, from epoch 100 on they are right."""
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    model = NeuralClassifier((16,), activation="tanh", loss=loss, optimizer="sgd", learning_rate=0.5, random_state=0)
    scores = []
    for epoch in range(WRONG + RIGHT):
        model.partial_fit(X, 1 - y if epoch < WRONG else y, classes=[0, 1])
        scores.append(float(model.score(X_test, y_test)))
    return scores


def main() -> dict[str, float]:
    logits = np.float32([0, -2, -5, -10, -20])
    table = {
        "cross-entropy": gradients(losses.binary_cross_entropy, logits),
        "squared error": gradients(squared_error, logits),
    }
    print_table(
        "The gradient by the logit where the target is 1",
        ["logit", "probability of the truth", *table, "ratio"],
        [
            (float(z), float(activations.sigmoid(z)), float(entropy), float(square), float(square / entropy))
            for z, entropy, square in zip(logits, *table.values(), strict=True)
        ],
    )
    print(
        "The squared error's gradient has the sigmoid's slope as a factor, which is small where the network is sure,\n"
        "right or wrong. In the cross-entropy the logarithm takes that factor away.\n"
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runs = {name: accuracies(loss) for name, loss in LOSSES.items()}
    back = {
        name: next((epoch for epoch, score in enumerate(scores[WRONG:], 1) if score > 0.9), None)
        for name, scores in runs.items()
    }
    print_table(
        f"Breast cancer: {WRONG} epochs on swapped classes, then {RIGHT} on the right ones",
        ["loss", "accuracy when swapped", "epochs until 90 % are right", "accuracy at the end"],
        [(name, scores[WRONG - 1], back[name] or "never", scores[-1]) for name, scores in runs.items()],
    )

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    line = np.linspace(-15, 5, 401, dtype=np.float32)
    left.semilogy(line, -gradients(losses.binary_cross_entropy, line), label="cross-entropy")
    left.semilogy(line, -gradients(squared_error, line), label="squared error of the probability")
    left.set(
        xlabel="logit (target 1: wrong on the left)", ylabel="size of the gradient", title="What pulls a logit back"
    )
    left.legend(loc="lower center")
    for name, scores in runs.items():
        right.plot(range(1, WRONG + RIGHT + 1), scores, label=name)
    right.axvline(WRONG + 0.5, color="grey", linestyle=":", label="classes put right")
    right.set_xlim(WRONG - 20, WRONG + RIGHT)
    right.set(xlabel="epoch", ylabel="accuracy on held-out rows", title="Sure and wrong, then told the truth")
    right.legend(loc="lower right")
    figure.tight_layout()
    save_picture(figure, "mse_for_classes")
    return {"squared / cross at -10": float(table["squared error"][3] / table["cross-entropy"][3])} | {
        name: back[name] or RIGHT + 1 for name in runs
    }


if __name__ == "__main__":
    main()
