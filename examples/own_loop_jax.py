"""Your own loop: an activation, a loss and an optimizer of Trivium in plain JAX, written as one writes PyTorch."""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from _show import print_table, save_picture
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from trivium import activations, losses, optimizers

EPOCHS, BATCH = 15, 64
CHOICES = {
    "relu, adam": (activations.relu, optimizers.adam(1e-3)),
    "mish, adam": (activations.mish, optimizers.adam(1e-3)),
    "mish, lion": (activations.mish, optimizers.lion(5e-4)),
}


def new_parameters(key, widths=(64, 128, 10)):
    keys = jax.random.split(key, len(widths) - 1)
    return [
        {"weights": jax.random.normal(k, (n_in, n)) * jnp.sqrt(2 / n_in), "biases": jnp.zeros((1, n))}
        for k, n_in, n in zip(keys, widths[:-1], widths[1:], strict=True)
    ]


def train(activation, optimizer, train_rows, test_rows):
    """Returns the mean loss and the accuracy on the test rows, by epoch."""

    def forward(parameters, X):
        *hidden, last = parameters
        for layer in hidden:
            X = activation(X @ layer["weights"] + layer["biases"])
        return X @ last["weights"] + last["biases"]

    def objective(parameters, X, y):
        return losses.cross_entropy(forward(parameters, X), y).mean()

    @jax.jit
    def step(parameters, state, X, y):
        loss, gradients = jax.value_and_grad(objective)(parameters, X, y)  # loss.backward()
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, loss  # optimizer.step()

    (X, y), (X_test, y_test) = train_rows, test_rows
    predict = jax.jit(lambda parameters: jnp.argmax(forward(parameters, X_test), axis=1))
    parameters = new_parameters(jax.random.PRNGKey(0))
    state = optimizer.init(parameters)
    random = np.random.default_rng(0)
    history = []
    for _ in range(EPOCHS):
        order, seen = random.permutation(len(X)), []
        for start in range(0, len(X) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            parameters, state, loss = step(parameters, state, X[rows], y[rows])
            seen.append(loss)
        history.append((float(np.mean(seen)), float(np.mean(predict(parameters) == y_test))))
    return history


def main() -> dict[str, float]:
    X, y = load_digits(return_X_y=True)
    X = np.asarray((X - X.mean()) / X.std(), np.float32)
    X, X_test, y, y_test = train_test_split(X, y.astype(np.int32), random_state=0, stratify=y)
    runs = {name: train(*choice, (X, y), (X_test, y_test)) for name, choice in CHOICES.items()}
    print_table(
        f"Digits, a loop of one's own, {EPOCHS} epochs of batches of {BATCH}",
        ["activation, optimizer", "first loss", "last loss", "accuracy on 450 held-out rows"],
        [(name, history[0][0], history[-1][0], history[-1][1]) for name, history in runs.items()],
    )
    print("Each choice is a plain function of arrays: nothing of Trivium holds the model, the loop or the data.")

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name, history in runs.items():
        left.semilogy(range(1, EPOCHS + 1), [loss for loss, _ in history], label=name)
        right.plot(range(1, EPOCHS + 1), [accuracy for _, accuracy in history], label=name)
    left.set(xlabel="epoch", ylabel="cross-entropy", title="Training rows")
    right.set(xlabel="epoch", ylabel="accuracy", title="Held-out rows")
    left.legend()
    figure.tight_layout()
    save_picture(figure, "own_loop_jax")
    return {name: history[-1][1] for name, history in runs.items()}


if __name__ == "__main__":
    main()
