"""A model file: safetensors parameters, with a JSON record in its header. Nothing in it is ever executed."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from trivium.files import write_whole

FORMAT_VERSION = 5


class ModelFileError(ValueError):
    """A model file that cannot be read or written; the message says why and what to do."""


def write(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], record: Mapping[str, Any]) -> None:
    """Write a model file: whole or not at all, so that a file that was there before survives a failure.

    record  anything that JSON can hold
    Raises ModelFileError where the file cannot be written.
    """
    text = json.dumps({"format_version": FORMAT_VERSION, **record}, allow_nan=False)
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = save(arrays, metadata={"trivium": text, "digest": _digest(arrays, text)})
    write_whole(path, lambda file: file.write(content), ModelFileError)


def read(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and record of a model file.

    Raises ModelFileError for a file that is missing, cut short, changed, from a newer version, or none of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"the model file must exist, got {str(path)!r}. Check the path.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            f"{str(path)!r} must be a whole Trivium model file, got something else or one cut short ({error}). "
            "Save the model again."
        ) from None
    if "trivium" not in metadata:
        raise ModelFileError(
            f"{str(path)!r} must be a Trivium model file, got a safetensors file of another program. "
            "Choose a file that `save` or `trivium train --out` wrote."
        )
    text = metadata["trivium"]
    if metadata.get("digest") != _digest(arrays, text):
        raise ModelFileError(f"{str(path)!r} was changed after it was saved: its digest differs. Save the model again.")
    record = json.loads(text)
    if record["format_version"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{str(path)!r} has format version {record['format_version']}, this Trivium reads up to {FORMAT_VERSION}. "
            "Install a newer Trivium."
        )
    return arrays, record


def _digest(arrays: Mapping[str, np.ndarray], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
