"""Kills a training run at random moments, and checks each time that nothing is lost.

    python experiments/survival/kill.py [--kills 500] [--output runs/survival]

A process of `dehaze-jax train` is ended with SIGKILL and started again with the same command, until
the run is finished; then it must be what a run is that nobody disturbed: the same bits in
parameters, averages and moments, the same lines of metrics, the same best and final weights, the
same files. Another run is killed then, until there were as many kills as asked for. A kill takes
about five seconds on two cores.

Moments are drawn from a seed. Some lie anywhere in the start or in the training of a process;
most wait until a file is being written, which its temporary name tells, and lie within some
milliseconds from there.
"""

import collections
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
import tyro
from rich.console import Console

from dehaze_jax import data, storage

CONFIG = pathlib.Path(__file__).with_name("tiny.py")

WRITING = {
    "checkpoint": "checkpoints/*.orbax-checkpoint-tmp",
    "best": ".best.*",
    "weights": ".weights.*",
    "config": ".config.json.*",
    "record": ".run.json.*",
    "metrics": ".metrics.jsonl.*",
}
"""What is there while something is being written."""

MOMENTS = ["start", "training", "training", "checkpoint", "checkpoint", "checkpoint", *WRITING]
"""Kinds of moments, as often as they are drawn."""

START_SECONDS, TRAINING_SECONDS, WRITING_SECONDS = 3.0, 2.0, 0.02
"""Within which a moment lies after the process, the first new line of metrics, or the file."""

SPEEDS = ("images_per_second", "seconds_per_step", "data_seconds_per_step")
STATE = ("step", "variables", "ema", "opt_state")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Kill a training run, again and again."""

    kills: int = 50
    """How often a process is killed."""
    seed: int = 0
    """Of the moments."""
    output: pathlib.Path = pathlib.Path("runs/survival")
    """Folder for the data and the runs; must not hold any yet."""


class Lost(Exception):
    """A run did not go on, or is not what it would have been."""


def start(folder: pathlib.Path, run: pathlib.Path) -> subprocess.Popen[bytes]:
    """A process that trains, or goes on; what it says is added to a file."""
    prepared = str(folder / "prepared")
    options = {"--workdir": str(run), "--data.train": prepared, "--data.validation": prepared}
    command = [sys.executable, "-m", "dehaze_jax.cli.main", "train", str(CONFIG)]
    command += [word for option in options.items() for word in option]
    with run.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log)


def moments(kind: str, run: pathlib.Path, rng: np.random.Generator) -> Iterator[bool]:
    """Whether the moment of a kill has come, each time it is asked."""
    delay = {"start": START_SECONDS, "training": TRAINING_SECONDS}.get(kind, WRITING_SECONDS)
    delay *= rng.random()
    begun = _begun(kind, run)
    while not begun():
        yield False
    begin = time.monotonic()
    while time.monotonic() < begin + delay:
        yield False
    yield True


def _begun(kind: str, run: pathlib.Path) -> Callable[[], bool]:
    """A question: is the process at that which a moment waits for?"""
    if kind == "start":
        return lambda: True
    if kind == "training":
        metrics = run / "metrics.jsonl"

        def written() -> int:
            return metrics.stat().st_mtime_ns if metrics.exists() else 0

        before = written()
        return lambda: written() > before
    left = set(run.glob(WRITING[kind]))  # by a process that was killed before
    return lambda: any(path not in left for path in run.glob(WRITING[kind]))


def live(folder: pathlib.Path, run: pathlib.Path, kind: str, rng: np.random.Generator) -> bool:
    """Starts a process and kills it at one moment.

    Returns:
        Whether it was killed; otherwise it came to the end of the run before.

    Raises:
        Lost: it ended otherwise.
    """
    process = start(folder, run)
    for now in moments(kind, run, rng):
        if now:
            process.send_signal(signal.SIGKILL)
        if now or process.poll() is not None:
            break
        time.sleep(0.0002)
    code = process.wait()
    if code not in (0, -signal.SIGKILL):
        raise Lost(f"{run}: ended with {code}: {run.with_suffix('.log').read_text()[-2000:]}")
    return code != 0


def compare(run: pathlib.Path, straight: pathlib.Path) -> None:
    """Checks that a run is what one is that was never disturbed.

    Raises:
        Lost: it is not.
    """
    ours, theirs = summary(run), summary(straight)
    for name, value in theirs.items():
        if ours[name] != value:
            raise Lost(f"{run}: {name} should be {value}, is {ours[name]}")
    bits = state(run)
    for name, value in state(straight).items():
        if not jax.tree.all(jax.tree.map(np.array_equal, value, bits[name])):
            raise Lost(f"{run}: {name} has other bits")
    starts = [later["step"] for later in storage.read_json(run / "run.json").get("resumes", [])]
    if starts != sorted(starts):
        raise Lost(f"{run}: went back to a step before: {starts}")


def state(run: pathlib.Path) -> dict[str, Any]:
    """The newest state of a run."""
    with storage.Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        return {name: checkpoints.restore_part(name) for name in STATE}


def summary(run: pathlib.Path) -> dict[str, Any]:
    """What of a run does not depend on time or on its name."""
    weights = {name: storage.load_weights(run / name) for name in ("best", "weights")}
    names = ("step", "scores", "sha256")
    with storage.Checkpoints(run / "checkpoints", read_only=True) as checkpoints:
        steps = checkpoints.steps()
    return {
        "files": sorted(path.name for path in run.iterdir()),
        "checkpoints": sorted(path.name for path in (run / "checkpoints").iterdir()),
        "steps of checkpoints": steps,
        "metrics": [
            {name: value for name, value in line.items() if name not in SPEEDS}
            for line in storage.RunDirectory(run).read_metrics()
        ],
        **{name: {key: found.card[key] for key in names} for name, found in weights.items()},
    }


def main(options: Options) -> None:
    """Kills and checks; says what was killed where."""
    folder, console = options.output, Console(highlight=False, markup=False, soft_wrap=True)
    rng = np.random.default_rng(options.seed)
    os.environ["DEHAZE_JAX_CACHE"] = str(folder.absolute() / "compiled")
    data.prepare("rendered_haze/landscapes", folder / "prepared", scenes=10, size=(48, 64))
    straight = folder / "straight"
    if start(folder, straight).wait():
        raise Lost(f"{straight}: {straight.with_suffix('.log').read_text()[-2000:]}")
    killed = collections.Counter()
    runs = 0
    while killed.total() < options.kills:
        run = folder / f"killed-{runs}"
        runs += 1
        alive = True
        while alive and killed.total() < options.kills:
            kind = str(rng.choice(MOMENTS))
            alive = live(folder, run, kind, rng)
            if alive:
                killed[kind] += 1
        if alive and start(folder, run).wait():
            raise Lost(f"{run}: {run.with_suffix('.log').read_text()[-2000:]}")
        compare(run, straight)
        console.print(f"{run}: as if never killed, after {killed.total()} kills in all")
    told = ", ".join(f"{count} at {kind}" for kind, count in sorted(killed.items()))
    console.print(f"{killed.total()} kills, {runs} runs: {told}")


if __name__ == "__main__":
    main(tyro.cli(Options))
