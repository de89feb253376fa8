"""Three ways to bring a restorer to a large picture."""

from collections.abc import Callable

import cv2
import numpy as np
from uhd_study.config import StudyConfig

from dehaze_jax.image import from_float, to_float

Restore = Callable[[np.ndarray], np.ndarray]


def make_way(name: str, restore: Restore, config: StudyConfig) -> Restore:
    """A restorer that goes the way of a name in `WAYS`; 8-bit pictures to 8-bit pictures."""
    ways: dict[str, Restore] = {
        "full size": restore,
        "reduced": lambda hazy: through_reduced(restore, hazy, config.reduction),
        "tiles": lambda hazy: in_tiles(restore, hazy, config.tile, config.overlap),
    }
    return ways[name]


def through_reduced(restore: Restore, hazy: np.ndarray, factor: int) -> np.ndarray:
    """Restores a copy whose sides are `factor` times shorter and brings it up by cubic splines."""
    height, width = hazy.shape[:2]
    small = cv2.resize(hazy, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    return cv2.resize(restore(small), (width, height), interpolation=cv2.INTER_CUBIC)


def in_tiles(restore: Restore, hazy: np.ndarray, tile: int, overlap: int) -> np.ndarray:
    """Restores tiles by themselves; where they overlap, one fades into the next.

    The last tiles of a row and column reach the picture's edge and are of the same size.
    """
    height, width = hazy.shape[:2]
    total = np.zeros((height, width, 3), np.float32)
    weight = np.zeros((height, width, 1), np.float32)
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            part = hazy[top : top + tile, left : left + tile]
            rows, columns = (fade(size, overlap) for size in part.shape[:2])
            share = (rows[:, None] * columns[None])[..., None]
            place = np.s_[top : top + tile, left : left + tile]
            total[place] += share * to_float(restore(part))
            weight[place] += share
    return from_float(total / weight, hazy.dtype)


def starts(size: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along one side, `overlap` pixels or more before the last one ends."""
    if size <= tile:
        return [0]
    return [*range(0, size - tile, tile - overlap), size - tile]


def fade(size: int, overlap: int) -> np.ndarray:
    """Weights along one side of a tile: rising over the overlap, level, falling; never zero."""
    ramp = np.minimum(np.arange(size) + 1, size - np.arange(size))
    return np.minimum(ramp / (overlap + 1), 1).astype(np.float32)
