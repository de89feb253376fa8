"""Cutting training pictures: NumPy and OpenCV only, the same cut for all maps of an example."""

import dataclasses
from collections.abc import Mapping

import cv2
import numpy as np

from dehaze_jax.data.config import DataConfig
from dehaze_jax.image.ranges import to_float


@dataclasses.dataclass(frozen=True)
class Cut:
    """Random square cut of random scale, resized, flipped and turned.

    Attributes:
        config: `crop_size`, `crop_scale`, `flips` and `rotations` are used.
    """

    config: DataConfig

    def __call__(
        self, maps: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> dict[str, np.ndarray]:
        """Cuts every map at the same place.

        Args:
            maps: arrays `[h, w, c]` of one size, uint8, uint16 or float; `[n]` vectors pass as they
                are.
            rng: source of every choice.

        Returns:
            float32 arrays `[crop_size, crop_size, c]`, integers scaled to [0, 1].
        """
        config = self.config
        height, width = maps["hazy"].shape[:2]
        shorter = min(height, width)
        side = max(1, round(rng.uniform(*config.crop_scale) * shorter))
        top = int(rng.integers(height - side + 1))
        left = int(rng.integers(width - side + 1))
        flip = config.flips and bool(rng.integers(2))
        turns = int(rng.integers(4)) if config.rotations else 0

        def cut(values: np.ndarray) -> np.ndarray:
            if values.ndim == 1:
                return np.asarray(values, np.float32)
            square = to_float(values[top : top + side, left : left + side])
            square = resize(square, config.crop_size)
            square = square[:, ::-1] if flip else square
            return np.ascontiguousarray(np.rot90(square, turns))

        return {name: cut(values) for name, values in maps.items()}


def resize(square: np.ndarray, side: int) -> np.ndarray:
    """Resizes `[n, n, c]` float32 to `[side, side, c]`: area average down, bilinear up.

    Neither overshoots, so values stay in the range they had.
    """
    if square.shape[0] == side:
        return square
    smaller = side < square.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    # OpenCV wants contiguous input and drops a single channel axis.
    resized = cv2.resize(np.ascontiguousarray(square), (side, side), interpolation=method)
    return resized.reshape(side, side, square.shape[-1])
