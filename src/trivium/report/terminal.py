"""A summary in the terminal."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from trivium.diagnosis.texts import language, said
from trivium.report.diagnosis import print_diagnosis
from trivium.report.prose import Prose
from trivium.report.scores import Score, in_digits
from trivium.report.summary import Summary, counted
from trivium.translations import phrase

MAKERS = {
    "you": "you chose",
    "demo": "demo chose",
    "search": "found",
    "mend": "mended",
    "preset": "preset",
    "default": "defaults",
}
"""Who makes a choice, and how the terminal says it."""


def render(summary: Summary, lang: str | None = None) -> RenderableType:
    """What `trivium train` prints at the end; `lang` "en" or "zh", that of the locale where left out."""
    lang = language(lang)
    parts: list[RenderableType] = [_facts(summary, lang)]
    if summary.scores:
        head = f"on {summary.rows['test']:,} held-out rows"
        parts += [Text(), scores_table(summary.scores, summary.baseline, head, lang)]
    if summary.search is not None:
        parts += [Text(), Text(phrase("search", lang), style="dim")]
        parts += [Text(f"  {words}") for words in summary.search.words]
    note = Text(phrase("note", lang) + "  ", style="yellow")
    parts += [note.copy().append(told, style="default") for told in summary.notes]
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


def _facts(summary: Summary, lang: str) -> Table:
    tell = partial(phrase, language=lang)
    comma, history = tell(", "), summary.history
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    words = {"task": tell(summary.task), "target": summary.target, "reason": tell(summary.task_reason)}
    facts.add_row(tell("task"), tell("{task} of {target}: {reason}").format(**words))
    facts.add_row(tell("rows"), comma.join(counted(f"{n:,}", use, lang) for use, n in summary.rows.items() if n))
    facts.add_row(tell("columns"), comma.join(counted(f"{n}", kind, lang) for kind, n in summary.columns.items()))
    if summary.dropped:
        by_reason: dict[str, list[str]] = {}
        for name, reason in summary.dropped.items():
            by_reason.setdefault(reason, []).append(name)
        with_reason = tell("{what} ({why})")
        shown = [
            with_reason.format(what=_first_names(names, lang), why=tell(reason)) for reason, names in by_reason.items()
        ]
        facts.add_row(tell("dropped"), tell("; ").join(shown))
    for who, title in MAKERS.items():
        made = [f"{choice.name} {choice.value}" for choice in summary.choices if choice.by == who]
        if made:
            facts.add_row(tell(title), ", ".join(made))
    best = f", best epoch {history.best_epoch + 1}" if history.validation_loss else ""
    length = tell(f"{len(history)} epochs{best}")
    facts.add_row(tell("training"), tell("{what} ({why})").format(what=length, why=tell(history.ending)))
    facts.add_row(tell("loss"), f"{sparkline(history.train_loss)}  {history.train_loss[-1]:.4g}")
    if history.validation_loss:
        curve = sparkline(history.validation_loss)
        facts.add_row(tell("validation"), f"{curve}  {history.validation_loss[history.best_epoch]:.4g}")
    taken = tell(f"{summary.seconds:.1f} s, of which {history.seconds[-1]:.1f} s training")
    facts.add_row(tell("time"), taken)
    if summary.diagnosis is not None and summary.diagnosis.healthy:
        facts.add_row(tell("diagnosis"), Prose(said(summary.diagnosis.healthy, lang)))
    if summary.model:
        facts.add_row(tell("model"), summary.model)
    if summary.report:
        facts.add_row(tell("report"), summary.report)
    return facts


def scores_table(scores: list[Score], baseline: str, head: str, lang: str | None = None) -> Table:
    """Scores beside those of a model that looks at nothing; `lang` as for `render`."""
    tell = partial(phrase, language=language(lang))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(tell(head))
    table.add_column(tell("network"), justify="right")
    table.add_column(tell(baseline), justify="right")
    for score in scores:
        better = (score.model > score.baseline) == score.higher_is_better
        style = "bold green" if better else "bold red"
        table.add_row(tell(score.name), Text(in_digits(score.model), style=style), in_digits(score.baseline))
    return table


def _first_names(names: Sequence[str], lang: str) -> str:
    """The first four, and how many there are beside."""
    more = phrase(f" and {len(names) - 4} more", lang) if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
