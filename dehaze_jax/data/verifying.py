"""Whether a prepared dataset is what it was when it was made."""

import collections
import dataclasses
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from etils import epath

from dehaze_jax.data.maps import ARRAYS, PICTURES
from dehaze_jax.data.prepared import (
    CHECKSUMS,
    Prepared,
    open_prepared,
    read_checksums,
    record_checksums,
    split_sizes,
)
from dehaze_jax.data.progress import Progress
from dehaze_jax.errors import InputError

_WORKERS = 8
_BLOCK = 64  # examples that are handed to the workers at a time


@dataclasses.dataclass(frozen=True)
class Verified:
    """What was found in a prepared dataset.

    Attributes:
        examples: how many there are, by split.
        fingerprints: of the splits that could be opened.
        faults: what is damaged, missing, or not what it was.
        compared: whether there were checksums to compare the files with.
    """

    examples: Mapping[str, int]
    fingerprints: Mapping[str, str]
    faults: tuple[InputError, ...]
    compared: bool


def verify(path: str | os.PathLike[str], *, progress: Progress | None = None) -> Verified:
    """Compares every record file with its checksum and decodes every example.

    Args:
        path: the prepared directory.
        progress: told after every example.

    Raises:
        InputError: it is no prepared dataset at all.
    """
    root = epath.Path(path)
    examples = split_sizes(root)
    expected = read_checksums(root)
    faults = _compare(root, expected) if expected else []
    fingerprints: dict[str, str] = {}
    done, total = 0, sum(examples.values())
    for split in examples:
        try:
            prepared = open_prepared(root, split, needs=())
        except InputError as fault:
            faults.append(fault)
            continue
        fingerprints[split] = prepared.fingerprint
        for fault in _decode_all(prepared):
            faults += [fault] if fault else []
            done += 1
            if progress:
                progress(done, total)
    return Verified(examples, fingerprints, tuple(faults), bool(expected))


def _compare(root: epath.Path, expected: Mapping[str, Mapping[str, object]]) -> list[InputError]:
    found = record_checksums(root)
    faults = []
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            faults.append(InputError(root / name, "does not exist"))
        elif name not in expected:
            faults.append(InputError(root / name, f"is not listed in {CHECKSUMS}"))
        elif found[name] != expected[name]:
            faults.append(InputError(root / name, f"is not the file listed in {CHECKSUMS}"))
    return faults


def _decode_all(prepared: Prepared) -> Iterator[InputError | None]:
    """What is wrong with each example."""
    ids: collections.Counter[str] = collections.Counter()

    def decode(index: int) -> tuple[str, InputError | None]:
        try:
            name, maps = prepared.entry(index, (*PICTURES, *ARRAYS))
            maps.part()
        except InputError as fault:
            return "", fault
        return name, None

    with ThreadPoolExecutor(min(_WORKERS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(prepared), _BLOCK):
            block = range(start, min(start + _BLOCK, len(prepared)))
            for index, (name, fault) in zip(block, pool.map(decode, block), strict=True):
                ids[name] += 1
                if not fault and ids[name] == 2:
                    where = f"{prepared.path} ({prepared.split}, example {index})"
                    fault = InputError(where, f"has the id {name}, as another one")
                yield fault
