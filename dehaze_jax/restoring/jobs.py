"""Restoring files: what a picture's file says beside its pixels is kept."""

import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, runtime_checkable

import jax
import numpy as np

from dehaze_jax.errors import InputError
from dehaze_jax.image.files import read, write
from dehaze_jax.image.picture import Picture
from dehaze_jax.image.rows import Layout, read_layout
from dehaze_jax.restoring.comparing import side_by_side
from dehaze_jax.restoring.cutting import Finish, Progress
from dehaze_jax.restoring.mapping import PictureMaps, write_maps
from dehaze_jax.restoring.planning import Job
from dehaze_jax.restoring.streaming import Streams, choose_file_way, stream_file
from dehaze_jax.restoring.ways import Way

_COMPARISON_WIDTH = 1280
_NO_MEMORY = "RESOURCE_EXHAUSTED"


@runtime_checkable
class Restores(Protocol):
    """What a `Restorer` does, as far as files need it."""

    def __call__(self, image: np.ndarray, *, progress: Progress | None = None) -> np.ndarray:
        """A picture of the same shape and type."""
        ...


@runtime_checkable
class FindsMaps(Restores, Protocol):
    """What a `Restorer` does where maps are asked for."""

    def restore_with_maps(
        self, image: np.ndarray, *, progress: Progress | None = None, way: Way | None = None
    ) -> tuple[np.ndarray, PictureMaps]:
        """A picture of the same shape and type, and its maps."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one picture.

    Attributes:
        job: its files.
        size: height and width; None if the picture could not be read.
        way: how it was restored; None if the restorer has no choice.
        seconds: time of restoring it, without reading and writing unless it was streamed; what was
            done while the picture before was restored counts as well.
        error: the reason why there is no result; None if all went well.
    """

    job: Job
    size: tuple[int, int] | None = None
    way: Way | None = None
    seconds: float = 0.0
    error: InputError | None = None


def restore_picture(
    picture: Picture, restorer: Restores, *, progress: Progress | None = None
) -> Picture:
    """Restores the pixels; alpha, colour profile and greyness stay as they are."""
    return _with_pixels(picture, restorer(_pixels_of(picture), progress=progress))


def _restore_with_maps(
    picture: Picture, restorer: Restores, progress: Progress | None, way: Way | None
) -> tuple[Picture, PictureMaps]:
    if not isinstance(restorer, FindsMaps):
        raise InputError("maps", "are asked for of a function that only restores")
    pixels, maps = restorer.restore_with_maps(_pixels_of(picture), progress=progress, way=way)
    return _with_pixels(picture, pixels), maps


def _pixels_of(picture: Picture) -> np.ndarray:
    return np.ascontiguousarray(picture.pixels[..., 0]) if picture.grey else picture.pixels


def _with_pixels(picture: Picture, pixels: np.ndarray) -> Picture:
    if picture.grey:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return dataclasses.replace(picture, pixels=pixels)


def restore_files(
    jobs: Iterable[Job], restorer: Restores, *, progress: Progress | None = None
) -> Iterator[Result]:
    """Restores files one after the other and goes on past those that fail.

    While a picture is restored, the next is read and begun, and the one before written, unless
    they are large: at most three are held, and each result is told when the next picture is
    restored.
    Folders of targets are made where they are missing. No result is left half-written.

    Args:
        jobs: from `plan`.
        restorer: a `Restorer`; for jobs with maps one of a method that finds them.
        progress: called after every strip of a picture with rows done and rows in all.

    Yields:
        One result for each job in order; its files are there.
    """
    jobs = iter(jobs)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:

        def read_next() -> Future[_Work] | None:
            job = next(jobs, None)
            return None if job is None else reader.submit(_prepare, job, restorer)

        behind: Future[Result] | None = None
        ahead = read_next()
        while ahead is not None:
            work = ahead.result()
            if work.alone:
                if behind is not None:
                    yield behind.result()
                    behind = None
                work = _decide(work, restorer)
            ahead = read_next()
            restored = _restore(work, restorer, progress)
            if behind is not None:
                yield behind.result()
            behind = writer.submit(_write, restored)
            del work, restored  # only what is being written holds them
        if behind is not None:
            yield behind.result()


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Work:
    """A job on its way: what is there of it, and what became of it.

    `layout` is what its header says, where the restorer has a choice of ways; `in_rows` says that
    the picture is streamed from its file, and never read; `finish` is there once it is begun.
    """

    result: Result
    hazy: Picture | None = None
    finish: Finish | None = None
    restored: Picture | None = None
    maps: PictureMaps | None = None
    layout: Layout | None = None
    in_rows: bool = False

    @property
    def alone(self) -> bool:
        """Whether it is so large that it is read only when the one before is written."""
        undecided = self.layout is not None and self.result.way is None
        return undecided and self.result.error is None

    def failed(self, error: InputError) -> "_Work":
        return _Work(result=dataclasses.replace(self.result, error=error))


def _prepare(job: Job, restorer: Restores) -> _Work:
    """Reads what may be read ahead; of what is large only the header."""
    work = _Work(result=Result(job=job))
    if isinstance(restorer, Streams):
        try:
            layout = read_layout(job.source)
        except (InputError, OSError) as error:
            return work.failed(_named(error, job.source))
        work = _Work(result=Result(job=job, size=(layout.height, layout.width)), layout=layout)
        try:
            way = choose_file_way(job, layout, restorer)
        except InputError:
            return work  # there may be room when the picture before is written
        if not way.ahead:
            return work
        work = _read(_Work(result=dataclasses.replace(work.result, way=way), layout=layout))
        hazy = work.hazy
        # Several devices have room for one picture, as far as is known.
        if hazy is None or job.maps is not None or way.name == "devices":
            return work
        try:
            return _attempt(
                work, lambda: dataclasses.replace(work, finish=_begin(hazy, way, restorer))
            )
        except _NoMemory:
            return work  # there may be room when the picture before is written
    return _read(work)


def _decide(work: _Work, restorer: Restores) -> _Work:
    """Chooses the way of a large picture, with nothing else in memory."""
    job, layout = work.result.job, work.layout
    if layout is None or not isinstance(restorer, Streams):
        return work
    try:
        way = choose_file_way(job, layout, restorer)
    except InputError as error:
        return work.failed(_named(error, job.source))
    in_rows = way.name == "stream" and layout.obstacle is None
    result = dataclasses.replace(work.result, way=way)
    return dataclasses.replace(work, result=result, in_rows=in_rows)


def _read(work: _Work) -> _Work:
    source = work.result.job.source
    try:
        picture = read(source)
    except (InputError, OSError) as error:
        return work.failed(_named(error, source))
    result = dataclasses.replace(work.result, size=picture.pixels.shape[:2])
    return dataclasses.replace(work, result=result, hazy=picture)


def _restore(work: _Work, restorer: Restores, progress: Progress | None) -> _Work:
    if work.hazy is None and not work.in_rows and work.result.error is None:
        work = _read(work)
    if work.result.error is not None:
        return work
    job, way = work.result.job, work.result.way

    def restore() -> _Work:
        restored = maps = None
        if way is not None and way.name == "stream" and isinstance(restorer, Streams):
            job.target.parent.mkdir(parents=True, exist_ok=True)
            stream_file(work.hazy or job.source, job.target, restorer, progress=progress)
        elif work.hazy is not None and job.maps is None:
            finish = work.finish or _begin(work.hazy, way, restorer)
            restored = _with_pixels(work.hazy, finish(progress))
        elif work.hazy is not None:
            restored, maps = _restore_with_maps(work.hazy, restorer, progress, way)
        return dataclasses.replace(work, restored=restored, maps=maps, finish=None)

    try:
        return _attempt(work, restore)
    except _NoMemory:
        return work.failed(InputError(job.source, "restoring it needs more memory than there is"))


def _begin(picture: Picture, way: Way | None, restorer: Restores) -> Finish:
    pixels = _pixels_of(picture)
    if isinstance(restorer, Streams):
        return restorer.begin(pixels, way=way)
    return lambda progress: restorer(pixels, progress=progress)


class _NoMemory(Exception):
    """There is not enough for a step."""


def _attempt(work: _Work, step: Callable[[], _Work]) -> _Work:
    """What a step of restoring makes of the work, with the time that it took; or why it failed.

    Raises:
        _NoMemory: for want of memory.
    """
    source = work.result.job.source
    start = time.perf_counter()
    try:
        done = step()
    except (InputError, OSError) as error:
        return work.failed(_named(error, source))
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and _NO_MEMORY not in str(error):
            raise
        raise _NoMemory from error
    seconds = work.result.seconds + time.perf_counter() - start
    return dataclasses.replace(done, result=dataclasses.replace(done.result, seconds=seconds))


def _write(work: _Work) -> Result:
    job = work.result.job
    if work.hazy is None or work.restored is None:
        return work.result
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        write(job.target, work.restored)
        if job.comparison is not None:
            pictures = {"hazy": work.hazy.pixels, "restored": work.restored.pixels}
            write(job.comparison, side_by_side(pictures, width=_COMPARISON_WIDTH))
        if job.maps is not None and work.maps is not None:
            write_maps(job.maps, work.maps)
    except (InputError, OSError) as error:
        return work.failed(_named(error, job.target)).result
    return work.result


def _named(error: InputError | OSError, file: pathlib.Path) -> InputError:
    """The error as one of a file, where it does not name one itself."""
    if isinstance(error, InputError):
        # A restorer does not know the file's name.
        return error if error.subject != "picture" else InputError(file, error.reason)
    return InputError(error.filename or file, error.strerror or str(error))
