"""Vanishing gradients: what arrives at each layer of a deep network of sigmoids, and of ReLUs."""

import warnings

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture
from sklearn.datasets import load_digits

from trivium import NeuralClassifier, activations, initializers, losses, network

DEPTH, WIDTH = 10, 64
CHOICES = {
    "sigmoid": (activations.sigmoid, initializers.glorot_uniform),
    "tanh": (activations.tanh, initializers.glorot_uniform),
    "relu": (activations.relu, initializers.he_normal),
}


def gradient_sizes(activation, initializer, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root mean square of the gradient of each layer's weights at the start, first layer first."""
    widths = (X.shape[1], *[WIDTH] * DEPTH, 10)
    parameters = network.init(jax.random.PRNGKey(0), widths, initializer)

    def objective(parameters):
        return losses.cross_entropy(network.apply(parameters, X, activation), y).mean()

    gradients = jax.grad(objective)(parameters)
    return np.array([float(jnp.sqrt(jnp.mean(layer["weights"] ** 2))) for layer in gradients])


def accuracy(activation, initializer, X: np.ndarray, y: np.ndarray) -> float:
    """On held-out rows, after 15 epochs of SGD."""
    model = NeuralClassifier(
        (WIDTH,) * DEPTH,
        activation=activation,
        initializer=initializer,
        optimizer="sgd",
        learning_rate=0.1,
        epochs=15,
        patience=None,
        random_state=0,
    )
    return model.fit(X, y).history_.validation_metric[-1]


def main() -> dict[str, float]:
    X, y = load_digits(return_X_y=True)
    X = np.asarray((X - X.mean()) / X.std(), np.float32)
    sizes = {name: gradient_sizes(*choice, X[:512], y[:512].astype(np.int32)) for name, choice in CHOICES.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the deep sigmoids learn nothing and say so; here the table shows it
        scores = {name: accuracy(*choice, X, y) for name, choice in CHOICES.items()}
    print_table(
        f"{DEPTH} hidden layers of {WIDTH} on digits: gradients at the start, accuracy after 15 epochs of SGD",
        ["activation", "first layer", "last layer", "first / last", "validation accuracy"],
        [(name, g[0], g[-1], float(g[0] / g[-1]), scores[name]) for name, g in sizes.items()],
    )
    print("Each sigmoid passes back at most a quarter of the gradient, ten of them at most a millionth.")

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, size in sizes.items():
        axes.semilogy(np.arange(1, DEPTH + 2), size, marker="o", label=name)
    axes.set(xlabel="layer, from the input", ylabel="RMS of the gradient", title="What arrives at each layer")
    axes.legend()
    save_picture(figure, "vanishing_gradients")
    return {name: float(size[0] / size[-1]) for name, size in sizes.items()}


if __name__ == "__main__":
    main()
