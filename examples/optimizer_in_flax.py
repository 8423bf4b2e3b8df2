"""Trivium's optimizers, an activation and a loss in a Flax NNX model."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from _show import print_table, save_picture
from flax import nnx
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from trivium import activations, losses, optimizers

STEPS = 150
OPTIMIZERS = {"sgd": optimizers.sgd(0.05), "adam": optimizers.adam(3e-3), "lion": optimizers.lion(1e-3)}


class Network(nnx.Module):
    def __init__(self, columns: int, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(columns, 32, rngs=rngs)
        self.last = nnx.Linear(32, 1, rngs=rngs)

    def __call__(self, X):
        return self.last(activations.mish(self.hidden(X)))[:, 0]


def train(transformation, X: np.ndarray, y: np.ndarray) -> tuple[Network, list[float]]:
    """The trained model, and its loss at every step."""
    model = Network(X.shape[1], nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, transformation, wrt=nnx.Param)

    @nnx.jit
    def step(model, optimizer):
        loss, gradients = nnx.value_and_grad(lambda model: losses.squared_error(model(X), y).mean())(model)
        optimizer.update(model, gradients)
        return loss

    return model, [float(step(model, optimizer)) for _ in range(STEPS)]


def main() -> dict[str, float]:
    X, y = load_diabetes(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    scaler, centre, scale = StandardScaler().fit(X), y.mean(), y.std()
    X, X_test = (jnp.asarray(scaler.transform(part), jnp.float32) for part in (X, X_test))
    targets = jnp.asarray((y - centre) / scale, jnp.float32)
    runs = {name: train(transformation, X, targets) for name, transformation in OPTIMIZERS.items()}
    scores = {
        name: float(r2_score(y_test, np.asarray(model(X_test)) * scale + centre)) for name, (model, _) in runs.items()
    }
    print_table(
        f"A Flax network on the diabetes table, {STEPS} steps over all rows",
        ["optimizer", "first loss", "last loss", "R2 on 111 held-out rows"],
        [(name, history[0], history[-1], scores[name]) for name, (_, history) in runs.items()],
    )

    figure, axes = plt.subplots(figsize=(7, 4))
    for name, (_, history) in runs.items():
        axes.semilogy(history, label=name)
    axes.set(xlabel="step", ylabel="squared error", title="One Flax model, three optimizers of Trivium")
    axes.legend()
    save_picture(figure, "optimizer_in_flax")
    return scores


if __name__ == "__main__":
    main()
