"""An Optax optimizer in NeuralClassifier: as a function of a learning rate, or ready made with its own schedule."""

import matplotlib.pyplot as plt
import optax
from _show import print_table, save_picture
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

from trivium import NeuralClassifier

EPOCHS = 60
SCHEDULE = optax.cosine_decay_schedule(0.03, decay_steps=EPOCHS * 4)  # 120 rows in batches of 32: 4 steps per epoch
OPTIMIZERS = {
    "optax.adamw, a function": {"optimizer": optax.adamw, "learning_rate": 0.003},
    "clipped optax.sgd, cosine": {
        "optimizer": optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(SCHEDULE, momentum=0.9))
    },
    "Trivium's adamw": {"optimizer": "adamw", "learning_rate": 0.003},
}


def main() -> dict[str, float]:
    X, y = load_wine(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, random_state=0, stratify=y)
    models = {
        name: NeuralClassifier((32,), batch_size=32, epochs=EPOCHS, patience=None, random_state=0, **choice).fit(X, y)
        for name, choice in OPTIMIZERS.items()
    }
    scores = {name: float(model.score(X_test, y_test)) for name, model in models.items()}
    print_table(
        f"The wine table, {EPOCHS} epochs",
        ["optimizer", "first loss", "last loss", "accuracy on 45 held-out rows"],
        [
            (name, model.history_.train_loss[0], model.history_.train_loss[-1], scores[name])
            for name, model in models.items()
        ],
    )
    print(
        "A function such as optax.adamw takes learning_rate and optimizer_options from the estimator. A ready-made\n"
        "transformation brings its own numbers, and learning_rate is left out."
    )

    figure, axes = plt.subplots(figsize=(7, 4))
    for (name, model), style in zip(models.items(), ("-", "-", (0, (4, 4))), strict=True):  # two lie on each other
        axes.semilogy(model.history_.train_loss, label=name, linestyle=style, linewidth=2)
    axes.set(xlabel="epoch", ylabel="cross-entropy", title="Optimizers of Optax in NeuralClassifier")
    axes.legend()
    save_picture(figure, "optax_in_estimator")
    return scores


if __name__ == "__main__":
    main()
