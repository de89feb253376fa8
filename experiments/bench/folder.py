"""How much of reading and writing is hidden when a folder of 1080p photographs is restored.

    python experiments/bench/folder.py [--pictures DIR] [--count 50] [--output FILE.md]

What `dehaze-jax restore --baked FOLDER FOLDER` does, in this process: reading alone, restoring
alone, writing alone, and all of it at once, as the command does it. The rounds take turns. Of the
shorter of the two, restoring or reading and writing, the share is hidden that the folder does not
take beyond the longer one; it may pass 100 %, as a folder's restoring is quicker too: a picture is
begun while the one before is restored. Files are in the operating system's memory.

Without `--pictures` these are procedural landscapes with haze and grain, every second one JPEG.
"""

import dataclasses
import os
import pathlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import jax
import numpy as np
import tyro
from measuring import machine, report
from rich.console import Console
from rich.progress import track

from dehaze_jax import data, haze, image, restoring

HEIGHT, WIDTH, SCENES = 1080, 1920, 10
SUFFIXES = (".jpg", ".png")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Measure restoring a folder."""

    pictures: pathlib.Path | None = None
    """Folder of photographs, which are brought to 1920 x 1080; default: procedural landscapes."""
    count: int = 50
    """Pictures in the folder."""
    suffixes: tuple[str, ...] = SUFFIXES
    """Formats of the files, in turn."""
    weights: str = "dehazeflow"
    """Weights that ship, a folder of weights, or a run directory."""
    rounds: int = 3
    """How often everything is measured."""
    output: pathlib.Path | None = None
    """Also write the table to this Markdown file."""


def landscape(seed: int) -> np.ndarray:
    """A hazy landscape with grain, uint8."""
    clear, depth = haze.landscape(seed, HEIGHT, WIDTH)
    grain = np.random.default_rng(seed).normal(0, 0.01, clear.shape).astype(np.float32)
    picture = image.Picture(image.from_float(np.clip(clear + grain, 0, 1), np.uint8))
    return data.add_haze(picture, depth, beta=1.5, seed=seed).pixels


def photograph(path: pathlib.Path) -> np.ndarray:
    """A photograph of 8 bits at the size of the benchmark."""
    pixels = image.to_float(image.read(path).pixels)
    sized = jax.image.resize(pixels, (HEIGHT, WIDTH, 3), "linear", antialias=True)
    return image.from_float(np.clip(np.asarray(sized), 0, 1), np.uint8)


def make_folder(folder: pathlib.Path, options: Options) -> None:
    """Writes the pictures; of few different ones those that come again are shifted."""
    folder.mkdir()
    found = data.list_images(options.pictures) if options.pictures else []
    makers: list[Callable[[], np.ndarray]] = (
        [lambda path=path: photograph(path) for path in found[: options.count]]
        if found
        else [lambda seed=seed: landscape(seed) for seed in range(min(SCENES, options.count))]
    )
    different = [make() for make in track(makers, "Pictures", console=Console(stderr=True))]
    for number in range(options.count):
        pixels = np.roll(different[number % len(different)], 97 * (number // len(different)), 1)
        suffix = options.suffixes[number % len(options.suffixes)]
        image.write(folder / f"{number:03d}{suffix}", pixels)


def measure(folder: pathlib.Path, options: Options) -> dict[str, list[float]]:
    """Seconds of each part in each round; one more round goes ahead that is not counted."""
    restorer = restoring.load(options.weights, baked="local")
    target = folder.with_name("restored")
    jobs = restoring.plan([folder], target)
    seconds: dict[str, list[float]] = {name: [] for name in ("read", "restore", "write", "folder")}

    def timed(name: str, run: Callable[[], object], begin: float = 0.0) -> None:
        begin = time.perf_counter()
        run()
        seconds[name][-1] += time.perf_counter() - begin

    for _ in track(range(options.rounds + 1), "Rounds", console=Console(stderr=True)):
        for times in seconds.values():
            times.append(0.0)
        target.mkdir()
        for job in jobs:  # one picture is held at a time
            here: list[image.Picture] = []
            timed("read", lambda job=job, here=here: here.append(image.read(job.source)))
            timed(
                "restore",
                lambda here=here: here.append(restoring.restore_picture(here[0], restorer)),
            )
            timed("write", lambda job=job, here=here: image.write(job.target, here[1]))
        shutil.rmtree(target)
        timed("folder", lambda: _check(list(restoring.restore_files(jobs, restorer))))
        shutil.rmtree(target)
    return {name: times[1:] for name, times in seconds.items()}


def _check(results: list[restoring.Result]) -> None:
    for result in results:
        if result.error is not None:
            raise result.error


def hidden(read: float, restore: float, write: float, folder: float) -> float:
    """Share of the shorter of restoring, and reading and writing, that a folder does not take."""
    files = read + write
    return 1 - (folder - max(restore, files)) / min(restore, files)


def main(options: Options) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "hazy"
        make_folder(folder, options)
        seconds = measure(folder, options)
    shares = [hidden(*times) for times in zip(*seconds.values(), strict=True)]
    threads = len(os.sched_getaffinity(0))
    device = jax.devices()[0].device_kind
    lines = [
        machine(threads, ["jax", "jaxlib", "numpy", "pillow"]),
        "",
        f"{options.count} pictures of {WIDTH} x {HEIGHT} ({', '.join(options.suffixes)}), "
        f"`{options.weights}` baked, on {device}; medians of {options.rounds} rounds.",
        "",
        "| | seconds a folder | range | pictures a second |",
        "| --- | ---: | ---: | ---: |",
    ]
    names = ("reading alone", "restoring alone", "writing alone", "the folder")
    for name, times in zip(names, seconds.values(), strict=True):
        middle = statistics.median(times)
        lines.append(
            f"| {name} | {middle:.1f} | {min(times):.1f} to {max(times):.1f} "
            f"| {options.count / middle:.1f} |"
        )
    share = statistics.median(shares)
    lines += [
        "",
        f"Hidden: {share:.0%} ({min(shares):.0%} to {max(shares):.0%}) of the shorter one, "
        "restoring, or reading and writing.",
    ]
    report("\n".join(lines), options.output)


if __name__ == "__main__":
    main(tyro.cli(Options))
