"""Reading and writing pictures and depth maps. NumPy only; every fault of a file is InputError.

| | read | written |
| --- | --- | --- |
| PNG | 1 to 16 bits, palette, animated | 8 and 16 bits |
| JPEG | grey, RGB, CMYK | 8 bits, quality 95, full-resolution chroma |
| TIFF | up to 16 bits, floats; common codecs | 8 and 16 bits, float32; deflate |
| WebP | lossy, lossless, animated | 8 bits, lossless |
| BMP | all | 8 bits |
| GIF | all, animated | no |

Of an animation or a file with several pages the first picture counts.
"""

import io
import os
import pathlib

import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.image.atomic import replacing
from dehaze_jax.image.decoding import DECODING_ERRORS, decode, decode_size, unreadable
from dehaze_jax.image.encoding import ENCODERS, FLOAT_SUFFIXES
from dehaze_jax.image.picture import Picture, as_picture
from dehaze_jax.image.ranges import to_float

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".gif")
"""Lower-case suffixes of what `read` reads; it goes by content, not by name."""


def read(path: str | os.PathLike[str]) -> Picture:
    """A picture from a file, upright, with its alpha and colour profile.

    The EXIF orientation is applied. CMYK becomes sRGB, through the file's profile where it has one;
    the profile is then gone. A palette becomes colour, 1-bit black and white 8-bit grey.

    Args:
        path: the file.

    Returns:
        8-bit formats as uint8, 16-bit PNG and TIFF as uint16, float TIFF as float32.

    Raises:
        InputError: if the file cannot be opened or decoded, is cut off, has more than 2^29 pixels,
            or holds floats outside [0, 1], NaN or infinity.
    """
    data = _load(path)
    try:
        return decode(data)
    except DECODING_ERRORS as error:
        raise unreadable(path, error) from error


def read_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Height and width of the picture that `read` would give, without decoding its pixels.

    Raises:
        InputError: if the file cannot be opened or is not a picture.
    """
    data = _load(path)
    try:
        return decode_size(data)
    except DECODING_ERRORS as error:
        raise unreadable(path, error) from error


def read_depth(path: str | os.PathLike[str]) -> np.ndarray:
    """A depth map `[h, w]` from a picture or a NumPy file.

    Args:
        path: a picture of one channel (or three equal ones), or a `.npy` file of `[h, w]`.

    Returns:
        float32. Integers are scaled to [0, 1] by the largest value of their type; floats are as
        stored, in the unit of the file.

    Raises:
        InputError: if the file cannot be read, has several channels, or holds NaN or infinity.
    """
    data = _load(path)
    try:
        if pathlib.Path(path).suffix.lower() == ".npy":
            depth = to_float(np.load(io.BytesIO(data), allow_pickle=False))
        else:
            picture = decode(data, unit_range=False)
            if not picture.grey and (picture.pixels != picture.pixels[..., :1]).any():
                raise ValueError("a depth map has one channel, this is a colour picture")
            depth = to_float(picture.pixels[..., 0])
    except DECODING_ERRORS as error:
        raise unreadable(path, error) from error
    if depth.ndim != 2 or depth.size == 0:
        raise InputError(path, f"a depth map is [h, w], this is {list(depth.shape)}")
    if not np.isfinite(depth).all():
        raise InputError(path, "the depth map holds NaN or infinity")
    return np.ascontiguousarray(depth)


def write(path: str | os.PathLike[str], picture: Picture | np.ndarray) -> None:
    """Writes a picture in the format that the suffix names; the file appears whole or not at all.

    Alpha and profile are kept where the format has a place for them: JPEG and BMP drop alpha, BMP
    drops the profile. uint16 is rounded to 8 bits for JPEG, WebP and BMP. float32 fits only TIFF.
    A profile made for another number of channels is left out. No EXIF data is written.

    Args:
        path: the file to create or replace. Its folder must exist.
        picture: a picture, or an array that `as_picture` takes.

    Raises:
        InputError: for an unknown suffix, for float pixels in a format without them, if the
            picture is too large for the format, or if the file system refuses.
        ValueError: for an array that is no picture.
    """
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix not in ENCODERS:
        raise InputError(path, f"cannot be written: its suffix is none of {', '.join(ENCODERS)}")
    if isinstance(picture, np.ndarray):
        picture = as_picture(picture)
    if picture.pixels.dtype == np.float32 and suffix not in FLOAT_SUFFIXES:
        raise InputError(path, "cannot be written: only TIFF holds float pixels")
    with replacing(path) as stream:
        try:
            ENCODERS[suffix](stream, picture)
        except (ValueError, RuntimeError, OverflowError) as error:
            raise InputError(path, f"cannot be written: {error}") from error


def _load(path: str | os.PathLike[str]) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
