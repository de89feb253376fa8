"""Prepared datasets and folders of pictures to training batches, with grain.

Every example of every batch is a function of (config, seed, position), so a run resumes from its
step number alone and neither threads nor processes change what is read. Loader processes run only
NumPy code of ours.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence

import grain
import numpy as np
from absl import flags

from dehaze_jax.data.augmentation import Cut
from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.prepared import open_prepared
from dehaze_jax.data.sources import Source, open_training

_WINDOW = 64  # places within which those of unpaired clear pictures are shuffled


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
    is the same whatever `start_step` and `config.workers` are. Unpaired hazy and clear pictures
    (`config.clear`) are drawn and cut independently: neither depends on what the others are.

    Args:
        config: what to read.
        seed: of shuffling and of every cut.
        start_step: number of the first batch.
        process_index: which of the equal, contiguous parts of each batch to read.
        process_count: parts of a batch; the parts in order are the batch of one process.

    Returns:
        Iterator of dictionaries: `hazy` and `clear` `[b, s, s, 3]` float32 in [0, 1], and of pairs,
        where every directory has them, `transmission` `[b, s, s, 1]` and `airlight` `[b, 3]`.

    Raises:
        InputError: no directory given, or one that cannot be used (see `open_training`); from the
            iterator: a file or record is damaged.
        ValueError: `batch_size` is no multiple of `process_count`.
    """
    if config.batch_size % process_count:
        raise ValueError(f"batch_size {config.batch_size} is no multiple of {process_count}")
    batches = (
        _examples(config, seed)
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
        InputError: no directory to train on, or one that cannot be used.
    """
    validation = [open_prepared(folder, config.validation_split) for folder in config.validation]
    total = hashlib.sha256()
    for sources in (*open_training(config), validation):
        for source in sources:
            total.update(source.fingerprint.encode())
        total.update(b"|")
    return total.hexdigest()


def _examples(config: DataConfig, seed: int) -> grain.MapDataset:
    """Dictionaries of equally large arrays without end."""
    opened = open_training(config)
    cut = Cut(config)
    if len(opened) == 1:
        return _stream(opened[0], config.weights, cut, seed)
    hazy, clear = (
        _stream(sources, weights, cut, _mix(seed, side))
        for side, (sources, weights) in enumerate(
            zip(opened, (config.weights, config.clear_weights), strict=True)
        )
    )
    if len(config.clear) > 1:
        # Folders take turns in a fixed rhythm, by which those of the two sides would keep together.
        # grain adds the number of the window to the seed and needs the sum below 2^32.
        clear = grain.experimental.WindowShuffleMapDataset(
            clear, window_size=_WINDOW, seed=_mix(seed, len(opened)) >> 1
        )
    return grain.experimental.ZipMapDataset([hazy, clear]).map(_merge)


def _stream(
    sources: Sequence[Source], weights: Sequence[float], cut: Cut, seed: int
) -> grain.MapDataset:
    """Cuts of the examples of all sources: shuffled, repeated and mixed."""
    streams = [
        grain.MapDataset.source(source).shuffle(seed=_mix(seed, number)).repeat()
        for number, source in enumerate(sources)
    ]
    mixture = (
        streams[0]
        if len(streams) == 1
        else grain.MapDataset.mix(streams, weights or [1.0] * len(streams))
    )
    return mixture.random_map(cut, seed=_mix(seed, len(sources)))


def _merge(parts: tuple[dict[str, np.ndarray], ...]) -> dict[str, np.ndarray]:
    return {key: value for part in parts for key, value in part.items()}


def _mix(seed: int, stream: int) -> int:
    """One independent 32-bit seed for each stream of choices."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
