"""Writes the record files of a dataset: tasks in parallel, files in order, one finished for good.

Beside the records stands a note on each finished file. A writer that is killed and started again
takes as they are the files whose notes still hold: the same tasks on files of the same sizes and
times, and a record file of the size that was noted.
"""

import collections
import contextlib
import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, TypeAlias

from array_record.python.array_record_module import ArrayRecordWriter

from dehaze_jax.data.building import Features, Task
from dehaze_jax.data.progress import Progress
from dehaze_jax.data.space import check_space, describe_file
from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error, write_json

Bad: TypeAlias = Literal["fail", "skip"]

_WRITER = "group_size:1,uncompressed"
"""Options of record files: one record is read at a time, and pictures are compressed already."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """A finished record file.

    Attributes:
        plan: hash of what it was made from.
        examples: records in it.
        bytes: its size.
        sha256: of its content.
        left_out: files that could not be used, and why.
    """

    plan: str
    examples: int
    bytes: int
    sha256: str
    left_out: Sequence[tuple[str, str]] = ()

    @property
    def faults(self) -> list[InputError]:
        """What is left out."""
        return [InputError(file, reason) for file, reason in self.left_out]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where and how record files are written.

    Attributes:
        records: folder of the record files.
        notes: folder of the notes on them.
        target: what is being made, for messages.
        identity: what decides the records beside their tasks.
        serialize: makes a record of an example.
        bad: `skip` leaves out what cannot be used; `fail` finishes no file that lacks something.
        workers: threads.
    """

    records: pathlib.Path
    notes: pathlib.Path
    target: pathlib.Path
    identity: str
    serialize: Callable[[Features], bytes]
    bad: Bad
    workers: int


def write_records(
    shards: Mapping[str, Sequence[Task]], place: Workplace, progress: Progress | None = None
) -> tuple[dict[str, Shard], list[InputError]]:
    """Writes those record files that are not there yet.

    Args:
        shards: tasks by the name of their record file.
        place: where and how.
        progress: told after every task.

    Returns:
        The finished files by name, and all that could not be used.

    Raises:
        InputError: the disk is full, or what is measured of the first tasks says that it will be.
    """
    found = {name: _finished(name, tasks, place) for name, tasks in shards.items()}
    missing = {name: tasks for name, tasks in shards.items() if not found[name]}
    finished = {name: shard for name, shard in found.items() if shard}
    faults = [fault for shard in finished.values() for fault in shard.faults]

    total = sum(task.examples for tasks in shards.values() for task in tasks)
    left = [task for tasks in missing.values() for task in tasks]
    meter = _Meter(place, total, left, progress)
    with contextlib.closing(_do_all(left, place)) as outcomes, _full_disk(place.target):
        for name, tasks in missing.items():
            shard, bad = _write(name, tasks, outcomes, place, meter)
            faults += bad
            if shard:
                finished[name] = shard
    return finished, faults


def unreadable(error: OSError, otherwise: str) -> InputError:
    """The fault of a source file.

    Args:
        error: of reading it.
        otherwise: what to name where the error does not name the file.
    """
    return InputError(error.filename or otherwise, f"cannot be read: {error.strerror or error}")


class _Meter:
    """Counts what is done, and foresees what the rest will take on the disk."""

    def __init__(
        self, place: Workplace, total: int, left: Sequence[Task], progress: Progress | None
    ):
        self.place, self.total, self.progress = place, total, progress
        self.examples = total - sum(task.examples for task in left)
        self.weight_left = sum(task.weight for task in left)
        self.weight_done = self.bytes_done = 0

    def count(self, task: Task, records: Sequence[bytes]) -> None:
        """One more task is done."""
        self.examples += task.examples
        self.weight_done += task.weight
        self.bytes_done += sum(map(len, records))
        if self.progress:
            self.progress(self.examples, self.total)

    def check_space(self, task: Task, records: Sequence[bytes]) -> None:
        """Refuses to go on where the disk is too small for all that is left, these included."""
        weight = self.weight_done + task.weight
        ratio = (self.bytes_done + sum(map(len, records))) / max(weight, 1)
        needed = ratio * (self.weight_left - self.weight_done)
        target = self.place.target
        check_space(target.absolute().parent, math.ceil(needed), subject=target)


def _write(
    name: str,
    tasks: Sequence[Task],
    outcomes: Iterator[list[bytes] | InputError],
    place: Workplace,
    meter: _Meter,
) -> tuple[Shard | None, list[InputError]]:
    path = place.records / name
    examples, faults = 0, []
    with contextlib.closing(ArrayRecordWriter(os.fspath(path), _WRITER)) as writer:
        for task, outcome in zip(tasks, outcomes, strict=False):  # outcomes has those of all files
            if isinstance(outcome, InputError):
                faults.append(outcome)
                outcome = []
            elif examples == 0:
                meter.check_space(task, outcome)
            for record in outcome:
                writer.write(record)
                examples += 1
            meter.count(task, outcome)
    if faults and place.bad == "fail":
        path.unlink()
        return None, faults
    size, sha256 = describe_file(path)
    shard = Shard(
        plan=_plan(tasks, place),
        examples=examples,
        bytes=size,
        sha256=sha256,
        left_out=[(fault.subject, fault.reason) for fault in faults],
    )
    write_json(place.notes / f"{name}.json", dataclasses.asdict(shard))
    return shard, faults


def _do_all(
    tasks: Sequence[Task], place: Workplace
) -> Generator[list[bytes] | InputError, None, None]:
    """What comes of the tasks, in their order; few are ahead of what is taken."""

    def attempt(task: Task) -> list[bytes] | InputError:
        try:
            return [place.serialize(example) for example in task.make()]
        except InputError as fault:
            return fault
        except OSError as error:
            return unreadable(error, task.id)

    ahead: collections.deque[Future[list[bytes] | InputError]] = collections.deque()
    with ThreadPoolExecutor(place.workers) as pool:
        try:
            for task in tasks:
                ahead.append(pool.submit(attempt, task))
                if len(ahead) > 2 * place.workers:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _finished(name: str, tasks: Sequence[Task], place: Workplace) -> Shard | None:
    try:
        note = json.loads((place.notes / f"{name}.json").read_bytes())
        shard = Shard(**note | {"left_out": [tuple(pair) for pair in note["left_out"]]})
        size = (place.records / name).stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        return None
    usable = place.bad == "skip" or not shard.left_out
    return shard if usable and (shard.plan, shard.bytes) == (_plan(tasks, place), size) else None


def _plan(tasks: Sequence[Task], place: Workplace) -> str:
    content = [(task.id, [_state(path) for path in task.files]) for task in tasks]
    return hashlib.sha256(json.dumps([place.identity, content]).encode()).hexdigest()


def _state(path: pathlib.Path) -> tuple[str, int, int]:
    try:
        state = path.stat()
    except OSError:  # the task will say so
        return path.name, 0, 0
    return path.name, state.st_size, state.st_mtime_ns


@contextlib.contextmanager
def _full_disk(target: pathlib.Path) -> Iterator[None]:
    """The writer of array records tells of a full disk in its own way."""
    try:
        with as_input_error(target, "cannot be written"):
            yield
    except RuntimeError as error:
        told = re.search(r"\w+\(\) failed: ([^;]+)", str(error))
        if told is None:
            raise
        raise InputError(target, f"cannot be written: {told[1]}") from error
