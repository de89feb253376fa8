"""Clear pictures with depth: photographs of scikit-image, landscapes, a folder of the user's."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import skimage

from dehaze_jax.data import (
    DepthMaps,
    Folders,
    Layout,
    exact_bytes,
    list_images,
    locate,
    plausible_depth,
)
from dehaze_jax.errors import InputError
from dehaze_jax.haze import landscape
from dehaze_jax.image import from_float, read, read_depth, to_float

PHOTOGRAPHS = {
    "train": ("astronaut.png", "coffee.png", "motorcycle_left.png"),
    "validation": ("chelsea.png",),
    "test": ("rocket.jpg",),
}

_DISPARITIES = {"motorcycle_left.png": "motorcycle_disp.npz"}

_LAYOUTS = (Layout({"train": Folders(clear="clear")}), Layout({"train": Folders(clear="**")}))

# Calibration of the Middlebury pair: focal length and offset in pixels, baseline in metres.
_FOCAL, _OFFSET, _BASELINE = 994.978, 31.086, 0.193001


@dataclasses.dataclass(frozen=True)
class Scene:
    """What haze is rendered on.

    Attributes:
        levels: the clear picture, uint8 `[h, w, 3]`.
        depth: float32 `[h, w]`, not negative, in the range of float16; more than half is above 0.
        data: the clear picture as its file has it, where that is exact; None is a new PNG.
    """

    levels: np.ndarray
    depth: np.ndarray
    data: bytes | None = None

    @property
    def clear(self) -> np.ndarray:
        """The clear picture, float32 in [0, 1]."""
        return to_float(self.levels)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a scene comes from.

    Attributes:
        load: makes it.
        weight: bytes of its picture.
        files: those that it reads.
    """

    load: Callable[[], Scene]
    weight: int
    files: tuple[pathlib.Path, ...] = ()


def photographs(seed: int) -> dict[str, dict[str, Source]]:
    """The photographs by split and name; they come with scikit-image, no download."""
    folder = pathlib.Path(skimage.__file__).parent / "data"

    def source(number: int, name: str) -> Source:
        disparity = folder / _DISPARITIES[name] if name in _DISPARITIES else None
        return _file_source(folder / name, disparity, [seed, number])

    return {
        split: {pathlib.Path(name).stem: source(k, name) for k, name in enumerate(names)}
        for split, names in PHOTOGRAPHS.items()
    }


def landscapes(seed: int, count: int, height: int, width: int) -> dict[str, Source]:
    """Procedural scenes by name."""

    def load(number: int) -> Scene:
        clear, depth = landscape(_one_seed([seed, number]), height, width)
        return Scene(from_float(clear, np.uint8), depth)

    weight = 3 * height * width
    return {
        f"{number:04d}": Source(functools.partial(load, number), weight) for number in range(count)
    }


class FolderScenes(NamedTuple):
    """What a folder of the user's holds.

    Attributes:
        sources: scenes by name.
        faults: pictures that cannot be used.
        notes: what is to be said of it.
    """

    sources: dict[str, Source]
    faults: list[InputError]
    notes: list[str]


def folder(given: pathlib.Path, seed: int) -> FolderScenes:
    """The pictures of a `clear/`, or all there are, by path without suffix.

    Depth maps lie in one folder `depth/`, beside `clear/` or among the pictures, under the names of
    the pictures. Without it depth is made up.

    Raises:
        InputError: no picture, two of one name, or several folders of depth maps.
    """
    root = given.absolute()
    places = locate(root, _LAYOUTS).places["train"]["clear"]
    maps = _depth_maps(root, places)
    files = {
        path: pictures
        for pictures in places
        for path in list_images(pictures)
        if maps is None or maps.folder not in path.parents
    }
    if not files:
        raise InputError(given, "holds no picture")
    found = FolderScenes({}, [], [] if maps else ["no folder depth/ was found: depth is made up"])
    for number, (path, pictures) in enumerate(files.items()):
        name = path.relative_to(pictures).with_suffix("").as_posix()
        if name in found.sources:
            raise InputError(path, "another picture has the same name")
        try:
            depth = _depth_of(path, name, maps) if maps else None
        except InputError as fault:
            found.faults.append(fault)
        else:
            found.sources[name] = _file_source(path, depth, [seed, number])
    return found


def _depth_maps(root: pathlib.Path, places: Iterable[pathlib.Path]) -> DepthMaps | None:
    """What lies in `depth/`, in any case of letters, in what the user gave."""
    found: set[pathlib.Path] = set()
    for pictures in places:
        beside = pictures.parent.iterdir() if pictures != root else ()
        paths = (*beside, *pictures.rglob("*"))
        found |= {path for path in paths if path.name.lower() == "depth" and path.is_dir()}
    if len(found) > 1:
        first, second, *_ = sorted(found)
        raise InputError(second, f"is a second folder of depth maps, beside {first}")
    return DepthMaps(found.pop()) if found else None


def _depth_of(path: pathlib.Path, name: str, maps: DepthMaps) -> pathlib.Path:
    found = maps.find(name)
    if found is None:
        raise InputError(path, f"has no depth map in {maps.folder}")
    return found


def _file_source(path: pathlib.Path, depth: pathlib.Path | None, entropy: list[int]) -> Source:
    files = (path, depth) if depth else (path,)
    weight = sum(file.stat().st_size for file in files)
    return Source(functools.partial(_read, path, depth, entropy), weight, files)


def _read(path: pathlib.Path, depth_file: pathlib.Path | None, entropy: list[int]) -> Scene:
    picture = read(path)
    levels = from_float(to_float(picture.pixels), np.uint8)
    if depth_file is None:
        depth = plausible_depth(_one_seed(entropy), to_float(levels))
    elif depth_file.suffix == ".npz":  # scikit-image's alone: depth maps of users are none
        depth = _motorcycle_depth(depth_file)
    else:
        depth = _given_depth(depth_file)
        if depth.shape != levels.shape[:2]:
            raise InputError(depth_file, f"has another size than {path.name}")
    return Scene(levels, depth, exact_bytes(path, picture, levels))


def _given_depth(path: pathlib.Path) -> np.ndarray:
    """A depth map of the user's that haze can be rendered with and that can be stored."""
    depth = read_depth(path)
    largest = np.finfo(np.float16).max
    if depth.min() < 0:
        raise InputError(path, "holds depths below zero")
    if depth.max() > largest:
        raise InputError(path, f"holds depths above {largest:.0f}, the largest that is stored")
    if np.median(depth.astype(np.float16)) == 0:
        raise InputError(path, "is zero in half of the picture or more")
    return depth


def _motorcycle_depth(path: pathlib.Path) -> np.ndarray:
    """Metres; unmeasured pixels take the nearest measured value to their left, or the right."""
    with np.load(path) as archive:
        disparity = archive[archive.files[0]].astype(np.float32)
    known = np.isfinite(disparity) & (disparity > 0)
    columns = np.where(known, np.arange(disparity.shape[1]), 0)
    left = np.maximum.accumulate(columns, axis=1)
    first = known.argmax(axis=1)
    source = np.maximum(left, first[:, None])
    filled = np.take_along_axis(disparity, source, axis=1)
    return _FOCAL * np.float32(_BASELINE) / (filled + _OFFSET)


def _one_seed(entropy: list[int]) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
