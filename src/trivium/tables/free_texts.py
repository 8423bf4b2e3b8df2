"""Texts with more values than can have a column each: hashed into a fixed number of columns, and measured."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

import numpy as np
import pyarrow as pa

from trivium.tables.scaling import FARTHEST

WORD_COLUMNS = 32
"""Columns into which the words of a free text are hashed, however many different ones there are."""

LEVEL_COLUMNS = 16
"""Columns into which the levels of a category are hashed that have none of their own."""

TEXTS_LOOKED_AT = 20_000
"""Most texts, evenly spread, from which it is learned whether words and numbers in them mean something."""

FEWEST_TEXTS = 20
"""In fewer texts nothing is found: there, any of them differ."""

COMMON = 3
"""Texts in which a word must stand to be a common one."""

SHARE_COMMON = 1 / 3
"""Share of all words that must be common ones, so that hashing them says more than noise."""

SHARE_NUMBERS = 0.9
"""Share of the texts that must hold a number, as "12.5 kg", so that it becomes a column."""

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\D{0,8}?(-?\d[\d,]*(?:\.\d+)?)\D*")  # one number, with little before it


def place_and_sign(text: str, n_columns: int) -> tuple[int, int]:
    """One of n_columns, and 1 or -1, that belong to a text: the same in every process and on every machine.

    Two texts share a column by chance; the signs make such meetings cancel on average.
    Source: Weinberger, Dasgupta, Langford, Smola & Attenberg 2009, "Feature hashing for large scale multitask
    learning".
    """
    hashed = crc32(text.encode("utf-8", "surrogatepass"))
    return (hashed & 0x7FFFFFFF) % n_columns, 1 if hashed >> 31 else -1


def words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return _WORD.findall(text.lower())


def facts(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """What can be measured of a text, (n,) each: logarithms of its length and number of words, and the number in it,
    NaN where there is none."""
    return {
        "length": np.log1p([len(text) for text in texts]),
        "words": np.log1p([len(words(text)) for text in texts]),
        "number": np.array([_number(text) for text in texts], np.float64),
    }


def learn(texts: Sequence[str]) -> tuple[bool, dict[str, tuple[float, float]]]:
    """Whether the words of these texts, none of them missing, recur; and mean and standard deviation of each fact that
    varies. Of many texts, an evenly spread part is looked at."""
    texts = texts[:: max(1, len(texts) // TEXTS_LOOKED_AT)]
    if len(texts) < FEWEST_TEXTS:
        return False, {}
    counts = Counter(word for text in texts for word in set(words(text)))
    recurring = sum(count for count in counts.values() if COMMON <= count < len(texts))
    found = {}
    for name, values in facts(texts).items():
        present = values[~np.isnan(values)]
        enough = name != "number" or len(present) >= SHARE_NUMBERS * len(texts)
        if enough and len(present) and np.ptp(present) > 0:
            unit = np.abs(present).max()  # so that no square overflows
            found[name] = (float((present / unit).mean() * unit), float((present / unit).std() * unit) or 1.0)
    return recurring > SHARE_COMMON * sum(counts.values()), found


def standardised(known: Iterable[tuple[str, float, float]], texts: Sequence[str]) -> Iterator[np.ndarray]:
    """The facts of these texts by their mean and standard deviation at fit, (n,) each; 0 where there is none."""
    measured = facts(texts)
    for name, centre, scale in known:
        with np.errstate(over="ignore"):
            yield np.nan_to_num(np.clip((measured[name] - centre) / scale, -FARTHEST, FARTHEST))


def fill_words(out: np.ndarray, texts: Sequence[str]) -> None:
    """Add every word of each text to its column of out (n, n_columns), by its sign, over the root of their number."""
    known: dict[str, tuple[int, int]] = {}
    for row, text in enumerate(texts):
        found = words(text)
        for word in found:
            if word not in known:
                known[word] = place_and_sign(word, out.shape[1])
            column, sign = known[word]
            out[row, column] += sign / len(found) ** 0.5


def distinct(column: pa.Array) -> tuple[np.ndarray, list[str]]:
    """Codes (n,), -1 where missing, and the text of each code."""
    encoded = column.dictionary_encode()
    codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return codes, encoded.dictionary.to_pylist()


def _number(text: str) -> float:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return np.nan
    value = float(found[1].replace(",", ""))
    return value if np.isfinite(value) else np.nan


def chunks(n: int, length: int) -> Iterator[tuple[int, int]]:
    """Places that cut n rows into pieces of at most that length."""
    for first in range(0, n, length):
        yield first, min(n, first + length)
