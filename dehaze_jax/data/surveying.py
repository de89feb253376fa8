"""A look at a prepared dataset: some examples, and sizes and PSNR of a random sample."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from dehaze_jax.data.maps import PICTURES
from dehaze_jax.data.prepared import Prepared, open_prepared, split_sizes
from dehaze_jax.data.progress import Progress
from dehaze_jax.errors import InputError
from dehaze_jax.image.ranges import from_float, to_float

_WORKERS = 8
_KNOWN = ("airlight", "beta")


@dataclasses.dataclass(frozen=True)
class Look:
    """What there is to see of one example.

    Attributes:
        split: where it is.
        id: its name.
        size: height and width.
        psnr: of the hazy picture against the clear one in dB; None without a pair.
        known: mean airlight, beta.
        pictures: thumbnails uint8 `[h, w, 3]` by `hazy`, `clear` and `transmission`, of examples
            that are shown.
    """

    split: str
    id: str
    size: tuple[int, int]
    psnr: float | None
    known: Mapping[str, float]
    pictures: Mapping[str, np.ndarray] = dataclasses.field(repr=False)


def survey(
    path: str | os.PathLike[str],
    *,
    splits: Sequence[str] = (),
    shown: int = 12,
    sample: int = 200,
    seed: int = 0,
    thumbnail: int = 320,
    progress: Progress | None = None,
) -> list[Look]:
    """Looks at a random sample of examples.

    Args:
        path: the prepared directory.
        splits: where from; empty is all.
        shown: how many of them get thumbnails; these are the first.
        sample: how many are looked at, at most; at least `shown`.
        seed: of the sample.
        thumbnail: longer side of thumbnails in pixels.
        progress: told after every example.

    Raises:
        InputError: no such dataset or split, a number below 1, or a damaged example.
    """
    for name, number in (("pairs", shown), ("sample", sample)):
        if number < 1:
            raise InputError(name, f"{number} is below 1")
    opened = [open_prepared(path, split, needs=()) for split in splits or split_sizes(path)]
    places = [(prepared, index) for prepared in opened for index in range(len(prepared))]
    order = np.random.default_rng(seed).permutation(len(places))[: max(sample, shown)]

    def look(number: int) -> Look:
        prepared, index = places[order[number]]
        return _look(prepared, index, thumbnail if number < shown else 0)

    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
        looks = []
        for found in pool.map(look, range(len(order))):
            looks.append(found)
            if progress:
                progress(len(looks), len(order))
        return looks


def _look(prepared: Prepared, index: int, thumbnail: int) -> Look:
    keys = PICTURES if thumbnail else ("hazy", "clear")
    name, maps = prepared.entry(index, (*keys, *_KNOWN))
    found = maps.part()
    psnr = None
    if "hazy" in found and "clear" in found:
        psnr = _psnr(to_float(found["hazy"]), to_float(found["clear"]))
    known = {key: float(np.mean(found[key])) for key in _KNOWN if key in found}
    pictures = {
        key: _reduce(found[key], thumbnail) for key in PICTURES if thumbnail and key in found
    }
    return Look(prepared.split, name, maps.size, psnr, known, pictures)


def _psnr(hazy: np.ndarray, clear: np.ndarray) -> float:
    error = np.mean(np.square(hazy - clear), dtype=np.float64)
    return float(-10 * np.log10(max(error, 1e-10)))


def _reduce(pixels: np.ndarray, side: int) -> np.ndarray:
    """uint8 `[h, w, 3]` of at most `side` pixels a side."""
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(to_float(pixels), size, interpolation=cv2.INTER_AREA)
    levels = from_float(np.clip(small, 0, 1), np.uint8)
    return levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=2)
