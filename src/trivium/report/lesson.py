"""A lesson for readers: in the terminal, and as plain text."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from trivium.diagnosis.texts import both, language, said
from trivium.lessons import Lesson, lesson, lessons
from trivium.report.evidence import picture_of_lesson
from trivium.report.lines import draw
from trivium.report.prose import Prose

WHAT, WHY, MEND, READ = both("What", "是什么"), both("Why", "为什么"), both("The mend", "怎么改"), both(
    "Further reading", "延伸阅读"
)  # fmt: skip
TWO_RUNS = both(
    "Measured in two runs of one small program that differ in nothing else.", "同一个小程序的两次训练，其余完全相同。"
)
MOST_COLUMNS = 88


@dataclass(frozen=True, repr=False)
class Explanation:
    """A lesson in one language: print it, or show it in a notebook."""

    lesson: Lesson
    lang: str

    def __rich__(self) -> RenderableType:
        return Group(*self._parts())

    def __str__(self) -> str:
        console = Console(file=StringIO(), width=MOST_COLUMNS, color_system=None)
        console.print(self, highlight=False)
        return console.file.getvalue()  # type: ignore[attr-defined]

    __repr__ = __str__

    def _parts(self) -> Iterator[RenderableType]:
        found, lang = self.lesson, self.lang
        yield Text(said(found.title, lang), style="bold").append(f"  {found.name}", style="dim cyan")
        yield from _part(WHAT, said(found.what, lang), lang)
        picture = picture_of_lesson(found)
        if picture is not None:
            yield Padding(draw(picture, lang, width=76, height=8), (1, 0, 0, 2))
            yield Padding(Text(said(TWO_RUNS, lang), style="dim"), (0, 0, 0, 2))
        yield from _part(WHY, said(found.why, lang), lang)
        yield from _part(MEND, said(found.mend, lang), lang)
        yield from _part(READ, "\n".join(found.reading), lang)


def _part(heading: str, text: str, lang: str) -> Iterator[RenderableType]:
    yield Padding(Text(said(heading, lang), style="bold cyan"), (1, 0, 0, 0))
    yield Padding(Prose(text), (0, 0, 0, 2))


def explain(name: str, lang: str | None = None) -> Explanation:
    """The lesson of a finding, such as "vanishing_gradient": what it is, why it happens, how to mend it, what to read.

    lang  "en" or "zh"; that of the locale where left out
    Raises ValueError for an unknown name, with the nearest known ones.
    """
    return Explanation(lesson(name), language(lang))


def print_list(console: Console, lang: str | None = None) -> None:
    """All lessons by family, a line each."""
    lang = language(lang)
    by_family: dict[str, list[Lesson]] = {}
    for one in lessons().values():
        by_family.setdefault(one.family, []).append(one)
    for family, members in by_family.items():
        console.print(Text(said(FAMILIES[family], lang), style="bold"))
        for one in members:
            line = Text(f"  {one.name:<30}", style="cyan").append(said(one.title, lang), style="default")
            console.print(line, no_wrap=True, overflow="ellipsis")


FAMILIES = {
    "activation": both("activations", "激活函数"),
    "batch": both("batches", "批"),
    "data": both("data", "数据"),
    "fit": both("fit", "拟合"),
    "initialisation": both("initialisation", "初始化"),
    "learning_rate": both("learning rate", "学习率"),
    "loss": both("losses", "损失函数"),
    "numbers": both("numbers", "数值"),
    "optimizer": both("optimizers", "优化器"),
}
"""Family -> what it is called."""
