"""Files on disks: whether there is room for them, and whether they are what they were."""

import hashlib
import os
import pathlib
import shutil

from etils import epath

from dehaze_jax.errors import InputError

_BLOCK = 2**22


def check_space(folder: pathlib.Path, needed: int, *, subject: str | os.PathLike[str]) -> None:
    """Refuses what is larger than what is free.

    Args:
        folder: on the disk in question.
        needed: bytes.
        subject: what needs them, for the message.

    Raises:
        InputError: with both sizes.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        reason = f"needs {_readable(needed)} on the disk of {folder}, where {_readable(free)}"
        raise InputError(subject, f"{reason} are free")


def describe_file(path: pathlib.Path | epath.Path) -> tuple[int, str]:
    """Size and SHA-256 of a file."""
    size, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()


def _readable(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
