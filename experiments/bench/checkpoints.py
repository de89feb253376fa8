"""What saving in the background costs the training loop.

    python experiments/bench/checkpoints.py [--interval 100] [--output FILE.md]

One run of `dehazeflow` at its size, by flow matching, on procedural landscapes; a checkpoint stands
at the start of every second interval. Such an interval holds the call that saves and all steps
while files are written; the one before it and the one after hold steps alone. What it takes beyond
their mean is the stall, here as a share of an interval. Takes `(2 rounds + 2) * interval` steps.
"""

import dataclasses
import io
import itertools
import os
import pathlib
import statistics
import tempfile
import time

import rich.console
import tyro
from measuring import machine, report

from dehaze_jax import data, storage, training
from dehaze_jax.data import DataConfig
from dehaze_jax.methods import DehazeFlowConfig
from dehaze_jax.methods.dehazeflow.config import ObjectiveConfig
from dehaze_jax.training import TrainConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Measure what checkpoints cost."""

    interval: int = 100
    """Steps of an interval."""
    rounds: int = 2
    """Checkpoints that are measured."""
    batch_size: int = 8
    """Examples of a step."""
    crop_size: int = 192
    """Side in pixels of an example."""
    output: pathlib.Path | None = None
    """Also write the table to this Markdown file."""


class Times(rich.console.Console):
    """Notes when each line of metrics is told, before its step is saved."""

    def __init__(self):
        super().__init__(file=io.StringIO())
        self.at: list[float] = []

    def print(self, *objects, **_):
        """Takes a line."""
        if str(objects[0]).startswith("step "):
            self.at.append(time.perf_counter())


class Calls:
    """Times the calls that save, as long as the block runs."""

    def __enter__(self):
        self.seconds: list[float] = []
        self._save = save = storage.Checkpoints.save

        def timed(*arguments, **options):
            begin = time.perf_counter()
            save(*arguments, **options)
            self.seconds.append(time.perf_counter() - begin)

        storage.Checkpoints.save = timed
        return self

    def __exit__(self, *_):
        storage.Checkpoints.save = self._save


def measure(folder: pathlib.Path, options: Options) -> tuple[list[float], list[float], float]:
    """Seconds of all intervals but the first, which compiles; of the calls; MB of a checkpoint."""
    prepared = data.prepare("rendered_haze/landscapes", folder / "prepared", scenes=10, hazes=2)
    config = TrainConfig(
        method=DehazeFlowConfig(objective=ObjectiveConfig(kind="matching")),
        data=DataConfig(
            train=(str(prepared),), batch_size=options.batch_size, crop_size=options.crop_size
        ),
        workdir=str(folder / "run"),
        steps=(2 * options.rounds + 2) * options.interval,
        log_every=options.interval,
        save_every=2 * options.interval,
        keep_checkpoints=1,
    )
    times = Times()
    with Calls() as calls:
        training.train(config, console=times)
    intervals = [after - before for before, after in itertools.pairwise(times.at)]
    newest = folder / "run" / "checkpoints" / str(config.steps)
    size = sum(file.stat().st_size for file in newest.rglob("*") if file.is_file())
    return intervals, calls.seconds[: options.rounds], size / 1e6


def main(options: Options) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as folder:
        intervals, calls, megabytes = measure(pathlib.Path(folder), options)
    plain, saving = intervals[::2], intervals[1::2]
    alone = [statistics.fmean(pair) for pair in itertools.pairwise(plain)]
    stalls = [a / b - 1 for a, b in zip(saving, alone, strict=True)]
    lines = [
        machine(len(os.sched_getaffinity(0)), ["jax", "jaxlib", "orbax-checkpoint"]),
        "",
        f"dehazeflow, flow matching, batches of {options.batch_size}, {options.crop_size} pixels "
        f"square; checkpoints of {megabytes:.1f} MB; intervals of {options.interval} steps; "
        f"medians of {options.rounds}.",
        "",
        "| | median | range |",
        "| --- | ---: | ---: |",
        _row("interval without saving, s", alone),
        _row("interval with one checkpoint, s", saving),
        _row("of it the call that saves, s", calls),
        _row("stall, % of an interval", [100 * stall for stall in stalls]),
    ]
    report("\n".join(lines), options.output)


def _row(name: str, values: list[float]) -> str:
    middle = statistics.median(values)
    return f"| {name} | {middle:.2f} | {min(values):.2f} to {max(values):.2f} |"


if __name__ == "__main__":
    main(tyro.cli(Options))
