"""How fast `dehaze-jax prepare` is on pairs of 3840 x 2160 JPEG files, and what the tiles take.

    python experiments/bench/prepare.py [--pairs 200] [--workdir DIR] [--output FILE.md]

The pairs are procedural landscapes with grain, hazy and clear, shifted by some pixels each; making
them takes a few minutes and 5 MB of disk a pair, and what is prepared up to 30 MB a pair. Every
line is a process of its own, from start to end. Processor seconds a second say how busy it kept the
cores; on a machine with other work it gets less than it asks for, so that beside them stands what
its threads were ready to take: the time that they ran or waited for a core (Linux tells).
"""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import cv2
import numpy as np
from measuring import machine, peak_megabytes, report, run_alone
from rich.console import Console
from rich.progress import track

from dehaze_jax import data, haze, image

HEIGHT, WIDTH, QUALITY, SCENES = 2160, 3840, 92, 8
WAYS = {
    "whole pictures, as they are": (),
    "tiles of 512, PNG": ("--tiles", "512"),
    "tiles of 512, JPEG 95": ("--tiles", "512", "--quality", "95"),
}


def make_pairs(folder: pathlib.Path, count: int) -> None:
    """Writes the pairs that are missing."""
    for side in ("hazy", "clear"):
        (folder / side).mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(count) if not (folder / f"clear/{n:04d}.jpg").exists()]
    for number in track(missing, "Pairs", console=Console(stderr=True)):
        for side, pixels in zip(("hazy", "clear"), _scene(number % SCENES), strict=True):
            shifted = np.roll(pixels, 97 * (number // SCENES), axis=1)
            path = str(folder / side / f"{number:04d}.jpg")
            cv2.imwrite(path, shifted[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


@functools.cache
def _scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    clear, depth = haze.landscape(seed, HEIGHT, WIDTH)
    grain = np.random.default_rng(seed).normal(0, 0.01, clear.shape).astype(np.float32)
    picture = image.Picture(image.from_float(np.clip(clear + grain, 0, 1), np.uint8))
    return data.add_haze(picture, depth, beta=1.5, seed=seed).pixels, picture.pixels


def measure(source: str, target: str, options: list[str]) -> dict[str, float]:
    """Runs the command in this process and says what it took since the process started."""
    from dehaze_jax.cli.main import main as command

    waits, ended = Waits(), threading.Event()
    watch = threading.Thread(target=waits.watch, args=(ended,))
    watch.start()
    failed = command(["prepare", "paired_folder", "--from", source, "--to", target, *options])
    ended.set()
    watch.join()
    if failed:
        raise RuntimeError("the command failed")
    return {
        "processor": time.process_time(),
        "waiting": waits.seconds(),
        "megabytes": peak_megabytes(),
    }


class Waits:
    """For how long the threads of this process have waited for a core."""

    def __init__(self):
        self._by_thread: dict[str, int] = {}

    def watch(self, ended: threading.Event) -> None:
        """Looks again and again, because threads that end take their figures with them."""
        while not ended.wait(0.2):
            for task in pathlib.Path("/proc/self/task").iterdir():
                with contextlib.suppress(OSError):
                    nanoseconds = (task / "schedstat").read_text().split()[1]
                    self._by_thread[task.name] = int(nanoseconds)

    def seconds(self) -> float:
        """Of all threads, those that have ended included."""
        return sum(self._by_thread.values()) / 1e9


def compare(source: pathlib.Path, target: pathlib.Path) -> list[str]:
    """Runs all ways, one after the other; lines of a table."""
    lines = [
        "| stored | seconds | pairs a second | processor s/s | ready for, s/s | peak MB | GB |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    pairs = len(list((source / "clear").iterdir()))
    for name, options in WAYS.items():
        start = time.perf_counter()
        cost = run_alone(__file__, "--only", str(source), str(target), *options)
        seconds = time.perf_counter() - start
        written = sum(path.stat().st_size for path in target.iterdir()) / 1e9
        shutil.rmtree(target)
        busy, ready = cost["processor"] / seconds, (cost["processor"] + cost["waiting"]) / seconds
        lines.append(
            f"| {name} | {seconds:.0f} | {pairs / seconds:.2f} | {busy:.2f} | {ready:.2f} "
            f"| {cost['megabytes']:.0f} | {written:.2f} |"
        )
    return lines


def main() -> None:
    """Runs the benchmark."""
    if sys.argv[1:2] == ["--only"]:
        source, target, *options = sys.argv[2:]
        print(json.dumps(measure(source, target, options)))
        return
    parser = argparse.ArgumentParser(description="Speed of preparing 4K pairs.")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--workdir", type=pathlib.Path, help="keeps the pairs; default: temporary")
    parser.add_argument("--output", type=pathlib.Path, help="Markdown file for the table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.workdir or pathlib.Path(temporary)
        source = folder / f"pairs-{arguments.pairs}"
        make_pairs(source, arguments.pairs)
        read = sum(path.stat().st_size for path in source.rglob("*.jpg")) / 1e9
        lines = [
            machine(os.cpu_count() or 1, ["opencv-python-headless", "array-record"]),
            "",
            f"{arguments.pairs} pairs of {WIDTH} x {HEIGHT}, {read:.2f} GB of JPEG {QUALITY}",
            "",
            *compare(source, folder / "prepared"),
        ]
    report("\n".join(lines), arguments.output)


if __name__ == "__main__":
    main()
