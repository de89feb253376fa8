"""From file to file without holding the picture."""

import contextlib
import pathlib
from collections.abc import Generator, Iterator
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.image.picture import Picture
from dehaze_jax.image.rows import ROW_SUFFIXES, Layout, open_rows, write_rows
from dehaze_jax.restoring.cutting import Finish, PixelRows, Progress, ahead
from dehaze_jax.restoring.planning import Job
from dehaze_jax.restoring.ways import Way


@runtime_checkable
class Streams(Protocol):
    """What a `Restorer` does, as far as choosing a way and streaming need it."""

    def choose_way(self, height: int, width: int, pixel_bytes: int, **files: Any) -> Way:
        """In which way a picture is restored."""
        ...

    def begin(self, image: np.ndarray, *, way: Way | None = None) -> Finish:
        """Begins to restore a picture in that way."""
        ...

    def stream(
        self, picture: PixelRows, *, progress: Progress | None = None
    ) -> Generator[np.ndarray, None, None]:
        """Restored rows from top to bottom."""
        ...


def choose_file_way(job: Job, layout: Layout, restorer: Streams) -> Way:
    """In which way a file is restored, by its size, its format and that of the result.

    Raises:
        InputError: there is too little memory for every way; says what keeps the picture from being
            restored in parts.
    """
    # What is made of the whole picture beside the result needs it whole.
    in_rows = job.comparison is None and job.maps is None
    to_rows = job.target.suffix.lower() in ROW_SUFFIXES

    def choose(reads_rows: bool, writes_rows: bool) -> Way:
        return restorer.choose_way(
            layout.height,
            layout.width,
            layout.pixel_bytes,
            maps=job.maps is not None,
            file=True,
            reads_rows=reads_rows,
            writes_rows=writes_rows,
            segment_bytes=layout.segment_bytes,
        )

    try:
        return choose(in_rows and layout.obstacle is None, in_rows and to_rows)
    except InputError as error:
        refusal = error
    try:
        choose(reads_rows=True, writes_rows=True)
    except InputError:
        raise refusal from None
    why = layout.obstacle or "only TIFF can be written in parts"
    why = why if in_rows else "a comparison and maps need the whole"
    raise InputError(refusal.subject, f"{refusal.reason}; in parts it would fit, but {why}")


def stream_file(
    source: pathlib.Path | Picture,
    target: pathlib.Path,
    restorer: Streams,
    *,
    progress: Progress | None = None,
) -> None:
    """Restores a picture into a tiled TIFF whose rows are written as they come.

    Alpha, colour profile and greyness stay as they are.

    Args:
        source: a file whose rows can be read by themselves, or a picture that was read whole.
        target: the file to create or replace. Its folder must exist.
        restorer: restores.
        progress: called with rows done and rows in all.

    Raises:
        InputError: a file cannot be read or written, or the picture cannot be restored.
    """
    with _opened(source) as (pixels, alpha, icc):
        height, width = pixels.shape[:2]
        colours = 1 if len(pixels.shape) == 2 else 3
        # The next rows are restored while some are encoded.
        bands = ahead(restorer.stream(pixels, progress=progress))
        with contextlib.closing(bands):
            write_rows(
                target,
                bands if alpha is None else _with_alpha(bands, alpha),
                height=height,
                width=width,
                channels=colours + (alpha is not None),
                dtype=np.dtype(pixels.dtype),
                icc=icc,
            )


@contextlib.contextmanager
def _opened(
    source: pathlib.Path | Picture,
) -> Iterator[tuple[PixelRows, PixelRows | None, bytes | None]]:
    """Pixels, `[h, w]` if they are grey, alpha and profile."""
    if isinstance(source, Picture):
        pixels = source.pixels[..., 0] if source.grey else source.pixels
        yield pixels, source.alpha, source.icc
    else:
        with open_rows(source) as rows:
            yield rows.pixels, rows.alpha, rows.icc


def _with_alpha(bands: Iterator[np.ndarray], alpha: PixelRows) -> Iterator[np.ndarray]:
    start = 0
    for band in bands:
        colours = band[..., None] if band.ndim == 2 else band
        yield np.concatenate([colours, alpha[start : start + len(band)][..., None]], axis=-1)
        start += len(band)
