"""What the estimators do beyond one class or one number per row."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from trivium import NeuralClassifier, NeuralRegressor, load
from trivium.estimators import calibration

X, Y = load_diabetes(return_X_y=True)
IRIS, SPECIES = load_iris(return_X_y=True)
SMALL = {
    "hidden_widths": (16,),
    "epochs": 30,
    "batch_size": 64,
    "learning_rate": 0.01,
    "random_state": 0,
    "on_problem": "ignore",
}


def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return load(tmp_path / "model")


def test_several_numbers_are_learned_at_once_as_well_as_alone(tmp_path):
    both = np.column_stack([Y, 1000 * X[:, 2] - 5])
    model = NeuralRegressor(**SMALL).fit(X, both)
    assert model.predict(X).shape == both.shape
    assert model.score(X, both) > 0.5
    np.testing.assert_array_equal(saved(model, tmp_path).predict(X), model.predict(X))
    with pytest.raises(ValueError, match="y must have 2 columns"):
        NeuralRegressor(**SMALL).fit(X, both, validation_data=(X, Y))
    with pytest.raises(ValueError, match="loss must be one for several numbers"):
        NeuralRegressor(**SMALL | {"loss": "gaussian_nll"}).fit(X, both)


def test_labels_are_told_one_by_one(tmp_path):
    labels = np.column_stack([SPECIES == 0, IRIS[:, 0] > 5.8, SPECIES == 2]).astype(int)
    model = NeuralClassifier(**SMALL).fit(IRIS, labels)
    assert model.predict(IRIS).shape == labels.shape
    assert (model.predict(IRIS) == labels).mean() > 0.85
    np.testing.assert_array_equal(saved(model, tmp_path).predict_proba(IRIS), model.predict_proba(IRIS))
    with pytest.raises(ValueError, match="y must hold 0 or 1"):
        NeuralClassifier(**SMALL).fit(IRIS, labels + 1)
    with pytest.raises(ValueError, match="loss must be one for labels"):
        NeuralClassifier(**SMALL | {"loss": "cross_entropy"}).fit(IRIS, labels)


@pytest.mark.parametrize("loss", [None, "gaussian_nll", "laplace_nll", "student_t_nll"])
def test_an_interval_holds_its_share_of_new_rows(loss):
    random = np.random.default_rng(0)
    X = random.uniform(-2, 2, (1500, 1))
    y = 2 * X[:, 0] + random.normal(size=1500) + 3
    model = NeuralRegressor(**SMALL | {"loss": loss, "validation_fraction": 0.3}).fit(X[:1000], y[:1000])
    low, high = model.predict_interval(X[1000:], 0.8).T
    assert (low < high).all()
    assert 0.72 < ((low <= y[1000:]) & (y[1000:] <= high)).mean() < 0.9
    quantiles = model.predict_quantiles(X[1000:], [0.2, 0.5, 0.8])
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert abs((y[1000:] < quantiles[:, 0]).mean() - 0.2) < 0.07


def test_the_distribution_is_in_the_units_of_y():
    random = np.random.default_rng(0)
    X = random.uniform(-2, 2, (800, 1))
    y = 100 * X[:, 0] + 50 * random.normal(size=800) + 1000
    model = NeuralRegressor(**SMALL | {"loss": "gaussian_nll"}).fit(X, y)
    distribution = model.predict_distribution(X)
    np.testing.assert_allclose(distribution.mean(), model.predict(X), rtol=1e-6)
    assert 40 < distribution.std().mean() < 65
    counts = random.poisson(np.exp(X[:, 0]))
    model = NeuralRegressor(**SMALL | {"loss": "poisson"}).fit(X, counts)
    np.testing.assert_allclose(model.predict_distribution(X).mean(), model.predict(X), rtol=1e-5)
    with pytest.raises(ValueError, match="loss must be one that assumes a distribution"):
        NeuralRegressor(**SMALL).fit(X, y).predict_distribution(X)


def test_quantiles_between_those_of_the_loss_are_drawn_between_them():
    model = NeuralRegressor(**SMALL | {"loss": "quantiles"}).fit(X, Y)
    low, middle, high = model.predict_quantiles(X[:5], [0.1, 0.3, 0.5]).T
    np.testing.assert_allclose(middle, (low + high) / 2, rtol=1e-6)
    np.testing.assert_allclose(high, model.predict(X[:5]), rtol=1e-5)
    with pytest.raises(ValueError, match="levels must lie between those of the loss"):
        model.predict_quantiles(X, [0.01])


def test_intervals_need_rows_kept_aside():
    model = NeuralRegressor(**SMALL | {"validation_fraction": 0}).fit(X, Y)
    with pytest.raises(ValueError, match="validation_fraction must keep rows aside"):
        model.predict_interval(X)
    with pytest.raises(ValueError, match="coverage must be above 0 and below 1"):
        model.predict_interval(X, 90)


def test_a_temperature_undoes_overconfidence():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = np.array([random.choice(3, p=row) for row in shares])
    sharp = calibration.tempered(shares, 1 / 3)
    assert calibration.temperature(sharp, classes, np.ones(4000)) == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(calibration.tempered(sharp, 3.0), shares, rtol=1e-6)
    half = calibration.tempered(shares[:, 0], 2.0)
    odds = np.log(shares[:, 0] / (1 - shares[:, 0]))
    np.testing.assert_allclose(np.log(half / (1 - half)), odds / 2, rtol=1e-6)


def test_calibrated_probabilities_are_saved(tmp_path):
    model = NeuralClassifier(**SMALL | {"calibration": "temperature"}).fit(IRIS, SPECIES)
    assert model.temperature_ != 1
    np.testing.assert_array_equal(saved(model, tmp_path).predict_proba(IRIS), model.predict_proba(IRIS))


def test_bags_predict_every_row_by_a_network_that_did_not_see_it(tmp_path):
    random = np.random.default_rng(0)
    noise = random.normal(size=(200, 30))
    y = random.normal(size=200)  # nothing to learn: only a network that saw a row can know it
    model = NeuralRegressor(**SMALL | {"bagging": 4, "epochs": 60}).fit(noise, y)
    seen = np.corrcoef(model.predict(noise), y)[0, 1]
    unseen = np.corrcoef(model.out_of_fold_, y)[0, 1]
    assert seen > 0.3
    assert abs(unseen) < 0.2
    assert len(model.models_) == 4
    np.testing.assert_array_equal(saved(model, tmp_path).predict(noise), model.predict(noise))
    with pytest.raises(ValueError, match="bagging must leave two rows per fold"):
        NeuralRegressor(**SMALL | {"bagging": 300}).fit(X, Y)


def test_a_score_of_scikit_learn_chooses_the_epoch():
    model = NeuralRegressor(**SMALL | {"scoring": "neg_median_absolute_error"}).fit(X, Y)
    scores = model.history_.validation_score
    assert len(scores) == len(model.history_)
    assert model.history_.best_epoch == int(np.argmax(scores))
    with pytest.raises(ValueError, match="scoring must be None where no rows are kept aside"):
        NeuralRegressor(**SMALL | {"scoring": "r2", "validation_fraction": 0}).fit(X, Y)


def test_a_callback_sees_every_epoch_and_may_end_training():
    seen = []

    def callback(history, epoch):
        seen.append((epoch, len(history)))
        return epoch == 4

    model = NeuralRegressor(**SMALL | {"callbacks": callback}).fit(X, Y)
    assert seen == [(epoch, epoch + 1) for epoch in range(5)]
    assert model.history_.ending == "stopped"
    with pytest.raises(ValueError, match="callbacks must be functions"):
        NeuralRegressor(**SMALL | {"callbacks": 3}).fit(X, Y)


def test_own_rows_choose_the_epoch():
    model = NeuralRegressor(**SMALL).fit(X[:300], Y[:300], validation_data=(X[300:], Y[300:]))
    expected = np.mean((model.predict(X[300:]) - Y[300:]) ** 2) / Y[:300].var()
    assert model.history_.validation_loss[model.history_.best_epoch] == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match="validation_data must be a tuple"):
        NeuralRegressor(**SMALL).fit(X, Y, validation_data=X)


def test_a_warm_start_goes_on_where_the_last_fit_ended():
    model = NeuralRegressor(**SMALL | {"warm_start": True, "epochs": 20}).fit(X, Y)
    first = model.history_.train_loss
    again = model.fit(X, Y).history_.train_loss
    assert again[0] < np.mean(first[:3])
    assert NeuralRegressor(**SMALL | {"epochs": 20}).fit(X, Y).history_.train_loss == first
    with pytest.raises(ValueError, match="warm_start must go on with the network of the last fit"):
        model.set_params(hidden_widths=(8,)).fit(X, Y)


def test_a_weight_counts_a_row_as_often():
    weights = np.where(np.arange(len(X)) % 3 == 0, 0.0, 1.0)
    kept = weights > 0
    options = SMALL | {"validation_fraction": 0, "batch_size": 1000, "epochs": 40}
    weighted = NeuralRegressor(**options | {"output_activation": "identity"}).fit(X, Y / 100, sample_weight=weights)
    alone = NeuralRegressor(**options | {"output_activation": "identity"}).fit(X[kept], Y[kept] / 100)
    np.testing.assert_allclose(weighted.history_.train_loss[0], alone.history_.train_loss[0], rtol=0.3)
    with pytest.raises(ValueError, match="sample_weight"):
        NeuralRegressor(**options).fit(X, Y, sample_weight=-weights)


def test_balanced_classes_weigh_the_same():
    rare = np.r_[np.flatnonzero(SPECIES == 1), np.flatnonzero(SPECIES == 2)[:6]]
    plain = NeuralClassifier(**SMALL).fit(IRIS[rare], SPECIES[rare])
    balanced = NeuralClassifier(**SMALL | {"class_weight": "balanced"}).fit(IRIS[rare], SPECIES[rare])
    of_rare = SPECIES[rare] == 2
    assert balanced.predict_proba(IRIS[rare])[of_rare, 1].mean() > plain.predict_proba(IRIS[rare])[of_rare, 1].mean()
    with pytest.raises(ValueError, match="class_weight must name classes of y"):
        NeuralClassifier(**SMALL | {"class_weight": {7: 1.0}}).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="class_weight must be 'balanced'"):
        NeuralClassifier(**SMALL | {"class_weight": "equal"}).fit(IRIS, SPECIES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        {"dropout": 0.2},
        {"input_noise": 0.1},
        {"mixup": 0.2},
        {"label_smoothing": 0.1},
        {"normalisation": "batch"},
        {"normalisation": "layer"},
        {"residual": True, "hidden_widths": (16, 16)},
        {"schedule": "cosine"},
        {"optimizer": "sgd", "weight_decay": 0.01},
    ],
    ids=str,
)
def test_each_part_learns_and_is_saved_to_the_bit(more, tmp_path):
    model = NeuralClassifier(**SMALL | {"epochs": 60, "validation_fraction": 0} | more).fit(IRIS, SPECIES)
    assert model.score(IRIS, SPECIES) > 0.85
    np.testing.assert_array_equal(saved(model, tmp_path).predict_proba(IRIS), model.predict_proba(IRIS))


def test_a_loss_of_whole_classes_refuses_to_share_them():
    with pytest.raises(ValueError, match="label_smoothing must be 0 with a loss that takes whole classes"):
        NeuralClassifier(**SMALL | {"loss": "multiclass_hinge", "label_smoothing": 0.1}).fit(IRIS, SPECIES)
