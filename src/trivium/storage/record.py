"""A fitted estimator as arrays and JSON, and back. Functions travel by their names in the catalogs."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, cast

import numpy as np

from trivium import activations, losses
from trivium.catalog import get, name_of
from trivium.compiling import in_eighths
from trivium.nearby import Nearby
from trivium.network import embeddings
from trivium.network.own.network import named
from trivium.network.structure import Structure
from trivium.presets import LEFT
from trivium.storage.file import ModelFileError
from trivium.tables.schema import Schema
from trivium.training.history import History

ATTRIBUTES = (
    *("choices_", "n_features_in_", "target_name_", "labels_", "temperature_", "residuals_"),
    *("_search_", "_found_", "_mended_", "_n_outputs", "_coded_", "_rows_", "_rarest_"),
)
COLUMNS = ("classes_", "feature_names_in_")

NEARBY, OF_NEARBY = "nearby", ("points", "lacked")
"""What holds rows of the fit, and its arrays."""

ONCE = {"scaling": "standard", "embed_above": None, "schedule": None, "epochs": 100, "patience": 16}
"""Values of which a file of before format 4 does not tell whether they were chosen."""

OWN = "network"
"""Among the choices of a model, the name of a network of the user's own."""


def arrays(estimator: Any) -> dict[str, np.ndarray]:
    """The networks' parameters, named `models.0.layers.0.weights` and so on; of a user's own by their places in it."""
    found = {}
    for model_place, model in enumerate(estimator.models_):
        if OWN in model.used:
            found |= {f"models.{model_place}.own.{name}": array for name, array in named(model.parameters).items()}
            continue
        for place, layer in enumerate(model.parameters):
            found |= {f"models.{model_place}.layers.{place}.{name}": array for name, array in layer.items()}
    nearby = getattr(estimator, "nearby_", None)
    return found if nearby is None else found | {f"{NEARBY}.{name}": getattr(nearby, name) for name in OF_NEARBY}


def content(estimator: Any) -> dict[str, Any]:
    """All of a fitted estimator but its arrays, as JSON can hold it.

    Raises ModelFileError where predictions depend on a function that no catalog knows.
    """
    defaults = type(estimator)().get_params()
    nearby = getattr(estimator, "nearby_", None)
    return {
        NEARBY: None if nearby is None else nearby.numbers(),
        "estimator": type(estimator).__name__,
        "parameters": {name: _portable(name, value, defaults[name]) for name, value in estimator.get_params().items()},
        "schema": estimator.schema_.to_json(),
        "history": estimator.history_.to_json(),
        "attributes": {name: getattr(estimator, name) for name in ATTRIBUTES if hasattr(estimator, name)},
        "models": [
            {"used": {name: _portable(name, value, ...) for name, value in model.used.items()}}
            | {
                name: np.asarray(number, float).tolist()
                for name in ("centre", "scale", "weight", "low", "high")
                if (number := getattr(model, name)) is not None
            }
            for model in estimator.models_
        ],
        "columns": {
            name: {"values": column.tolist(), "dtype": "object" if column.dtype == object else column.dtype.str}
            for name in COLUMNS
            if (column := getattr(estimator, name, None)) is not None
        },
    }


def restore(estimator: Any, parts: Mapping[str, np.ndarray], content: Mapping[str, Any], network: Any = None) -> Any:
    """Make a new estimator the one that was saved; returns it.

    network  the user's own, where the saved estimator had one
    Raises ModelFileError where it is not the one that was saved.
    """
    parts, content = _as_today(parts, content)
    numbers, estimator.nearby_ = content.get(NEARBY), None
    if numbers is not None:
        points, lacked = (parts[f"{NEARBY}.{name}"] for name in OF_NEARBY)
        estimator.nearby_ = Nearby(points=points, lacked=lacked, **numbers)
    parts = {name: array for name, array in parts.items() if not name.startswith(f"{NEARBY}.")}
    _check_network(content, network)
    given = dict(content["parameters"])
    if isinstance(given["hidden_widths"], list):
        given["hidden_widths"] = tuple(given["hidden_widths"])
    estimator.set_params(**{**given, OWN: network})
    estimator.schema_ = Schema.from_json(content["schema"])
    estimator.history_ = History.from_json(content["history"])
    for name, value in content["attributes"].items():
        setattr(estimator, name, value)
    for name, column in content["columns"].items():
        setattr(estimator, name, np.asarray(column["values"], dtype=column["dtype"]))
    networks: dict[int, dict[Any, Any]] = {}
    for name, array in parts.items():
        _, model_place, kind, rest = name.split(".", 3)
        of_model = networks.setdefault(int(model_place), {})
        if kind == "own":
            of_model[rest] = array
        else:
            place, part = rest.split(".")
            of_model.setdefault(int(place), {})[part] = array
    estimator.models_ = []
    for place, model in enumerate(content["models"]):
        layers = networks[place]
        parameters = layers if OWN in model["used"] else [layers[layer] for layer in sorted(layers)]
        estimator.models_.append(estimator._model(**model, parameters=parameters))
    return estimator


def _check_network(content: Mapping[str, Any], network: Any) -> None:
    """Raises ModelFileError for a network that is lacking, or one too many."""
    names = [model["used"][OWN] for model in content["models"] if OWN in model["used"]]
    if names and network is None:
        raise ModelFileError(
            f"network must be given again, for a model file holds no code: this one has the parameters of {names[0]}, "
            "a network of the user's own. Load it with trivium.load(path, network=...)."
        )
    if network is not None and not names:
        raise ModelFileError(
            f"network must be left out for a model of Trivium's own layers, got {network!r}. Load it without."
        )


def _as_today(
    parts: Mapping[str, np.ndarray], content: Mapping[str, Any]
) -> tuple[Mapping[str, np.ndarray], Mapping[str, Any]]:
    """A record of format 1, which held one network, or one of before format 4 or 5, as one of today."""
    if content.get("format_version", 1) < 5:
        parts = _with_room(parts, content)
    if content.get("format_version", 1) < 4:
        given = {name: LEFT if ONCE.get(name, ...) == value else value for name, value in content["parameters"].items()}
        content = {**content, "parameters": given}
    if "models" in content:
        return parts, content
    attributes = dict(content["attributes"])
    used = attributes.pop("_used_") | {"hidden_widths": content["parameters"]["hidden_widths"]}
    centre, scale = attributes.pop("target_centre_", 0.0), attributes.pop("target_scale_", 1.0)
    model = {"used": used, "centre": centre, "scale": scale, "weight": 1.0}
    layers = {f"models.0.{name}": array for name, array in parts.items()}
    return layers, {**content, "attributes": attributes, "models": [model]}


def _with_room(parts: Mapping[str, np.ndarray], content: Mapping[str, Any]) -> Mapping[str, np.ndarray]:
    """The arrays of before format 5, in which learned numbers of codes had no room for more of them."""
    coded = content["attributes"].get("_coded_") or []
    if not coded:
        return parts
    schema = Schema.from_json(content["schema"])
    sizes = [size for column, size in zip(schema.categories, schema.cardinalities, strict=True) if column.name in coded]

    def roomier(array: np.ndarray) -> np.ndarray:
        own = np.split(array, np.cumsum(sizes)[:-1])
        rooms = [np.pad(one, ((0, in_eighths(len(one)) - len(one)), (0, 0))) for one in own]
        return np.concatenate(rooms)

    of_codes = {name for name in parts if ".layers." in name and name.endswith(".categories")}
    return {name: roomier(array) if name in of_codes else array for name, array in parts.items()}


def _found_again(catalog: ModuleType, value: Any) -> bool:
    """Whether a wrapped member, such as learned_mix(selu), has a name that makes it again."""
    try:
        return get(catalog, getattr(value, "__name__", ""), "") == value
    except ValueError:
        return False


def _portable(name: str, value: Any, otherwise: Any) -> Any:
    """A parameter as JSON can hold it: a member of a catalog by its name, a function from elsewhere as the default.

    Raises ModelFileError for a function from elsewhere on which predictions depend.
    """
    if name == OWN:  # its name among the choices of a model; among the parameters nothing
        return value if isinstance(value, str) else otherwise
    catalog = {"activation": activations, "output_activation": activations, "loss": losses}.get(name)
    if callable(value) and catalog is not None and name_of(catalog, value):
        return name_of(catalog, value)
    if callable(value) and catalog is not None and _found_again(catalog, value):
        return value.__name__
    if isinstance(value, Structure) or (name == "embedding" and hasattr(value, "apply")):
        try:
            return value.in_words() if isinstance(value, Structure) else embeddings.in_words(cast(Any, value))
        except ValueError as error:
            if otherwise is ...:
                raise ModelFileError(str(error)) from error
            return otherwise
    if isinstance(value, Mapping):
        return otherwise if any(map(callable, value.values())) else dict(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [int(width) for width in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if otherwise is ...:
        raise ModelFileError(
            f"{name} must be a name to be saved, got {value!r}: a model file holds no code. Choose one of the catalog."
        )
    return otherwise
