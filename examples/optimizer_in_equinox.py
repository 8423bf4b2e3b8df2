"""Trivium's optimizers, an activation and a loss in an Equinox model."""

import equinox as eqx
import jax
import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from trivium import activations, losses, optimizers

STEPS = 150
OPTIMIZERS = {
    "sgd": optimizers.sgd(0.1),
    "adamw": optimizers.adamw(3e-3),
    "lion": optimizers.lion(1e-3),
    "lamb": optimizers.lamb(1e-2),
}


def train(optimizer, X: np.ndarray, y: np.ndarray) -> tuple[eqx.Module, list[float]]:
    """The trained model, and its loss at every step."""
    model = eqx.nn.MLP(
        X.shape[1], "scalar", width_size=32, depth=2, activation=activations.silu, key=jax.random.PRNGKey(0)
    )

    @eqx.filter_value_and_grad
    def objective(model):
        return losses.binary_cross_entropy(jax.vmap(model)(X), y).mean()

    @eqx.filter_jit
    def step(model, state):
        loss, gradients = objective(model)
        # The optimizer sees the arrays alone; an activation that the model holds is none.
        updates, state = optimizer.update(gradients, state, eqx.filter(model, eqx.is_inexact_array))
        return eqx.apply_updates(model, updates), state, loss

    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    history = []
    for _ in range(STEPS):
        model, state, loss = step(model, state)
        history.append(float(loss))
    return model, history


def main() -> dict[str, float]:
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    scaler = StandardScaler().fit(X)
    X, X_test = (scaler.transform(part).astype(np.float32) for part in (X, X_test))
    runs = {name: train(optimizer, X, y.astype(np.float32)) for name, optimizer in OPTIMIZERS.items()}
    scores = {
        name: float(np.mean((np.asarray(jax.vmap(model)(X_test)) > 0) == y_test)) for name, (model, _) in runs.items()
    }
    print_table(
        f"An Equinox MLP on the breast cancer table, {STEPS} steps over all rows",
        ["optimizer", "first loss", "last loss", "accuracy on 143 held-out rows"],
        [(name, losses_[0], losses_[-1], scores[name]) for name, (_, losses_) in runs.items()],
    )

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, (_, history) in runs.items():
        axes.semilogy(history, label=name)
    axes.set(xlabel="step", ylabel="binary cross-entropy", title="One Equinox model, four optimizers of Trivium")
    axes.legend()
    save_picture(figure, "optimizer_in_equinox")
    return scores


if __name__ == "__main__":
    main()
