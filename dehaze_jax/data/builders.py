"""Making prepared datasets with the TFDS builders of the `datasets/` folder."""

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from dehaze_jax.data.building import BuilderConfig, ShardedBuilder, Task
from dehaze_jax.data.downloads import BytesProgress
from dehaze_jax.data.layouts import Dataset
from dehaze_jax.data.obtaining import check_source, obtain
from dehaze_jax.data.prepared import CHECKSUMS
from dehaze_jax.data.progress import Progress
from dehaze_jax.data.registry import find_builder
from dehaze_jax.data.workshop import check_target, open_workshop, publish
from dehaze_jax.data.writing import Bad, Shard, Workplace, unreadable, write_records
from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import as_input_error, write_json

REPORT = "report.json"
"""What was prepared from what, and what was left out; beside the records."""


def prepare(
    name: str,
    to: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    downloads: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    bad: Bad = "fail",
    workers: int = 0,
    progress: Progress | None = None,
    download_progress: BytesProgress | None = None,
    **options: Any,
) -> pathlib.Path:
    """Writes a prepared dataset. It appears whole under its name, or not at all.

    What is finished when it is stopped or killed stays in a hidden folder beside `to`; the same
    call goes on from there.

    Args:
        name: one of `list_datasets`; `rendered_haze` alone means its `folder` with a source, else
            its `photographs`.
        to: directory to write.
        source: folder of the pictures, or a zip file; None for datasets that need none or whose
            archives can be downloaded.
        downloads: folder for archives; None is `downloads` beside `to`.
        overwrite: replace a prepared dataset that stands at `to`.
        bad: what to do about files that cannot be used. `fail` lists all that were found in a file
            beside `to` and raises: those without a partner, without a depth map or of another's
            name before anything is encoded; those that are damaged or of another size than their
            partner once the others are encoded. Record files without any of them are finished then,
            and the same call goes on with the others. `skip` leaves them out. Scores on copies that
            lack pictures do not compare, so nothing is left out unless it is asked for.
        workers: threads that read and encode; 0 is one for each core.
        progress: told after every task.
        download_progress: told of downloads.
        **options: fields of the builder's `config_class`, such as `tiles`.

    Returns:
        `to`. What there is to say of it stands in its `report.json`.

    Raises:
        InputError: unknown name or option, a value out of range, source missing, files that cannot
            be used, `to` in the way or not writable, disk too small, download failed.
    """
    if name == "rendered_haze":
        name = "rendered_haze/folder" if source is not None else "rendered_haze/photographs"
    target = pathlib.Path(to)
    builder_class, dataset = find_builder(name)
    config = _configure(builder_class, dataset, options)
    check_source(dataset, source)
    check_target(to, overwrite=overwrite)
    if workers < 0:
        raise InputError("workers", f"{workers} must not be negative")
    with open_workshop(target) as shop, _silent_tfds():
        with as_input_error(target, "cannot be written"):  # what is unpacked
            folder, fetched = obtain(
                dataset,
                source,
                downloads=pathlib.Path(downloads or target.absolute().parent / "downloads"),
                unpacked=shop.unpacked,
                progress=download_progress,
            )
        if folder:
            config = dataclasses.replace(config, source=folder)
        builder = _plan(builder_class, config, shop.records)
        place = Workplace(
            records=shop.records,
            notes=shop.notes,
            target=target,
            identity=_identity(builder),
            serialize=builder.serialize,
            bad=bad,
            workers=workers or _cores(),
        )
        files, faults = _write(builder, place, progress)
        report = {
            "dataset": name,
            "edition": builder.edition,
            "source": os.fspath(source or ""),
            "archives": [{"url": f.url, "bytes": f.size, "sha256": f.sha256} for f in fetched],
            "options": {key: value for key, value in options.items() if value is not None},
            "notes": builder.notes,
            "left_out": [{"file": fault.subject, "reason": fault.reason} for fault in faults],
        }
        _judge(faults, report, target, bad=bad)
        with as_input_error(target, "cannot be written"):
            _describe(builder, shop.records, files, report)
            publish(shop, target)
    return target


def _plan(
    builder: type[ShardedBuilder], config: BuilderConfig, records: pathlib.Path
) -> ShardedBuilder:
    """The builder, which looks at names and sizes of the source's files."""
    try:
        return builder(config=config, data_dir=records)
    except OSError as error:
        raise unreadable(error, config.name) from error


def _judge(
    faults: Sequence[InputError], report: Mapping[str, Any], target: pathlib.Path, *, bad: Bad
) -> None:
    """Fails for files that cannot be used, if they are not to be left out."""
    listing = target.absolute().with_name(f"{target.absolute().name}.{REPORT}")
    if not faults or bad == "skip":
        listing.unlink(missing_ok=True)
        return
    write_json(listing, report)
    more = f"; {len(faults) - 1} more in {listing}" if faults[1:] else f"; see {listing}"
    more += "; --bad skip leaves them out"
    raise InputError(faults[0].subject, f"{faults[0].reason}{more}")


def _configure(
    builder: type[ShardedBuilder], dataset: Dataset, options: Mapping[str, Any]
) -> BuilderConfig:
    known = builder.option_names(dataset)
    for option in set(options) - known:
        reason = f"has no option {option}; it has: {', '.join(sorted(known))}"
        raise InputError(dataset.name, reason)
    return builder.config_class(name=dataset.config, **options)


def _cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _identity(builder: ShardedBuilder) -> str:
    """What decides a builder's records, beside the files that it reads."""
    names = builder.option_names(builder.dataset)
    options = {key: getattr(builder.config, key) for key in names}
    features = tfds.features.FeaturesDict(builder.features()).to_json()
    dtype = str(builder.dtype)  # features of tiles do not tell it
    parts = [builder.dataset.name, str(builder.version), options, features, dtype]
    return json.dumps(parts, sort_keys=True)


def _write(
    builder: ShardedBuilder, place: Workplace, progress: Progress | None
) -> tuple[dict[str, dict[str, Shard]], list[InputError]]:
    """Writes the record files, by split and name; and all that cannot be used."""
    names: dict[str, list[str]] = {}
    tasks: dict[str, Sequence[Task]] = {}
    for split, shards in builder.shards().items():
        paths = _template(builder, place.records, split).sharded_filepaths(len(shards))
        names[split] = [path.name for path in paths]
        tasks |= dict(zip(names[split], shards, strict=True))
    if builder.faults and place.bad == "fail":
        return {}, builder.faults
    finished, unusable = write_records(tasks, place, progress)
    faults = builder.faults + unusable
    if not any(shard.examples for shard in finished.values()) and place.bad == "skip":
        raise InputError(place.target, f"nothing is left to prepare; the first fault: {faults[0]}")
    files = {
        split: {name: finished[name] for name in members if name in finished}
        for split, members in names.items()
    }
    return files, faults


def _template(
    builder: ShardedBuilder, records: pathlib.Path, split: str
) -> tfds.core.ShardedFileTemplate:
    return tfds.core.ShardedFileTemplate(
        data_dir=epath.Path(records),
        dataset_name=builder.name,
        split=split,
        filetype_suffix="array_record",
    )


def _describe(
    builder: ShardedBuilder,
    records: pathlib.Path,
    files: Mapping[str, Mapping[str, Shard]],
    report: Mapping[str, Any],
) -> None:
    """Writes what stands beside the records: TFDS's own files, checksums and report."""
    wanted = {name: shard for shards in files.values() for name, shard in shards.items()}
    for path in records.iterdir():  # of an earlier call with other shards
        if path.name not in wanted:
            path.unlink()
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[shard.examples for shard in shards.values()],
            num_bytes=sum(shard.bytes for shard in shards.values()),
            filename_template=_template(builder, records, split),
        )
        for split, shards in files.items()
        if any(shard.examples for shard in shards.values())
    ]
    builder.info.set_file_format("array_record", override=True)
    builder.info.set_splits(tfds.core.SplitDict(splits))
    builder.info.write_to_directory(records)
    checksums = {name: {"bytes": s.bytes, "sha256": s.sha256} for name, s in wanted.items()}
    write_json(records / CHECKSUMS, dict(sorted(checksums.items())))
    write_json(records / REPORT, report)


@contextlib.contextmanager
def _silent_tfds() -> Iterator[None]:
    """No warning that a configuration is not one of TFDS's built-in ones."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
