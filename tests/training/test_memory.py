"""Memory that is known before it is used."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from trivium import NeuralRegressor
from trivium.training import memory

random = np.random.default_rng(0)
X = random.normal(size=(600, 5)).astype(np.float32)
Y = X[:, 0] - X[:, 1]


def test_something_is_available():
    assert memory.available() > 2**20


def test_a_population_that_does_not_fit_trains_in_groups_with_the_same_result(monkeypatch):
    options = {"epochs": 8, "random_state": 0, "population": 6, "on_problem": "ignore", "patience": None}
    whole = NeuralRegressor((16,), **options).fit(X, Y)
    sizes = []
    groups = memory.groups

    def small(members, n_lanes, room=None):
        room = memory.needed(members[:2], n_lanes)
        for group in groups(members, n_lanes, room):
            sizes.append(len(group))
            yield group

    monkeypatch.setattr(memory, "groups", small)
    parted = NeuralRegressor((16,), **options).fit(X, Y)
    assert sizes == [2, 2, 2]
    np.testing.assert_array_equal(parted.predict(X), whole.predict(X))
    np.testing.assert_array_equal(parted.search_.validation_loss, whole.search_.validation_loss)


def test_what_cannot_fit_is_told_before_it_is_tried(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10_000)
    with pytest.raises(MemoryError, match=r"a network and its rows need .* Use a smaller batch_size"):
        NeuralRegressor((16,), epochs=1).fit(X, Y)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from the kernel")
def test_a_fit_takes_about_what_was_foreseen():
    """Within a factor of two of what the growth of the process shows, for a table that dwarfs the rest."""
    code = """
    import re, numpy as np
    from trivium import NeuralRegressor
    from trivium.training import memory

    def peak():  # of this program; what `getrusage` says begins at the peak of the one that started it
        return 1024 * int(re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

    X = np.random.default_rng(0).normal(size=(400_000, 40)).astype(np.float32)
    y = X[:, 0]
    NeuralRegressor((8,), epochs=1, on_problem="ignore").fit(X[:2000], y[:2000])
    seen = []
    groups = memory.groups
    memory.groups = lambda members, lanes: seen.append(memory.needed(members, lanes)) or groups(members, lanes)
    before = peak()
    NeuralRegressor((8,), epochs=1, batch_size=4096, on_problem="ignore").fit(X, y)
    print((peak() - before) / (X.nbytes + seen[0]))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert 0.3 < float(done.stdout) < 2
