"""The card of an entry: what its docstring says, what its signature says, and what can be computed, in one record.

Nothing is written down here about any entry: a function that is put into a catalog has its card.
"""

import difflib
import inspect
import math
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any, Literal

import annotated_types as at

from trivium import activations, heads, initializers, losses, optimizers, properties, schedules
from trivium.catalog import aliases, learned_parameters, members, parameter_domains, wrappers
from trivium.peers import peers
from trivium.translations import ENGLISH, translation

CATALOGS: Mapping[str, ModuleType] = {
    "activations": activations,
    "losses": losses,
    "optimizers": optimizers,
    "schedules": schedules,
    "initializers": initializers,
}

LONGEST_TITLE = 40
"""Characters before the first colon of a docstring that can still be a name."""


@dataclass(frozen=True)
class Argument:
    """One argument: `default` is None where it must be given, `bounds` and `about` are empty where nothing is said."""

    name: str
    default: str | None
    bounds: str
    about: str


@dataclass(frozen=True)
class Card:
    """An entry, in plain data.

    family    the file in which it stands: rectifiers, survival, ...
    what      one sentence on what it does, in a language that has one; empty in English, where the formula stands
    about     further lines of the docstring, as they stand there
    facts     computed ones of an activation, in words
    link      of a loss: from what the network puts out to a prediction
    peers     library -> dotted name there
    """

    catalog: str
    name: str
    title: str
    formula: str
    family: str
    aliases: tuple[str, ...]
    what: str
    about: str
    arguments: tuple[Argument, ...]
    range: str
    derivative: str
    facts: Mapping[str, str]
    returns: str
    proper: str
    link: str
    traps: tuple[str, ...]
    memory: str
    agrees: str
    differs: tuple[str, ...]
    source: str
    peers: Mapping[str, str]
    language: str = ENGLISH

    def to_json(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def entries(catalog_name: str) -> dict[str, Callable]:
    """Everything that a catalog offers by name: its members, then the wrappers around them."""
    module = CATALOGS[catalog_name]
    return {**members(module), **wrappers(module)}


def find(name: str) -> list[tuple[str, str]]:
    """The (catalog, entry) that a name means, one for each catalog that has it; "activations.exponential" means one.

    Case, hyphens, spaces and underscores do not count, and second names are known, as where a model is trained.
    Raises ValueError for an unknown name, with the nearest known ones.
    """
    wanted, dot, inner = name.partition(".")
    chosen = [wanted] if dot and wanted in CATALOGS else list(CATALOGS)
    key = _key(inner if dot and wanted in CATALOGS else name)
    known: dict[str, list[tuple[str, str]]] = {}
    for place in chosen:
        for entry, function in entries(place).items():
            for spelling in (entry, *aliases(CATALOGS[place], function)):
                known.setdefault(_key(spelling), []).append((place, entry))
    if key in known:
        return known[key]
    spellings = {found: known[found][0][1] for found in difflib.get_close_matches(key, known)}
    hint = " or ".join(dict.fromkeys(repr(entry) for entry in spellings.values()))
    raise ValueError(
        f"unknown entry {name!r}: " + (f"did you mean {hint}?" if hint else "`trivium catalog` lists all of them.")
    )


def card(catalog_name: str, name: str, language: str = ENGLISH, *, computed: bool = True) -> Card:
    """The card of one entry.

    language  of title, `what` and traps; where the language lacks the entry, the English stands
    computed  whether to compute the facts of an activation, which takes about a second
    """
    function = entries(catalog_name)[name]
    text = inspect.getdoc(function) or name
    labelled, said_of, about = _parts(text)
    title, formula = _headline(text, name)
    foreign = translation(language).get(catalog_name, {}).get(name, {})
    said = {label: " ".join(lines) for label, lines in labelled.items()}
    limits, _, derivative = said["Range"].removesuffix(".").partition("; derivative ")
    computed = computed and catalog_name == "activations" and name in members(CATALOGS[catalog_name])
    return Card(
        catalog=catalog_name,
        name=name,
        title=foreign.get("title", title),
        formula=formula,
        family=function.__module__.rsplit(".", 1)[-1],
        aliases=tuple(aliases(CATALOGS[catalog_name], function)),
        what=foreign.get("what", ""),
        about=about,
        arguments=_arguments(function, said_of),
        range=limits,
        derivative=derivative,
        facts=properties.in_words(function) if computed else {},
        returns=said["Returns"],
        proper=said["Proper"],
        link=heads.link_in_words(function) if catalog_name == "losses" else "",
        traps=(foreign["trap"],) if foreign.get("trap") else tuple(labelled["Trap"]),
        memory=said["Memory"],
        agrees=" ".join(labelled["Agrees with"] + labelled["Peer"]),
        differs=tuple(labelled["Differs from"]),
        source=said["Source"],
        peers=peers(catalog_name, name),
        language=language if foreign else ENGLISH,
    )


def first_line(catalog_name: str, name: str, language: str = ENGLISH) -> str:
    """What a list says of an entry: the first line of its docstring, or the title and sentence of the language."""
    foreign = translation(language).get(catalog_name, {}).get(name, {})
    if "title" in foreign and "what" in foreign:
        return f"{foreign['title']}：{foreign['what']}"
    text = inspect.getdoc(entries(catalog_name)[name]) or name
    return " ".join(text.partition("\n\n")[0].split())


LABELS = ("Range", "Returns", "Proper", "Trap", "Memory", "Agrees with", "Differs from", "Peer", "Source")
"""What a labelled line of a docstring begins with."""

_LABELLED = re.compile(r"(Range|Returns|Differs from) (.*)|(Proper|Trap|Memory|Agrees with|Peer|Source): (.*)")
_ARGUMENT = re.compile(r"(\w+(?:, \w+)*) {2,}(.*)")


def _parts(text: str) -> tuple[dict[str, list[str]], dict[str, str], str]:
    """What stands below the first line: the labelled parts, what is said of arguments, and the rest as it stands."""
    labelled: dict[str, list[str]] = {name: [] for name in LABELS}
    arguments: dict[str, list[str]] = {}
    rest: list[str] = []
    open_part: list[str] | None = None  # to whose end a line without a beginning of its own belongs
    body = text.partition("\n\n")[2]
    for line in re.sub(r"(?<=[.)]) (?=Memory: |Differs from )", "\n", body).splitlines():
        if found := _LABELLED.match(line):
            name, said = (group for group in found.groups() if group is not None)
            open_part = labelled[name]
            open_part.append(said)
        elif found := _ARGUMENT.match(line):
            open_part = arguments.setdefault(found.group(1), [])
            open_part.append(found.group(2))
        elif open_part and line.strip() and (line.startswith(" ") or open_part not in arguments.values()):
            open_part[-1] += f" {line.strip()}"
        else:
            open_part = None
            rest.append(line)
    said_of = {name: said[0] for names, said in arguments.items() for name in names.split(", ")}
    return labelled, said_of, re.sub(r"\n{3,}", "\n\n", "\n".join(rest)).strip("\n")


def _headline(text: str, name: str) -> tuple[str, str]:
    """The name and the formula of a docstring's first line; a line that opens with no name is all formula."""
    head = " ".join(text.partition("\n\n")[0].split()).removesuffix(".")
    title, colon, formula = head.partition(": ")
    if colon and len(title) <= LONGEST_TITLE:
        return title, formula
    return name.replace("_", " ").capitalize(), head


def _arguments(function: Callable, said_of: Mapping[str, str]) -> tuple[Argument, ...]:
    signature = inspect.signature(function)
    learned = learned_parameters(function)
    domains = parameter_domains(function)
    hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
    found = []
    for name, parameter in signature.parameters.items():
        default = None if parameter.default is inspect.Parameter.empty else _shown(parameter.default)
        limits = [words for bound in domains.get(name, ()) if (words := _bound(bound))]
        choices = typing.get_args(hints.get(name)) if typing.get_origin(hints.get(name)) is Literal else ()
        limits += [" or ".join(map(repr, choices))] if choices else []
        limits += ["learned"] if name in learned else []
        found.append(Argument(name, default, ", ".join(limits), said_of.get(name, "")))
    further = [name for name in said_of if name not in signature.parameters]  # extra ones, of `update`
    return (*found, *(Argument(name, None, "", said_of[name]) for name in further))


def _shown(value: Any) -> str:
    return getattr(value, "__name__", repr(value)).strip("_").replace("_", " ") if callable(value) else repr(value)


def _bound(bound: Any) -> str:
    """A bound of a signature in words: "above 0", "in [0, 1)"."""
    if isinstance(bound, at.Interval) and math.inf in (bound.lt, bound.le) and -math.inf in (bound.gt, bound.ge):
        return ""
    if isinstance(bound, at.Interval):
        low, high = (bound.gt, bound.ge), (bound.lt, bound.le)
        if any(end is not None for end in low) and any(end is not None for end in high):
            opening = f"({bound.gt}" if bound.ge is None else f"[{bound.ge}"
            return f"in {opening}, " + (f"{bound.lt})" if bound.le is None else f"{bound.le}]")
        bound = next(iter(bound))
    words = {at.Gt: "above", at.Ge: "at least", at.Lt: "below", at.Le: "at most"}
    attribute = type(bound).__name__.lower()
    return f"{words[type(bound)]} {getattr(bound, attribute)}" if type(bound) in words else ""


def _key(name: str) -> str:
    return name.lower().translate(str.maketrans("", "", "-_ "))
