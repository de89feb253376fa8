"""Pictures in files that are read or written a few rows at a time. NumPy only."""

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tifffile

from dehaze_jax.errors import InputError
from dehaze_jax.image import tiff
from dehaze_jax.image.atomic import replacing
from dehaze_jax.image.decoding import DECODING_ERRORS, fitting_profile, peek, unreadable
from dehaze_jax.image.encoding import tiff_options
from dehaze_jax.image.tiff_rows import TILE, TiffRows, obstacle, segment_bytes, tiles

ROW_SUFFIXES = (".tif", ".tiff")
"""Lower-case suffixes of what `write_rows` writes."""


class Layout(NamedTuple):
    """What a file says of its picture before it is decoded.

    Attributes:
        height: rows as they are stored.
        width: columns as they are stored.
        pixel_bytes: what a decoded pixel takes at most.
        segment_bytes: what has to be decoded at once, where rows can be read by themselves.
        obstacle: why they cannot; None if they can.
    """

    height: int
    width: int
    pixel_bytes: int
    segment_bytes: int
    obstacle: str | None


@dataclasses.dataclass(frozen=True)
class PictureRows:
    """A picture whose rows are read when they are asked for, `pixels[start:stop]`.

    Attributes:
        pixels: `[h, w, 3]` in colour, `[h, w]` in grey; uint8, uint16 or float32 in [0, 1].
        alpha: `[h, w]`, of the same type.
        icc: the file's colour profile.
    """

    pixels: TiffRows
    alpha: TiffRows | None
    icc: bytes | None


def read_layout(path: str | os.PathLike[str]) -> Layout:
    """Size and kind of a picture, from its header alone.

    Raises:
        InputError: the file cannot be opened or is not a picture.
    """
    try:
        with open(path, "rb") as stream:
            if not stream.read(4).startswith(tiff.SIGNATURES):
                stream.seek(0)
                return Layout(*peek(stream), 0, "only TIFF can be read in parts")
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages.first
            size = (page.imagelength, page.imagewidth)
            # Pillow's four bytes for a pixel that has fewer; and what is not supported at all.
            sample_bytes = -(-int(np.max(page.bitspersample)) // 8)
            pixel_bytes = max(4, page.samplesperpixel) * min(sample_bytes, 4)
            why = obstacle(page)
            return Layout(*size, pixel_bytes, 0 if why else segment_bytes(page), why)
    except DECODING_ERRORS as error:
        raise unreadable(path, error) from error


@contextlib.contextmanager
def open_rows(path: str | os.PathLike[str]) -> Iterator[PictureRows]:
    """Opens a picture whose `Layout` has no obstacle.

    Alpha is read on its own, so that both can be read from top to bottom at different times.

    Yields:
        The picture; what is read from it raises InputError where the file is damaged.

    Raises:
        InputError: the file cannot be opened, or its rows cannot be read by themselves.
    """
    with contextlib.ExitStack() as stack:
        try:
            page: Any = stack.enter_context(tifffile.TiffFile(path)).pages.first
            if why := obstacle(page):
                raise ValueError(why)
            colours = 3 if page.photometric == tiff.RGB else 1
            icc = page.tags.get("InterColorProfile")
            pixels = TiffRows(path, page, 0, colours)
            alpha = None
            if page.samplesperpixel > colours:
                # A file of its own: threads that read both must not move one another's place.
                page = stack.enter_context(tifffile.TiffFile(path)).pages.first
                alpha = TiffRows(path, page, colours, 1)
        except DECODING_ERRORS as error:
            raise unreadable(path, error) from error
        profile = None if icc is None else fitting_profile(bytes(icc.value), grey=colours == 1)
        yield PictureRows(pixels, alpha, profile)


def write_rows(
    path: str | os.PathLike[str],
    bands: Iterable[np.ndarray],
    *,
    height: int,
    width: int,
    channels: int,
    dtype: np.dtype[Any],
    icc: bytes | None = None,
) -> None:
    """Writes a tiled TIFF as its rows come; the file appears whole or not at all.

    BigTIFF where the samples take 4 GB or more.

    Args:
        path: the file to create or replace. Its folder must exist.
        bands: the rows from top to bottom, any number at a time, `[rows, width, channels]`.
        height: rows of the picture.
        width: its columns.
        channels: 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha.
        dtype: uint8, uint16 or float32.
        icc: colour profile.

    Raises:
        InputError: the file system refuses. What `bands` raises is let through.
    """
    failed: list[Exception] = []

    def watched() -> Iterator[np.ndarray]:
        try:
            yield from bands
        except Exception as error:
            failed.append(error)
            raise

    with replacing(path) as stream:
        try:
            tifffile.imwrite(
                stream,
                tiles(watched(), height),
                shape=(height, width, channels) if channels > 1 else (height, width),
                dtype=dtype,
                tile=(TILE, TILE),
                **tiff_options(height, width, channels, dtype, icc),
            )
        except (ValueError, RuntimeError, OverflowError) as error:
            if failed:  # of what makes the rows, not of the file
                raise
            raise InputError(path, f"cannot be written: {error}") from error
