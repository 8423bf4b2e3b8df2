"""What the diagnosis says, in both its languages: they stand side by side where the sentence is written."""

import os


class Text(str):
    """An English sentence that has its Chinese with it. To all who do not ask for that, it is a plain string.

    Two of them, or one and a plain string, add up in both languages. Slices and `join` give English alone.
    """

    zh: str

    def __new__(cls, english: str, chinese: str) -> "Text":
        text = super().__new__(cls, english)
        text.zh = chinese
        return text

    def __reduce__(self) -> tuple[type["Text"], tuple[str, str]]:  # what copies and pickles are made of
        return Text, (str(self), self.zh)

    def __add__(self, other: str) -> "Text":
        return Text(str(self) + str(other), self.zh + said(other, "zh"))

    def __radd__(self, other: str) -> "Text":
        return Text(str(other) + str(self), said(other, "zh") + self.zh)


def both(english: str, chinese: str) -> Text:
    """A sentence in English and in simplified Chinese, with the same numbers in both."""
    return Text(english, chinese)


def said(text: str, lang: str) -> str:
    """The text in a language; the English where it has no other."""
    return text.zh if lang == "zh" and isinstance(text, Text) else str(text)


def language(lang: str | None = None) -> str:
    """The language to speak: what was asked for, else Chinese where the locale is Chinese, else English.

    Raises ValueError for a language that there is not.
    """
    if lang is None:
        locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
        return "zh" if locale.lower().startswith("zh") else "en"
    if lang not in ("en", "zh"):
        raise ValueError(f"lang must be one of en, zh, got {lang!r}. Leave it out for the language of the locale.")
    return lang
