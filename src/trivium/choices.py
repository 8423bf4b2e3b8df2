"""What the user chose, checked before anything runs: names become functions, numbers are held to their bounds."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from numbers import Integral, Real
from types import ModuleType
from typing import Any, cast

import numpy as np

from trivium import activations, initializers, losses, optimizers
from trivium.catalog import get, members, parameter_domains, violation

AUTO = "auto"
"""The learning rate that is searched for."""


@dataclass(frozen=True)
class Choices:
    """The parameters of an estimator, resolved. `loss` is None where the task decides."""

    hidden_widths: tuple[int, ...]
    activation: Callable
    output_activation: Callable | None
    loss: Callable | None
    optimizer: Callable
    numbers: Mapping[str, float] = field(hash=False)  # learning_rate and other numbers of the optimizer
    flags: tuple[tuple[str, Any], ...]  # its other arguments
    initializer: Callable
    full_batch: bool  # whether the optimizer needs every row at each step

    def in_words(self, loss: Callable, batch_size: int) -> dict[str, Any]:
        """The choices by name, with what the task decided of the loss and the batch size."""
        words = {
            "hidden_widths": list(self.hidden_widths),
            "activation": _name(self.activation) if self.hidden_widths else None,
            "output_activation": self.output_activation and _name(self.output_activation),
            "loss": _name(loss),
            "optimizer": _name(self.optimizer),
            **self.numbers,
            **{name: value for name, value in self.flags if isinstance(value, bool | str)},
            "initializer": _name(self.initializer),
            "batch_size": batch_size,
        }
        return {name: value for name, value in words.items() if value is not None}


@dataclass(frozen=True)
class ReadyMade:
    """A gradient transformation in the place of an optimizer: equal ones share a program."""

    transformation: Any

    def __call__(self) -> Any:
        return self.transformation


def resolve(given: Mapping[str, Any]) -> Choices:
    """Check an estimator's parameters and look up its names.

    given  parameter -> value, as `get_params` returns them
    Raises ValueError that names every wrong parameter, what it was and what to do.
    """
    problems: list[str] = []

    def look_up(catalog: ModuleType, parameter: str) -> Any:
        if given[parameter] is None:
            return None
        try:
            return get(catalog, given[parameter], parameter)
        except (ValueError, TypeError) as error:
            problems.append(str(error))
            return None

    activation = look_up(activations, "activation")
    if given["activation"] is None:
        problems.append("activation must be a name or a function, got None. Try 'relu'.")
    if given["optimizer"] is None:
        problems.append("optimizer must be a name or a function, got None. Try 'adam'.")
    output_activation, loss = look_up(activations, "output_activation"), look_up(losses, "loss")
    initializer = look_up(initializers, "initializer")
    optimizer, transformation = None, given["optimizer"]
    if _is_transformation(transformation):
        optimizer = ReadyMade(transformation)
        if given["learning_rate"] is not None:
            problems.append(
                "learning_rate must be left out with a ready-made gradient transformation, got "
                f"{given['learning_rate']!r}. Set it in the transformation, or hand over its function: optax.adam."
            )
    else:
        optimizer = look_up(optimizers, "optimizer")
    problems += _wrong_numbers(given)
    numbers, flags = {}, ()
    if optimizer is not None:
        numbers, flags, wrong = _options(optimizer, given["learning_rate"], given["optimizer_options"] or {})
        problems += wrong
        if _is_auto(given["learning_rate"]) and not wrong and "learning_rate" not in numbers:
            problems.append(
                f"learning_rate must be left out with {_name(optimizer)}, which takes none that could be searched, "
                "got 'auto'. Leave it out, or choose 'adamw'."
            )
    widths, wrong = _widths(given["hidden_widths"])
    problems += wrong
    if problems:
        raise ValueError("\n".join(problems))
    assert activation is not None
    assert optimizer is not None
    return Choices(
        hidden_widths=widths,
        activation=activation,
        output_activation=output_activation,
        loss=loss,
        optimizer=optimizer,
        numbers=numbers,
        flags=flags,
        initializer=initializer or initializers.fitting(activation),
        full_batch=getattr(optimizer, "__module__", None) == optimizers.full_batch.__name__,
    )


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _is_auto(learning_rate: Any) -> bool:
    return isinstance(learning_rate, str) and learning_rate == AUTO


def _is_transformation(choice: Any) -> bool:
    return hasattr(choice, "init") and hasattr(choice, "update")


def _widths(given: Any) -> tuple[tuple[int, ...], list[str]]:
    widths: Any = (given,) if isinstance(given, Integral) else given
    try:
        widths = tuple(widths)
    except TypeError:
        widths = (None,)
    if all(isinstance(width, Integral) and not isinstance(width, bool) and int(width) >= 1 for width in widths):
        return tuple(int(width) for width in widths), []
    return (), [
        f"hidden_widths must hold whole numbers of 1 or more, got {given!r}. Try (256, 256), or () for a linear model."
    ]


_NUMBERS: tuple[tuple[str, Any, int, int | None, str], ...] = (
    ("batch_size", Integral, 1, None, "Try 256."),
    ("epochs", Integral, 1, None, "Try 100."),
    ("patience", Integral, 1, None, "Try 16, or None to run all epochs."),
    ("time_limit", Real, 0, None, "Try 60, or None for no limit."),
    ("validation_fraction", Real, 0, 1, "Try 0.1, or 0 to train on every row."),
    ("learning_rate", Real, 0, None, "Try 0.001, or leave it out for the optimizer's own."),
)
"""Parameter, type, least value, value to stay below, what to try."""


def _wrong_numbers(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, kind, least, below, advice in _NUMBERS:
        value: Any = given[name]
        if name == "learning_rate" and _is_auto(value):
            continue
        if value is None and name not in ("epochs", "validation_fraction"):
            continue
        exclusive = name in ("learning_rate", "time_limit")
        if isinstance(value, kind) and not isinstance(value, bool | np.bool_):
            number = float(cast(float, value))
            enough = number > least if exclusive else number >= least
            if np.isfinite(number) and enough and (below is None or number < below):
                continue
        sort = "a whole number" if kind is Integral else "a number"
        bounds = (f"above {least}" if exclusive else f"of at least {least}") + (f" and below {below}" if below else "")
        problems.append(f"{name} must be {sort} {bounds}, got {value!r}. {advice}")
    return problems


def _options(
    optimizer: Callable, learning_rate: Any, options: Mapping[str, Any]
) -> tuple[dict[str, float], tuple[tuple[str, Any], ...], list[str]]:
    """The optimizer's numbers, its other arguments, and what is wrong with them."""
    parameters = inspect.signature(optimizer).parameters
    first = next(iter(parameters.values()), None)
    problems: list[str] = []
    numbers: dict[str, float] = {}
    flags: dict[str, Any] = {}
    if first is not None and first.name == "learning_rate":
        if learning_rate is not None and not _is_auto(learning_rate):
            options = {"learning_rate": learning_rate, **options}
        elif first.default is inspect.Parameter.empty:
            name = getattr(optimizer, "__name__", "this optimizer")
            problems.append(
                f"learning_rate must be set, got {learning_rate!r}: {name} has no default of its own. Try 0.001."
            )
        else:
            options = {"learning_rate": first.default, **options}
    domains = parameter_domains(optimizer) if optimizer in members(optimizers).values() else {}  # pyright: ignore[reportArgumentType]
    for name, value in options.items():
        if name not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            near = get_close_matches(name, parameters, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(parameters)}."
            problems.append(f"unknown entry {name!r} in optimizer_options: {hint}")
            continue
        if isinstance(value, Real) and not isinstance(value, bool):
            numbers[name] = float(value)
            wrong = violation(value, domains.get(name, ()))
            if wrong and name != "learning_rate":
                problems.append(f"optimizer_options[{name!r}] must be {wrong}, got {value!r}. Change or leave it out.")
        else:
            flags[name] = value
    return numbers, tuple(sorted(flags.items())), problems
