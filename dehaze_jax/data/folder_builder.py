"""Builder of a dataset of files: declared by its layouts, pairing, splits and names alone."""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
import tifffile

from dehaze_jax.data.building import BuilderConfig, Features, ShardedBuilder, Task
from dehaze_jax.data.layouts import UNDEALT, Dataset, Folders, compare_editions
from dehaze_jax.data.locating import Places, locate
from dehaze_jax.data.pairing import (
    Rule,
    find_maps,
    list_images,
    match_pairs,
    match_sizes,
    name_images,
    name_parameters,
)
from dehaze_jax.data.records import exact_bytes
from dehaze_jax.data.splits import SPLITS, deal_out
from dehaze_jax.errors import InputError
from dehaze_jax.image import png, tiff
from dehaze_jax.image.decoding import DECODING_ERRORS
from dehaze_jax.image.files import read
from dehaze_jax.image.ranges import from_float, to_float

_PNG_HEADER = 26  # bytes that tell the bit depth


@dataclasses.dataclass(eq=False, kw_only=True)
class FolderConfig(BuilderConfig):
    """Options of builders of files.

    Attributes:
        source: the folder.
        rule: how hazy and clear files are paired; None as the dataset says.
    """

    source: str = ""
    rule: Rule | None = None


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of one example.

    Attributes:
        id: name of the example.
        paths: by `hazy`, `clear` and `transmission`.
        known: what the name says of the haze, by `airlight` and `beta`.
    """

    id: str
    paths: Mapping[str, pathlib.Path]
    known: Mapping[str, float]

    @property
    def scene(self) -> str:
        """What it shows: several hazy pictures may have one clear one."""
        return str(self.paths.get("clear") or self.paths["hazy"])


class FolderBuilder(ShardedBuilder, skip_registration=True):
    """Examples from a folder that lies as one of the dataset's layouts says.

    Airlight and beta are features where every file name tells them, transmission where every
    picture has its map. Pictures have 16 bits as soon as one of the files does.
    """

    config: FolderConfig
    config_class: ClassVar[type[BuilderConfig]] = FolderConfig

    @classmethod
    def option_names(cls, dataset: Dataset) -> set[str]:
        """Without partners there is no rule."""
        theirs = set() if len(dataset.pictures) == 2 else {"rule"}
        return super().option_names(dataset) - theirs

    def plan(self) -> dict[str, list[Task]]:
        """Finds the files; those without a partner are faults."""
        files = self._find()
        counts = {split: len(members) for split, members in files.items()}
        self.edition, warning = compare_editions(counts, self.dataset.editions)
        self.notes += [warning] if warning else []
        everything = [member for members in files.values() for member in members]
        self._extras = self._common_extras(everything) if everything else frozenset()
        paths = {m.paths[key] for m in everything for key in self.dataset.pictures}
        deep = self.config.quality is None and any(map(_is_deep, paths))
        self.dtype = np.dtype(np.uint16 if deep else np.uint8)
        return {split: [self._task(m) for m in members] for split, members in files.items()}

    def _common_extras(self, files: Sequence[Files]) -> frozenset[str]:
        """What is known of all examples; what only some have is left out, with a note."""
        common = []
        for extra in ("airlight", "beta", "transmission"):
            without = [f.id for f in files if extra not in f.known.keys() | f.paths.keys()]
            if not without:
                common.append(extra)
            elif len(without) < len(files):
                reason = f"{len(without)} of {len(files)} lack it, such as {without[0]}"
                self.notes.append(f"{extra} is left out: {reason}")
        return frozenset(common)

    def features(self) -> Features:
        """Id, pictures, and what is known of the haze."""
        pictures = (*self.dataset.pictures, *({"transmission"} & self._extras))
        features = self.config.features(pictures, self.dtype)
        if "airlight" in self._extras:
            features["airlight"] = tfds.features.Tensor(shape=(3,), dtype=np.float32)
        if "beta" in self._extras:
            features["beta"] = tfds.features.Scalar(dtype=np.float32)
        return features

    def _find(self) -> dict[str, list[Files]]:
        located = locate(self.config.source, self.dataset.layouts)
        files = {
            split: self._list(located.layout.folders[split], places)
            for split, places in located.places.items()
        }
        if UNDEALT in files:
            undealt = files.pop(UNDEALT)
            chosen = deal_out(
                [pathlib.PurePath(member.id).name for member in undealt],
                [member.scene for member in undealt],
                located.layout.deal,
                seed=self.config.seed,
            )
            for split in SPLITS:
                files[split] = [m for m, s in zip(undealt, chosen, strict=True) if s == split]
            if without := [m.id for m, s in zip(undealt, chosen, strict=True) if s is None]:
                self.notes.append(f"{len(without)} are of no split: {', '.join(without[:5])}")
        found = {split: members for split, members in files.items() if members}
        if not found and not self.faults:
            raise InputError(self.config.source, "holds no picture that is in a split")
        return found

    def _list(self, folders: Folders, places: Places) -> list[Files]:
        if self.dataset.pictures != ("hazy", "clear"):
            (key,) = self.dataset.pictures
            images = {path: root for root in places[key] for path in list_images(root)}
            named, faults = name_images(images)
            self.faults += faults
            return [Files(name, {key: path}, {}) for name, path in named.items()]
        rule = self.config.rule or folders.rule
        pairs, faults = match_pairs(places["hazy"], places["clear"], rule=rule)
        self.faults += faults
        maps: Sequence[pathlib.Path | None] = [None] * len(pairs)
        if "transmission" in places:
            maps = find_maps(pairs, places["transmission"])
            if pairs and not any(maps):
                where = " and ".join(map(str, places["transmission"]))
                self.notes.append(f"transmission is left out: {where} holds none of these pictures")
        return [
            Files(
                pair.id,
                {"hazy": pair.hazy, "clear": pair.clear} | ({"transmission": t} if t else {}),
                name_parameters(pair.hazy.stem, self.dataset.fields),
            )
            for pair, t in zip(pairs, maps, strict=True)
        ]

    def _task(self, files: Files) -> Task:
        used = (*self.dataset.pictures, *({"transmission"} & self._extras))
        paths = tuple(files.paths[key] for key in used)
        weight = sum(path.stat().st_size for path in paths)
        return Task(files.id, paths, functools.partial(self._make, files), weight)

    def _make(self, files: Files) -> list[Features]:
        read_pictures = {key: read(files.paths[key]) for key in self.dataset.pictures}
        pixels = {key: picture.pixels for key, picture in read_pictures.items()}
        if len(pixels) == 2:
            cropped = match_sizes(pixels["hazy"], pixels["clear"], subject=files.paths["hazy"])
            pixels = dict(zip(("hazy", "clear"), cropped, strict=True))
        pixels = {key: _as_dtype(values, self.dtype) for key, values in pixels.items()}
        as_read = {}
        if not self.config.tiles and self.config.quality is None:
            as_read = {
                key: exact_bytes(files.paths[key], picture, pixels[key])
                for key, picture in read_pictures.items()
            }
        if "transmission" in self._extras:
            pixels["transmission"] = _read_transmission(files.paths["transmission"], pixels["hazy"])
        example = {"id": files.id, **self.config.store(pixels, as_read=as_read)}
        if "airlight" in self._extras:
            example["airlight"] = np.full(3, files.known["airlight"], np.float32)
        if "beta" in self._extras:
            example["beta"] = np.float32(files.known["beta"])
        return [example]


def _read_transmission(path: pathlib.Path, hazy: np.ndarray) -> np.ndarray:
    """`[h, w]` float32 in [0, 1], cropped at its centre to the size of the hazy picture."""
    values = to_float(read(path).pixels)[..., 0]
    height, width = values.shape
    if height < hazy.shape[0] or width < hazy.shape[1]:
        sizes = f"{width} x {height}, the hazy picture {hazy.shape[1]} x {hazy.shape[0]}"
        raise InputError(path, f"is {sizes}")
    return match_sizes(values, hazy, subject=path)[0]


def _as_dtype(pixels: np.ndarray, dtype: Any) -> np.ndarray:
    return pixels if pixels.dtype == dtype else from_float(to_float(pixels), dtype)


def _is_deep(path: pathlib.Path) -> bool:
    """Whether a file may hold more than 8 bits a channel; one that cannot be read does not.

    Only its header is read.
    """
    if path.suffix.lower() not in (".png", ".tif", ".tiff"):
        return False
    with contextlib.suppress(*DECODING_ERRORS), path.open("rb") as file:
        start = file.read(_PNG_HEADER)
        if not start.startswith(tiff.SIGNATURES):
            return png.depth_and_grey(start)[0] == 16
        file.seek(0)
        with tifffile.TiffFile(file) as pages:
            return bool(np.max(pages.pages.first.bitspersample) > 8)
    return False
