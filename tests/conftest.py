import os
import tempfile
from pathlib import Path

# Every worker shares one compilation cache, so that a shape is compiled once for the whole suite.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "trivium-test-compilation-cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import hypothesis
import jax

from trivium import compiling

hypothesis.settings.register_profile("jax", deadline=None)  # the first call compiles
hypothesis.settings.load_profile("jax")
jax.config.update("jax_numpy_rank_promotion", "raise")  # (n, 1) against (n,) is an error, not an (n, n) table

MOST_MAPPINGS = 20_000
"""A compiled program takes a dozen memory mappings; at 65,530 of them Linux gives a process no more, and it crashes."""


def pytest_runtest_teardown(item):
    """Let go of compiled programs before a long session has too many; what is needed again comes from the cache."""
    item.session.tests_run = getattr(item.session, "tests_run", 0) + 1
    mappings = Path("/proc/self/maps")
    if item.session.tests_run % 20 == 0 and mappings.exists():
        with mappings.open("rb") as lines:
            if sum(1 for _ in lines) > MOST_MAPPINGS:
                compiling.let_go()
