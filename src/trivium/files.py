"""Files written whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: str | os.PathLike, write: Callable[[Any], Any], error: type[ValueError]) -> None:
    """Write beside the place and move there at the end, so that a file that was there survives any failure.

    write  gets the open binary file
    error  raised where the place cannot be written, naming it and what to do
    A file that is replaced keeps its permissions, a link stays a link; a new file gets what the user's mask allows.
    """
    check_writable(path, error)
    place = Path(os.path.realpath(path))
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            shutil.copymode(place, temporary)
        os.replace(temporary, place)
    except OSError as failure:
        raise error(
            f"{str(path)!r} could not be written: {failure.strerror or failure}. Nothing was changed; free space or "
            "choose another place."
        ) from failure
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike, error: type[ValueError] = ValueError) -> None:
    """Raises `error` where a file of this name could not be made: before the work, not after it."""
    path = Path(path)
    if not path.parent.is_dir():
        raise error(f"the folder of {str(path)!r} must exist, got none. Create it: mkdir -p {str(path.parent)!r}.")
    if path.is_dir():
        raise error(f"{str(path)!r} must be a file's name, got a folder. Add a name to it.")
    if not os.access(Path(os.path.realpath(path)).parent, os.W_OK):
        raise error(f"the folder of {str(path)!r} must be writable, got one that is not. Choose another place.")
