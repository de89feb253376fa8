"""Cutting training pictures: NumPy and OpenCV only, the same cut for all maps of an example."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.maps import Maps
from dehaze_jax.data.tiles import Place
from dehaze_jax.image.ranges import to_float

_ROTATIONS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}


class Choice(NamedTuple):
    """What is drawn for one cut.

    Attributes:
        place: what is taken of the picture.
        flip: whether it is mirrored left to right, after it is resized.
        turns: by how many times 90 degrees it is turned against the clock, after that.
        haze: what the haze of a pair is scaled by.
    """

    place: Place
    flip: bool = False
    turns: int = 0
    haze: float = 1.0


@dataclasses.dataclass(frozen=True)
class Cut:
    """Random square cut, or the whole picture; resized, flipped and turned.

    Attributes:
        config: `crop`, `crop_size`, `crop_scale`, `flips`, `rotations` and `haze_scale` are used.
    """

    config: DataConfig

    def __call__(self, maps: Maps, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Cuts every map at the same place.

        Args:
            maps: those of one example; only what is cut of them is decoded.
            rng: source of every choice.

        Returns:
            float32 arrays `[crop_size, crop_size, c]`, integers scaled to [0, 1]; `[n]` vectors as
            they are.

        Raises:
            InputError: what the maps are read from is damaged.
        """
        return self.take(maps, self.choose(*maps.size, rng))

    def choose(self, height: int, width: int, rng: np.random.Generator) -> Choice:
        """Draws a cut of a picture of which only the size is known."""
        config, shorter = self.config, min(height, width)
        if config.crop == "whole":
            place = slice(0, height), slice(0, width)
        else:
            side = min(config.crop_size, shorter)
            if config.crop == "scaled":
                side = max(1, round(rng.uniform(*config.crop_scale) * shorter))
            top = int(rng.integers(height - side + 1))
            left = int(rng.integers(width - side + 1))
            place = slice(top, top + side), slice(left, left + side)
        flip = config.flips and bool(rng.integers(2))
        turns = int(rng.integers(4)) if config.rotations else 0
        low, high = config.haze_scale
        haze = float(rng.uniform(low, high)) if low < high else low
        return Choice(place, flip, turns, haze)

    def middle(self, height: int, width: int) -> Choice:
        """The cut in the middle, the largest that could be drawn, upright."""
        config, shorter = self.config, min(height, width)
        if config.crop == "whole":
            return Choice((slice(0, height), slice(0, width)))
        side = min(config.crop_size, shorter)
        if config.crop == "scaled":
            side = max(1, round(config.crop_scale[1] * shorter))
        top, left = (height - side) // 2, (width - side) // 2
        return Choice((slice(top, top + side), slice(left, left + side)))

    def take(self, maps: Maps, choice: Choice) -> dict[str, np.ndarray]:
        """Cuts as chosen; see `__call__`."""
        parts = maps.part(choice.place)
        cut = {name: self._finish(values, choice) for name, values in parts.items()}
        return scale_haze(cut, choice.haze) if choice.haze != 1 else cut

    def _finish(self, values: np.ndarray, choice: Choice) -> np.ndarray:
        if values.ndim < 2:
            return np.asarray(values, np.float32)
        values = values if values.ndim == 3 else values[..., None]
        side = self.config.crop_size
        square = values if values.shape[:2] == (side, side) else resize(to_float(values), side)
        return np.ascontiguousarray(to_float(_turn(square, choice)))


def scale_haze(maps: Mapping[str, np.ndarray], factor: float) -> dict[str, np.ndarray]:
    """Haze of the same airlight that takes `factor` times as much of the light away.

    With I = J T + A (1 - T), scaling I - J is the same as scaling 1 - T, at every pixel and
    whatever the airlight is; so it needs neither. Above 1 that holds up to 1 / (1 - T): denser haze
    than is possible comes out in colours beyond the airlight's.

    Args:
        maps: of one example, float32 `[h, w, c]` in [0, 1]; nothing is done to one that is not a
            pair.
        factor: from 0, which leaves no haze.

    Returns:
        The maps with `hazy`, and `transmission` if it is there, changed and cut off at 0 and 1.

    References: the scattering model of Koschmieder (1924), as in `haze.scattering`.
    """
    if not {"hazy", "clear"} <= maps.keys():
        return dict(maps)
    scaled, clear = dict(maps), maps["clear"]
    scaled["hazy"] = np.clip(clear + factor * (maps["hazy"] - clear), 0, 1)
    if "transmission" in maps:
        scaled["transmission"] = np.clip(1 - factor * (1 - maps["transmission"]), 0, 1)
    return scaled


def resize(part: np.ndarray, side: int) -> np.ndarray:
    """Resizes `[h, w, c]` float32 to `[side, side, c]`: area average down, bilinear up.

    Neither overshoots, so values stay in the range they had. Up is what enlarges either side.
    """
    smaller = side <= min(part.shape[:2])
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    # OpenCV wants contiguous input and drops a single channel axis.
    resized = cv2.resize(np.ascontiguousarray(part), (side, side), interpolation=method)
    return resized.reshape(side, side, part.shape[-1])


def _turn(square: np.ndarray, choice: Choice) -> np.ndarray:
    """Mirrors and turns `[s, s, c]`; OpenCV is ten times as fast as NumPy here."""
    turned = cv2.flip(square, 1) if choice.flip else square
    if choice.turns:
        turned = cv2.rotate(turned, _ROTATIONS[choice.turns])
    return turned.reshape(square.shape)  # OpenCV drops a single channel axis
