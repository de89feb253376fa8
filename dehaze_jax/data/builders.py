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
from dehaze_jax.data.layouts import Dataset
from dehaze_jax.data.prepared import CHECKSUMS
from dehaze_jax.data.registry import find_builder
from dehaze_jax.data.workshop import check_target, publish, workshop
from dehaze_jax.data.writing import Bad, Progress, Shard, Workplace, write_records
from dehaze_jax.errors import InputError
from dehaze_jax.storage.files import write_json

REPORT = "report.json"
"""What was prepared from what, and what was left out; beside the records."""


def prepare(
    name: str,
    to: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    bad: Bad = "fail",
    workers: int = 0,
    progress: Progress | None = None,
    **options: Any,
) -> pathlib.Path:
    """Writes a prepared dataset. It appears whole under its name, or not at all.

    What is finished when it is stopped or killed stays in a hidden folder beside `to`; the same
    call goes on from there.

    Args:
        name: one of `list_datasets`; `rendered_haze` alone means its `folder` with a source, else
            its `photographs`.
        to: directory to write.
        source: folder of the pictures, for the datasets that have some.
        overwrite: replace a prepared dataset that stands at `to`.
        bad: what to do about files that cannot be used. `fail` prepares everything else, lists all
            of them in a file beside `to`, and raises; once they are mended or replaced, the same
            call has only them to do. `skip` leaves them out. Scores on copies that lack pictures do
            not compare, so nothing is left out unless it is asked for.
        workers: threads that read and encode; 0 is one for each core.
        progress: told after every task.
        **options: fields of the builder's `config_class`, such as `tiles`.

    Returns:
        `to`. What there is to say of it stands in its `report.json`.

    Raises:
        InputError: unknown name or option, a value out of range, source missing, files that cannot
            be used, `to` in the way or not writable, disk too small.
    """
    if name == "rendered_haze":
        name = "rendered_haze/folder" if source is not None else "rendered_haze/photographs"
    builder_class, dataset = find_builder(name)
    config = _configure(builder_class, dataset, source, options)
    target = pathlib.Path(to)
    check_target(target, overwrite=overwrite)
    with workshop(target) as (records, notes), _silent_tfds():
        builder = builder_class(config=config, data_dir=records)
        place = Workplace(
            records=records,
            notes=notes,
            target=target,
            identity=_identity(builder),
            serialize=builder.serialize,
            bad=bad,
            workers=workers or len(os.sched_getaffinity(0)),
        )
        files, faults = _write(builder, place, progress)
        report = {
            "dataset": name,
            "source": os.fspath(source or ""),
            "options": {key: value for key, value in options.items() if value is not None},
            "notes": builder.notes,
            "left_out": [{"file": fault.subject, "reason": fault.reason} for fault in faults],
        }
        listing = target.with_name(f"{target.name}.{REPORT}")
        if faults and bad == "fail":
            write_json(listing, report)
            more = f"; {len(faults) - 1} more in {listing}" if faults[1:] else ""
            raise InputError(faults[0].subject, f"{faults[0].reason}{more}")
        listing.unlink(missing_ok=True)
        _describe(builder, records, files, report)
        publish(records, notes, target)
    return target


def _configure(
    builder: type[ShardedBuilder],
    dataset: Dataset,
    source: str | os.PathLike[str] | None,
    options: Mapping[str, Any],
) -> BuilderConfig:
    name, known = dataset.name, _options(builder.config_class)
    for option in set(options) - known:
        raise InputError(name, f"has no option {option}; it has: {', '.join(sorted(known))}")
    given = dict(options)
    if dataset.obtain == "made":
        if source is not None:
            raise InputError(name, "takes no pictures of yours")
    elif source is None:
        how = dataset.fetch or "is made of your own pictures: give the folder they are in"
        raise InputError(name, f"{how} (--from)")
    else:
        given["source"] = os.path.abspath(source)
    return builder.config_class(name=dataset.config, **given)


def _options(config: type[BuilderConfig]) -> set[str]:
    """Names of the options that are the builder's own."""
    foreign = {field.name for field in dataclasses.fields(tfds.core.BuilderConfig)}
    return {field.name for field in dataclasses.fields(config)} - foreign - {"source"}


def _identity(builder: ShardedBuilder) -> str:
    """What decides a builder's records, beside the files that it reads."""
    options = {key: getattr(builder.config, key) for key in _options(type(builder.config))}
    features = tfds.features.FeaturesDict(builder.features()).to_json()
    parts = [builder.dataset.name, str(builder.version), options, features]
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
    finished, faults = write_records(tasks, place, progress)
    files = {
        split: {name: finished[name] for name in members if name in finished}
        for split, members in names.items()
    }
    return files, builder.faults + faults


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
