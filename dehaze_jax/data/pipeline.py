"""Prepared datasets and folders of pictures to training batches, with grain.

Every example of every batch is a function of (config, seed, position), so a run resumes from its
step number alone and neither threads nor processes change what is read. Loader processes run only
NumPy code of ours.
"""

import hashlib
import itertools
import math
import os
from collections.abc import Callable, Generator, Sequence
from typing import Any

import grain
import numpy as np
from absl import flags

from dehaze_jax.data.augmentation import Cut
from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.prepared import PAIR, Prepared, open_prepared
from dehaze_jax.data.processes import set_up_loader
from dehaze_jax.data.reading import (
    Draw,
    Draws,
    ReadAndCut,
    ReadMiddle,
    count_damaged,
    merge_sides,
    name_drawn,
)
from dehaze_jax.data.sources import PreparedMaps, Source, open_training
from dehaze_jax.errors import InputError

_WINDOW = 64  # places within which those of unpaired clear pictures are shuffled


def train_batches(
    config: DataConfig,
    *,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    depth: bool = False,
) -> Generator[dict[str, np.ndarray], None, None]:
    """Batches without end, from batch `start_step` on.

    Each directory is shuffled anew in every pass; directories alternate by their weights. Batch i
    is the same whatever `start_step` and `config.workers` are. Unpaired hazy and clear pictures
    (`config.clear`) are drawn and cut independently: neither depends on what the others are.

    A damaged example is logged, and another one, drawn from the same directory, takes its place.

    Args:
        config: what to read.
        seed: of shuffling and of every cut.
        start_step: number of the first batch.
        process_index: which of the equal, contiguous parts of each batch to read.
        process_count: parts of a batch; the parts in order are the batch of one process.
        depth: also reads `depth`, where it is known.

    Returns:
        Generator of dictionaries; `close()` ends its threads and processes. `hazy` (unless
        `config.train` is empty) and `clear` `[b, s, s, 3]` are float32 in [0, 1]; so are, of pairs
        and where every directory has them, `transmission` `[b, s, s, 1]` and `airlight` `[b, 3]`.
        `depth` `[b, s, s, 1]` is float32 in the unit of its source, where every directory has it
        and the pictures are not unpaired. `bad` `[b]` int32 is how many damaged pictures, or pairs,
        were drawn where the example stands.

    Raises:
        InputError: no directory given, or one that cannot be used (see `open_training`); from the
            generator: a hundred examples in a row are damaged, or the first one is, with
            `max_bad_share` 0; a loader process has died.
        ValueError: `batch_size` is no multiple of `process_count`.
    """
    opened = open_training(config, depth=depth)
    read = ReadAndCut(Cut(config), replace=config.max_bad_share > 0)
    batches = (
        _drawn(config, opened, seed, read, merge_sides)
        .batch(_part(config, process_count), drop_remainder=True)
        .slice(slice(start_step * process_count + process_index, None, process_count))
    )
    return count_damaged(_load(batches, config))


def batch_names(config: DataConfig, *, seed: int, step: int) -> list[str]:
    """What `train_batches` draws for one batch; nothing is decoded.

    Args:
        config: what is read.
        seed: of the run.
        step: number of the batch, from 0.

    Returns:
        Directories and ids, or files; of unpaired pictures a hazy and a clear one in turn.

    Raises:
        InputError: no directory given, or one that cannot be used.
    """
    drawn = _drawn(config, open_training(config), seed, name_drawn, _chained)
    places = range(step * config.batch_size, (step + 1) * config.batch_size)
    return _chained([drawn[place] or [] for place in places])


def eval_batches(
    config: DataConfig, *, process_index: int = 0, process_count: int = 1
) -> Generator[dict[str, np.ndarray], None, None]:
    """Batches in which each pair of the validation splits stands once, in order.

    Pictures are the middle of what training would cut, or whole, upright. Every process gets as
    many batches as the others.

    Args:
        config: what to read.
        process_index: which of the equal, contiguous parts of each batch to read.
        process_count: parts of a batch.

    Returns:
        Generator of dictionaries; `close()` ends its threads and processes. `hazy` and `clear`
        `[b, s, s, 3]` are float32 in [0, 1]; `mask` `[b]` is False for the examples that only fill
        the last batch.

    Raises:
        InputError: no directory given, or one that cannot be used; from the generator: a record is
            damaged, or a loader process has died.
        ValueError: `batch_size` is no multiple of `process_count`.
    """
    if not config.validation:
        raise InputError("DataConfig.validation", "names no prepared directory")
    draws = grain.MapDataset.concatenate(
        [
            grain.MapDataset.source(Draws(PreparedMaps(prepared, PAIR)))
            for prepared in _open_validation(config)
        ]
    )
    padded = config.batch_size * math.ceil(len(draws) / config.batch_size)
    batches = (
        draws.repeat()
        .slice(slice(0, padded))
        .map_with_index(ReadMiddle(Cut(config), len(draws)))
        .batch(_part(config, process_count), drop_remainder=True)
        .slice(slice(process_index, None, process_count))
    )
    return _load(batches, config)


def fingerprint(config: DataConfig) -> str:
    """SHA-256 over the contents that a config reads; paths do not matter.

    Raises:
        InputError: no directory to train on, or one that cannot be used.
    """
    total = hashlib.sha256()
    for sources in (*open_training(config), _open_validation(config)):
        for source in sources:
            total.update(source.fingerprint.encode())
        total.update(b"|")
    return total.hexdigest()


def training_size(config: DataConfig) -> int:
    """Examples of all directories to train on; unpaired hazy and clear ones count each.

    Raises:
        InputError: no directory to train on, or one that cannot be used.
    """
    return sum(len(source) for sources in open_training(config) for source in sources)


def _open_validation(config: DataConfig) -> list[Prepared]:
    return [open_prepared(folder, config.validation_split) for folder in config.validation]


def _part(config: DataConfig, process_count: int) -> int:
    """Examples of a batch that one process reads."""
    if config.batch_size % process_count:
        raise ValueError(f"batch_size {config.batch_size} is no multiple of {process_count}")
    return config.batch_size // process_count


def _chained(parts: Sequence[list[str]]) -> list[str]:
    return list(itertools.chain.from_iterable(parts))


def _load(
    batches: grain.MapDataset, config: DataConfig
) -> Generator[dict[str, np.ndarray], None, None]:
    """Reads batches ahead, in threads or in processes with threads."""
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
        loaded = loaded.mp_prefetch(options, worker_init_fn=set_up_loader)
    iterator = iter(loaded)
    try:
        for batch in iterator:
            # Those of processes lie in shared memory, of which a program would leave some behind.
            if config.workers:
                batch = {name: np.array(value) for name, value in batch.items()}
            yield batch
    except RuntimeError as error:
        if "Worker process was terminated unexpectedly" not in str(error):
            raise
        reason = "a loader process has died; the machine may be short of memory"
        raise InputError("DataConfig.workers", reason) from error
    finally:
        iterator.close()


def _drawn(
    config: DataConfig,
    opened: Sequence[Sequence[Source]],
    seed: int,
    read: Callable[[Draw, np.random.Generator], Any],
    merge: Callable[[Sequence[Any]], Any],
) -> grain.MapDataset:
    """What `read` makes of the examples, without end; of both sides merged where they are two."""
    if len(opened) == 1:
        weights = config.weights if config.train else config.clear_weights
        return _stream(opened[0], weights, read, seed)
    hazy, clear = (
        _stream(sources, weights, read, _mix(seed, side))
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
    return grain.experimental.ZipMapDataset([hazy, clear]).map(merge)


def _stream(
    sources: Sequence[Source],
    weights: Sequence[float],
    read: Callable[[Draw, np.random.Generator], Any],
    seed: int,
) -> grain.MapDataset:
    """What `read` makes of the examples of all sources: shuffled, repeated and mixed."""
    streams = [
        grain.MapDataset.source(Draws(source)).shuffle(seed=_mix(seed, number)).repeat()
        for number, source in enumerate(sources)
    ]
    mixture = (
        streams[0]
        if len(streams) == 1
        else grain.MapDataset.mix(streams, weights or [1.0] * len(streams))
    )
    return mixture.random_map(read, seed=_mix(seed, len(sources)))


def _mix(seed: int, stream: int) -> int:
    """One independent 32-bit seed for each stream of choices."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])
