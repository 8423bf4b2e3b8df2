"""The verbs for a model that is at hand."""

import json
import sys
from typing import Annotated

import typer
from rich.console import Console

from trivium.cli.root import Json, ModelPath, TablePath, app, console, friendly, note


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
    with friendly():
        from trivium import session

        if out is not None:
            from trivium.files import check_writable
            from trivium.tables.read import known_ending, write_table

            known_ending(out)
            check_writable(out)
            predictions = session.predict(model, table, probabilities=probabilities, note=note)
            write_table(predictions, out)
            console().print(f"{len(predictions):,} predictions in {out}", style="green", highlight=False)
            return
        from trivium.tables.read import write_csv

        predictions = session.predict(model, table, probabilities=probabilities, note=note)
        write_csv(predictions.to_arrow(), sys.stdout.buffer)
        sys.stdout.flush()


@app.command(epilog="Example: trivium evaluate houses.trivium houses_of_next_year.csv")
def evaluate(
    model: ModelPath,
    table: TablePath,
    target: Annotated[str | None, typer.Option(help="The true column; the one of training if left out.")] = None,
    as_json: Json = False,
) -> None:
    """Score a model on a table whose target is known, beside a model that looks at nothing."""
    with friendly():
        from dataclasses import asdict

        from trivium import session

        scores, baseline, rows = session.evaluate(model, table, target, note=note)
        if as_json:
            print(json.dumps({"rows": rows, "baseline": baseline, "scores": [asdict(score) for score in scores]}))
            return
        from trivium.report.terminal import scores_table

        Console().print(scores_table(scores, baseline, f"on {rows:,} rows"))
