"""Work that one process at a time may do."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error


@contextlib.contextmanager
def locked(path: pathlib.Path, busy: InputError) -> Iterator[None]:
    """Keeps other processes out of a block; one that was killed keeps nobody out.

    Args:
        path: file to lock, made if missing; the block may remove it.
        busy: what to raise where another process is in.

    Raises:
        InputError: `busy`, or the file cannot be written.
    """
    with as_input_error(busy.subject, "cannot be written"):
        file = path.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        except OSError:
            pass  # a file system without locks
        try:
            # Whoever was in may have removed the file that is locked now.
            still_there = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except FileNotFoundError:
            still_there = False
        if not still_there:
            raise busy
        yield
