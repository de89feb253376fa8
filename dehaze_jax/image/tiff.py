"""TIFF of more than 8 bits a sample: tifffile, and OpenCV for the codecs that tifffile lacks.

tifffile alone reads no LZW, which many programs write; OpenCV loses the profile.
"""

import io
from typing import Any, NamedTuple

import numpy as np
import tifffile

from dehaze_jax.image.opencv import decode_opencv

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_CODECS = (1, 8, 32773, 32946)  # none, deflate, PackBits, deflate by its old number
_PREDICTORS = (1, 2)  # none, horizontal
MINIMUM_IS_WHITE, MINIMUM_IS_BLACK, RGB = 0, 1, 2
CONTIGUOUS = 1
_PREMULTIPLIED = 1


class Header(NamedTuple):
    """What a page says of itself."""

    height: int
    width: int
    bits: int
    orientation: int
    icc: bytes | None


def read_header(data: bytes) -> Header:
    """The first page's header."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        orientation, icc = page.tags.get("Orientation"), page.tags.get("InterColorProfile")
        return Header(
            height=page.imagelength,
            width=page.imagewidth,
            bits=int(np.max(page.bitspersample)),
            orientation=1 if orientation is None else int(orientation.value),
            icc=None if icc is None else bytes(icc.value),
        )


def read_samples(data: bytes) -> tuple[np.ndarray, np.ndarray | None, bool]:
    """The first page of uint16 or float32 samples.

    Returns:
        Samples `[h, w]` or `[h, w, 3]`, alpha `[h, w]`, and whether the picture is upright already.

    Raises:
        ValueError: for colour models, codecs and types that are not supported.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        samples, upright = _stored_samples(data, page)
        colours = 3 if page.photometric == RGB else 1
        inverted = page.photometric == MINIMUM_IS_WHITE
        premultiplied = _PREMULTIPLIED in page.extrasamples
    if np.issubdtype(samples.dtype, np.floating):
        samples = samples.astype(np.float32)
    elif samples.dtype != np.uint16:
        raise ValueError(f"TIFF of {samples.dtype} is not supported")
    if inverted:
        samples = (1 if samples.dtype == np.float32 else 65535) - samples
    channels = samples.shape[2]
    if channels not in (colours, colours + 1):
        raise ValueError(f"TIFF with {channels} channels is not supported")
    if premultiplied:
        raise ValueError(f"TIFF of {samples.dtype} with premultiplied alpha is not supported")
    alpha = samples[..., colours] if channels > colours else None
    return samples[..., 0] if colours == 1 else samples[..., :3], alpha, upright


def _stored_samples(data: bytes, page: Any) -> tuple[np.ndarray, bool]:
    """`[h, w, c]` as the file holds them, and whether they are upright."""
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    if photometric not in (MINIMUM_IS_WHITE, MINIMUM_IS_BLACK, RGB):
        raise ValueError(f"TIFF of {page.dtype} in {photometric.name} is not supported")
    contiguous = page.planarconfig == CONTIGUOUS
    if page.compression in _CODECS and page.predictor in _PREDICTORS:
        samples = page.asarray()
        if not contiguous and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, -1)
        return samples.reshape(page.imagelength, page.imagewidth, -1), False
    if contiguous and photometric != MINIMUM_IS_WHITE and page.samplesperpixel in (1, 3, 4):
        return decode_opencv(data), True  # OpenCV turns TIFF whatever its flags
    codec = tifffile.COMPRESSION(page.compression).name
    raise ValueError(f"TIFF with {codec} compression and this layout is not supported")
