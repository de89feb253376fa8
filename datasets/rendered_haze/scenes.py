"""Clear pictures with depth: photographs of scikit-image, landscapes, a folder of the user's."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable

import numpy as np
import skimage

from dehaze_jax.data import exact_bytes, find_depth, list_images, plausible_depth
from dehaze_jax.errors import InputError
from dehaze_jax.haze import landscape
from dehaze_jax.image import from_float, read, read_depth, to_float

PHOTOGRAPHS = {
    "train": ("astronaut.png", "coffee.png", "motorcycle_left.png"),
    "validation": ("chelsea.png",),
    "test": ("rocket.jpg",),
}

# Calibration of the Middlebury pair: focal length and offset in pixels, baseline in metres.
_FOCAL, _OFFSET, _BASELINE = 994.978, 31.086, 0.193001


@dataclasses.dataclass(frozen=True)
class Scene:
    """What haze is rendered on.

    Attributes:
        levels: the clear picture, uint8 `[h, w, 3]`.
        depth: float32 `[h, w]`, positive.
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
    return {
        split: {
            pathlib.Path(name).stem: _file_source(folder / name, None, [seed, number])
            for number, name in enumerate(names)
        }
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


def folder(root: pathlib.Path, seed: int) -> dict[str, Source]:
    """The pictures of a folder, or of its `clear/`, by path without suffix."""
    pictures = root / "clear" if (root / "clear").is_dir() else root
    depths = root / "depth"
    files = [path for path in list_images(pictures) if depths not in path.parents]
    sources: dict[str, Source] = {}
    for number, path in enumerate(files):
        name = path.relative_to(pictures).with_suffix("").as_posix()
        if name in sources:
            raise InputError(path, "another picture has the same name")
        sources[name] = _file_source(path, find_depth(depths, name), [seed, number])
    if not sources:
        raise InputError(root, "holds no picture")
    return sources


def _file_source(path: pathlib.Path, depth: pathlib.Path | None, entropy: list[int]) -> Source:
    files = (path, depth) if depth else (path,)
    weight = sum(file.stat().st_size for file in files)
    return Source(functools.partial(_read, path, depth, entropy), weight, files)


def _read(path: pathlib.Path, depth_file: pathlib.Path | None, entropy: list[int]) -> Scene:
    picture = read(path)
    levels = from_float(to_float(picture.pixels), np.uint8)
    data = exact_bytes(path, picture, levels)
    if path.name == "motorcycle_left.png":
        return Scene(levels, _motorcycle_depth(path.with_name("motorcycle_disp.npz")), data)
    if depth_file is None:
        return Scene(levels, plausible_depth(_one_seed(entropy), to_float(levels)), data)
    depth = read_depth(depth_file)
    if depth.shape != levels.shape[:2]:
        raise InputError(depth_file, f"has another size than {path.name}")
    return Scene(levels, depth, data)


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
