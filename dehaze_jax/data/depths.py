"""Depth of clear pictures: maps that lie in a folder, or a depth that could be."""

import os
import pathlib
from collections import defaultdict

import cv2
import numpy as np

from dehaze_jax.data.pairing import list_files
from dehaze_jax.errors import InputError
from dehaze_jax.image.files import IMAGE_SUFFIXES

DEPTH_SUFFIXES = (*IMAGE_SUFFIXES, ".npy")
"""Lower-case suffixes of depth maps."""

_FARTHEST = 6.0
"""Distance of the horizon over that of the nearest ground."""


def plausible_depth(seed: int, clear: np.ndarray) -> np.ndarray:
    """A ground that recedes to a random horizon, its random relief fitted to the picture's edges.

    Good for training and for demonstrations; it is no estimate of the depth of the picture.

    Args:
        seed: which horizon and relief.
        clear: float32 `[h, w, 3]` in [0, 1].

    Returns:
        float32 `[h, w]` in (0, 1]; the farthest point has depth 1.
    """
    rng = np.random.default_rng(seed)
    height, width = clear.shape[:2]
    horizon = rng.uniform(0.2, 0.5)
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    below = np.clip((rows - horizon) / (1 - horizon), 1 / _FARTHEST, 1)
    knots = rng.normal(size=(4, 6)).astype(np.float32)
    relief = cv2.resize(knots, (width, height), interpolation=cv2.INTER_CUBIC)
    logarithm = 0.25 * relief - np.log(below)[:, None].astype(np.float32)
    logarithm = _follow_edges(cv2.cvtColor(clear, cv2.COLOR_RGB2GRAY), logarithm)
    return np.exp(logarithm - logarithm.max())


def _follow_edges(guide: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Guided filter (He et al. 2013) with OpenCV's box means: nothing to compile for each size."""
    size = (2 * (max(guide.shape) // 16) + 1,) * 2

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, size, borderType=cv2.BORDER_REFLECT)

    mean_guide, mean_plane = mean(guide), mean(plane)
    variance = mean(guide * guide) - mean_guide**2
    slope = (mean(guide * plane) - mean_guide * mean_plane) / (variance + np.float32(1e-3))
    offset = mean_plane - slope * mean_guide
    return mean(slope) * guide + mean(offset)


class DepthMaps:
    """The depth maps of a folder, listed once.

    Args:
        folder: where they lie; sub-folders included.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = pathlib.Path(folder)
        self._found: dict[str, list[pathlib.Path]] = defaultdict(list)
        for path in list_files(self.folder, DEPTH_SUFFIXES):
            name = path.relative_to(self.folder).with_suffix("").as_posix()
            self._found[name].append(path)

    def find(self, name: str) -> pathlib.Path | None:
        """The picture or `.npy` file of a picture's depth, or None.

        Args:
            name: the picture's path without suffix, below its own folder.

        Raises:
            InputError: there are several.
        """
        found = self._found.get(name, [])
        if len(found) > 1:
            raise InputError(found[1], f"{found[0].name} is a depth map of the same name")
        return found[0] if found else None
