"""What all verbs share: the program itself, how it speaks, and how it answers mistakes."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

import trivium
from trivium.cli.options import Option

app = typer.Typer(
    name="trivium",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Neural networks for tables: choose the activation, the loss and the optimizer, or leave them open.",
    epilog="Start with: trivium demo. Then: trivium train houses.csv --target price --out houses.trivium",
    rich_markup_mode="rich",
)

TablePath = Annotated[str, typer.Argument(metavar="TABLE", help="A CSV (also .csv.gz) or Parquet file.")]
ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="A file that `trivium train --out` wrote.")]
Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the result as JSON, and nothing else, on standard output.", rich_help_panel="Output"
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress line.", rich_help_panel="Output")]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        print(f"trivium {trivium.__version__}")
        raise typer.Exit
    context.ensure_object(dict)


def taking(options: Sequence[Option]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a verb a flag per option: what the user wrote reaches its `**texts`, by name, None for what he left out."""

    def decorate(verb: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in inspect.signature(verb).parameters.values() if one.kind is not one.VAR_KEYWORD]
        flags = [
            inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(option))
            for option in options
        ]
        arguments = [one for one in own if one.kind is not one.KEYWORD_ONLY]
        signature = inspect.Signature([*arguments, *flags, *own[len(arguments) :]])

        def command(**given: Any) -> None:
            verb(**given)

        command.__name__, command.__doc__ = verb.__name__, verb.__doc__
        setattr(command, "__signature__", signature)  # noqa: B010  # what typer reads
        command.__annotations__ = {name: one.annotation for name, one in signature.parameters.items()}
        return command

    return decorate


def _flag(option: Option) -> Any:
    default = "" if option.default is None or option.default is False else f" [dim]({_shown(option.default)})[/]"
    about = typer.Option(option.flag, metavar=option.metavar, help=option.about + default, rich_help_panel=option.panel)
    return Annotated[str | None, about]


def _shown(value: Any) -> str:
    return (
        ",".join(map(str, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def show(summary: Any) -> None:
    """Print the summary of a run."""
    from trivium.report.terminal import print_summary

    print_summary(summary, Console())


def console() -> Console:
    """Standard error."""
    return Console(stderr=True)


def note(message: str) -> None:
    """Tell the user something meanwhile."""
    console().print(Text("note: ", style="yellow").append(message, style="default"))


@contextmanager
def friendly() -> Iterator[None]:
    """A user's mistake is one message and exit code 2, a failed run 1; Ctrl-C before anything was learned is 130."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        console().print("interrupted before anything was learned", style="red")
        raise typer.Exit(130) from None
    except (ValueError, TypeError, RuntimeError) as error:
        if isinstance(error, typer.Exit) or os.environ.get("TRIVIUM_TRACEBACK"):
            raise
        console().print(Text("error: ", style="bold red").append(str(error), style="default"))
        raise typer.Exit(1 if isinstance(error, RuntimeError) else 2) from None
