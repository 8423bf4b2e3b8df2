"""A catalog is a module, and its members are its public functions: nothing is registered, nothing is listed twice."""

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import annotated_types as at


@dataclass(frozen=True)
class Learned:
    """Marks a parameter of an activation that the network trains: `Annotated[float | Array, Learned()]`."""


@cache
def learned_parameters(function: Callable) -> dict[str, float]:
    """The parameters marked as learned, with the value at which each unit starts."""
    called = function if inspect.isfunction(inspect.unwrap(function)) else type(function).__call__
    hints = typing.get_type_hints(inspect.unwrap(called), include_extras=True)
    return {
        name: parameter.default
        for name, parameter in inspect.signature(called).parameters.items()
        if any(isinstance(mark, Learned) for mark in getattr(hints.get(name), "__metadata__", ()))
    }


@cache
def members(catalog: ModuleType) -> dict[str, Callable]:
    """Every public function that the catalog (a module, or a package of them) defines, by name.

    A second name for the same function (`linear = identity`) is an alias and no member; nor is a wrapper.
    """
    return {name: value for name, value in _names(catalog).items() if value.__name__ == name and not _wraps(value)}


@cache
def wrappers(catalog: ModuleType) -> dict[str, Callable]:
    """The public functions that make a new member of another one, such as `learned_mix(selu)`, by name."""
    return {name: value for name, value in _names(catalog).items() if value.__name__ == name and _wraps(value)}


def aliases(catalog: ModuleType, function: Callable) -> list[str]:
    """The other names under which the catalog knows one of its members."""
    return [name for name, value in _names(catalog).items() if value is function and name != function.__name__]


def get(catalog: ModuleType, choice: str | Callable, parameter: str) -> Callable:
    """The member that `choice` names. A callable passes through, so that users can bring their own.

    Case, hyphens, spaces and underscores do not count: "LeakyReLU" and "leaky-relu" both find `leaky_relu`.
    `parameter` is the name of what the user set; it opens the message.
    Raises ValueError for an unknown name, with the nearest known ones, TypeError for what is no name at all.
    """
    if callable(choice):
        return choice
    if not isinstance(choice, str):
        raise TypeError(
            f"{parameter} must be a name or a function, got {choice!r}. Choose from {', '.join(members(catalog))}."
        )
    known = {_key(name): name for name in _names(catalog)}
    outer, opened, inner = choice.rstrip().removesuffix(")").partition("(")
    if opened and _key(outer) in map(_key, wrappers(catalog)):
        return _names(catalog)[known[_key(outer)]](get(catalog, inner, parameter))
    if _key(choice) in map(_key, wrappers(catalog)):
        raise ValueError(f"{parameter} must say what {choice!r} wraps, got the name alone. Try '{choice}(...)'.")
    if _key(choice) in known:
        return _names(catalog)[known[_key(choice)]]
    near = [repr(known[key]) for key in difflib.get_close_matches(_key(choice), known)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(members(catalog))}."
    raise ValueError(f"unknown {parameter} {choice!r}: {hint}")


def name_of(catalog: ModuleType, function: Callable) -> str | None:
    """The name under which `get` finds this function again, None for a function from outside the catalog."""
    return next((name for name, value in members(catalog).items() if value is function), None)


def parameter_domains(function: Callable) -> Mapping[str, tuple[Any, ...]]:
    """The bounds that a function's signature states as `Annotated[..., Gt(0)]`, by parameter."""
    hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    return {
        name: tuple(
            bound
            for bound in getattr(hint, "__metadata__", ())
            if isinstance(bound, at.BaseMetadata | at.GroupedMetadata)
        )
        for name, hint in hints.items()
        if name != "return"
    }


def violation(value: Any, bounds: tuple[Any, ...]) -> str | None:
    """What a number must be and is not ("greater than 0"), None where it keeps all its bounds."""
    for bound in bounds:
        for part in bound if isinstance(bound, at.GroupedMetadata) else (bound,):
            for kind, holds, words in _COMPARISONS:
                if isinstance(part, kind) and not holds(value, getattr(part, kind.__name__.lower())):
                    return f"{words} {getattr(part, kind.__name__.lower())}"
    return None


_COMPARISONS = (
    (at.Gt, lambda value, bound: value > bound, "greater than"),
    (at.Ge, lambda value, bound: value >= bound, "at least"),
    (at.Lt, lambda value, bound: value < bound, "less than"),
    (at.Le, lambda value, bound: value <= bound, "at most"),
)


@cache
def _names(catalog: ModuleType) -> dict[str, Callable]:
    """Members, wrappers and their second names, without what the catalog only imports."""
    return {
        name: value
        for name, value in vars(catalog).items()
        if callable(value) and not isinstance(value, type) and not name.startswith("_")
        if _stands_in(catalog, getattr(value, "__module__", ""))
    }


def _stands_in(catalog: ModuleType, module: str) -> bool:
    """Whether a module is the catalog or one of its public files."""
    inside = module.removeprefix(catalog.__name__)
    return module.startswith(catalog.__name__) and "._" not in inside


def _wraps(function: Callable) -> bool:
    """Whether the first parameter of a function is a member of a catalog itself."""
    return next(iter(inspect.signature(function).parameters), None) in ("activation", "transformation")


def _key(name: str) -> str:
    return name.lower().translate(str.maketrans("", "", "-_ "))
