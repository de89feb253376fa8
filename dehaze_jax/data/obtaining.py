"""Where the files of a dataset come from: the user's folder or zip file, or the network."""

import hashlib
import os
import pathlib
import shutil
from collections.abc import Sequence

from dehaze_jax.data.downloads import BytesProgress, Fetched, fetch
from dehaze_jax.data.layouts import Dataset
from dehaze_jax.data.unpacking import unpack
from dehaze_jax.errors import InputError


def check_source(dataset: Dataset, source: str | os.PathLike[str] | None) -> None:
    """Refuses a source for a dataset that has none, and asks for one that is missing.

    Raises:
        InputError: says what to fetch from where, for a dataset that is fetched by hand.
    """
    if dataset.obtain == "made" and source is not None:
        raise InputError(dataset.name, "takes no pictures of yours")
    if dataset.obtain in ("manual", "yours") and source is None:
        how = dataset.fetch or "is made of your own pictures: give the folder they are in"
        raise InputError(dataset.name, f"{how} (--from)")


def obtain(
    dataset: Dataset,
    source: str | os.PathLike[str] | None,
    *,
    downloads: pathlib.Path,
    unpacked: pathlib.Path,
    progress: BytesProgress | None = None,
) -> tuple[str, list[Fetched]]:
    """The folder of a dataset's files, and what was downloaded for it.

    Args:
        dataset: what is wanted.
        source: the user's folder, or a zip file; None downloads the dataset's archives.
        downloads: folder of downloaded archives.
        unpacked: folder that archives are unpacked in; what it holds of others, or of earlier
            contents of these, goes.
        progress: told of downloads.

    Raises:
        InputError: see `fetch` and `unpack`.
        OSError: `unpacked` cannot be written.
    """
    if dataset.obtain == "made":
        return "", []
    fetched: list[Fetched] = []
    if source is None:
        fetched = [fetch(archive, downloads, progress) for archive in dataset.archives]
        archives = [found.path for found in fetched]
    elif os.fspath(source).lower().endswith(".zip") and os.path.isfile(source):
        archives = [pathlib.Path(source)]
    else:
        return os.path.abspath(source), []
    folder = unpacked / _state(archives)
    for stale in unpacked.iterdir() if unpacked.is_dir() else ():
        if stale != folder:
            shutil.rmtree(stale)
    folder.mkdir(parents=True, exist_ok=True)
    for path in archives:
        unpack(path, folder / path.stem)
    return os.fspath(folder), fetched


def _state(archives: Sequence[pathlib.Path]) -> str:
    """A name that is another one as soon as an archive is."""
    states = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in archives]
    return hashlib.sha256(repr(states).encode()).hexdigest()[:16]
