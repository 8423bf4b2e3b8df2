"""Training inside other people's processes, and the cache of compiled programs between them."""

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import joblib
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from trivium import NeuralRegressor, cache
from trivium.training import devices

random = np.random.default_rng(0)
X = random.normal(size=(80, 3))
Y = X[:, 0] - X[:, 1]

FIT = """
import numpy as np
from trivium import NeuralRegressor
random = np.random.default_rng(0)
X = random.normal(size=(80, 3))
print(NeuralRegressor((8,), epochs=30, learning_rate=0.05, random_state=0).fit(X, X[:, 0] - X[:, 1]).predict(X).sum())
"""

POPULATION = """
import sys
import time
sys.path.insert(0, "tests/training")
import jax
if {devices}:
    jax.config.update("jax_num_cpu_devices", {devices})
    jax.numpy.zeros(3).sum()  # started before, and by somebody else
from test_population import member, train_population
together = [member(seed) for seed in range(4)]
train_population(together, epochs=3)
print(len(jax.devices()), *(one.history.train_loss[-1] for one in together))
"""


def process(code, cache=None, **environment):
    """What a fresh process prints; whatever it says on standard error is an error."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "TRIVIUM_"))}
    place = {"TRIVIUM_CACHE": "off"} if cache is None else {"XDG_CACHE_HOME": str(cache)}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=clean | place | environment, capture_output=True, text=True, timeout=100
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.strip()


def fitted():
    return NeuralRegressor((8,), epochs=30, learning_rate=0.05, random_state=0).fit(X, Y).predict(X)


@pytest.fixture(scope="module")
def here():
    return fitted()


def test_takes_any_number_of_devices_as_it_finds_it():
    with ThreadPoolExecutor(3) as pool:
        codes = [POPULATION.format(devices=count) for count in (1, 2, 4)]
        ones = [answer.split() for answer in pool.map(process, codes)]
    assert [one[0] for one in ones] == ["1", "2", "4"]
    assert ones[0][1:] == ones[1][1:] == ones[2][1:]


def test_trains_in_a_thread(here):
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(fitted) for _ in range(3)]
    for answer in answers:
        np.testing.assert_array_equal(answer.result(), here)


def test_trains_in_workers_of_joblib(here):
    for answer in joblib.Parallel(n_jobs=2)(joblib.delayed(fitted)() for _ in range(2)):
        np.testing.assert_array_equal(answer, here)


def test_a_fork_after_jax_has_started_is_told_what_to_do():
    fork = FIT + (
        "import os, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "if os.fork() == 0:\n"
        "    for verb in ('fit', 'predict'):\n"
        "        try:\n"
        "            NeuralRegressor((8,)).fit(X, X[:, 0])\n"
        "        except RuntimeError as error:\n"
        "            print(error, flush=True)\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    assert process(fork).count("must run in a process that was not forked after JAX had started") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_before_jax_has_started_trains():
    fork = "import os\nimport trivium.estimators\nif os.fork() == 0:\n" + FIT.replace("\n", "\n    ")
    assert float(process(fork + "\nelse:\n    os.wait()").split()[0])


def test_the_cache_is_filled_shared_mended_and_can_be_turned_off(tmp_path, here):
    def paths():
        return [*tmp_path.rglob("*-cache"), *tmp_path.rglob("*-program")]

    def entries():
        return {path.name: path.stat().st_size for path in paths()}

    with ThreadPoolExecutor(3) as pool:
        off = pool.submit(process, FIT, XDG_CACHE_HOME=str(tmp_path / "off"))  # TRIVIUM_CACHE=off
        answers = list(pool.map(lambda _: process(FIT, tmp_path), range(2)))  # both fill it
        answers.append(off.result())
    assert not (tmp_path / "off").exists()
    filled = entries()
    assert any(name.endswith("-program") for name in filled)
    for path in paths():
        path.write_bytes(path.read_bytes()[:100])
    answers.append(process(FIT, tmp_path))
    again = entries()
    assert again.keys() == filled.keys()
    assert min(again.values()) > 100  # made anew
    answers.append(process(FIT, tmp_path))
    assert entries() == again  # found whole, all that was needed
    assert set(answers) == {answers[0]}
    assert float(answers[0]) == pytest.approx(here.sum(), rel=1e-4, abs=1e-4)


def test_a_folder_that_cannot_be_written_and_a_cache_of_the_users_own(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    assert process(FIT, file)
    process(FIT, tmp_path / "ours", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "theirs"))
    assert not (tmp_path / "ours").exists()


def test_the_cache_keeps_the_newest_within_its_bound_and_looks_at_an_entry_once(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(cache, "_is_whole", lambda path: looked.append(path.name) or path.name != "3-cache")
    monkeypatch.setattr(cache, "BYTES", 250)
    for age in range(5):
        path = tmp_path / f"{age}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 1000 - age))
    for _ in range(2):
        cache.tend(tmp_path)
        assert sorted(path.name for path in tmp_path.glob("*-cache")) == ["0-cache", "1-cache"]
    assert sorted(looked) == [f"{age}-cache" for age in range(5)]


def test_the_cache_lets_go_of_what_a_process_that_ended_left_half_written(tmp_path):
    left, written = tmp_path / "some.1234", tmp_path / "other.5678"
    for path, age in ((left, 7200), (written, 60)):
        path.write_bytes(bytes(100))
        os.utime(path, (time.time() - age,) * 2)
    cache.tend(tmp_path)
    assert not left.exists()
    assert written.exists()


def test_a_process_that_compiled_thousands_of_programs_lets_go_of_them(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "trivium")
    monkeypatch.setattr(devices, "BETWEEN_COUNTS", 0.0)
    devices.prepare()
    devices.prepare()
    assert "let go" not in caplog.text
    monkeypatch.setattr(devices, "MOST_MAPPINGS", 1)
    before = NeuralRegressor((8,), epochs=3, random_state=0, on_problem="ignore").fit(X, Y)
    again = NeuralRegressor((8,), epochs=3, random_state=0, on_problem="ignore").fit(X, Y)
    assert "let go" in caplog.text
    np.testing.assert_array_equal(before.predict(X), again.predict(X))


def test_advice_names_the_setting(monkeypatch, caplog):
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with caplog.at_level(logging.INFO, "trivium"):
        devices._advise()
        devices.prepare()
    assert devices.cores() == 2
    assert [record.getMessage() for record in caplog.records] == [
        "Training uses 2 of 8 cores, as OMP_NUM_THREADS says. Set it to 8 for more."
    ]
    assert len(devices.lanes(5)) == 2
    assert len(devices.lanes(1)) == 1


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("debug_nans", True),
        ("debug_infs", True),
        ("default_prng_impl", "rbg"),
        ("enable_x64", True),
        ("numpy_dtype_promotion", "strict"),
        ("numpy_rank_promotion", "raise"),
        ("transfer_guard", "disallow"),
    ],
)
@pytest.mark.parametrize("bagging", [None, 2])
def test_the_users_settings_of_jax_change_nothing_and_stay(setting, value, bagging):
    names = ("jax_debug_nans", "jax_default_prng_impl", "jax_enable_x64", "jax_transfer_guard")

    def said():
        model = NeuralRegressor((8,), epochs=3, learning_rate=0.05, bagging=bagging, dropout=0.1, random_state=0)
        return model.fit(X, Y).predict(X)

    plain = said()
    with getattr(jax, setting)(value):
        before = [getattr(jax.config, name) for name in names]
        np.testing.assert_array_equal(said(), plain)
        assert [getattr(jax.config, name) for name in names] == before


def test_what_the_user_says_of_jax_for_a_while_holds_in_our_threads():
    def told(_):
        return jax.config.jax_default_matmul_precision, jax.config.jax_default_device, jax.config.jax_enable_x64

    device = jax.devices()[0]
    with jax.default_matmul_precision("bfloat16"), jax.default_device(device), jax.enable_x64(True):
        pool = devices.threads(2)
    with pool:
        assert set(pool.map(told, range(8))) == {("bfloat16", device, True)}
    with devices.threads(2) as pool:
        assert set(pool.map(told, range(8))) == {(None, None, False)}


def threads_of_numpy():
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def test_numpy_has_its_threads_again_when_the_last_has_left():
    """Whoever leaves first, and whatever went wrong."""
    before = threads_of_numpy()
    first, second = devices.unthreaded(), devices.unthreaded()
    first.__enter__()
    second.__enter__()
    assert threads_of_numpy() == {1}
    first.__exit__(None, None, None)
    assert threads_of_numpy() == {1}
    second.__exit__(None, None, None)
    assert threads_of_numpy() == before
    with pytest.raises(ZeroDivisionError), devices.unthreaded():
        1 / 0  # noqa: B018
    assert threads_of_numpy() == before
