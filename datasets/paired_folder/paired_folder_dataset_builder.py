"""The user's hazy and clear pictures as a prepared dataset.

The folder holds `hazy/` and `clear/` (or `GT/`), which are split by scene, or `train/`, `val/` and
`test/` (or `eval/`) with both folders in each. PNG and JPEG files are kept as they are where that
loses nothing.
"""

import dataclasses
import io
import pathlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from dehaze_jax.data import (
    Pair,
    find_pairs,
    match_sizes,
    name_parameters,
    split_scenes,
    stored_bytes,
)
from dehaze_jax.errors import InputError
from dehaze_jax.image import read

_HAZY = ("hazy", "haze", "input")
_CLEAR = ("clear", "gt", "target")
_SPLITS = {"train": ("train",), "validation": ("validation", "val"), "test": ("test", "eval")}
_PNG_DEPTH = 24  # offset of the bit depth in a PNG file


@dataclasses.dataclass(eq=False, kw_only=True)
class Config(tfds.core.BuilderConfig):
    """Options of the builder.

    Attributes:
        source: the folder.
        seed: of the split by scene.
    """

    source: str = ""
    seed: int = 0


class Builder(tfds.core.GeneratorBasedBuilder):
    """Hazy and clear pictures by file name."""

    name = "paired_folder"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: Mapping[str, str] = {"1.0.0": "First version."}
    report: Callable[[int, int], None] | None = None

    def __init__(self, **options: Any):
        root = pathlib.Path(options["config"].source)
        self._pairs = _pairs_by_split(root, options["config"].seed)
        self._total = sum(len(pairs) for pairs in self._pairs.values())
        self._done = 0
        files = {
            file for pairs in self._pairs.values() for p in pairs for file in (p.hazy, p.clear)
        }
        self._dtype = np.uint16 if any(map(_is_deep, files)) else np.uint8
        parsed = [name_parameters(p.hazy.stem) for pairs in self._pairs.values() for p in pairs]
        self._known = set.intersection(*(set(names) for names in parsed))
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        picture = tfds.features.Image(shape=(None, None, 3), dtype=self._dtype)
        features: dict[str, Any] = {"id": tfds.features.Text(), "hazy": picture, "clear": picture}
        if "airlight" in self._known:
            features["airlight"] = tfds.features.Tensor(shape=(3,), dtype=np.float32)
        if "beta" in self._known:
            features["beta"] = tfds.features.Scalar(dtype=np.float32)
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("hazy", "clear"),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        return {split: self._generate_examples(pairs) for split, pairs in self._pairs.items()}

    def _generate_examples(self, pairs: Sequence[Pair]) -> Iterator[tuple[str, dict[str, Any]]]:
        for pair in pairs:
            hazy, clear = read(pair.hazy), read(pair.clear)
            cropped = match_sizes(hazy.pixels, clear.pixels, subject=pair.hazy)
            names = name_parameters(pair.hazy.stem)
            hazy_data, clear_data = (
                stored_bytes(path, picture, pixels, dtype=self._dtype)
                for path, picture, pixels in zip(
                    (pair.hazy, pair.clear), (hazy, clear), cropped, strict=True
                )
            )
            example: dict[str, Any] = {
                "id": pair.id,
                "hazy": io.BytesIO(hazy_data),
                "clear": io.BytesIO(clear_data),
            }
            if "airlight" in self._known:
                example["airlight"] = np.full(3, names["airlight"], np.float32)
            if "beta" in self._known:
                example["beta"] = np.float32(names["beta"])
            yield pair.id, example
            self._done += 1
            if self.report:
                self.report(self._done, self._total)


def _pairs_by_split(root: pathlib.Path, seed: int) -> dict[str, list[Pair]]:
    if not root.is_dir():
        raise InputError(root, "not a folder" if root.exists() else "does not exist")
    found = {split: _subfolder(root, names) for split, names in _SPLITS.items()}
    if any(found.values()):
        return {split: list(_folder_pairs(path)) for split, path in found.items() if path}
    by_scene = defaultdict(list)
    for pair in _folder_pairs(root):
        by_scene[str(pair.clear)].append(pair)
    return {
        split: [pair for scene in scenes for pair in by_scene[scene]]
        for split, scenes in split_scenes(by_scene, seed=seed).items()
    }


def _folder_pairs(folder: pathlib.Path) -> tuple[Pair, ...]:
    hazy, clear = _subfolder(folder, _HAZY), _subfolder(folder, _CLEAR)
    if hazy is None or clear is None:
        raise InputError(folder, "has no hazy/ and clear/ folders")
    return find_pairs(hazy, clear)


def _subfolder(folder: pathlib.Path, names: Sequence[str]) -> pathlib.Path | None:
    for child in sorted(folder.iterdir()):
        if child.name.lower() in names and child.is_dir():
            return child
    return None


def _is_deep(path: pathlib.Path) -> bool:
    """Whether a file may hold more than 8 bits a channel."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        try:
            with path.open("rb") as file:
                return file.read(_PNG_DEPTH + 1)[_PNG_DEPTH:] == b"\x10"
        except OSError as error:
            raise InputError(path, f"cannot be read: {error.strerror or error}") from error
    return suffix in (".tif", ".tiff") and read(path).pixels.dtype != np.uint8
