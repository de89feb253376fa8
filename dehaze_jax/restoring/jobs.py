"""Restoring files: what a picture's file says beside its pixels is kept."""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from typing import Protocol, runtime_checkable

import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.image.files import read, write
from dehaze_jax.image.picture import Picture
from dehaze_jax.restoring.comparing import side_by_side
from dehaze_jax.restoring.planning import Job
from dehaze_jax.restoring.strips import Progress

_COMPARISON_WIDTH = 1280


@runtime_checkable
class Restores(Protocol):
    """What a `Restorer` does, as far as files need it."""

    def __call__(self, image: np.ndarray, *, progress: Progress | None = None) -> np.ndarray:
        """A picture of the same shape and type."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one picture.

    Attributes:
        job: its files.
        size: height and width; None if the picture could not be read.
        seconds: time of restoring it, without reading and writing.
        error: the reason why there is no result; None if all went well.
    """

    job: Job
    size: tuple[int, int] | None = None
    seconds: float = 0.0
    error: InputError | None = None


def restore_picture(
    picture: Picture, restorer: Restores, *, progress: Progress | None = None
) -> Picture:
    """Restores the pixels; alpha, colour profile and greyness stay as they are."""
    if not picture.grey:
        return dataclasses.replace(picture, pixels=restorer(picture.pixels, progress=progress))
    grey = restorer(np.ascontiguousarray(picture.pixels[..., 0]), progress=progress)
    return dataclasses.replace(picture, pixels=np.repeat(grey[..., None], 3, axis=-1))


def restore_files(
    jobs: Iterable[Job], restorer: Restores, *, progress: Progress | None = None
) -> Iterator[Result]:
    """Restores files one after the other and goes on past those that fail.

    Folders of targets are made where they are missing. No result is left half-written.

    Args:
        jobs: from `plan`.
        restorer: a `Restorer`.
        progress: called after every strip of a picture with rows done and rows in all.

    Yields:
        One result for each job, as soon as it is done.
    """
    for job in jobs:
        size, seconds = None, 0.0
        try:
            picture = read(job.source)
            size = picture.pixels.shape[:2]
            job.target.parent.mkdir(parents=True, exist_ok=True)
            start = time.perf_counter()
            restored = restore_picture(picture, restorer, progress=progress)
            seconds = time.perf_counter() - start
            write(job.target, restored)
            if job.comparison is not None:
                pictures = {"hazy": picture.pixels, "restored": restored.pixels}
                write(job.comparison, side_by_side(pictures, width=_COMPARISON_WIDTH))
        except InputError as error:
            # A restorer does not know the file's name.
            named = error if error.subject != "picture" else InputError(job.source, error.reason)
            yield Result(job=job, size=size, seconds=seconds, error=named)
        except OSError as error:
            reason = InputError(error.filename or job.target, error.strerror or str(error))
            yield Result(job=job, size=size, seconds=seconds, error=reason)
        else:
            yield Result(job=job, size=size, seconds=seconds)
