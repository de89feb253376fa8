"""Prepared datasets to training batches, with grain.

Every example of every batch is a function of (config, seed, position), so a run resumes from its
step number alone and neither threads nor processes change what is read. Loader processes run only
NumPy code of ours.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterator

import grain
import numpy as np
from absl import flags

from dehaze_jax.data.augmentation import Cut
from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.prepared import Prepared, open_prepared
from dehaze_jax.errors import InputError

_OPTIONAL = ("transmission", "airlight")


def train_batches(
    config: DataConfig,
    *,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, np.ndarray]]:
    """Batches without end, from batch `start_step` on.

    Each directory is shuffled anew in every pass; directories alternate by their weights. Batch i
    is the same whatever `start_step` and `config.workers` are.

    Args:
        config: what to read.
        seed: of shuffling and of every cut.
        start_step: number of the first batch.
        process_index: which of the equal, contiguous parts of each batch to read.
        process_count: parts of a batch; the parts in order are the batch of one process.

    Returns:
        Iterator of dictionaries: `hazy` and `clear` `[b, s, s, 3]` float32 in [0, 1], and where
        every directory has them `transmission` `[b, s, s, 1]` and `airlight` `[b, 3]`.

    Raises:
        InputError: no directory given, or one that cannot be opened.
        ValueError: `batch_size` is no multiple of `process_count`.
    """
    if config.batch_size % process_count:
        raise ValueError(f"batch_size {config.batch_size} is no multiple of {process_count}")
    sources = _open_all(config.train, config.train_split, "train")
    extras = tuple(key for key in _OPTIONAL if all(key in source.keys for source in sources))
    streams = [
        grain.MapDataset.source(_Maps(source, extras)).shuffle(seed=_mix(seed, number)).repeat()
        for number, source in enumerate(sources)
    ]
    mixture = (
        streams[0]
        if len(streams) == 1
        else grain.MapDataset.mix(streams, config.weights or [1.0] * len(streams))
    )
    batches = (
        mixture.random_map(Cut(config), seed=_mix(seed, len(sources)))
        .batch(config.batch_size // process_count, drop_remainder=True)
        .slice(slice(start_step * process_count + process_index, None, process_count))
    )
    threads = min(8, os.cpu_count() or 1)
    loaded = batches.to_iter_dataset(
        grain.ReadOptions(num_threads=threads, prefetch_buffer_size=threads)
    )
    if config.workers:
        # grain asks for absl flags, which only programs started by absl have parsed.
        if not flags.FLAGS.is_parsed():
            flags.FLAGS.mark_as_parsed()
        options = grain.multiprocessing.MultiprocessingOptions(
            num_workers=config.workers, per_worker_buffer_size=2
        )
        loaded = loaded.mp_prefetch(options)
    return iter(loaded)


def fingerprint(config: DataConfig) -> str:
    """SHA-256 over the contents that a config reads; paths do not matter.

    Raises:
        InputError: a directory cannot be opened.
    """
    total = hashlib.sha256()
    for folders, split in (
        (config.train, config.train_split),
        (config.validation, config.validation_split),
    ):
        for folder in folders:
            total.update(open_prepared(folder, split).fingerprint.encode())
        total.update(b"|")
    return total.hexdigest()


@dataclasses.dataclass(frozen=True)
class _Maps:
    """The arrays of a prepared split that training uses, one dictionary an example."""

    source: Prepared
    extras: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        example = self.source.read(index, extras=self.extras)
        return {"hazy": example.hazy, "clear": example.clear, **example.extras}


def _open_all(folders: tuple[str, ...], split: str, field: str) -> list[Prepared]:
    if not folders:
        raise InputError(f"DataConfig.{field}", "names no prepared directory")
    return [open_prepared(folder, split) for folder in folders]


def _mix(seed: int, stream: int) -> int:
    """One independent 32-bit seed for each stream of choices."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
