"""Clear pictures with depth: photographs of scikit-image, landscapes, a folder of the user's."""

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np
import skimage

from dehaze_jax.data import (
    encode_picture,
    find_depth,
    list_images,
    plausible_depth,
    stored_bytes,
)
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
        data: the clear picture as it is stored.
        clear: the same, float32 `[h, w, 3]`.
        depth: float32 `[h, w]`, positive.
    """

    data: bytes
    clear: np.ndarray
    depth: np.ndarray


Load = Callable[[], Scene]


def photographs(seed: int) -> dict[str, dict[str, Load]]:
    """Loaders of the photographs by split and name; they come with scikit-image, no download."""
    folder = pathlib.Path(skimage.__file__).parent / "data"
    return {
        split: {
            pathlib.Path(name).stem: _file_loader(folder / name, None, [seed, number])
            for number, name in enumerate(names)
        }
        for split, names in PHOTOGRAPHS.items()
    }


def landscapes(seed: int, count: int, height: int, width: int) -> dict[str, Load]:
    """Loaders of procedural scenes by name."""

    def load(number: int) -> Scene:
        clear, depth = landscape(_one_seed([seed, number]), height, width)
        levels = from_float(clear, np.uint8)
        return Scene(encode_picture(levels), to_float(levels), depth)

    return {f"{number:04d}": lambda number=number: load(number) for number in range(count)}


def folder(root: pathlib.Path, seed: int) -> dict[str, Load]:
    """Loaders of the pictures of a folder, or of its `clear/`, by path without suffix."""
    pictures = root / "clear" if (root / "clear").is_dir() else root
    depths = root / "depth"
    files = [path for path in list_images(pictures) if depths not in path.parents]
    loaders: dict[str, Load] = {}
    for number, path in enumerate(files):
        name = path.relative_to(pictures).with_suffix("").as_posix()
        if name in loaders:
            raise InputError(path, "another picture has the same name")
        loaders[name] = _file_loader(path, find_depth(depths, name), [seed, number])
    if not loaders:
        raise InputError(root, "holds no picture")
    return loaders


def _file_loader(path: pathlib.Path, depth_file: pathlib.Path | None, entropy: list[int]) -> Load:
    def load() -> Scene:
        picture = read(path)
        data = stored_bytes(path, picture, picture.pixels)
        clear = to_float(from_float(to_float(picture.pixels), np.uint8))
        if path.name == "motorcycle_left.png":
            return Scene(data, clear, _motorcycle_depth(path.with_name("motorcycle_disp.npz")))
        if depth_file is None:
            return Scene(data, clear, plausible_depth(_one_seed(entropy), clear))
        depth = read_depth(depth_file)
        if depth.shape != clear.shape[:2]:
            raise InputError(depth_file, f"has another size than {path.name}")
        return Scene(data, clear, depth)

    return load


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
