"""What a network for tables is made of beside its layers, as a user chooses it: checked, built, and put into words."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np

from trivium.network import embeddings
from trivium.network.embeddings import Embedding
from trivium.network.front import Front, Layout
from trivium.network.interface import Network
from trivium.network.perceptron import Parametrisation, Perceptron
from trivium.network.starting import Start
from trivium.network.tabm import TabM
from trivium.network.tabular import Tabular


@dataclass(frozen=True)
class Structure:
    """Choices of an estimator, by their names there.

    gated  whether there are gates to select columns by: where `feature_selection` is above 0
    """

    embedding: Embedding | None = None
    front_scale: bool = False
    gated: bool = False
    parametrisation: Parametrisation = "standard"
    start: Start = "usual"
    zero_last_layer: bool = False
    rate_factors: tuple[tuple[str, float], ...] = ()
    copies: int = 1

    def network(self, plain: Perceptron, layout: Layout | None = None) -> Network:
        """The network with the layers of a plain one, for rows of this layout; the plain one where that is all."""
        front = Front(layout or Layout(), self.embedding, self.front_scale, self.gated)
        if self.copies > 1:
            return TabM(plain.hidden_widths, plain.activation, plain.n_outputs, self.copies, front)
        layers = replace(
            plain,
            parametrisation=self.parametrisation,
            start=self.start,
            zero_last_layer=self.zero_last_layer,
            rate_factors=self.rate_factors,
        )
        return Tabular(front, layers) if front.learns else layers

    def in_words(self) -> dict[str, Any]:
        """What is not as usual, as JSON can hold it. Raises ValueError for an embedding from elsewhere."""
        words = self._unusual()
        if "embedding" in words:
            words["embedding"] = embeddings.in_words(self.embedding)
        return words

    def names(self) -> dict[str, Any]:
        """The same for people: the gates, which `feature_selection` says, left out, and an embedding by its name."""
        words = self._unusual()
        words.pop("gated", None)
        return words | ({"embedding": embeddings.described(self.embedding)} if self.embedding is not None else {})

    def _unusual(self) -> dict[str, Any]:
        words = {one.name: getattr(self, one.name) for one in fields(self)}
        words = {name: value for name, value in words.items() if value != getattr(Structure(), name)}
        return words | ({"rate_factors": dict(self.rate_factors)} if self.rate_factors else {})

    @classmethod
    def of_words(cls, words: "Mapping[str, Any] | Structure") -> "Structure":
        """The structure that these words are of; one itself passes through."""
        if isinstance(words, Structure):
            return words
        made = dict(words)
        made["embedding"] = embeddings.get(made.get("embedding"))
        made["rate_factors"] = tuple(sorted(dict(made.get("rate_factors", {})).items()))
        return cls(**made)


def resolve(given: Mapping[str, Any]) -> tuple[Structure, list[str]]:
    """From an estimator's parameters, those that are absent being as usual; and what is wrong with them."""
    problems: list[str] = []
    embedding = None
    try:
        embedding = embeddings.get(given.get("embedding"))
    except ValueError as error:
        problems.append(str(error))
    factors, wrong = _factors(given.get("rate_factors"))
    problems += wrong
    structure = Structure(embedding=embedding, rate_factors=factors)
    for name, known, advice in (
        ("parametrisation", get_args(Parametrisation), "ntk"),
        ("start", get_args(Start), "data_driven"),
    ):
        value = given.get(name, known[0])
        if value in known:
            structure = replace(structure, **{name: value})
        else:
            problems.append(f"{name} must be {_either(known)}, got {value!r}. Try {advice!r}.")
    for name in ("front_scale", "zero_last_layer"):
        value = given.get(name)
        if value is None or isinstance(value, bool | np.bool_):
            structure = replace(structure, **{name: bool(value)})
        else:
            problems.append(f"{name} must be True or False, got {value!r}. Try True.")
    copies: Any = given.get("copies", 1)
    if not isinstance(copies, Integral) or isinstance(copies, bool) or int(copies) < 1:
        problems.append(f"copies must be a whole number of at least 1, got {copies!r}. Try 32, or 1 for one network.")
    else:
        structure = replace(structure, copies=int(copies))
        problems += _not_in_copies(structure, given)
    selection: Any = given.get("feature_selection", 0)
    return replace(structure, gated=isinstance(selection, Real) and float(selection) > 0), problems


def _not_in_copies(structure: Structure, given: Mapping[str, Any]) -> list[str]:
    """What networks that share their weights do not have."""
    if structure.copies == 1:
        return []
    kept = [name for name in _ONE_NETWORK if getattr(structure, name) != getattr(Structure(), name)]
    kept += [name for name in ("normalisation", "residual") if given.get(name)]
    if not kept:
        return []
    return [f"copies must be 1 with {kept[0]}={given.get(kept[0])!r}, got {structure.copies!r}. Leave one of them out."]


_ONE_NETWORK = ("parametrisation", "start", "zero_last_layer", "rate_factors")


def _factors(given: Any) -> tuple[tuple[tuple[str, float], ...], list[str]]:
    if given is None:
        return (), []
    problem = "rate_factors must map names of arrays to numbers of at least 0, got {!r}. Try {{'biases': 0.1}}."
    if not isinstance(given, Mapping):
        return (), [problem.format(given)]
    for name, factor in given.items():
        number = isinstance(factor, Real) and not isinstance(factor, bool)
        if not isinstance(name, str) or not number or not 0 <= float(factor) < np.inf:
            return (), [problem.format({name: factor})]
    return tuple(sorted((name, float(factor)) for name, factor in given.items())), []


def _either(names: tuple[str, ...]) -> str:
    quoted = [repr(name) for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]])
