"""Bytes of a file to a picture.

| format | pixels | why |
| --- | --- | --- |
| JPEG, WebP, GIF, BMP, PNG and TIFF up to 8 bits | Pillow | profiles, EXIF, palettes, CMYK |
| PNG of 16 bits | OpenCV | Pillow reads colour as 8 bits |
| TIFF of 16 bits or floats | tifffile, OpenCV | as above; see `tiff` |

Whatever these libraries raise on damaged bytes is in `DECODING_ERRORS`.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable
from typing import IO

import numpy as np
import tifffile
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from dehaze_jax.errors import InputError
from dehaze_jax.image import png, tiff
from dehaze_jax.image.opencv import decode_opencv
from dehaze_jax.image.picture import Picture

MAX_PIXELS = 2**29
"""Larger pictures are refused: 23170 x 23170, three times a 16k frame of 15360 x 8640."""

DECODING_ERRORS = (
    ValueError,
    OSError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    tifffile.TiffFileError,
    ImageCms.PyCMSError,
)

_ORIENTATION = 0x0112
_HEADER_BYTES = 64  # enough for a signature, and a PNG's depth


def unreadable(path: str | os.PathLike[str], error: BaseException) -> InputError:
    """What kept a file from being read, as one line that names the file."""
    if isinstance(error, OSError) and error.strerror:
        return InputError(path, f"cannot be read: {error.strerror}")
    return InputError(path, f"cannot be read: {error or type(error).__name__}")


def decode(data: bytes, *, unit_range: bool = True) -> Picture:
    """The upright picture that a file's bytes hold: the first of several.

    Args:
        data: the whole file.
        unit_range: refuse floats outside [0, 1].

    Raises:
        DECODING_ERRORS: if they cannot be read, or hold NaN or infinity.
    """
    height, width = decode_size(data)
    if height * width > MAX_PIXELS:
        raise ValueError(f"{width} x {height} is more than {MAX_PIXELS} pixels")
    samples, alpha, icc, orientation = (
        _decode_tiff(data) if data.startswith(tiff.SIGNATURES) else _decode_other(data)
    )
    if samples.dtype == np.float32:
        _check_floats(samples, unit_range)
    turn = _TURNS.get(orientation, _TURNS[1])
    grey = samples.ndim == 2
    return Picture(
        np.ascontiguousarray(turn(np.repeat(samples[..., None], 3, axis=2) if grey else samples)),
        alpha=None if alpha is None else np.ascontiguousarray(turn(alpha)),
        icc=fitting_profile(icc, grey=grey),
        grey=grey,
    )


def decode_size(data: bytes) -> tuple[int, int]:
    """Height and width of the upright picture, without its pixels.

    Raises:
        DECODING_ERRORS: if the header cannot be read.
    """
    if data.startswith(tiff.SIGNATURES):
        header = tiff.read_header(data)
        height, width, orientation = header.height, header.width, header.orientation
    else:
        image = _open(data)
        width, height = image.size
        orientation = _orientation(image, data)
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def fitting_profile(icc: bytes | None, *, grey: bool) -> bytes | None:
    """The profile, unless it is of another colour model, which says nothing of these pixels."""
    # Bytes 16 to 19 name the model.
    return icc if icc and icc[16:20] == (b"GRAY" if grey else b"RGB ") else None


def peek(stream: IO[bytes]) -> tuple[int, int, int]:
    """Height and width as stored, and bytes of a decoded pixel at most; of any format but TIFF.

    Raises:
        DECODING_ERRORS: if the header cannot be read.
    """
    start = stream.read(_HEADER_BYTES)
    stream.seek(0)
    image = _reader(start)(stream)
    deep = start.startswith(png.SIGNATURE) and png.depth_and_grey(start)[0] == 16
    return image.height, image.width, 8 if deep else 4


# Samples `[h, w]` or `[h, w, 3]`, alpha `[h, w]`, profile, EXIF orientation.
_Decoded = tuple[np.ndarray, np.ndarray | None, bytes | None, int]


def _decode_tiff(data: bytes) -> _Decoded:
    header = tiff.read_header(data)
    if header.bits > 8:
        samples, alpha, upright = tiff.read_samples(data)
        return samples, alpha, header.icc, 1 if upright else header.orientation
    # Pillow turns a TIFF picture upright itself while it loads.
    return *_pillow_samples(TiffImagePlugin.TiffImageFile(io.BytesIO(data))), 1


def _decode_other(data: bytes) -> _Decoded:
    image = _open(data)
    orientation = _orientation(image, data)
    if isinstance(image, PngImagePlugin.PngImageFile):
        bits, grey = png.depth_and_grey(data)
        if bits == 16:
            png.verify(data)  # OpenCV would print the decoder's complaints
            pixels = decode_opencv(data)
            alpha = pixels[..., 3] if pixels.shape[2] == 4 else None
            samples = pixels[..., 0] if grey else pixels[..., :3]
            return samples, alpha, image.info.get("icc_profile"), orientation
    return *_pillow_samples(image), orientation


def _open(data: bytes) -> ImageFile.ImageFile:
    """The header. Pillow's own `open` warns of pictures as large as those welcome here."""
    return _reader(data)(io.BytesIO(data))


def _reader(start: bytes) -> Callable[[IO[bytes]], ImageFile.ImageFile]:
    for signature, reader in _READERS.items():
        if start.startswith(signature):
            return reader
    raise ValueError("not a picture of a known format" if start else "the file is empty")


def _pillow_samples(
    image: ImageFile.ImageFile,
) -> tuple[np.ndarray, np.ndarray | None, bytes | None]:
    image.load()
    icc = image.info.get("icc_profile")
    if image.mode == "CMYK":
        return np.asarray(_cmyk_to_srgb(image, icc)), None, None
    if image.mode not in _MODES:
        raise ValueError(f"pictures of mode {image.mode} are not supported")
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        samples = np.asarray(image.convert("LA" if grey else "RGBA"))
        return samples[..., 0] if grey else samples[..., :3], samples[..., -1], icc
    return np.asarray(image.convert("L" if grey else "RGB")), None, icc


def _cmyk_to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    if icc is None or icc[16:20] != b"CMYK":
        return image.convert("RGB")
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert converted is not None  # None only when converting in place
    return converted


def _orientation(image: ImageFile.ImageFile, data: bytes) -> int:
    try:
        return _exif(image, data).get(_ORIENTATION, 1)
    except DECODING_ERRORS:
        return 1  # broken EXIF data is no reason to refuse a picture


def _exif(image: ImageFile.ImageFile, data: bytes) -> Image.Exif:
    if not isinstance(image, PngImagePlugin.PngImageFile):
        return image.getexif()
    # The chunk may follow the pixels, and Pillow would decode them to find it.
    exif = Image.Exif()
    for kind, content in png.chunks(data):
        if kind == b"eXIf":
            exif.load(bytes(content))
    return exif


def _check_floats(samples: np.ndarray, unit_range: bool) -> None:
    low, high = samples.min(), samples.max()
    if not np.isfinite((low, high)).all():
        raise ValueError("the picture holds NaN or infinity")
    if unit_range and (low < 0 or high > 1):
        raise ValueError(f"float values must be in [0, 1], these go from {low:g} to {high:g}")


_MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "YCbCr")

_READERS = {
    b"\xff\xd8\xff": JpegImagePlugin.JpegImageFile,
    png.SIGNATURE: PngImagePlugin.PngImageFile,
    b"GIF8": GifImagePlugin.GifImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
}

# What turns a picture of each EXIF orientation upright.
_TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}
