"""Small files, written whole or not at all."""

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from dehaze_jax.errors import InputError


@contextlib.contextmanager
def as_input_error(subject: str | os.PathLike[str], doing: str) -> Iterator[None]:
    """Turns an `OSError` inside into an `InputError` about `subject`."""
    try:
        yield
    except FileExistsError as error:  # of `mkdir`, which folders do not disturb
        raise InputError(subject, f"{doing}: is a file, not a folder") from error
    except OSError as error:
        raise InputError(subject, f"{doing}: {error.strerror or error}") from error


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file under a temporary name beside it, then renames.

    Raises:
        InputError: the file cannot be written; nothing of it stays.
    """
    path = pathlib.Path(path)
    with as_input_error(path, "cannot be written"):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            pathlib.Path(name).unlink(missing_ok=True)
            raise


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: no such file, not readable, or not JSON.
    """
    with as_input_error(path, "cannot be read"):
        content = pathlib.Path(path).read_bytes()
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(path, f"is not valid JSON: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
