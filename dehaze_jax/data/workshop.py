"""Where a dataset is made before it appears under its name."""

import contextlib
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator

from dehaze_jax.errors import InputError


def check_target(target: pathlib.Path, *, overwrite: bool) -> None:
    """Refuses to write where something stands, other than a dataset that is to be replaced.

    Raises:
        InputError: with what stands there.
    """
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(target, "is a file; a dataset needs a folder")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError(target, "exists and is not empty; --overwrite replaces a prepared dataset")
    if not (target / "dataset_info.json").is_file():
        raise InputError(target, "is no prepared dataset, so it is not replaced")


@contextlib.contextmanager
def workshop(target: pathlib.Path) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """Folders beside the target for one process at a time: of records, and of notes on them.

    When the block is left, they stay as long as there is a note, for the next call to go on.

    Raises:
        InputError: they cannot be made or written, or another process is at work in them.
    """
    folder = target.absolute().parent / f".{target.name}.partial"
    records, notes = folder / "records", folder / "notes"
    try:
        records.mkdir(parents=True, exist_ok=True)
        notes.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(target, "is being prepared by another process") from error
            try:
                yield records, notes
            finally:
                if not any(notes.iterdir()):
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise InputError(target, reason) from error


def publish(records: pathlib.Path, notes: pathlib.Path, target: pathlib.Path) -> None:
    """Gives finished records their name; what stood there goes away with the notes."""
    old = records.with_name("old")
    if target.exists():
        os.replace(target, old)
    os.replace(records, target)
    shutil.rmtree(notes)
    notes.mkdir()
