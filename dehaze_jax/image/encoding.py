"""A picture to bytes, by the suffix of its file."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from dehaze_jax.image import png
from dehaze_jax.image.atomic import Stream
from dehaze_jax.image.picture import Picture
from dehaze_jax.image.ranges import from_float, to_float


def _write_png(stream: Stream, picture: Picture) -> None:
    png.encode(stream, _samples(picture), _profile(picture))


def _write_jpeg(stream: Stream, picture: Picture) -> None:
    _write_pillow(stream, _without_alpha(picture), "JPEG", quality=95, subsampling=0)


def _write_webp(stream: Stream, picture: Picture) -> None:
    # `exact` keeps the colours under fully transparent pixels.
    _write_pillow(stream, picture, "WEBP", lossless=True, exact=True, quality=50, method=3)


def _write_bmp(stream: Stream, picture: Picture) -> None:
    _write_pillow(stream, _without_alpha(picture), "BMP")


def _write_tiff(stream: Stream, picture: Picture) -> None:
    samples = _samples(picture)
    height, width, channels = samples.shape
    options = tiff_options(height, width, channels, samples.dtype, _profile(picture))
    tifffile.imwrite(stream, samples if samples.shape[2] > 1 else samples[..., 0], **options)


def tiff_options(
    height: int, width: int, channels: int, dtype: np.dtype[Any], icc: bytes | None
) -> dict[str, Any]:
    """How tifffile is asked for a picture of 1 to 4 channels, the last of 2 and 4 being alpha."""
    size = height * width * channels * dtype.itemsize
    return {
        # Deflate makes noise a little larger, and the tags need room.
        "bigtiff": size + size // 256 > 2**32 - 2**24,
        "photometric": "rgb" if channels > 2 else "minisblack",
        "planarconfig": "contig" if channels > 1 else None,
        "extrasamples": ["unassalpha"] if channels in (2, 4) else None,
        "compression": "zlib",
        # The predictor for floats needs a further package.
        "predictor": dtype != np.float32,
        "iccprofile": icc,
        "metadata": None,
        "software": False,
    }


def _write_pillow(stream: Stream, picture: Picture, format: str, **options: Any) -> None:
    samples = _samples(picture)
    if samples.dtype == np.uint16:
        samples = from_float(to_float(samples), np.uint8)
    image = Image.fromarray(samples if samples.shape[2] > 1 else samples[..., 0])
    image.save(stream, format, icc_profile=_profile(picture), **options)


def _samples(picture: Picture) -> np.ndarray:
    """`[h, w, c]`: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha."""
    pixels = picture.pixels
    if picture.grey:
        first = pixels[..., :1]
        if (pixels == first).all():
            return first if picture.alpha is None else np.dstack([first, picture.alpha])
        # A caller made the channels differ.
        mean = pixels.mean(axis=2, keepdims=True, dtype=np.float64)
        whole = np.issubdtype(pixels.dtype, np.integer)
        pixels = (np.rint(mean) if whole else mean).astype(pixels.dtype)
    if picture.alpha is None:
        return pixels
    return np.concatenate([pixels, picture.alpha[..., None]], axis=2)


def _profile(picture: Picture) -> bytes | None:
    """The profile, unless it is for another number of channels than is written."""
    icc = picture.icc
    return icc if icc and icc[16:20] == (b"GRAY" if picture.grey else b"RGB ") else None


def _without_alpha(picture: Picture) -> Picture:
    return Picture(picture.pixels, icc=picture.icc, grey=picture.grey)


ENCODERS: dict[str, Callable[[Stream, Picture], None]] = {
    ".png": _write_png,
    ".jpg": _write_jpeg,
    ".jpeg": _write_jpeg,
    ".tif": _write_tiff,
    ".tiff": _write_tiff,
    ".webp": _write_webp,
    ".bmp": _write_bmp,
}

FLOAT_SUFFIXES = (".tif", ".tiff")
"""The formats that hold float32."""
