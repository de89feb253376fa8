"""What training reads: examples of prepared directories, or picture files of folders.

A source is a sequence of examples as maps, read when asked for, safe in threads.
"""

import dataclasses
import hashlib
import pathlib
from collections.abc import Sequence
from typing import TypeAlias

from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.maps import DecodedMaps, Maps
from dehaze_jax.data.pairing import list_images
from dehaze_jax.data.prepared import Prepared, open_prepared
from dehaze_jax.errors import InputError
from dehaze_jax.image.files import read

_OPTIONAL = ("transmission", "airlight")


@dataclasses.dataclass(frozen=True)
class PreparedMaps:
    """Some maps of the examples of a prepared split; the others are not decoded.

    Attributes:
        prepared: the split.
        keys: names of the maps.
    """

    prepared: Prepared
    keys: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """That of the prepared split."""
        return self.prepared.fingerprint

    def __len__(self) -> int:
        return len(self.prepared)

    def __getitem__(self, index: int) -> Maps:
        """Maps of one example.

        Raises:
            InputError: the record is damaged; names it.
        """
        return self.prepared.maps(index, self.keys)


@dataclasses.dataclass(frozen=True)
class FolderPictures:
    """The pictures in a folder and below it, each with one map `[h, w, 3]`.

    Grey pictures have three equal channels; alpha is left out.

    Attributes:
        folder: the folder.
        key: name of the map.
        files: the pictures, in order.
    """

    folder: pathlib.Path
    key: str
    files: Sequence[pathlib.Path] = dataclasses.field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the contents of all files in their order, read at every call.

        Raises:
            InputError: a file cannot be read.
        """
        total = hashlib.sha256()
        for path in self.files:
            try:
                with path.open("rb") as file:
                    total.update(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                reason = f"cannot be read: {error.strerror or error}"
                raise InputError(path, reason) from error
        return total.hexdigest()

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Maps:
        """Reads one file.

        Raises:
            InputError: it is damaged; names it.
        """
        return DecodedMaps({self.key: read(self.files[index]).pixels})


Source: TypeAlias = PreparedMaps | FolderPictures


def open_training(config: DataConfig) -> tuple[Sequence[Source], ...]:
    """Opens what a config trains on.

    Returns:
        Without `config.clear` one list of sources: their maps are `hazy`, `clear` and those of
        `transmission` and `airlight` that all directories have. With it two, of hazy and of clear
        pictures: their only map is `hazy`, or `clear`.

    Raises:
        InputError: nothing given, a directory or folder that cannot be opened or is empty; unpaired
            with a single picture, or with files that are among both the hazy and the clear ones.
    """
    if not config.clear:
        return (_open_pairs(config),)
    hazy = _open_pictures(config.train, config.train_split, "hazy", field="train")
    clear = _open_pictures(config.clear, config.train_split, "clear", field="clear")
    _check_apart(hazy, clear)
    return hazy, clear


def _open_pairs(config: DataConfig) -> list[PreparedMaps]:
    if not config.train:
        raise InputError("DataConfig.train", "names no prepared directory")
    opened = [open_prepared(folder, config.train_split) for folder in config.train]
    extras = (key for key in _OPTIONAL if all(key in prepared.keys for prepared in opened))
    keys = ("hazy", "clear", *extras)
    return [PreparedMaps(prepared, keys) for prepared in opened]


def _open_pictures(folders: Sequence[str], split: str, key: str, *, field: str) -> list[Source]:
    if not folders:
        raise InputError(f"DataConfig.{field}", f"names no folder of {key} pictures")
    sources = []
    for folder in map(pathlib.Path, folders):
        if (folder / "dataset_info.json").is_file():
            source = PreparedMaps(open_prepared(folder, split, needs=(key,)), (key,))
        else:
            source = FolderPictures(folder, key, list_images(folder))
        if len(source) == 1:
            reason = "holds a single picture; adversarial training would only learn that one"
            raise InputError(folder, reason)
        sources.append(source)
    return sources


def _check_apart(hazy: Sequence[Source], clear: Sequence[Source]) -> None:
    """Refuses files that are on both sides, under whatever names.

    A prepared directory may be on both: its hazy and its clear pictures are different ones.
    """
    hazy, clear = (
        [source for source in side if isinstance(source, FolderPictures)] for side in (hazy, clear)
    )
    hazy_folders = {source.folder.resolve() for source in hazy}
    hazy_files = {path.resolve() for source in hazy for path in source.files}
    for source in clear:
        if source.folder.resolve() in hazy_folders:
            raise InputError(source.folder, "is given for the hazy and for the clear pictures")
        for path in source.files:
            if path.resolve() in hazy_files:
                raise InputError(path, "is among the hazy and among the clear pictures")
