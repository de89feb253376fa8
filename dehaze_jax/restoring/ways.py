"""In which way a picture is restored: a choice by its size and the memory there is.

All ways give the same picture.

| way | held in memory | works on |
| --- | --- | --- |
| whole | the picture | all of it at once: it is no larger than a strip |
| devices | the picture | all of it at once, its rows shared between devices |
| strips | the picture | strips of rows, a few at a time |
| stream | some rows | strips of rows, as they are read and written |
"""

import dataclasses
from typing import Literal, TypeAlias

from dehaze_jax.errors import InputError
from dehaze_jax.restoring.cutting import AT_ONCE, BAND_PIXELS, band_rows, strip_shape
from dehaze_jax.restoring.memory import readable

Name: TypeAlias = Literal["whole", "devices", "strips", "stream"]

STREAM_PIXELS = 2**26
"""From more pixels on (8192 x 8192) nothing is gained by holding a picture."""

# Bytes at full size for a pixel that is worked on: some tens of float32 planes, or a few layers of
# a narrow network.
_WORK = 512
# While what the networks read is made smaller: itself and a copy.
_OVERVIEW = 24
# For a pixel, of what is found beside the restored picture: two planes of float32, and what is made
# of them for files.
_MAPS = 32
# Bands under way: read ahead, worked on, restored, and being written.
_BANDS = 6
# A file's picture for each: its pixels, the restored ones, and both what a decoder or an encoder
# has of it and the bytes of the file.
_FILE_COPIES = 4
# What compiling asks for.
_PROGRAMS = 2**28
# What is left is for the pictures before and after, and for estimates that are too low.
_SHARE = 3 / 4
_AHEAD = 1 / 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """How a picture is restored.

    Attributes:
        name: see the module.
        reason: why so, as the end of a sentence.
        memory: bytes that it takes, about.
        ahead: whether that is so little that the pictures before and after may be held too.
    """

    name: Name
    reason: str
    memory: int
    ahead: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be restored.

    Attributes:
        height: rows of the picture.
        width: its columns.
        pixel_bytes: of a pixel of it.
        reduction: how many times smaller along each side what the networks read is; 1 if they read
            the picture as it is.
        halo: rows that the work on a strip reaches.
        context: bytes of what is global in the picture and kept.
        strip_pixels: about as many pixels are in a strip.
        maps: whether what the method finds in it is kept too.
        file: whether it is decoded and encoded, and not an array that is there anyway.
        reads_rows: whether its rows can be read by themselves.
        writes_rows: whether those of the result can be written by themselves.
        segment_bytes: what has to be decoded at once where rows can be read by themselves.
    """

    height: int
    width: int
    pixel_bytes: int
    reduction: int
    halo: int
    context: int
    strip_pixels: int
    maps: bool = False
    file: bool = False
    reads_rows: bool = False
    writes_rows: bool = False
    segment_bytes: int = 0


def choose_way(
    task: Task, *, memory: int | None, devices: int = 1, device_memory: int | None = None
) -> Way:
    """Chooses how a picture is restored.

    Several devices share it if they have the room. Otherwise it is held, unless it is so large
    that nothing is gained or there is no room: then it is streamed, if the formats of its files
    allow it.

    Args:
        task: the picture and what is done with it.
        memory: bytes that can be had; None if that is not known.
        devices: how many may be used.
        device_memory: bytes of each; None if they share the memory of the machine.

    Raises:
        InputError: there is too little memory for every way; names "picture".
    """
    pixels = task.height * task.width
    rows, columns = strip_shape(task.height, task.width, task.strip_pixels, halo=task.halo)
    at_work = _WORK * columns * (rows + 2 * task.halo) * min(AT_ONCE, -(-task.height // rows))
    always = {
        "what is kept of every step of the solver": task.context,
        "what the networks read": _overview_bytes(task),
        "the strips under way": at_work + _PROGRAMS,
    }
    picture = pixels * task.pixel_bytes
    held = {
        "the picture": picture * (_FILE_COPIES if task.file else 1),
        "its maps": _MAPS * pixels * task.maps,
        **always,
    }
    band = task.width * band_rows(task.height, task.width, rows, BAND_PIXELS)
    streamed = {
        "the picture": (
            2 * task.segment_bytes if task.reads_rows else picture * (_FILE_COPIES - 1)
        ),
        "the rows under way": _BANDS * band * task.pixel_bytes,
        **always,
    }

    def way(name: Name, reason: str, parts: dict[str, int]) -> Way:
        needed = sum(parts.values())
        ahead = name != "stream" and _fits(needed, memory, _AHEAD)
        return Way(name=name, reason=reason, memory=needed, ahead=ahead)

    if devices > 1:
        shared = {**held, "the copies on devices": 2 * picture}
        each = _WORK * -(-pixels // devices)
        if device_memory is None:
            shared["the work on devices"] = _WORK * pixels
        if _fits(sum(shared.values()), memory, _SHARE) and _fits(each, device_memory, _SHARE):
            return way("devices", "they have room for it", shared)
    if task.writes_rows and _fits(sum(streamed.values()), memory, _SHARE):
        if task.reads_rows and pixels > STREAM_PIXELS:
            return way("stream", "it is so large that holding it gains nothing", streamed)
        if not _fits(sum(held.values()), memory, _SHARE):
            return way("stream", f"holding it takes {readable(sum(held.values()))}", streamed)
    if memory is not None and not _fits(sum(held.values()), memory, _SHARE):
        least = streamed if task.writes_rows else held
        raise InputError("picture", _refusal(task, least, memory))
    if pixels <= task.strip_pixels:
        return way("whole", "it is no larger than a strip", held)
    return way("strips", "it fits into memory", held)


def _overview_bytes(task: Task) -> int:
    """Of what the networks read, while it is made."""
    down, across = -(-task.height // task.reduction), -(-task.width // task.reduction)
    copied = task.pixel_bytes if task.reduction == 1 else 0
    return down * across * (_OVERVIEW + copied)


def _fits(needed: int, memory: int | None, share: float) -> bool:
    return memory is None or needed <= share * memory


def _refusal(task: Task, parts: dict[str, int], memory: int) -> str:
    largest = max(parts, key=lambda part: parts[part])
    return (
        f"restoring {task.width} x {task.height} needs {readable(sum(parts.values()))} of memory, "
        f"{readable(parts[largest])} of it for {largest}; "
        f"{readable(int(_SHARE * memory))} of the {readable(memory)} there are may be taken"
    )
