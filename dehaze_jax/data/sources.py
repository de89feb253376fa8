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
from dehaze_jax.data.prepared import PAIR, Prepared, open_prepared
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

    def name(self, index: int) -> str:
        """Directory and id of one example; its number where the record is damaged."""
        try:
            identity, _ = self.prepared.entry(index, ())
        except InputError:
            identity = f"example {index}"
        return f"{self.prepared.path}: {identity}"

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

    def name(self, index: int) -> str:
        """The file."""
        return str(self.files[index])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Maps:
        """Reads one file.

        Raises:
            InputError: it is damaged; names it.
        """
        return DecodedMaps({self.key: read(self.files[index]).pixels})


Source: TypeAlias = PreparedMaps | FolderPictures


def open_training(config: DataConfig, *, depth: bool = False) -> tuple[Sequence[Source], ...]:
    """Opens what a config trains on.

    Args:
        config: which directories and folders.
        depth: also `depth`, where there are no unpaired pictures and all directories have it.

    Returns:
        With `config.train` alone one list of sources: their maps are `hazy`, `clear` and those of
        `transmission` and `airlight` that all directories have. With `config.clear` alone one too:
        their map is `clear`. With both two lists, of hazy and of clear pictures: their only map is
        `hazy`, or `clear`.

    Raises:
        InputError: nothing given, a directory or folder that cannot be opened or is empty; unpaired
            with a single picture, or with files that are among both the hazy and the clear ones.
    """
    optional = ("depth",) if depth else ()
    if not config.clear:
        return (_open_pairs(config, optional),)
    if not config.train:
        return (_with_common(_open_pictures(config.clear, config.train_split, "clear"), optional),)
    hazy = _open_pictures(config.train, config.train_split, "hazy")
    clear = _open_pictures(config.clear, config.train_split, "clear")
    _check_several((*hazy, *clear))
    _check_apart(hazy, clear)
    return hazy, clear


def _open_pairs(config: DataConfig, optional: Sequence[str]) -> list[Source]:
    if not config.train:
        raise InputError("DataConfig.train", "names no prepared directory")
    pairs = [
        PreparedMaps(open_prepared(folder, config.train_split), PAIR) for folder in config.train
    ]
    return _with_common(pairs, (*_OPTIONAL, *optional))


def _open_pictures(folders: Sequence[str], split: str, key: str) -> list[Source]:
    """Prepared directories, as all addresses are, and folders of pictures."""
    return [
        PreparedMaps(open_prepared(folder, split, needs=(key,)), (key,))
        if "://" in folder or (pathlib.Path(folder) / "dataset_info.json").is_file()
        else FolderPictures(pathlib.Path(folder), key, list_images(folder))
        for folder in folders
    ]


def _with_common(sources: Sequence[Source], optional: Sequence[str]) -> list[Source]:
    """The sources with those further maps that all of them have."""
    prepared = [source for source in sources if isinstance(source, PreparedMaps)]
    if len(prepared) < len(sources):
        return list(sources)
    common = [key for key in optional if all(key in source.prepared.keys for source in prepared)]
    return [PreparedMaps(source.prepared, (*source.keys, *common)) for source in prepared]


def _check_several(sources: Sequence[Source]) -> None:
    for source in sources:
        if len(source) == 1:
            path = source.folder if isinstance(source, FolderPictures) else source.prepared.path
            reason = "holds a single picture; adversarial training would only learn that one"
            raise InputError(path, reason)


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
