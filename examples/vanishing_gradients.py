"""Vanishing gradients: what arrives at each layer of a deep network, and how much of what is lost float32 loses."""

import warnings

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _show import print_table, save_picture
from sklearn.datasets import load_digits

from trivium import NeuralClassifier, activations, initializers, losses, network, optimizers

DEPTH, WIDTH, EPOCHS = 10, 64, 10
CHOICES = {
    "sigmoid": (activations.sigmoid, initializers.glorot_uniform),
    "tanh": (activations.tanh, initializers.glorot_uniform),
    "relu": (activations.relu, initializers.he_normal),
}


@jax.custom_jvp
def textbook_sigmoid(z):
    """The sigmoid with the derivative s * (1 - s), as it is usually written."""
    return jax.lax.logistic(z)


@textbook_sigmoid.defjvp
def _(primals, tangents):
    s = textbook_sigmoid(*primals)
    return s, s * (1 - s) * tangents[0]


def gradient_sizes(activation, initializer, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Root mean square of the gradient of each layer's weights at the start, first layer first, in the type of X."""
    parameters = network.init(jax.random.PRNGKey(0), (X.shape[1], *[WIDTH] * DEPTH, 10), initializer, dtype=np.float32)
    parameters = jax.tree.map(lambda array: array.astype(X.dtype), parameters)

    def objective(parameters):
        return losses.cross_entropy(network.apply(parameters, jnp.asarray(X), activation), y).mean()

    gradients = jax.jit(jax.grad(objective))(parameters)
    return np.array([float(jnp.sqrt(jnp.mean(layer["weights"] ** 2))) for layer in gradients])


def accuracy(activation, initializer, X: np.ndarray, y: np.ndarray) -> float:
    """On held-out rows, after some epochs of SGD."""
    model = NeuralClassifier(
        (WIDTH,) * DEPTH,
        activation=activation,
        initializer=initializer,
        optimizer="sgd",
        learning_rate=0.1,
        epochs=EPOCHS,
        patience=None,
        random_state=0,
    )
    return model.fit(X, y).history_.validation_metric[-1]


def slopes(sigmoid, z: np.ndarray) -> np.ndarray:
    return np.asarray(jax.vmap(jax.grad(sigmoid))(jnp.asarray(z)))


def lift_out(sigmoid) -> list[float]:
    """The squared errors of one unit that says 1 (z = 20) where the truth is 0, over 300 steps of Lion.

    Lion looks at the sign of a gradient alone, so that a small one moves the unit as well as a large one does.
    """
    optimizer = optimizers.lion(0.1)

    def step(carry, _):
        z, state = carry
        loss, gradient = jax.value_and_grad(lambda z: losses.squared_error(sigmoid(z), jnp.zeros_like(z)))(z)
        updates, state = optimizer.update(gradient, state, z)
        return (optax.apply_updates(z, updates), state), loss

    z = jnp.float32(20)
    return jax.lax.scan(step, (z, optimizer.init(z)), length=300)[1].tolist()


def main() -> dict[str, float]:
    X, y = load_digits(return_X_y=True)
    X, y = np.asarray((X - X.mean()) / X.std(), np.float32), y.astype(np.int32)
    some = X[:512], y[:512]
    sizes = {name: gradient_sizes(*choice, *some) for name, choice in CHOICES.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the deep sigmoids learn nothing and say so; here the table shows it
        scores = {name: accuracy(*choice, X, y) for name, choice in CHOICES.items()}
    print_table(
        f"{DEPTH} hidden layers of {WIDTH} on digits: gradients at the start, accuracy after {EPOCHS} epochs of SGD",
        ["activation", "first layer", "last layer", "first / last", "validation accuracy"],
        [(name, g[0], g[-1], float(g[0] / g[-1]), scores[name]) for name, g in sizes.items()],
    )
    print("Each sigmoid passes back at most a quarter of the gradient, ten of them at most a millionth.\n")

    _, glorot = CHOICES["sigmoid"]
    with jax.enable_x64(True):
        truth = gradient_sizes(textbook_sigmoid, glorot, some[0].astype(np.float64), some[1])
    first = {
        "float64": truth[0],
        "float32, s * (1 - s)": gradient_sizes(textbook_sigmoid, glorot, *some)[0],
        "float32, trivium": sizes["sigmoid"][0],
    }
    print_table(
        "Is it float32 that loses the gradient? The first layer of the sigmoids once more",
        ["arithmetic", "RMS of the gradient", "off by"],
        [(name, float(size), f"{abs(size / truth[0] - 1):.1e}") for name, size in first.items()],
    )
    print("No: near zero s * (1 - s) is exact enough, and this gradient is truly that small.\n")

    z = np.float32([1, 5, 10, 15, 17, 20, 40, 80])
    true_slopes = np.exp(-np.float64(z)) / (1 + np.exp(-np.float64(z))) ** 2
    textbook, ours = slopes(textbook_sigmoid, z), slopes(activations.sigmoid, z)
    print_table(
        "Where it is: one sigmoid that is sure of itself",
        ["z", "true slope", "s * (1 - s) in float32", "trivium in float32"],
        [tuple(map(float, row)) for row in zip(z, true_slopes, textbook, ours, strict=True)],
    )
    stuck, freed = lift_out(textbook_sigmoid)[-1], lift_out(activations.sigmoid)[-1]
    print_table(
        "One unit at z = 20 whose target is 0, after 300 steps of Lion",
        ["derivative", "squared error"],
        [("s * (1 - s)", stuck), ("trivium", freed)],
    )
    print(
        "From z = 16.6 on s rounds to 1, and s * (1 - s) to 0: no optimizer moves the unit again. The true slope is\n"
        "small, not zero, and an optimizer that looks at its sign or divides by its size gets the unit out."
    )
    _draw(sizes)
    return {
        **{name: float(size[0] / size[-1]) for name, size in sizes.items()},
        "textbook at the start, off by": float(abs(first["float32, s * (1 - s)"] / truth[0] - 1)),
        "textbook slope at 17": float(textbook[4]),
        "true slope at 17, off by": float(abs(ours[4] / true_slopes[4] - 1)),
        "stuck": stuck,
        "freed": freed,
    }


def _draw(sizes: dict[str, np.ndarray]) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for name, size in sizes.items():
        left.semilogy(np.arange(1, DEPTH + 2), size, marker="o", label=name)
    left.set(xlabel="layer, from the input", ylabel="RMS of the gradient", title="What arrives at each layer: real")
    left.legend()
    z = np.linspace(0, 40, 401, dtype=np.float32)
    right.semilogy(z, slopes(activations.sigmoid, z), label="trivium", linewidth=5, alpha=0.35)
    textbook = slopes(textbook_sigmoid, z)
    right.semilogy(z[textbook > 0], textbook[textbook > 0], color="C3", label="s (1 - s): coarse steps, then 0")
    right.axvline(z[np.argmin(textbook)], color="C3", linestyle=":")
    right.annotate("0 from here on", (z[np.argmin(textbook)] + 0.6, 1e-3), color="C3")
    right.set(xlabel="z", ylabel="slope of the sigmoid", title="What float32 loses: units that are sure")
    right.legend(loc="lower left")
    figure.tight_layout()
    save_picture(figure, "vanishing_gradients")


if __name__ == "__main__":
    main()
