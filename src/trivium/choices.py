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
from trivium.network import Layout, Network, Perceptron, own, structure
from trivium.network.perceptron import Normalisation
from trivium.network.structure import Structure
from trivium.precision import PRECISIONS, Precision
from trivium.scheduling import CHANGING, name_of, of_all, of_learning_rate

AUTO = "auto"
"""A choice that is searched for."""


@dataclass(frozen=True)
class Choices:
    """The parameters of an estimator, resolved. `loss` and `batch_size` are None where the task decides."""

    hidden_widths: tuple[int, ...]
    activation: Callable
    output_activation: Callable | None
    loss: Callable | None
    optimizer: Callable
    numbers: Mapping[str, float] = field(hash=False)  # learning_rate and whatever else members of a population vary
    flags: tuple[tuple[str, Any], ...]  # the optimizer's other arguments
    schedule: Callable | None  # of the learning rate: (value, steps) -> a schedule
    initializer: Callable
    normalisation: Normalisation | None
    residual: bool
    batch_size: int | None
    full_batch: bool  # whether the optimizer needs every row at each step
    schedules: tuple[tuple[str, Callable], ...] = ()  # of all numbers that have one, by their names in a program
    structure: Structure = field(default_factory=Structure)
    clamp: bool = False  # whether predicted numbers stay within those of the fit
    precision: Precision | None = None  # of the matrix products in training
    own_kind: own.Kind | None = None  # a network of the user's own in the place of ours
    own_name: str | None = None

    def network(self, n_outputs: int, layout: Layout | None = None) -> Network:
        """The network for so many outputs and for rows of this layout."""
        if self.own_kind is not None:
            return own.OwnNetwork(self.own_kind, n_outputs)
        plain = Perceptron(
            self.hidden_widths, self.activation, n_outputs, self.normalisation, self.residual, self.initializer
        )
        return self.structure.network(plain, layout)

    def batch(self, n: int) -> int:
        """Rows per step, of n."""
        return min(n if self.full_batch else self.batch_size or BATCH_SIZE, n)

    def in_words(self, loss: Callable, n: int) -> dict[str, Any]:
        """The choices by name, with what the task decided of the loss and of the batch size for n rows."""
        words = {
            "network": self.own_name,
            "hidden_widths": list(self.hidden_widths),
            "activation": name_of(self.activation) if self.hidden_widths else None,
            "output_activation": self.output_activation and name_of(self.output_activation),
            "loss": name_of(loss),
            "optimizer": name_of(self.optimizer),
            **{"weight_decay" if name == "decay" else name: number for name, number in self.numbers.items()},
            **{name: value for name, value in self.flags if isinstance(value, bool | str)},
            "schedule": self.schedule and name_of(self.schedule),
            "initializer": name_of(self.initializer),
            "normalisation": self.normalisation,
            "residual": self.residual or None,
            **self.structure.names(),
            "batch_size": self.batch(n),
            "precision": self.precision,
        }
        shape = () if self.own_kind is None else own.OURS
        return {name: value for name, value in words.items() if value is not None and name not in shape}


def network(used: Mapping[str, Any], activation: Callable, n_outputs: int, layout: Layout | None = None) -> Network:
    """The network of a model file, whose names are the choices'; an older file leaves out what it did not know."""
    plain = Perceptron(
        tuple(used["hidden_widths"]), activation, n_outputs, used.get("normalisation"), used.get("residual", False)
    )
    return Structure.of_words(used.get("structure", {})).network(plain, layout)


BATCH_SIZE = 256
"""Rows per step where nobody chose."""


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
    problems: list[str] = own.foreign(given)
    kind = None
    if given.get("network") is not None:
        try:
            kind = own.get(given["network"])
        except ValueError as error:
            problems.append(str(error))

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
        if is_auto(given["learning_rate"]) and not wrong and "learning_rate" not in numbers:
            problems.append(
                f"learning_rate must be left out with {name_of(optimizer)}, which takes none that could be searched, "
                "got 'auto'. Leave it out, or choose 'adamw'."
            )
        if given["weight_decay"] is not None and not wrong:
            problems += _decay(optimizer, given["weight_decay"], numbers)
    numbers |= {name: float(given[name]) for name in CHANGING if _is_positive(given.get(name))}
    widths, wrong = _widths(given["hidden_widths"])
    problems += wrong
    schedule, wrong = of_learning_rate(given["schedule"], numbers)
    problems += wrong
    over_the_run, wrong = of_all(given.get("schedules"), schedule, numbers)
    problems += wrong
    made, wrong = structure.resolve(given)
    problems += wrong
    if made.gated and optimizer is not None and "learning_rate" not in numbers:
        problems.append(
            f"feature_selection must be 0 with {name_of(optimizer)}, which has no learning rate to close gates by, got "
            f"{given['feature_selection']!r}. Leave it out, or choose 'adamw'."
        )
    if not isinstance(given.get("clamp", False), bool | np.bool_):
        problems.append(f"clamp must be True or False, got {given['clamp']!r}. Try True.")
    if given["normalisation"] not in (None, "batch", "layer"):
        problems.append(f"normalisation must be 'batch', 'layer' or None, got {given['normalisation']!r}. Try 'batch'.")
    if given["on_problem"] not in ("warn", "fix", "ignore", "raise"):
        problems.append(
            f"on_problem must be 'warn', 'fix', 'ignore' or 'raise', got {given['on_problem']!r}. Try 'warn'."
        )
    for name in ("neighbours", "screening"):
        if not isinstance(given.get(name, False), bool | np.bool_):
            problems.append(f"{name} must be True or False, got {given[name]!r}. Try True.")
    if given.get("precision") not in (None, *PRECISIONS):
        problems.append(
            f"precision must be {', '.join(map(repr, PRECISIONS))} or None, got {given['precision']!r}. Try None."
        )
    if not isinstance(given["residual"], bool | np.bool_):
        problems.append(f"residual must be True or False, got {given['residual']!r}. Try True.")
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
        schedule=schedule,
        initializer=initializer or initializers.fitting(activation),
        normalisation=given["normalisation"],
        residual=bool(given["residual"]),
        batch_size=given["batch_size"],
        full_batch=getattr(optimizer, "__module__", None) == optimizers.full_batch.__name__,
        schedules=over_the_run,
        structure=made,
        clamp=bool(given.get("clamp", False)),
        precision=given.get("precision"),
        own_kind=kind,
        own_name=None if kind is None else own.name_of(given["network"]),
    )


def is_auto(choice: Any) -> bool:
    """Whether a choice is left open."""
    return isinstance(choice, str) and choice == AUTO


def _is_positive(number: Any) -> bool:
    return isinstance(number, Real) and float(number) > 0


def _decay(optimizer: Callable, given: Any, numbers: dict[str, float]) -> list[str]:
    """Weight decay goes to an optimizer that knows it, else it is decoupled and spares the biases."""
    if not (isinstance(given, Real) and np.isfinite(float(given)) and float(given) >= 0):
        return []  # told among the numbers
    if "weight_decay" in inspect.signature(optimizer).parameters:
        numbers["weight_decay"] = float(given)
    elif "learning_rate" in numbers:
        numbers["decay"] = float(given)
    else:
        return [
            f"weight_decay must be left out with {name_of(optimizer)}, which has no learning rate to shrink weights "
            f"by, got {given!r}. Leave it out, or choose 'adamw'."
        ]
    return []


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
    ("dropout", Real, 0, 1, "Try 0.1, or 0 for none."),
    ("weight_decay", Real, 0, None, "Try 0.01, or None for the optimizer's own."),
    ("input_noise", Real, 0, None, "Try 0.1, or 0 for none."),
    ("mixup", Real, 0, None, "Try 0.2, or 0 for none."),
    ("label_smoothing", Real, 0, 1, "Try 0.1, or 0 for none."),
    ("averaging", Real, 0, 1, "Try 0.999, or 0 to evaluate the parameters themselves."),
    ("feature_selection", Real, 0, None, "Try 1, or 0 to use every column."),
    ("embed_above", Integral, 0, None, "Try 9, or None for a column per level."),
    ("population", Integral, 1, None, "Try 16, or None."),
    ("ensemble", Integral, 1, None, "Try 20, or None for the best network alone."),
    ("bagging", Integral, 2, None, "Try 5, or None for one network on all rows."),
)
"""Parameter, type, least value, value to stay below, what to try."""


_NEEDED = ("epochs", "validation_fraction", *CHANGING)


def _wrong_numbers(given: Mapping[str, Any]) -> list[str]:
    problems = []
    for name, kind, least, below, advice in _NUMBERS:
        value: Any = given.get(name)
        if (name == "learning_rate" and is_auto(value)) or (name == "embed_above" and value == "adaptive"):
            continue
        if value is None and (name not in _NEEDED or name not in given):
            continue
        if name == "bagging" and isinstance(value, Mapping):
            problems += _wrong_folds(value)
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


def _wrong_folds(asked: Mapping[str, Any]) -> list[str]:
    """What is wrong with bagging by some of the folds."""
    folds, networks = asked.get("folds"), asked.get("networks")
    whole = all(isinstance(number, Integral) and not isinstance(number, bool) for number in (folds, networks))
    if whole and set(asked) == {"folds", "networks"} and 1 <= cast(int, networks) <= cast(int, folds) >= 2:
        return []
    return [
        "bagging must be a number of folds, or one of 2 or more with as many networks or fewer, got "
        f"{dict(asked)!r}. Try 5, or {{'folds': 8, 'networks': 2}}."
    ]


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
        if learning_rate is not None and not is_auto(learning_rate):
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
