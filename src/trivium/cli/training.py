"""The verbs that train."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from trivium.cli import config as files
from trivium.cli.kinds import NAMES, NUMBERS
from trivium.cli.options import OPTIONS, OUTPUT, RUN, SEARCH, Option, by_name, read_all
from trivium.cli.root import Json, Quiet, TablePath, app, friendly, note, show, taking


@app.command(
    epilog="Examples:\n\n"
    "trivium train houses.csv --target price --hidden-widths 128,128 --activation mish --out houses.trivium\n\n"
    "trivium train houses.csv --target price --activation auto --learning-rate auto --ensemble 8\n\n"
    "trivium train houses.csv --target price --print-config > run.toml\n\n"
    "trivium train --config run.toml --epochs 30"
)
@taking([option for option in OPTIONS if option.name != "table"])
def train(
    table: Annotated[str | None, typer.Argument(metavar="TABLE", help="A CSV (also .csv.gz) or Parquet file.")] = None,
    *,
    as_json: Json = False,
    quiet: Quiet = False,
    config: Annotated[
        str | None,
        typer.Option(metavar="TOML", help="A file of these options; flags win over it.", rich_help_panel=OUTPUT),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print such a file, and do nothing else.", rich_help_panel=OUTPUT)
    ] = False,
    **texts: str | None,
) -> None:
    """Train a network on a table, score it on held-out rows, and save it.

    [bold]auto[/] leaves a choice open: many networks try it, and the summary says why the winner won.
    [bold]none[/] is Python's None.
    """
    with friendly():
        chosen = _chosen({"table": table, **texts}, config)
        if print_config:
            print(files.written(OPTIONS, chosen), end="")
            return
        from trivium import session

        summary, _ = session.train(_wanted(chosen), verbose=not (quiet or as_json), note=note)
        if as_json:
            print(json.dumps(summary.to_json()))
        else:
            show(summary)


SWEPT = (
    Option("activations", None, NAMES, SEARCH, "Of the hidden layers; a line of the picture each."),
    Option("learning_rates", None, NUMBERS, SEARCH, "Left out: 25 around the optimizer's own."),
)
"""What a sweep varies."""

ALIKE = [
    option
    for option in OPTIONS
    if option.name not in ("table", "report", "test_fraction", "activation", "learning_rate", "population", "ensemble")
]
"""What the networks of a sweep have in common."""


@app.command(epilog="Example: trivium sweep houses.csv --target price --activations relu,tanh --out sweep.html")
@taking([*SWEPT, *ALIKE])
def sweep(table: TablePath, *, as_json: Json = False, quiet: Quiet = False, **texts: str | None) -> None:
    """Try many learning rates, and activations, at once: which are best, and how high they may go."""
    with friendly():
        given = {name: text for name, text in texts.items() if text is not None}
        chosen = read_all(given, [*SWEPT, *ALIKE])
        rates, activations = chosen.pop("learning_rates", None), chosen.pop("activations", None)
        from trivium import session

        wanted = _wanted({"table": table, "test_fraction": 0.0, **chosen})
        found = session.sweep(wanted, rates, activations, verbose=not (quiet or as_json), note=note)
        print(json.dumps(found.to_json()) if as_json else found)


@app.command()
def demo(
    report: Annotated[str | None, typer.Option(metavar="HTML", help="Write the report as well.")] = None,
    as_json: Json = False,
) -> None:
    """Train on a real table that comes with scikit-learn: handwritten digits, 64 pixels each."""
    with friendly():
        from trivium import session
        from trivium.diagnosis.texts import language
        from trivium.translations import phrase

        summary = session.demo(report, verbose=not as_json, note=note)
        if as_json:
            print(json.dumps(summary.to_json()))
            return
        show(summary)
        Console().print(
            f"{phrase('Next, with a table of your own:', language())}\n"
            "  [bold]trivium train[/] houses.csv --target price --out houses.trivium\n"
            "  [bold]trivium predict[/] houses.trivium new_houses.csv --out prices.csv\n"
            "  [bold]trivium evaluate[/] houses.trivium houses_of_next_year.csv",
            highlight=False,
        )


def _chosen(texts: Mapping[str, str | None], config: str | None) -> dict[str, Any]:
    """What the user chose, by flags and else by a file."""
    said = {} if config is None else files.read_config(config, OPTIONS)
    return said | read_all({name: text for name, text in texts.items() if text is not None})


def _wanted(chosen: Mapping[str, Any]) -> Any:
    """The run that these options ask for. Raises ValueError where its table or target is not named."""
    from trivium.session import Wanted

    for name, way in (("table", "trivium train houses.csv"), ("target", "--target price")):
        if chosen.get(name) is None:
            raise ValueError(f"{name} must be given, got none. Say {way}, or write {name} in the file of --config.")
    run = {name: chosen.get(name, option.default) for name, option in by_name(RUN).items()}
    return Wanted(**run, chosen={name: value for name, value in chosen.items() if name not in run})
