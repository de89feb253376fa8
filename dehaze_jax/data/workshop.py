"""Where a dataset is made before it appears under its name."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error
from dehaze_jax.storage.locking import locked

_OLD = "old"  # what is replaced, until the workshop goes


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

    Where an earlier call was killed while it replaced the target, what was there is put back first.

    Raises:
        InputError: with what stands there; for what cannot be replaced, or an address that is no
            path of this machine; or another process is preparing it.
    """
    if "://" in os.fspath(to):
        raise InputError(to, "is no folder of this machine; prepare here and copy it there")
    target = pathlib.Path(to)
    if target.name == ".." or pathlib.Path.cwd().is_relative_to(target.resolve()):
        raise InputError(target, "is the folder that you are in, or above it; give one below")
    if os.path.ismount(target):
        raise InputError(target, "is where a disk is mounted; give a folder below")
    _recover(target)
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
        InputError: it cannot be made, or another process is at work in it.
    """
    folder = _place(target)
    shop = Workshop(folder / "records", folder / "notes", folder / "unpacked")
    with as_input_error(target, "cannot be written"):
        shop.records.mkdir(parents=True, exist_ok=True)
        shop.notes.mkdir(exist_ok=True)
    with locked(folder / "lock", _busy(target)):
        try:
            yield shop
        finally:
            if not any(shop.notes.iterdir()):
                shutil.rmtree(folder, ignore_errors=True)


def publish(shop: Workshop, target: pathlib.Path) -> None:
    """Gives the records their name; what stood there goes when the workshop does.

    A kill between the two renames is mended by the next `check_target`.

    Raises:
        OSError: it cannot be renamed.
    """
    old = shop.records.with_name(_OLD)
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        os.replace(target, old)
    os.replace(shop.records, target)
    for note in shop.notes.iterdir():
        note.unlink()


def _recover(target: pathlib.Path) -> None:
    """Ends what a call that was killed in `publish` left: both datasets are whole then."""
    folder = _place(target)
    if not folder.is_dir():
        return
    with as_input_error(target, "cannot be written"), locked(folder / "lock", _busy(target)):
        if not (folder / "records").exists():  # they stand at the target
            shutil.rmtree(folder)
        elif (folder / _OLD).exists() and not target.exists():
            os.replace(folder / _OLD, target)


def _place(target: pathlib.Path) -> pathlib.Path:
    return target.absolute().parent / f".{target.absolute().name}.partial"


def _busy(target: pathlib.Path) -> InputError:
    return InputError(target, "is being prepared by another process")
