"""A picture in strips of full rows, worked on one after the other, and put together again."""

import concurrent.futures
import itertools
import os
from collections.abc import Callable
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Shaped

from dehaze_jax.arrays import Tree
from dehaze_jax.methods.protocol import Rows

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the rows done so far and the rows of the picture."""

Pixels: TypeAlias = Shaped[np.ndarray, "height width *channels"]

STRIP_PIXELS = 2**17
"""Pixels of a strip: small enough for a CPU's caches, large enough to keep a GPU busy."""

# More rows compute less twice, but then the arrays of a strip no longer fit into memory that the
# process holds anyway, and asking for it takes as long as the work.
_HALOS = 4

# Strips under way at once: on CPUs a core each, elsewhere enough to hide the copies.
_AT_ONCE = min(os.cpu_count() or 1, 8)


def over_strips(
    picture: Pixels,
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
    height, width = picture.shape[:2]
    rows, columns = strip_shape(height, width, strip_pixels, halo=halo)

    def work_on(start: int) -> Tree:
        where = Rows(np.int32(start - halo), np.int32(height), np.int32(width))
        pixels = take(picture, start - halo, start + rows + halo, columns)
        return work(narrow(pixels), where)

    # The first one is alone, because it may have to be compiled.
    first = work_on(0)
    whole = jax.tree.map(lambda part: np.empty((height, width, *part.shape[2:]), part.dtype), first)

    def keep(start: int, strip: Tree) -> int:
        stop = min(start + rows, height)

        def copy(array, part):
            array[start:stop] = np.asarray(part)[: stop - start, :width]

        jax.tree.map(copy, whole, strip)
        return stop

    pool = concurrent.futures.ThreadPoolExecutor(_AT_ONCE)
    try:
        others = pool.map(lambda start: keep(start, work_on(start)), range(rows, height, rows))
        for stop in itertools.chain([keep(0, first)], others):
            if progress is not None:
                progress(stop, height)
    finally:
        pool.shutdown(cancel_futures=True)
    return whole


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
