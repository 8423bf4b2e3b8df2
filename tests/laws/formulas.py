"""The formula of a docstring's first line, evaluated to any number of digits: the text is the truth that code meets.

A formula is written as in Python, with ^ for powers and |x| for sizes; after semicolons come the symbols it uses.
"""

import inspect
import re
from collections.abc import Callable

import mpmath as mp

WORDS = {
    "exp": mp.exp, "log": mp.log, "log1p": mp.log1p, "sqrt": mp.sqrt, "cosh": mp.cosh, "sin": mp.sin, "cos": mp.cos,
    "tanh": lambda z: mp.tanh(z) if abs(z) < 1e6 else mp.sign(z),
    "atan": mp.atan, "erf": mp.erf, "max": max, "min": min, "abs": abs, "pi": mp.pi, "gamma": mp.gamma,
    "Phi": lambda z: mp.erfc(-z / mp.sqrt(2)) / 2,
    "loggamma": mp.loggamma,
    "sigmoid": lambda z: 1 / (1 + mp.exp(-z)),
    "sign": mp.sign,
}  # fmt: skip


def formula_of(function: Callable) -> str:
    """The part of the docstring's first paragraph after the name."""
    first = " ".join(inspect.getdoc(function).split("\n\n")[0].split())
    return first.partition(": ")[2].rstrip(".")


def truth_of(function: Callable) -> Callable:
    """The formula as a function of keyword arguments, numbers of mpmath."""
    main, *symbols = (part.strip() for part in formula_of(function).split(";"))
    definitions = [(name.strip(), _python(text)) for name, _, text in (symbol.partition("=") for symbol in symbols)]
    body = compile(_python(main), function.__name__, "eval")

    def truth(**given):
        known = {**WORDS, "mpf": mp.mpf, **given}
        for name, text in definitions:
            if name not in known:  # a symbol of common use, such as Phi, is explained in words
                known[name] = eval(text, {"__builtins__": {}}, known)
        return eval(body, {"__builtins__": {}}, known)

    return truth


def _python(text: str) -> str:
    text = re.sub(r"\|([^|]+)\|", r"abs(\1)", text).replace("^", "**")
    return re.sub(r"(?<![\w.'])(\d+(?:\.\d+)?(?:e-?\d+)?)(?![\w'])", r"mpf('\1')", text)
