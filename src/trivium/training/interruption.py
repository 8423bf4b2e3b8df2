"""Ctrl-C while networks train: heard between two chunks, where nothing is lost."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def heard() -> Iterator[Callable[[], None]]:
    """A function that raises KeyboardInterrupt if Ctrl-C was pressed since; unasked, it is raised at the end.

    Python raises it wherever it happens to be, also inside JAX's callback of the garbage collector, where it is printed
    and forgotten. So the first Ctrl-C is only noted here, and the second raises at once, as Python does. Where Ctrl-C
    is somebody else's (another handler than Python's, or another thread than the main one) it stays theirs.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: None
        return
    pressed, told = threading.Event(), threading.Event()

    def note(number: int, frame: Any) -> None:
        if pressed.is_set():
            signal.default_int_handler(number, frame)
        pressed.set()

    def check() -> None:
        if pressed.is_set():
            told.set()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed.is_set() and not told.is_set():  # after the last look: none is lost
        raise KeyboardInterrupt
