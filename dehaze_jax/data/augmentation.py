"""Cutting training pictures: NumPy and OpenCV only, the same cut for all maps of an example."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np

from dehaze_jax.data.config import DataConfig
from dehaze_jax.image.ranges import to_float


@dataclasses.dataclass(frozen=True)
class Cut:
    """Random square cut of random scale, or the whole picture; resized, flipped and turned.

    Attributes:
        config: `crop_size`, `crop_scale`, `whole`, `flips` and `rotations` are used.
    """

    config: DataConfig

    def __call__(
        self, maps: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Cuts every map at the same place.

        Args:
            maps: one or more arrays `[h, w, c]` of one size, uint8, uint16 or float; `[n]` vectors
                pass as they are.
            rng: source of every choice.

        Returns:
            float32 arrays `[crop_size, crop_size, c]`, integers scaled to [0, 1].
        """
        config = self.config
        height, width = next(values.shape[:2] for values in maps.values() if values.ndim == 3)
        shorter = min(height, width)
        if config.whole:
            place = slice(None), slice(None)
        else:
            side = max(1, round(rng.uniform(*config.crop_scale) * shorter))
            top = int(rng.integers(height - side + 1))
            left = int(rng.integers(width - side + 1))
            place = slice(top, top + side), slice(left, left + side)
        flip = config.flips and bool(rng.integers(2))
        turns = int(rng.integers(4)) if config.rotations else 0

        def cut(values: np.ndarray) -> np.ndarray:
            if values.ndim == 1:
                return np.asarray(values, np.float32)
            square = resize(to_float(values[place]), config.crop_size)
            square = square[:, ::-1] if flip else square
            return np.ascontiguousarray(np.rot90(square, turns))

        return {name: cut(values) for name, values in maps.items()}


def resize(part: np.ndarray, side: int) -> np.ndarray:
    """Resizes `[h, w, c]` float32 to `[side, side, c]`: area average down, bilinear up.

    Neither overshoots, so values stay in the range they had. Up is what enlarges either side.
    """
    if part.shape[:2] == (side, side):
        return part
    smaller = side <= min(part.shape[:2])
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    # OpenCV wants contiguous input and drops a single channel axis.
    resized = cv2.resize(np.ascontiguousarray(part), (side, side), interpolation=method)
    return resized.reshape(side, side, part.shape[-1])
