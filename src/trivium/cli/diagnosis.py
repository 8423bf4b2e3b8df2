"""The verbs that say what is wrong with a run, and what that means."""

import json
from typing import Annotated

import typer
from rich.console import Console

from trivium.cli.root import Json, app, console, friendly

Language = Annotated[
    str | None, typer.Option("--lang", metavar="en|zh", help="The language; that of the locale if left out.")
]


@app.command(epilog="Examples: trivium diagnose run.record; trivium diagnose run.record --html run.html --lang zh")
def diagnose(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="A file that `record.save` wrote.")],
    lang: Language = None,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a page with pictures as well.", rich_help_panel="Output")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a run, how that is known, why it happens and what to do.

    The exit code is 0 for a healthy run, 1 where something is wrong, 2 where the file is no record.
    """
    with friendly():
        from trivium.diagnosis import ranking
        from trivium.diagnosis.record import RunRecord
        from trivium.diagnosis.texts import language
        from trivium.files import check_writable

        lang = language(lang)
        if html is not None:
            check_writable(html)
        diagnosis = ranking.diagnose(RunRecord.load(record))
        if html is not None:
            from trivium.files import write_whole
            from trivium.report.diagnosis_page import page

            text = page(diagnosis, lang).encode()
            write_whole(html, lambda file: file.write(text), ValueError)
            console().print(f"report in {html}", style="green", highlight=False)
        if as_json:
            print(json.dumps(diagnosis.to_json(lang), ensure_ascii=False))
        else:
            from trivium.report.diagnosis import print_diagnosis

            print_diagnosis(diagnosis, Console(), lang)
        if diagnosis.first is not None:
            raise typer.Exit(1)


@app.command(epilog="Examples: trivium explain; trivium explain vanishing_gradient --lang zh")
def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A finding, such as vanishing_gradient; all if left out.")
    ] = None,
    lang: Language = None,
) -> None:
    """Show the lesson of a finding: what it is, why it happens, how to mend it, what to read."""
    with friendly():
        from trivium.report import lesson

        if name is None:
            lesson.print_list(Console(), lang)
            return
        terminal = Console()
        terminal.print(lesson.explain(name, lang), highlight=False, width=min(terminal.width, lesson.MOST_COLUMNS))
