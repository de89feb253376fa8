"""Measures several ways of doing the same things in turns, and writes the table."""

import dataclasses
import gc
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from dehaze_jax import storage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Way:
    """One way of doing a task.

    Attributes:
        task: what is done; ways are compared with the first one of the same task.
        name: of the way.
        run: does it, and returns when it is done.
        scratch: megabytes that a compiled program asks for beyond its arguments and results.
        compile_seconds: time to trace and compile.
    """

    task: str
    name: str
    run: Callable[[], Any]
    scratch: float | None = None
    compile_seconds: float | None = None


def photograph(height: int, width: int) -> np.ndarray:
    """Smooth colours with noise, uint8."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0.3, 0.9, (9, 16, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture += 0.03 * rng.standard_normal(picture.shape, np.float32)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def run_alone(script: str, *arguments: str) -> dict[str, Any]:
    """What a script prints as JSON at the end, run in a process of its own.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script} {' '.join(arguments)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def time_alone(run: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Seconds of a first and of further calls, and the peak memory of this process."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    first, *further = seconds
    return {
        "first": first,
        "median": statistics.median(further),
        "spread": max(further) - min(further),
        "megabytes": peak_megabytes(),
    }


def peak_megabytes() -> float:
    """Most memory that this process has had."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        # `ru_maxrss` also counts the process that started this one, up to its exec.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine(threads: int, packages: Sequence[str]) -> str:
    """One line: processor, threads, and versions of those packages that are installed."""
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            lines = [line.partition(":")[2].strip() for line in file if "model name" in line]
        model = f"{lines[0]} ({platform.machine()})" if lines else model
    return f"{model}, {threads} threads, Python {platform.python_version()}, {', '.join(versions)}"


def run_in_turns(ways: Sequence[Way], rounds: int) -> list[list[float]]:
    """Seconds of each way in each round.

    A round runs every way once, so that what disturbs the machine strikes all of them. Two more
    rounds go ahead that are not counted.
    """
    seconds: list[list[float]] = [[] for _ in ways]
    gc.collect()
    gc.disable()
    try:
        for turn in track(range(-2, rounds), "Rounds", console=Console(stderr=True)):
            for way, times in zip(ways, seconds, strict=True):
                time.sleep(0.02)  # idle threads of the way before may spin for a while
                start = time.perf_counter()
                way.run()
                if turn >= 0:
                    times.append(time.perf_counter() - start)
    finally:
        gc.enable()
    return seconds


def markdown(ways: Sequence[Way], seconds: Sequence[Sequence[float]]) -> str:
    """The table: median and interquartile range, and the ratio to the first way of the task.

    The ratio is the median of the rounds' ratios: what slows a round down slows both.
    """
    lines = [
        "| task | way | median ms | quartiles ms | ratio | compile s | scratch MB |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    first: dict[str, Sequence[float]] = {}
    for way, times in zip(ways, seconds, strict=True):
        base = first.setdefault(way.task, times)
        ratio = statistics.median(a / b for a, b in zip(times, base, strict=True))
        low, middle, high = (1e3 * t for t in statistics.quantiles(times, method="inclusive"))
        scratch = "" if way.scratch is None else f"{way.scratch:.0f}"
        compiling = "" if way.compile_seconds is None else f"{way.compile_seconds:.1f}"
        lines.append(
            f"| {way.task} | {way.name} | {middle:.1f} | {low:.1f} to {high:.1f} "
            f"| {ratio:.2f} | {compiling} | {scratch} |"
        )
    return "\n".join(lines)


def report(text: str, output: pathlib.Path | None) -> None:
    """Prints Markdown, and writes it to a file if one is given."""
    Console(width=160, highlight=False, markup=False, soft_wrap=True).print(text)
    if output is not None:
        storage.write_atomically(output, f"{text}\n".encode())
