"""The front door in a shell: one function per verb, heavy imports inside them, so that help comes at once."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

import trivium

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural networks for tables: choose the activation, the loss and the optimizer, or leave them open.",
    epilog="Start with: trivium demo. Then: trivium train houses.csv --target price --out houses.trivium",
    rich_markup_mode="rich",
)


class Task(StrEnum):
    classification = "classification"
    regression = "regression"


TablePath = Annotated[str, typer.Argument(metavar="TABLE", help="A CSV (also .csv.gz) or Parquet file.")]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="A file that `trivium train --out` wrote.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on standard output.")]


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        print(f"trivium {trivium.__version__}")
        raise typer.Exit
    context.ensure_object(dict)


@app.command(
    epilog="Example: trivium train houses.csv --target price --hidden-widths 128,128 --activation relu "
    "--optimizer sgd --learning-rate 0.05 --out houses.trivium"
)
def train(
    table: TablePath,
    target: Annotated[str, typer.Option(help="The column to predict.")],
    task: Annotated[Task | None, typer.Option(help="Guessed from the target where left out.")] = None,
    hidden_widths: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Units of each hidden layer; 'none' makes a linear model.")
    ] = None,
    activation: Annotated[str | None, typer.Option(help="Of the hidden layers: relu, tanh, sigmoid, ...")] = None,
    output_activation: Annotated[str | None, typer.Option(help="Of the last layer.")] = None,
    loss: Annotated[str | None, typer.Option(help="mse, cross_entropy, ...")] = None,
    optimizer: Annotated[str | None, typer.Option(help="gd, sgd, adam, adamw, ...")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Size of a step; the optimizer's own if left out.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per step.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes over the rows.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without progress after which training ends.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds of training.")] = None,
    validation_fraction: Annotated[
        float | None, typer.Option(help="Share kept aside to choose the best epoch.")
    ] = None,
    test_fraction: Annotated[float, typer.Option(help="Share held out for the scores; 0 for none.")] = 0.2,
    random_state: Annotated[int, typer.Option(help="Seed of the split, the initial weights and the order.")] = 0,
    out: Annotated[str | None, typer.Option(metavar="MODEL", help="Where to save the model.")] = None,
    report: Annotated[
        str | None, typer.Option(metavar="HTML", help="Where to write the report; beside the model if left out.")
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Train a network on a table, score it on held-out rows, and save it."""
    given = {
        "hidden_widths": hidden_widths,
        "activation": activation,
        "output_activation": output_activation,
        "loss": loss,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "epochs": epochs,
        "patience": patience,
        "time_limit": time_limit,
        "validation_fraction": validation_fraction,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    with _friendly():
        from trivium import session

        if hidden_widths is not None:
            chosen["hidden_widths"] = session.widths(hidden_widths)
        wanted = session.Wanted(
            table, target, None if task is None else task.value, chosen, test_fraction, random_state, out, report
        )
        summary, _ = session.train(wanted, verbose=not (quiet or as_json), note=_note)
        if as_json:
            print(json.dumps(summary.to_json()))
        else:
            _show(summary)


@app.command(epilog="Example: trivium sweep houses.csv --target price --activations relu,tanh --out sweep.html")
def sweep(
    table: TablePath,
    target: Annotated[str, typer.Option(help="The column to predict.")],
    activations: Annotated[
        str | None, typer.Option(metavar="NAME,NAME,...", help="Of the hidden layers; a line of the picture each.")
    ] = None,
    learning_rates: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Left out: 25 around the optimizer's own.")
    ] = None,
    task: Annotated[Task | None, typer.Option(help="Guessed from the target where left out.")] = None,
    hidden_widths: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Units of each hidden layer; 'none' makes a linear model.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="mse, cross_entropy, ...")] = None,
    optimizer: Annotated[str | None, typer.Option(help="gd, sgd, adam, adamw, ...")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows per step.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes over the rows.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds of training, all networks together.")] = None,
    random_state: Annotated[int, typer.Option(help="Seed of the split, the initial weights and the order.")] = 0,
    out: Annotated[str | None, typer.Option(metavar="HTML", help="Where to write the picture.")] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress line.")] = False,
) -> None:
    """Try many learning rates, and activations, at once: which are best, and how high they may go."""
    given = {
        "loss": loss,
        "optimizer": optimizer,
        "batch_size": batch_size,
        "epochs": epochs,
        "time_limit": time_limit,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    with _friendly():
        from trivium import session

        if hidden_widths is not None:
            chosen["hidden_widths"] = session.widths(hidden_widths)
        rates = None if learning_rates is None else session.numbers(learning_rates, "learning_rates")
        names = None if activations is None else [name.strip() for name in activations.split(",")]
        wanted = session.Wanted(table, target, None if task is None else task.value, chosen, 0, random_state, out)
        found = session.sweep(wanted, rates, names, verbose=not (quiet or as_json), note=_note)
        print(json.dumps(found.to_json()) if as_json else found)


@app.command(epilog="Example: trivium predict houses.trivium new_houses.csv --out prices.csv")
def predict(
    model: ModelPath,
    table: TablePath,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="CSV or Parquet; standard output if left out.")
    ] = None,
    probabilities: Annotated[bool, typer.Option("--probabilities", help="A column per class as well.")] = False,
) -> None:
    """Predict every row of a table: as CSV on standard output, or to a file."""
    with _friendly():
        from trivium import session

        if out is not None:
            from trivium.files import check_writable
            from trivium.tables.read import known_ending, write_table

            known_ending(out)
            check_writable(out)
            predictions = session.predict(model, table, probabilities=probabilities, note=_note)
            write_table(predictions, out)
            _console().print(f"{len(predictions):,} predictions in {out}", style="green", highlight=False)
            return
        import pyarrow.csv

        predictions = session.predict(model, table, probabilities=probabilities, note=_note)
        pyarrow.csv.write_csv(predictions.to_arrow(), sys.stdout.buffer)
        sys.stdout.flush()


@app.command(epilog="Example: trivium evaluate houses.trivium houses_of_next_year.csv")
def evaluate(
    model: ModelPath,
    table: TablePath,
    target: Annotated[str | None, typer.Option(help="The true column; the one of training if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Score a model on a table whose target is known, beside a model that looks at nothing."""
    with _friendly():
        from dataclasses import asdict

        from trivium import session

        scores, baseline, rows = session.evaluate(model, table, target, note=_note)
        if as_json:
            print(json.dumps({"rows": rows, "baseline": baseline, "scores": [asdict(score) for score in scores]}))
            return
        from trivium.report.terminal import scores_table

        Console().print(scores_table(scores, baseline, f"on {rows:,} rows"))


@app.command()
def demo(
    report: Annotated[str | None, typer.Option(metavar="HTML", help="Write the report as well.")] = None,
    as_json: Json = False,
) -> None:
    """Train on a real table that comes with scikit-learn: handwritten digits, 64 pixels each."""
    with _friendly():
        from trivium import session

        summary = session.demo(report, verbose=not as_json, note=_note)
        if as_json:
            print(json.dumps(summary.to_json()))
            return
        _show(summary)
        Console().print(
            "Next, with a table of your own:\n"
            "  [bold]trivium train[/] houses.csv --target price --out houses.trivium\n"
            "  [bold]trivium predict[/] houses.trivium new_houses.csv --out prices.csv\n"
            "  [bold]trivium evaluate[/] houses.trivium houses_of_next_year.csv",
            highlight=False,
        )


@app.command(
    epilog="Examples: trivium catalog; trivium catalog losses; trivium catalog mish; trivium catalog schedules.step"
)
def catalog(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An entry, or one catalog; all of them if left out.")
    ] = None,
    lang: Annotated[
        str, typer.Option(metavar="LANGUAGE", help="en or zh; what is not translated stays English.")
    ] = "en",
    as_json: Json = False,
) -> None:
    """Show the activations, losses, optimizers, schedules and initializers: all, or one with its facts and picture."""
    with _friendly():
        from trivium import cards
        from trivium.report.cards import list_as_json, print_card, print_list

        if name is None or name in cards.CATALOGS:
            chosen = list(cards.CATALOGS) if name is None else [name]
            if as_json:
                print(json.dumps(list_as_json(chosen, lang), ensure_ascii=False))
            else:
                print_list(chosen, Console(), lang)
            return
        found = [cards.card(*place, lang) for place in cards.find(name)]
        if as_json:
            print(json.dumps([card.to_json() for card in found], ensure_ascii=False))
            return
        for index, card in enumerate(found):
            if index:
                print()
            print_card(card, Console(), lang)


def _show(summary: Any) -> None:
    from trivium.report.terminal import print_summary

    print_summary(summary, Console())


def _console() -> Console:
    return Console(stderr=True)


def _note(message: str) -> None:
    _console().print(Text("note: ", style="yellow").append(message, style="default"))


@contextmanager
def _friendly() -> Iterator[None]:
    """A user's mistake is one message and exit code 2; Ctrl-C before anything was learned is 130."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        _console().print("interrupted before anything was learned", style="red")
        raise typer.Exit(130) from None
    except (ValueError, TypeError) as error:
        if os.environ.get("TRIVIUM_TRACEBACK"):
            raise
        _console().print(Text("error: ", style="bold red").append(str(error), style="default"))
        raise typer.Exit(2) from None
