"""The line that shows how training goes. What draws it is imported when it is to be shown."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trivium.training.history import History
from trivium.training.population import Member

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_PER_LINE = 10.0
"""How often a log that is no terminal gets a line."""


@contextmanager
def progress_line(shown: bool, epochs: int, metric: str) -> Iterator[Callable[[History, int], None] | None]:
    """A live line on standard error: epoch, losses, metric, rows per second, time left.

    Yields what the training loop calls between chunks of epochs, or None where nothing is to be shown.
    """
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines(console, epochs, metric)
        return
    columns = (
        TextColumn("epoch {task.completed}/{task.total}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[measures]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as line:
        task = line.add_task("training", total=epochs, measures="compiling")

        def show(history: History, rows: int) -> None:
            line.update(task, completed=len(history), measures=_measures(history, rows, metric))

        yield show


@contextmanager
def population_line(shown: bool, members: Sequence[Member], epochs: int) -> Iterator[Callable[[Member], None] | None]:
    """A live line on standard error for many networks: epochs run of the most there can be, and the best loss so far.

    Yields what the training of a population calls between chunks, or None where nothing is to be shown.
    """
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("networks {task.fields[members]}, epoch {task.completed}/{task.total}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[best]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as line:
        task = line.add_task("training", total=epochs * len(members), members=len(members), best="compiling")

        def show(_: Member) -> None:
            best = min(float(member.state.best_loss) for member in members)
            line.update(task, completed=sum(member.epochs for member in members), best=f"best validation {best:.4g}")

        yield show


def _plain_lines(console: "Console", epochs: int, metric: str) -> Callable[[History, int], None]:
    """For a log: a line of its own after the first epoch, and one every ten seconds."""
    next_at = 0.0

    def show(history: History, rows: int) -> None:
        nonlocal next_at
        if history.seconds[-1] >= next_at:
            next_at = history.seconds[-1] + SECONDS_PER_LINE
            text = f"epoch {len(history)}/{epochs}  {_measures(history, rows, metric)}"
            console.print(text, soft_wrap=True, highlight=False)

    return show


def _measures(history: History, rows: int, metric: str) -> str:
    words = [f"loss {history.train_loss[-1]:.4g}"]
    latest = history.train_metric[-1]
    if history.validation_loss:
        words.append(f"validation {history.validation_loss[-1]:.4g}")
        latest = history.validation_metric[-1]
    words.append(f"{metric} {latest:.4f}")
    recent = max(0, len(history) - 10)
    since = history.seconds[recent - 1] if recent else 0.0
    elapsed = history.seconds[-1] - since
    if elapsed > 0:
        words.append(f"{rows * (len(history) - recent) / elapsed:,.0f} rows/s")
    return "  ".join(words)
