"""A summary in the terminal."""

from collections.abc import Sequence

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trivium.diagnosis.texts import language, said
from trivium.report.diagnosis import print_diagnosis
from trivium.report.prose import Prose
from trivium.report.scores import Score, in_digits
from trivium.report.summary import Summary

MAKERS = {
    "you": "you chose",
    "demo": "demo chose",
    "search": "found",
    "mend": "mended",
    "preset": "preset",
    "default": "defaults",
}
"""Who makes a choice, and how the terminal says it."""


def render(summary: Summary) -> RenderableType:
    """What `trivium train` prints at the end."""
    parts: list[RenderableType] = [_facts(summary)]
    if summary.scores:
        head = f"on {summary.rows['test']:,} held-out rows"
        parts += [Text(), scores_table(summary.scores, summary.baseline, head)]
    if summary.search is not None:
        parts += [Text(), Text("search", style="dim")]
        parts += [Text(f"  {said}") for said in summary.search.words]
    parts += [Text("note  ", style="yellow").append(note, style="default") for note in summary.notes]
    return Panel(Group(*parts), title="[bold]Trivium[/]", title_align="left", expand=False, padding=(1, 2))


def print_summary(summary: Summary, console: Console) -> None:
    """The summary, and below it what the diagnosis found, if anything."""
    console.print(render(summary))
    if summary.diagnosis is not None and summary.diagnosis.first is not None:
        print_diagnosis(summary.diagnosis, console)


def sparkline(values: list[float]) -> str:
    """A curve in one line of block characters, at most 40 wide."""
    finite = np.asarray([value for value in values if np.isfinite(value)])
    if len(finite) < 2:
        return ""
    chosen = finite[np.linspace(0, len(finite) - 1, min(40, len(finite))).astype(int)]
    low, high = chosen.min(), chosen.max()
    steps = np.zeros(len(chosen), int) if high == low else ((chosen - low) / (high - low) * 7).round().astype(int)
    return "".join("▁▂▃▄▅▆▇█"[step] for step in steps)


def _facts(summary: Summary) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    history = summary.history
    facts.add_row("task", f"{summary.task} of {summary.target}: {summary.task_reason}")
    facts.add_row("rows", ", ".join(f"{count:,} {use}" for use, count in summary.rows.items() if count))
    facts.add_row("columns", ", ".join(f"{count} {kind}" for kind, count in summary.columns.items()))
    if summary.dropped:
        by_reason: dict[str, list[str]] = {}
        for name, reason in summary.dropped.items():
            by_reason.setdefault(reason, []).append(name)
        shown = [f"{_first_names(names)} ({reason})" for reason, names in by_reason.items()]
        facts.add_row("dropped", "; ".join(shown))
    for who, title in MAKERS.items():
        made = [f"{choice.name} {choice.value}" for choice in summary.choices if choice.by == who]
        if made:
            facts.add_row(title, ", ".join(made))
    best = f", best epoch {history.best_epoch + 1}" if history.validation_loss else ""
    facts.add_row("training", f"{len(history)} epochs{best} ({history.ending})")
    facts.add_row("loss", f"{sparkline(history.train_loss)}  {history.train_loss[-1]:.4g}")
    if history.validation_loss:
        curve = sparkline(history.validation_loss)
        facts.add_row("validation", f"{curve}  {history.validation_loss[history.best_epoch]:.4g}")
    facts.add_row("time", f"{summary.seconds:.1f} s, of which {history.seconds[-1]:.1f} s training")
    if summary.diagnosis is not None and summary.diagnosis.healthy:
        facts.add_row("diagnosis", Prose(said(summary.diagnosis.healthy, language())))
    if summary.model:
        facts.add_row("model", summary.model)
    if summary.report:
        facts.add_row("report", summary.report)
    return facts


def scores_table(scores: list[Score], baseline: str, head: str) -> Table:
    """Scores beside those of a model that looks at nothing."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(head)
    table.add_column("network", justify="right")
    table.add_column(baseline, justify="right")
    for score in scores:
        better = (score.model > score.baseline) == score.higher_is_better
        style = "bold green" if better else "bold red"
        table.add_row(score.name, Text(in_digits(score.model), style=style), in_digits(score.baseline))
    return table


def _first_names(names: Sequence[str]) -> str:
    """The first four, and how many there are beside."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
