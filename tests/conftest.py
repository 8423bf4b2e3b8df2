import os
import tempfile
from pathlib import Path

# Every worker shares one compilation cache, so that a shape is compiled once for the whole suite.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "trivium-test-compilation-cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")

import hypothesis
import jax

hypothesis.settings.register_profile("jax", deadline=None)  # the first call compiles
hypothesis.settings.load_profile("jax")
jax.config.update("jax_numpy_rank_promotion", "raise")  # (n, 1) against (n,) is an error, not an (n, n) table
