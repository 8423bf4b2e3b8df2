"""What `tables.py` compares: by name, a function that makes an untrained model for a task, each at its defaults.

A model takes a pandas frame whose texts, categories and booleans have the dtype `category`, missing values included.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from trivium import NeuralClassifier, NeuralRegressor


def trivium(numbers: bool, seed: int, **choices: Any) -> Any:
    return (NeuralRegressor if numbers else NeuralClassifier)(random_state=seed, **choices)


def hist_gradient_boosting(numbers: bool, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if numbers else HistGradientBoostingClassifier
    return _FewCategories(kind(categorical_features="from_dtype", random_state=seed), 255)


def lightgbm(numbers: bool, seed: int) -> Any:
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMRegressor if numbers else LGBMClassifier)(random_state=seed, verbose=-1)


def xgboost(numbers: bool, seed: int) -> Any:
    from xgboost import XGBClassifier, XGBRegressor

    return (XGBRegressor if numbers else XGBClassifier)(random_state=seed, enable_categorical=True)


def catboost(numbers: bool, seed: int) -> Any:
    from catboost import CatBoostClassifier, CatBoostRegressor

    kind = CatBoostRegressor if numbers else CatBoostClassifier
    return _Texts(kind(random_seed=seed, verbose=False, allow_writing_files=False))


def scikit_learn_mlp(numbers: bool, seed: int) -> Any:
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    network = (MLPRegressor if numbers else MLPClassifier)(random_state=seed, early_stopping=True)
    texts, holes = make_column_selector(dtype_include="category"), make_pipeline(SimpleImputer(), StandardScaler())
    kinds = [("texts", OneHotEncoder(handle_unknown="ignore", min_frequency=5), texts)]
    kinds.append(("numbers", holes, make_column_selector(dtype_exclude="category")))
    encoder = ColumnTransformer(kinds, sparse_threshold=0)
    model = make_pipeline(encoder, network)
    return TransformedTargetRegressor(model, transformer=StandardScaler()) if numbers else model


def pytabkit(name: str, numbers: bool, seed: int) -> Any:
    import pytabkit

    kind = getattr(pytabkit, f"{name}_{'Regressor' if numbers else 'Classifier'}")
    return _NoHoles(kind(random_state=seed, device="cpu", n_threads=None))


MODELS: dict[str, Callable[[bool, int], Any]] = {
    "trivium": trivium,  # nothing is chosen
    "trivium_plain": partial(trivium, preset="plain"),
    "trivium_fast": partial(trivium, preset="fast"),
    "trivium_best": partial(trivium, preset="best"),
    "trivium_realmlp": partial(trivium, preset="realmlp"),
    "trivium_realmlp_small": partial(trivium, preset="realmlp_small"),
    "trivium_tabm": partial(trivium, preset="tabm"),
    "hgb": hist_gradient_boosting,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "catboost": catboost,
    "sklearn_mlp": scikit_learn_mlp,
    "realmlp": partial(pytabkit, "RealMLP_TD"),
    "realmlp_small": partial(pytabkit, "RealMLP_TD_S"),
    "tabm": partial(pytabkit, "TabM_D"),
}
BOOSTED = ("hgb", "lightgbm", "xgboost", "catboost")


class _Wrapped:
    """A model behind a step that makes its frame palatable."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def fit(self, X: pd.DataFrame, y: Any) -> Any:
        self.model.fit(self.prepared(X, True), y, **self.told(X))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.model.predict(self.prepared(X, False))).reshape(len(X))

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(self.prepared(X, False))

    @property
    def classes_(self) -> np.ndarray:
        return self.model.classes_

    def told(self, X: pd.DataFrame) -> dict[str, Any]:
        return {}

    def prepared(self, X: pd.DataFrame, fitting: bool) -> pd.DataFrame:
        raise NotImplementedError


class _FewCategories(_Wrapped):
    """The commonest categories of each column, as many as the model can take; the others are missing."""

    def __init__(self, model: Any, most: int) -> None:
        super().__init__(model)
        self.most = most
        self.kept: dict[str, list] = {}

    def prepared(self, X: pd.DataFrame, fitting: bool) -> pd.DataFrame:
        X = X.copy()
        for name in X.select_dtypes("category"):
            if fitting:
                self.kept[name] = list(X[name].value_counts().index[: self.most])
            X[name] = pd.Categorical(X[name], self.kept[name])
        return X


class _Texts(_Wrapped):
    """Categories as texts, a missing one as a text of its own."""

    def told(self, X: pd.DataFrame) -> dict[str, Any]:
        return {"cat_features": list(X.select_dtypes("category"))}

    def prepared(self, X: pd.DataFrame, fitting: bool) -> pd.DataFrame:
        X = X.copy()
        for name in X.select_dtypes("category"):
            X[name] = X[name].astype("object").fillna("(missing)").astype(str)
        return X


class _NoHoles(_Wrapped):
    """Missing numbers replaced by the mean of their column in the training rows."""

    means: Any = None

    def told(self, X: pd.DataFrame) -> dict[str, Any]:
        return {"cat_col_names": list(X.select_dtypes("category"))}

    def prepared(self, X: pd.DataFrame, fitting: bool) -> pd.DataFrame:
        if fitting:
            self.means = X.mean(numeric_only=True)
        return X.fillna(self.means)
