"""TIFF in parts: rows of a picture that is never held whole, read and written."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import tifffile

from dehaze_jax.image.decoding import DECODING_ERRORS, unreadable
from dehaze_jax.image.tiff import CONTIGUOUS, MINIMUM_IS_BLACK, MINIMUM_IS_WHITE, RGB

# None, LZW, deflate, PackBits, deflate by its old number, LZMA, Zstandard: what decodes to the
# samples themselves.
_CODECS = (1, 5, 8, 32773, 32946, 34925, 50000)
_NO_CODEC, _NO_PREDICTOR = 1, 1
_TYPES = ("uint8", "uint16", "float16", "float32", "float64")
_UNASSOCIATED = 2

TILE = 256
"""Side of the tiles that are written."""


def obstacle(page: Any) -> str | None:
    """Why the rows of a page cannot be read by themselves; None if they can."""
    colours = 3 if page.photometric == RGB else 1
    orientation = page.tags.get("Orientation")
    if page.photometric not in (MINIMUM_IS_WHITE, MINIMUM_IS_BLACK, RGB):
        return "its colours are neither grey nor RGB"
    if page.dtype is None or page.dtype.name not in _TYPES:
        return f"its samples are of {np.max(page.bitspersample)} bits"
    if np.max(page.bitspersample) != 8 * page.dtype.itemsize or page.fillorder != 1:
        return "its samples are packed"
    alpha = page.samplesperpixel == colours + 1 and tuple(page.extrasamples) == (_UNASSOCIATED,)
    if page.samplesperpixel != colours and not alpha:
        return "it has samples beside colours and plain alpha"
    if page.imagedepth != 1 or (orientation is not None and orientation.value != 1):
        return "it is not stored upright"
    codec = tifffile.COMPRESSION(page.compression).name
    if page.compression not in _CODECS:
        return f"its {codec} cannot be decoded in parts"
    able = page.compression in tifffile.TIFF.DECOMPRESSORS
    if not (able and page.predictor in tifffile.TIFF.UNPREDICTORS):
        return f"its {codec} needs the package imagecodecs"
    return None


class TiffRows:
    """Some samples of a page: `rows[start:stop]` reads those rows from the file.

    What is stored in strips or tiles is decoded once if rows are asked for from top to bottom; what
    the last call decoded is kept.

    Args:
        path: the file, for messages.
        page: of tifffile, without `obstacle`; its file stays open.
        first: the first sample of a pixel that is taken.
        count: how many are: 1 gives `[rows, width]`, more `[rows, width, count]`.

    Attributes:
        shape: of the whole picture.
        dtype: uint8, uint16 or float32.
    """

    def __init__(self, path: str | os.PathLike[str], page: Any, first: int, count: int):
        self._path, self._page = path, page
        self._first, self._count = first, count
        size = (page.imagelength, page.imagewidth)
        self.shape: tuple[int, ...] = size if count == 1 else (*size, count)
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        if page.dtype.kind == "u":
            self.dtype = page.dtype
        self._inverted = page.photometric == MINIMUM_IS_WHITE and first == 0
        self._rows = min(page.tilelength if page.is_tiled else page.rowsperstrip, size[0])
        # Rows of uncompressed strips can be read by themselves, however high the strips are.
        plain = page.compression == _NO_CODEC and page.predictor == _NO_PREDICTOR
        self._plain = plain and not page.is_tiled
        self._bands: dict[int, np.ndarray] = {}

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Rows `[start, stop)`.

        Raises:
            InputError: the file is damaged; floats are not finite, or outside [0, 1].
        """
        start, stop, _ = rows.indices(self.shape[0])
        try:
            return self._finish(self._read_rows(start, stop))
        except DECODING_ERRORS as error:
            raise unreadable(self._path, error) from error

    def _read_rows(self, start: int, stop: int) -> np.ndarray:
        samples = np.empty((stop - start, self.shape[1], self._count), self._page.dtype)
        bands = {}
        for number in range(start // self._rows, -(-stop // self._rows)):
            top = number * self._rows
            low, high = max(start, top), min(stop, top + self._rows, self.shape[0])
            into = samples[low - start : high - start]
            if self._plain:
                self._read(number, low - top, into)
            else:
                band = self._bands.get(number)
                bands[number] = self._decode(number) if band is None else band
                into[:] = bands[number][low - top : high - top]
        self._bands = bands
        return samples.reshape(stop - start, *self.shape[1:])

    def _finish(self, samples: np.ndarray) -> np.ndarray:
        samples = samples.astype(self.dtype, copy=False)
        if self.dtype == np.float32 and samples.size:
            low, high = samples.min(), samples.max()
            if not (low >= 0 and high <= 1):
                reason = f"float values must be in [0, 1], these go from {low:g} to {high:g}"
                raise ValueError(reason)
        if self._inverted:
            samples = 1 - samples if self.dtype == np.float32 else ~samples
        return samples

    def _planes(self) -> Iterator[tuple[int, slice, slice]]:
        """Each plane of the file that is read: its number, and the samples from where to where."""
        wanted = slice(self._first, self._first + self._count)
        if self._page.planarconfig == CONTIGUOUS:
            yield 0, wanted, slice(None)
        else:
            for number in range(self._count):
                yield self._first + number, slice(0, 1), slice(number, number + 1)

    def _read(self, number: int, skip: int, into: np.ndarray) -> None:
        """Rows of an uncompressed strip, below `skip` others."""
        page, handle = self._page, self._page.parent.filehandle
        contiguous = page.planarconfig == CONTIGUOUS
        stored = (len(into), self.shape[1], page.samplesperpixel if contiguous else 1)
        row_bytes = stored[1] * stored[2] * page.dtype.itemsize
        strips = -(-self.shape[0] // self._rows)
        for plane, wanted, place in self._planes():
            offset = page.dataoffsets[plane * strips + number]
            if not offset:  # a gap, which holds one value
                into[..., place] = page.nodata
                continue
            handle.seek(offset + skip * row_bytes)
            data = handle.read(len(into) * row_bytes)
            if len(data) < len(into) * row_bytes:
                raise ValueError("the file is cut off")
            order = page.dtype.newbyteorder(page.parent.byteorder)
            into[..., place] = np.frombuffer(data, order).reshape(stored)[..., wanted]

    def _decode(self, number: int) -> np.ndarray:
        """The strip, or the tiles beside each other, of that number from the top."""
        page, handle = self._page, self._page.parent.filehandle
        height, width = self.shape[:2]
        rows = min(self._rows, height - number * self._rows)
        band = np.empty((rows, width, self._count), page.dtype)
        across = -(-width // page.tilewidth) if page.is_tiled else 1
        down = -(-height // self._rows)
        for plane, wanted, place in self._planes():
            first = (plane * down + number) * across
            for index in range(first, first + across):
                offset, size = page.dataoffsets[index], page.databytecounts[index]
                data = None
                if offset and size:  # else it is a gap, which holds one value
                    handle.seek(offset)
                    data = handle.read(size)
                segment, (_, _, _, left, _), shape = page.decode(data, index)
                into = band[:, left : left + shape[2], place]
                if segment is None:
                    into[:] = page.nodata
                else:
                    into[:] = segment[0, :rows, : into.shape[1], wanted]
        return band


def segment_bytes(page: Any) -> int:
    """Bytes that have to be decoded at once for one row of the picture."""
    if not page.is_tiled and page.compression == _NO_CODEC:
        return 0
    rows = min(page.tilelength if page.is_tiled else page.rowsperstrip, page.imagelength)
    return rows * page.imagewidth * page.samplesperpixel * page.dtype.itemsize


def tiles(bands: Iterable[np.ndarray], height: int) -> Iterator[np.ndarray]:
    """Bands of any rows `[rows, width, c]` as square tiles, row after row of them.

    Those at the right and the bottom are as small as what is left.

    Args:
        bands: the rows of a picture from top to bottom.
        height: rows of all of them.
    """
    waiting: list[np.ndarray] = []
    held = done = 0
    for band in bands:
        waiting.append(band)
        held += len(band)
        while held >= TILE or (held and done + held == height):
            rows = np.concatenate(waiting) if len(waiting) > 1 else waiting[0]
            for left in range(0, rows.shape[1], TILE):
                yield rows[:TILE, left : left + TILE]
            rest = rows[TILE:]
            done += held - len(rest)
            waiting, held = [rest], len(rest)
