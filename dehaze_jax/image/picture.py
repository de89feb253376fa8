"""A picture in memory with what its file said beside the pixels."""

import dataclasses

import numpy as np

_DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """Pixels, upright, and what belongs to them.

    Attributes:
        pixels: `[h, w, 3]`, uint8, uint16 or float32 in [0, 1]; R G B, sRGB-encoded unless `icc`
            says otherwise.
        alpha: opacity `[h, w]`, of the type of `pixels`; not multiplied into them.
        icc: the file's colour profile.
        grey: the file has one colour channel; the three of `pixels` are equal.

    Raises:
        ValueError: if types or shapes do not fit together.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    grey: bool = False

    def __post_init__(self):
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if dtype not in _DTYPES:
            raise ValueError(f"pixels must be uint8, uint16 or float32, not {dtype}")
        if len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"pixels must be [h, w, 3], not {list(shape)}")
        if self.alpha is not None and (self.alpha.shape, self.alpha.dtype) != (shape[:2], dtype):
            raise ValueError("alpha must have the height, width and type of the pixels")


def as_picture(image: np.ndarray) -> Picture:
    """An array `[h, w]` or `[h, w, c]` as a picture.

    One channel is grey, two are grey and alpha, three are colour, four are colour and alpha.

    Args:
        image: uint8, uint16 or float32.

    Returns:
        The picture; a colour array's pixels are not copied.

    Raises:
        ValueError: for other types and shapes.
    """
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 2, 3, 4):
        raise ValueError(f"an image is [h, w] or [h, w, 1..4], not {list(image.shape)}")
    grey = image.shape[2] < 3
    alpha = np.ascontiguousarray(image[..., -1]) if image.shape[2] in (2, 4) else None
    pixels = np.repeat(image[..., :1], 3, axis=2) if grey else image[..., :3]
    return Picture(np.ascontiguousarray(pixels), alpha=alpha, grey=grey)
