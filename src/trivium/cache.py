"""What is kept on disk between processes: compiled programs, by JAX as it finds them and by us as they are asked."""

import hashlib
import json
import logging
import os
import sys
import time
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jax

BYTES = 512 * 2**20
"""Most bytes kept; what was used longest ago goes first, when a process starts."""

LONGEST_DRAFT = 3600.0
"""Seconds after which what is being written, under the number of its process, was left by one that ended."""

OFF = ("off", "0", "no", "false")
"""Values of TRIVIUM_CACHE that turn it off."""

log = logging.getLogger("trivium")
config: Any = jax.config  # its names are made at run time

_in_use: Path | None = None


def folder() -> Path:
    """Where it is kept: one folder per JAX and kind of processor."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "trivium" / f"jax-{jax.__version__}-{_processor():08x}"


def _processor() -> int:
    """A number for what the processor can do: a program compiled for a better one would crash."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    except OSError:
        import platform

        about = [platform.machine(), platform.processor()]
    return zlib.crc32("\n".join(about).encode())


def set_up() -> None:
    """Keep things in the user's folder, unless TRIVIUM_CACHE is off or JAX has a cache already."""
    global _in_use
    if os.environ.get("TRIVIUM_CACHE", "").lower() in OFF:
        return
    if config.jax_compilation_cache_dir or not config.jax_enable_compilation_cache:
        return
    try:
        place = folder()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)  # who can write here can run code
        if not os.access(place, os.W_OK):
            raise PermissionError(f"{place} is not writable")
        tend(place)
    except (OSError, RuntimeError) as error:  # RuntimeError: no home
        log.info("Each process compiles its programs anew: no cache (%s). Set XDG_CACHE_HOME to a folder.", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(place))
    if config.jax_persistent_cache_min_compile_time_secs == 1.0:  # JAX's default, under which few of ours are kept
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    _in_use = place


def tend(place: Path) -> None:
    """Delete broken entries, drafts of processes that ended, and the oldest beyond BYTES. Another may be at it, too.

    JAX goes on without an entry that it cannot read, but warns of it in every process and never writes over it. So
    entries that no earlier process found whole, those that a crash or a full disk cut short among them, are read here.
    """
    seal = place / "whole.json"
    try:
        known = json.loads(seal.read_text())
    except (OSError, ValueError):
        known = {}
    entries, whole = [], {}
    for entry in os.scandir(place):
        try:
            facts = entry.stat()
            if entry.name.rpartition(".")[2].isdigit() and facts.st_mtime < time.time() - LONGEST_DRAFT:
                os.unlink(entry.path)
                continue
            if entry.name.endswith("-cache"):
                identity = [facts.st_size, facts.st_mtime_ns]
                if known.get(entry.name) != identity and not _is_whole(Path(entry.path)):
                    log.info("A damaged entry of the cache of compiled programs was deleted: %s", entry.path)
                    os.unlink(entry.path)
                    continue
                whole[entry.name] = identity
            if entry.name.endswith(("-cache", OURS)):
                entries.append((max(facts.st_atime, facts.st_mtime), facts.st_size, entry.path))
        except FileNotFoundError:
            continue
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= BYTES:
            break
        Path(path).unlink(missing_ok=True)
        total -= size
    if whole != known:
        draft = place / f"whole.{os.getpid()}"
        draft.write_text(json.dumps(whole))
        draft.replace(seal)


def _is_whole(path: Path) -> bool:
    try:
        from jax._src.compilation_cache import decompress_executable  # no public way to read an entry

        decompress_executable(path.read_bytes())
    except ImportError:
        return True
    except Exception:  # of whichever decompressor JAX found
        return False
    return True


# --- entries of our own -----------------------------------------------------------------------------------------------

OURS = "-program"
"""How the names of our own entries end."""

DIGEST = hashlib.sha256().digest_size


def is_on() -> bool:
    """Whether entries of our own are kept."""
    return _in_use is not None


def kept(key: str) -> bytes | None:
    """The entry of this key, None where there is none or it is damaged."""
    if _in_use is None:
        return None
    path = _in_use / f"{key}{OURS}"
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, entry = content[:DIGEST], content[DIGEST:]
    try:
        if hashlib.sha256(entry).digest() == digest:
            with suppress(OSError):
                os.utime(path)  # it was of use just now
            return zlib.decompress(entry)
        log.info("A damaged entry of the cache of compiled programs was deleted: %s", path)
        path.unlink()
    except OSError:  # another process was faster
        pass
    return None


def keep(key: str, entry: bytes) -> None:
    """Keep an entry, whole or not at all."""
    if _in_use is None:
        return
    entry, path = zlib.compress(entry, 1), _in_use / f"{key}{OURS}"
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        draft.write_bytes(hashlib.sha256(entry).digest() + entry)
        draft.replace(path)
    except OSError as error:
        log.info("A compiled program was not kept on disk: %s", error)
        draft.unlink(missing_ok=True)


@cache
def versions() -> str:
    """Of everything that has a part in what a function is compiled to: another version, another entry."""
    import platform

    import jaxlib
    import numpy as np
    import optax

    package = Path(__file__).parent
    sources = [
        (str(path.relative_to(package)), facts.st_size, facts.st_mtime_ns)
        for path in sorted(package.rglob("*.py"))
        for facts in [path.stat()]
    ]
    others = platform.python_version(), jax.__version__, jaxlib.__version__, optax.__version__, np.__version__
    return hashlib.sha256(repr((others, sources)).encode()).hexdigest()
