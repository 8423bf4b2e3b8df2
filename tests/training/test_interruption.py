"""Ctrl-C in the midst of training."""

import gc
import signal
import threading

import numpy as np
import pytest

from trivium import NeuralRegressor
from trivium.training.interruption import heard


def test_the_first_is_noted_and_the_second_raises_at_once():
    with heard() as check:
        check()
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_one_that_nobody_asked_about_is_raised_at_the_end():
    with pytest.raises(KeyboardInterrupt), heard():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handlers_of_others_stay(monkeypatch):
    calls = []
    before = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    try:
        with heard() as check:
            signal.raise_signal(signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == [signal.SIGINT]


def test_other_threads_have_none():
    def train():
        with heard() as check:
            check()

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()


def test_a_fit_ends_where_python_would_have_lost_it():
    """Within a callback of the garbage collector Python prints a KeyboardInterrupt and goes on."""
    pressed = []

    def press(phase, info):
        if phase == "start" and not pressed and waiting:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)

    waiting = []

    def collect(history, epoch):
        waiting.append(True)
        gc.collect()

    X = np.random.default_rng(0).standard_normal((200, 3))
    gc.callbacks.append(press)
    try:
        model = NeuralRegressor((4,), epochs=10**6, patience=None, callbacks=[collect], random_state=0)
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit(X, X[:, 0])
    finally:
        gc.callbacks.remove(press)
    assert pressed
    assert model.history_.ending == "interrupted"
    assert len(model.history_) < 1000
