"""Random 512 crops of 3840 x 2160 JPEG pairs, with and without tiles, beside PyTorch's DataLoader.

    python experiments/bench/data.py [--rounds 3] [--output experiments/bench/results/data.md]

Every figure is of a process of its own on two processors, after the loader has run in; the ways
take turns. `warm` is with all files in the operating system's memory; for `cold` they are dropped
from it before every batch. Processor time is of all processes of the way together, and depends less
than the rate on what else the machine does. The last table is the memory of a loader over 10,000
batches of small pictures. Makes its pictures in `--data` at the first call, which takes minutes.
PyTorch takes part where it is installed.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import statistics
import time
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
from data_loaders import BATCH, CROP, our_batches, torch_batches
from data_sets import HEIGHT, QUALITY, WIDTH, evict, make_sets, pair_files, small_set
from measuring import machine, report, run_alone

PROCESSES = 2
SECONDS, RUN_IN = 10.0, 10  # seconds that count, batches that do not
BATCHES, TIMES = 10_000, 5
WAYS = {
    "PyTorch DataLoader, both frames decoded": ("torch", PROCESSES),
    "whole frames": ("whole", PROCESSES),
    "whole frames, threads": ("whole", 0),
    "tiles of 256, JPEG 95": ("jpeg", PROCESSES),
    "tiles of 256, JPEG 95, threads": ("jpeg", 0),
    "tiles of 256, PNG": ("png", PROCESSES),
}
Results: TypeAlias = dict[tuple[str, bool], list[dict[str, float]]]
"""Of every way, warm and cold, what `measure` gave in each round."""

PACKAGES = ("grain", "array-record", "opencv-python-headless", "pillow", "torch")


def measure(root: pathlib.Path, way: str, *, cold: bool) -> dict[str, float]:
    """Crops per second, and milliseconds of processor time a crop, of one way in this process."""
    kind, workers = WAYS[way]
    if kind == "torch":
        batches = torch_batches(root, workers)
        files = [path for pair in pair_files(root) for path in pair]
    else:
        batches = our_batches(root / kind, workers)
        files = sorted((root / kind).glob("*.array_record*"))
    for _ in range(RUN_IN):
        next(batches)
    start, before, crops = time.perf_counter(), _processor_seconds(), 0
    while time.perf_counter() < start + SECONDS:
        if cold:
            evict(files)
        next(batches)
        crops += BATCH
    spent, seconds = _processor_seconds() - before, time.perf_counter() - start
    batches.close()
    return {"rate": crops / seconds, "milliseconds": 1e3 * spent / crops}


def measure_memory(root: pathlib.Path) -> dict[str, list[float]]:
    """Megabytes of this process and its loader processes while batches of small pictures pass."""
    from dehaze_jax.data import DataConfig, train_batches

    config = DataConfig(
        train=(str(small_set(root)),), crop_size=32, batch_size=8, workers=PROCESSES
    )
    batches = train_batches(config, seed=0)
    own, loaders = [], []
    for number in range(1, BATCHES + 1):
        next(batches)
        if number == 100 or number % (BATCHES // (TIMES - 1)) == 0:
            own.append(_megabytes(os.getpid()))
            children = multiprocessing.active_children()
            loaders.append(sum(_megabytes(child.pid or 0) for child in children))
    batches.close()
    return {"own": own, "loaders": loaders}


def _processor_seconds() -> float:
    """Processor time of this process and of its loader processes."""
    total = sum(os.times()[:2])
    for child in multiprocessing.active_children():
        with open(f"/proc/{child.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        total += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")  # user, system
    return total


def _megabytes(process: int) -> float:
    """Memory of a process; what it shares with others counts in equal parts."""
    with open(f"/proc/{process}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def costs(root: pathlib.Path) -> str:
    """Table of what tiles take on disk and in time."""
    from dehaze_jax.data.records import decode_picture
    from dehaze_jax.data.tiles import decode_region, encode_tiles

    frames = [path for pair in pair_files(root)[::5] for path in pair]
    rng = np.random.default_rng(0)
    corners = rng.integers(0, (HEIGHT - CROP + 1, WIDTH - CROP + 1), (4, 2))
    places = [tuple(slice(at, at + CROP) for at in corner.tolist()) for corner in corners]
    lines = [
        "| tiles | MB a frame | ratio to the file | ms to decode a crop |",
        "| --- | ---: | ---: | ---: |",
    ]
    size = sum(path.stat().st_size for path in frames)
    pictures = [decode_picture(path.read_bytes()) for path in frames]
    start = time.perf_counter()
    for path in frames:
        decode_picture(path.read_bytes())
    seconds = (time.perf_counter() - start) / len(frames)
    mean = size / len(frames) / 1e6
    lines.append(
        f"| whole, the file itself (JPEG {QUALITY}) | {mean:.2f} | 1.00 | {1e3 * seconds:.0f} |"
    )
    for quality in (90, 95, None):
        for tile in (128, 256, 512):
            grids = [encode_tiles(pixels, tile=tile, quality=quality) for pixels in pictures]
            start = time.perf_counter()
            for grid in grids:
                for rows, columns in places:
                    decode_region(grid, (HEIGHT, WIDTH), tile, (rows, columns))
            seconds = (time.perf_counter() - start) / len(grids) / len(places)
            total = sum(len(data) for grid in grids for data in grid)
            name = "PNG" if quality is None else f"JPEG {quality}"
            lines.append(
                f"| {tile}, {name} | {total / len(grids) / 1e6:.2f} | {total / size:.2f} "
                f"| {1e3 * seconds:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description="Speed and memory of the loader at 4K.")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("runs/bench_data"))
    parser.add_argument("--scenes", type=int, default=6, help="landscapes, of two pairs each")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that are counted")
    parser.add_argument("--output", type=pathlib.Path, help="also write the tables to this file")
    parser.add_argument("--only", help="measure this in this process; prints JSON")
    parser.add_argument("--cold", action="store_true", help="with --only")
    given = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:PROCESSES])
    if given.only == "memory":
        print(json.dumps(measure_memory(given.data)))
        return
    if given.only:
        print(json.dumps(measure(given.data, given.only, cold=given.cold)))
        return
    make_sets(given.data, given.scenes, hazes=2)
    ways = [way for way in WAYS if "PyTorch" not in way or find_spec("torch")]
    runs = [(way, cold) for cold in (False, True) for way in ways]
    results: Results = {run: [] for run in runs}
    for _ in range(given.rounds):
        for way, cold in runs:
            options = ["--data", str(given.data), "--only", way, *(["--cold"] if cold else [])]
            results[way, cold].append(run_alone(__file__, *options))
    memory = run_alone(__file__, "--data", str(given.data), "--only", "memory")
    head = (
        f"{machine(PROCESSES, PACKAGES)}\n\n{2 * given.scenes} pairs of {WIDTH} x {HEIGHT}, JPEG "
        f"{QUALITY}; batches of {BATCH} crops of {CROP} x {CROP}; {PROCESSES} loader processes, or "
        f"as many threads. Medians of {given.rounds} rounds."
    )
    tables = [speeds(ways, results), costs(given.data), memory_table(memory)]
    report("\n\n".join([head, *tables]), given.output)


def speeds(ways: list[str], results: Results) -> str:
    """Table of crops per second; ratios are medians of the rounds' ratios."""
    lines = [
        "| way | files | crops/s | range | to the first | to whole frames | processor ms a crop |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for cold in (False, True):
        rates = {way: [run["rate"] for run in results[way, cold]] for way in ways}
        for way, found in rates.items():
            ratios = " | ".join(
                f"{statistics.median(a / b for a, b in zip(found, rates[base], strict=True)):.2f}"
                for base in (ways[0], "whole frames")
            )
            spent = statistics.median(run["milliseconds"] for run in results[way, cold])
            lines.append(
                f"| {way} | {'cold' if cold else 'warm'} | {statistics.median(found):.1f} "
                f"| {min(found):.1f} to {max(found):.1f} | {ratios} | {spent:.0f} |"
            )
    return "\n".join(lines)


def memory_table(memory: dict[str, list[float]]) -> str:
    """Table of megabytes over batches."""
    batches = [100, *(BATCHES // (TIMES - 1) * part for part in range(1, TIMES))]
    lines = ["| batches of small pictures | training process MB | loader processes MB |"]
    lines.append("| ---: | ---: | ---: |")
    for number, own, loaders in zip(batches, memory["own"], memory["loaders"], strict=True):
        lines.append(f"| {number} | {own:.0f} | {loaders:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
