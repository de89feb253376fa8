"""A picture in strips of full rows, worked on some at a time, and put together again."""

import concurrent.futures
import contextlib
import itertools
import os
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import jax
import numpy as np
from jaxtyping import Shaped

from dehaze_jax.arrays import Tree
from dehaze_jax.methods.protocol import Rows

T = TypeVar("T")

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the rows done so far and the rows of the picture."""

Pixels: TypeAlias = Shaped[np.ndarray, "height width *channels"]

Finish: TypeAlias = Callable[[Progress | None], np.ndarray]
"""Ends the restoring of a picture that is begun, and returns it."""


@runtime_checkable
class PixelRows(Protocol):
    """A picture whose rows can be asked for: a NumPy array, or what reads them from somewhere.

    Attributes:
        shape: `(h, w, 3)` or `(h, w)`.
        dtype: of the samples.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples."""
        ...

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Rows `[start, stop)`."""
        ...


STRIP_PIXELS = 2**17
"""Pixels of a strip: small enough for a CPU's caches, large enough to keep a GPU busy."""

BAND_PIXELS = 2**22
"""Pixels of a band: strips that are held together where a picture is not."""

# More rows compute less twice, but then the arrays of a strip no longer fit into memory that the
# process holds anyway, and asking for it takes as long as the work.
_HALOS = 4

AT_ONCE = min(os.cpu_count() or 1, 8)
"""Strips under way at once: on CPUs a core each, elsewhere enough to hide the copies."""


class _Band(NamedTuple):
    """Some strips of a picture.

    Attributes:
        start: its first row.
        stop: the row below it.
        first: the first row of `pixels`, which has the halo too as far as there is one.
        pixels: `[rows, width, *c]`.
    """

    start: int
    stop: int
    first: int
    pixels: np.ndarray


def over_strips(
    picture: PixelRows,
    work: Callable[[np.ndarray, Rows], Tree],
    *,
    halo: int,
    strip_pixels: int = STRIP_PIXELS,
    progress: Progress | None = None,
) -> Tree:
    """Works on a picture strip by strip of full rows, and puts the results together.

    Args:
        picture: pixels of any size from 1 x 1.
        work: `(pixels, where) -> arrays [rows, columns, ...]`, by names or alone: of the strip's
            rows without the halo. Called from several threads.
        halo: rows that `work` gets above and below those that it returns.
        strip_pixels: about as many pixels are in a strip.
        progress: called after each strip.

    Returns:
        NumPy arrays `[height, width, ...]`.
    """
    (whole,) = over_bands(
        picture, work, halo=halo, strip_pixels=strip_pixels, band_pixels=None, progress=progress
    )
    return whole


def over_bands(
    picture: PixelRows,
    work: Callable[[np.ndarray, Rows], Tree],
    *,
    halo: int,
    strip_pixels: int = STRIP_PIXELS,
    band_pixels: int | None = BAND_PIXELS,
    progress: Progress | None = None,
) -> Generator[Tree, None, None]:
    """`over_strips` in parts: the next rows are read while some are worked on.

    Args:
        picture: see `over_strips`; rows are asked for from top to bottom, from one thread.
        work: see `over_strips`.
        halo: see `over_strips`.
        strip_pixels: see `over_strips`.
        band_pixels: about as many pixels are in a part, but a strip at least; None for all.
        progress: see `over_strips`.

    Yields:
        NumPy arrays `[rows, width, ...]` from top to bottom.
    """
    height, width = picture.shape[:2]
    rows, columns = strip_shape(height, width, strip_pixels, halo=halo)
    step = height if band_pixels is None else band_rows(height, width, rows, band_pixels)

    def read() -> Generator[_Band, None, None]:
        for start in range(0, height, step):
            stop, first = min(start + step, height), max(0, start - halo)
            yield _Band(start, stop, first, picture[first : min(stop + halo, height)])

    def work_on(band: _Band, start: int) -> Tree:
        where = Rows(np.int32(start - halo), np.int32(height), np.int32(width))
        above = start - halo - band.first
        pixels = take(band.pixels, above, above + rows + 2 * halo, columns)
        return work(narrow(pixels), where)

    def keep(whole: Tree, band: _Band, start: int, strip: Tree) -> int:
        stop = min(start + rows, band.stop)

        def copy(array, part):
            array[start - band.start : stop - band.start] = np.asarray(part)[: stop - start, :width]

        jax.tree.map(copy, whole, strip)
        return stop

    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    like = None
    try:
        for band in ahead(read()):
            starts = range(band.start, band.stop, rows)
            if like is None:
                # The first one is alone, because it may have to be compiled.
                like = work_on(band, 0)
                whole = _empty(like, band.stop, width)
                done = [keep(whole, band, 0, like)]
                starts = starts[1:]
            else:
                whole = _empty(like, band.stop - band.start, width)
                done = []

            def finish(start: int, band: _Band = band, whole: Tree = whole) -> int:
                return keep(whole, band, start, work_on(band, start))

            for stop in itertools.chain(done, pool.map(finish, starts)):
                if progress is not None:
                    progress(stop, height)
            yield whole
    finally:
        pool.shutdown(cancel_futures=True)


def _empty(like: Tree, rows: int, width: int) -> Tree:
    """Room for the results of a band, as those of a strip are."""
    return jax.tree.map(lambda part: np.empty((rows, width, *part.shape[2:]), part.dtype), like)


def ahead(items: Generator[T, None, None]) -> Generator[T, None, None]:
    """The same items; while one is used, the next is made in another thread."""
    with contextlib.closing(items), concurrent.futures.ThreadPoolExecutor(1) as pool:
        coming = pool.submit(lambda: list(itertools.islice(items, 1)))
        while item := coming.result():
            coming = pool.submit(lambda: list(itertools.islice(items, 1)))
            yield item.pop()


def band_rows(height: int, width: int, rows: int, band_pixels: int) -> int:
    """Rows of a band of about `band_pixels`, made of strips of `rows` rows."""
    return min(height, rows * max(1, band_pixels // (rows * width)))


def strip_shape(height: int, width: int, strip_pixels: int, *, halo: int = 0) -> tuple[int, int]:
    """Rows and columns of the strips of a picture, without the halo.

    Both are of the form 2^k or 3 * 2^k, so that pictures of all sizes share a few compiled
    programs; at most a third of the columns is padding. However few pixels are asked for, a strip
    has at least four rows for each row of its halo.
    """
    columns = _round_up(width)
    most = max(1, strip_pixels // columns)
    rows = 1 << (most.bit_length() - 1)
    least = 1 << (_HALOS * halo - 1).bit_length() if halo else 1
    return min(_round_up(height), max(rows, least)), columns


def _round_up(size: int) -> int:
    power = 1 << max(size - 1, 1).bit_length()
    return power * 3 // 4 if size <= power * 3 // 4 else power


def take(picture: np.ndarray, start: int, stop: int, columns: int) -> np.ndarray:
    """Rows `[start, stop)` and the first `columns` columns; beyond the picture its edge repeats."""
    height, width = picture.shape[:2]
    if start >= 0 and stop <= height and columns == width:
        return picture[start:stop]
    inside = picture[np.clip(np.arange(start, stop), 0, height - 1)]
    around = [(0, 0), (0, columns - width)] + [(0, 0)] * (picture.ndim - 2)
    return np.pad(inside, around, mode="edge")


def narrow(pixels: np.ndarray) -> np.ndarray:
    """Pixels in a type that devices take: float64 becomes float32."""
    return pixels.astype(np.float32) if pixels.dtype == np.float64 else pixels
