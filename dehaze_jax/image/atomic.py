"""A file appears whole under its name, or not at all."""

import contextlib
import io
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import TypeAlias

from dehaze_jax.errors import InputError

Stream: TypeAlias = io.BufferedRandom | io.BufferedWriter | io.BytesIO
"""What pictures are written to."""


def check_folder(path: str | os.PathLike[str]) -> None:
    """Refuses a file to be written whose folder does not exist, before the work is done.

    Raises:
        InputError: names `path`.
    """
    folder = pathlib.Path(path).parent
    if not folder.is_dir():
        raise InputError(path, f"its folder {folder} does not exist")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Stream]:
    """Opens a hidden file beside `path` for writing; it takes the name `path` at the end.

    If the block or the renaming fails, the hidden file is removed and an older `path` stays.

    Args:
        path: the file to create or replace. Its folder must exist.

    Yields:
        A binary stream that can be written, read and sought in.

    Raises:
        InputError: for anything the file system refuses, naming `path`.
    """
    path = pathlib.Path(path)
    # Short and unlike `path`: a name at the system's limit has no room for a suffix.
    partial = path.parent / f".{secrets.token_hex(8)}.partial"
    try:
        try:
            with open(partial, "x+b") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(partial, path)
        finally:
            # Gone after a successful renaming; never made if the folder refused it.
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(path, f"cannot be written: {error.strerror or error}") from error
