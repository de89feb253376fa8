"""Pictures that set results side by side. NumPy and Pillow only."""

from collections.abc import Mapping

import numpy as np
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from dehaze_jax.errors import InputError
from dehaze_jax.image.ranges import from_float, to_float

_SEPARATOR = 4
_WHITE = 255


def to_bytes(image: np.ndarray) -> np.ndarray:
    """An 8-bit RGB picture `[h, w, 3]` from an integer, or float in [0, 1], RGB or grey picture."""
    if image.dtype != np.uint8:
        image = from_float(to_float(image), np.uint8)
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image


def thumbnail(image: np.ndarray, width: int) -> np.ndarray:
    """An 8-bit copy that is at most `width` pixels wide, by Lanczos resampling."""
    picture = pillow.fromarray(to_bytes(image))
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), pillow.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(picture)


def side_by_side(pictures: Mapping[str, np.ndarray], *, width: int | None = None) -> np.ndarray:
    """Pictures of one size in a row, with their labels on them.

    Args:
        pictures: label -> `[h, w, 3]` or `[h, w]`, uint8, uint16 or float in [0, 1].
        width: each picture is reduced to at most this width; default is as it is.

    Returns:
        One 8-bit RGB picture.

    Raises:
        InputError: there is no picture, or the sizes differ.
    """
    sizes = {image.shape[:2] for image in pictures.values()}
    if len(sizes) != 1:
        raise InputError("side by side", f"needs pictures of one size, not {sorted(sizes)}")
    panels = []
    for label, image in pictures.items():
        panel = to_bytes(image) if width is None else thumbnail(image, width)
        if panels:
            panels.append(np.full((panel.shape[0], _SEPARATOR, 3), _WHITE, np.uint8))
        panels.append(_label(panel, label))
    return np.concatenate(panels, axis=1)


def _label(panel: np.ndarray, text: str) -> np.ndarray:
    """Writes white text on a dark patch at the top left; leaves out what does not fit."""
    size = max(12, round(min(panel.shape[:2]) / 25))
    font = ImageFont.load_default(size)
    picture = pillow.fromarray(panel)
    draw = ImageDraw.Draw(picture, "RGBA")
    margin = size // 2
    right = draw.textbbox((margin, margin), text, font=font)[2] + margin
    # Letters with and without descenders get patches of one height.
    bottom = draw.textbbox((margin, margin), "lg", font=font)[3] + margin
    if right > picture.width or bottom > picture.height:
        return panel
    draw.rectangle((0, 0, right, bottom), fill=(0, 0, 0, 150))
    draw.text((margin, margin), text, font=font, fill="white")
    return np.asarray(picture)
