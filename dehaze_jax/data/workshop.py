"""Where a dataset is made before it appears under its name."""

import contextlib
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from dehaze_jax.errors import InputError


class Workshop(NamedTuple):
    """Folders that a dataset is made in.

    Attributes:
        records: becomes the dataset.
        notes: on the record files that are finished.
        unpacked: of archives; does not exist until it is needed.
    """

    records: pathlib.Path
    notes: pathlib.Path
    unpacked: pathlib.Path


def check_target(to: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuses to write where something stands, other than a dataset that is to be replaced.

    Raises:
        InputError: with what stands there, or for an address that is no path of this machine.
    """
    if "://" in os.fspath(to):
        raise InputError(to, "is no folder of this machine; prepare here and copy it there")
    target = pathlib.Path(to)
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
def open_workshop(target: pathlib.Path) -> Iterator[Workshop]:
    """A workshop beside the target for one process at a time.

    When the block is left it stays as long as there is a note, for the next call to go on.

    Raises:
        InputError: it cannot be made or written in, or another process is at work in it.
    """
    folder = target.absolute().parent / f".{target.absolute().name}.partial"
    shop = Workshop(folder / "records", folder / "notes", folder / "unpacked")
    try:
        shop.records.mkdir(parents=True, exist_ok=True)
        shop.notes.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(target, "is being prepared by another process") from error
            try:
                yield shop
            finally:
                if not any(shop.notes.iterdir()):
                    shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        reason = f"cannot be written: {error.strerror or error}"
        raise InputError(target, reason) from error


def publish(shop: Workshop, target: pathlib.Path) -> None:
    """Gives the records their name; what stood there goes when the workshop does."""
    old = shop.records.with_name("old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(shop.records, target)
    for note in shop.notes.iterdir():
        note.unlink()
