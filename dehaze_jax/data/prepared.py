"""Reading a prepared dataset: a TFDS directory of array records, without TensorFlow.

`checksums.json` beside the records is ours: it tells a cut-off file when the directory is opened,
and gives a fingerprint without reading the records again. TFDS directories without it open as well.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from google.protobuf import json_format

from dehaze_jax.data.maps import ARRAYS, PICTURES, Maps, naming, record_maps
from dehaze_jax.data.records import Example
from dehaze_jax.data.space import describe_file
from dehaze_jax.errors import InputError

CHECKSUMS = "checksums.json"

PAIR = ("hazy", "clear")
"""What the examples of a dataset of pairs have."""

_EXTRAS = tuple(key for key in (*PICTURES, *ARRAYS) if key not in PAIR)


class _Encoded(tfds.decode.SkipDecoding):
    """Leaves pictures and sequences of tiles as the bytes that they are."""

    def decode_batch_example_np(self, serialized_example: Any) -> Any:
        return serialized_example


class Prepared:
    """One split of a prepared dataset as a sequence of examples; random access, safe in threads.

    Args:
        path: the directory.
        split: name of the split.
        source: its records, decoded no further than TFDS must.
        keys: features that its examples have.
    """

    def __init__(self, path: epath.Path, split: str, source: Sequence[Any], keys: frozenset[str]):
        self.path = path
        self.split = split
        self.keys = keys
        self._source = source

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Example:
        return self.read(index, extras=_EXTRAS)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def read(self, index: int, *, extras: Sequence[str] = ()) -> Example:
        """One example with only the extras asked for; the others cost no decoding.

        Raises:
            InputError: the record is damaged, or the dataset is not one of pairs.
        """
        _check_features(self.path, self.keys, PAIR)
        identity, maps = self.entry(index, (*PAIR, *extras))
        found = maps.part()
        hazy, clear = (found.pop(key) for key in PAIR)
        return Example(id=identity, hazy=hazy, clear=clear, extras=found)

    def entry(self, index: int, keys: Sequence[str]) -> tuple[str, Maps]:
        """The id of one example, and its maps as `maps` gives them.

        Raises:
            InputError: the record is damaged.
        """
        name, record = self._record(index)
        with naming(name):
            identity = bytes.decode(record["id"])  # TFDS gives None for what is cut off
        return identity, record_maps(name, record, keys)

    def maps(self, index: int, keys: Sequence[str]) -> Maps:
        """Pictures and extras of one example by name; those not asked for cost no decoding.

        Args:
            index: number of the example.
            keys: any of `hazy`, `clear` and the extras; those that it lacks are left out.

        Raises:
            InputError: the record is damaged.
        """
        return record_maps(*self._record(index), keys)

    def _record(self, index: int) -> tuple[str, dict[str, Any]]:
        """Where a record stands, and its features, with pictures not decoded."""
        number = range(len(self))[index]
        name = f"{self.path} ({self.split}, example {number})"
        with naming(name):
            return name, self._source[number]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the contents of all record files and the name of the split."""
        checksums = read_checksums(self.path) or record_checksums(self.path)
        content = {name: entry["sha256"] for name, entry in checksums.items()}
        text = json.dumps([self.split, content], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def open_prepared(
    path: str | os.PathLike[str], split: str, *, needs: Sequence[str] = PAIR
) -> Prepared:
    """Opens one split of a prepared dataset, of whole or of tiled pictures.

    Args:
        path: directory written by `prepare`, also as an address that `etils.epath` knows, such as
            `gs://...`; or any TFDS directory of array records with the features `id` and `hazy` or
            `clear`. Those that are tiled are sequences of pictures (see `tiles`) beside the
            features `tile`, an integer, and `size`, two.
        split: `train`, `validation` or `test`, as far as the dataset has them.
        needs: which of `hazy` and `clear` it has to have; pairs by default.

    Raises:
        InputError: no such directory or split, not a prepared dataset, without what is needed, or
            with files missing or cut off.
    """
    root = epath.Path(path)
    builder = _builder(root)
    keys = _features(builder)
    _check_features(root, keys, needs)
    if split not in builder.info.splits:
        known = ", ".join(sorted(builder.info.splits)) or "none"
        raise InputError(root, f"has no split {split!r}; it has: {known}")
    _check_files(root, [epath.Path(file) for file in builder.info.splits[split].filepaths])
    decoders = {key: _Encoded() for key in (*PICTURES, "depth") if key in keys}
    try:
        source = builder.as_data_source(split=split, decoders=decoders)
        length = len(source)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        raise InputError(root, f"the records of split {split!r} cannot be opened") from error
    if not length:
        raise InputError(root, f"split {split!r} is empty")
    return Prepared(root, split, source, keys)


def split_sizes(path: str | os.PathLike[str]) -> dict[str, int]:
    """Examples of every split of a prepared dataset.

    Raises:
        InputError: no such directory, or not a prepared dataset.
    """
    splits = _builder(epath.Path(path)).info.splits
    return {name: splits[name].num_examples for name in splits}


def record_checksums(root: epath.Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every record file of a directory, by name."""
    checksums = {}
    for path in sorted(root.glob("*.array_record*")):
        size, sha256 = describe_file(path)
        checksums[path.name] = {"bytes": size, "sha256": sha256}
    return checksums


def _builder(root: epath.Path) -> Any:
    try:
        if not root.is_dir():
            raise InputError(root, "not a folder" if root.exists() else "does not exist")
    except ImportError as error:  # the package for such paths
        raise InputError(root, f"cannot be reached: {error}") from error
    try:
        builder = tfds.builder_from_directory(root)
        features = _features(builder)
    except (OSError, ValueError, KeyError, TypeError, json_format.ParseError) as error:
        raise InputError(root, "is not a prepared dataset") from error
    if "id" not in features or not features & set(PAIR):
        raise InputError(root, "has no features id and hazy or clear")
    return builder


def _check_features(root: epath.Path, features: frozenset[str], needs: Sequence[str]) -> None:
    missing = [key for key in needs if key not in features]
    if missing:
        raise InputError(root, f"holds no {' and no '.join(missing)} pictures")


def _features(builder: Any) -> frozenset[str]:
    return frozenset(builder.info.features or ())


def read_checksums(root: epath.Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every record file when the dataset was made; empty where not kept.

    Raises:
        InputError: the file cannot be read, or says something else.
    """
    try:
        found = json.loads((root / CHECKSUMS).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(root / CHECKSUMS, "cannot be read") from error
    entries = found.values() if isinstance(found, dict) else [None]
    if not all(
        isinstance(entry, dict) and entry.keys() >= {"bytes", "sha256"} for entry in entries
    ):
        raise InputError(root / CHECKSUMS, "does not give the size and checksum of every file")
    return found


def _check_files(root: epath.Path, files: Sequence[epath.Path]) -> None:
    checksums = read_checksums(root)
    for path in files:
        if not path.is_file():
            raise InputError(path, "does not exist; prepare the dataset again")
        entry = checksums.get(path.name)
        if entry and entry["bytes"] != path.stat().length:
            raise InputError(path, "is cut off or changed; prepare the dataset again")
