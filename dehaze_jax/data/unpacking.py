"""Zip files as folders."""

import os
import pathlib
import shutil
import zipfile
import zlib

from dehaze_jax.data.space import check_space
from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error


def unpack(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpacks a zip file, unless the folder is there; it appears when all is in it.

    Args:
        path: the zip file.
        folder: where to.

    Raises:
        InputError: it cannot be read, is no zip file, damaged or under a password, or too large for
            the disk.
        OSError: the folder cannot be written.
    """
    if folder.is_dir():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with as_input_error(path, "cannot be read"):
            archive = zipfile.ZipFile(path)
        with archive:
            size = sum(member.file_size for member in archive.infolist())
            check_space(folder.parent, size, subject=path)
            archive.extractall(partial)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        raise InputError(path, f"cannot be unpacked: {error}") from error
    os.replace(partial, folder)
