"""The pages of the lessons, one for each family and an index, in each language: `python docs/make.py` writes them.

They say what `trivium explain NAME` says. The numbers of the pictures come from `docs/lessons.py`.
"""

from collections.abc import Iterator
from pathlib import Path

from trivium.diagnosis.texts import both, said
from trivium.lessons import Lesson, lessons
from trivium.report.evidence import picture_of_lesson
from trivium.report.lesson import FAMILIES, MEND, READ, TWO_RUNS, WHY

HERE = Path(__file__).parent
PICTURES = HERE / "diagnosis" / "pictures"
LANGUAGES = ("en", "zh")

INDEX = both("What goes wrong in training", "训练会出什么问题")
ABOUT = both(
    "Every finding of the diagnosis, by family: what it is, why it happens, how it is mended, what to read. Pictures "
    "show two runs of one small program that differ in nothing else; `docs/twins.py` has them all. In the terminal: "
    "`trivium explain NAME`; in Python: `trivium.explain(NAME)`.",
    "诊断的全部发现，按类别列出：是什么，为什么，怎么改，读什么。图中是同一个小程序的两次训练，其余完全相同；"
    "程序都在 `docs/twins.py` 里。终端中：`trivium explain 名称`；Python 中：`trivium.explain(名称)`。",
)
BACK = both("All families", "全部类别")


def folder(lang: str) -> Path:
    """Where the pages of a language stand."""
    return (HERE if lang == "en" else HERE / lang) / "diagnosis"


def texts() -> dict[Path, str]:
    """Every page by its path."""
    found = {}
    for lang in LANGUAGES:
        found[folder(lang) / "README.md"] = index(lang)
        for family in by_family():
            found[folder(lang) / f"{family}.md"] = page(family, lang)
    return found


def by_family() -> dict[str, list[Lesson]]:
    groups: dict[str, list[Lesson]] = {}
    for lesson in lessons().values():
        groups.setdefault(lesson.family, []).append(lesson)
    return groups


def index(lang: str) -> str:
    """The list of all findings."""
    lines = [f"# {said(INDEX, lang)}", "", said(ABOUT, lang)]
    for family, members in by_family().items():
        lines += ["", f"**[{_upper(said(FAMILIES[family], lang))}]({family}.md)**", ""]
        lines += [f"- [{one.name}]({family}.md#{one.name}): {said(one.title, lang)}" for one in members]
    return "\n".join(lines) + "\n"


def page(family: str, lang: str) -> str:
    """All lessons of one family."""
    lines = [f"# {_upper(said(FAMILIES[family], lang))}", "", f"[{said(BACK, lang)}](README.md)"]
    for one in by_family()[family]:
        lines += ["", *_section(one, lang)]
    return "\n".join(lines) + "\n"


def _section(lesson: Lesson, lang: str) -> Iterator[str]:
    yield from (f"## {lesson.name}", "", f"**{said(lesson.title, lang)}**", "", said(lesson.what, lang), "")
    if lesson.runs:
        up = "" if lang == "en" else "../../diagnosis/"
        fails, mended = (said(run.about, lang) for run in lesson.runs)
        yield from (f"![{lesson.name}]({up}pictures/{lesson.name}.svg)", "")
        lead = both("Orange fails", "橙色：失败"), both("blue is mended", "蓝色：改正后")
        yield f"{said(lead[0], lang)} ({fails}), {said(lead[1], lang)} ({mended}). {said(TWO_RUNS, lang)}"
        yield ""
    yield from (
        f"**{said(WHY, lang)}** {said(lesson.why, lang)}",
        "",
        f"**{said(MEND, lang)}** {said(lesson.mend, lang)}",
        "",
    )
    yield from (f"{said(READ, lang)}:", "", *(f"- {work}" for work in lesson.reading))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def draw_all() -> None:
    """Draw every lesson that has a picture, and take away the pictures of lessons that are gone."""
    import matplotlib.pyplot as plt
    from pictures import BLUE, ORANGE, STYLE, _small

    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    for name, lesson in lessons().items():
        picture = picture_of_lesson(lesson)
        if picture is None:
            continue
        with plt.rc_context(STYLE):
            figure, panel = plt.subplots(figsize=(4.6, 2.2), layout="constrained")
            for run, colour in zip(lesson.runs, (ORANGE, BLUE), strict=True):
                panel.plot(run.places, run.values, color=colour, linewidth=1.6)
            if picture.logarithmic:
                panel.set_yscale("log")
            panel.set(title=str(picture.height), xlabel=str(picture.across))
            panel.grid(linewidth=0.5)
            figure.savefig(PICTURES / f"{name}.svg", transparent=True, metadata={"Date": None, "Creator": None})
            plt.close(figure)
        path = PICTURES / f"{name}.svg"
        path.write_text(_small(path.read_text()))
