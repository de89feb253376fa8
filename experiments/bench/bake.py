"""Baked restoring against the full solve: time at 3840 x 2160, and what it costs in quality.

    python experiments/bench/bake.py [--pairs NAME HAZY CLEAR ...] [--output FILE.md]

Time is that of a warm call on an 8-bit picture, in turns. For each folder of pairs the table gives
PSNR dB / SSIM / CIEDE2000 (protocol rgb-full) against the clear pictures, and for the baked ways
the PSNR from the full solve itself.
"""

import dataclasses
import os
import pathlib
import statistics
from typing import Annotated

import jax.numpy as jnp
import numpy as np
import tyro
from measuring import Way, machine, markdown, photograph, report, run_in_turns
from rich.console import Console
from rich.progress import track

from dehaze_jax import data, image, metrics, restoring

HEIGHT, WIDTH = 2160, 3840
PROTOCOL = "rgb-full"
BAKED = {"full solve": None, "local (--baked)": "local", "one LUT": "lut"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Measure baked restoring."""

    pairs: Annotated[
        tuple[tuple[str, str, str], ...], tyro.conf.arg(metavar="NAME HAZY CLEAR ...")
    ] = ()
    """Folders of hazy and clear pictures, with a name for each two."""
    weights: str = "dehazeflow"
    """Weights that ship, a folder of weights, or a run directory."""
    rounds: int = 9
    """How often everything is measured."""
    output: pathlib.Path | None = None
    """Also write the tables to this Markdown file."""


def quality(restorers, name: str, hazy: str, clear: str) -> list[str]:
    """Lines of the table for one folder of pairs."""
    scores: dict[str, list[dict[str, float]]] = {way: [] for way in restorers}
    distances: dict[str, list[float]] = {way: [] for way in restorers}
    found = data.pair_folders(hazy, clear)
    for index in track(range(len(found)), name, console=Console(stderr=True)):
        pair = found[index]
        reference = None
        for way, restorer in restorers.items():
            restored = restorer(pair.hazy)
            reference = restored if reference is None else reference
            values = metrics.score(
                PROTOCOL,
                jnp.asarray(image.to_float(restored)),
                jnp.asarray(image.to_float(pair.clear)),
            )
            scores[way].append({score: float(value) for score, value in values.items()})
            error = (restored.astype(float) - reference) / np.iinfo(restored.dtype).max
            distances[way].append(-10 * np.log10(max(np.mean(error**2), 1e-12)))
    lines = []
    for way in restorers:
        names = scores[way][0]
        mean = {score: statistics.fmean(one[score] for one in scores[way]) for score in names}
        values = f"{mean['psnr']:.2f} / {mean['ssim']:.3f} / {mean['ciede2000']:.1f}"
        distance = "" if BAKED[way] is None else f"{statistics.fmean(distances[way]):.1f}"
        lines.append(f"| {name} ({len(found)}) | {way} | {values} | {distance} |")
    return lines


def main(options: Options) -> None:
    """Measures and prints."""
    restorers = {
        way: restoring.load(options.weights, baked=kind)  # pyright: ignore[reportArgumentType]
        for way, kind in BAKED.items()
    }
    hazy = photograph(HEIGHT, WIDTH)
    ways = [
        Way(
            task=f"{WIDTH} x {HEIGHT}, {restorer.options}", name=way, run=lambda r=restorer: r(hazy)
        )
        for way, restorer in restorers.items()
    ]
    seconds = run_in_turns(ways, options.rounds)
    threads = len(os.sched_getaffinity(0))
    text = [machine(threads, ["jax", "jaxlib", "numpy"]), "", markdown(ways, seconds)]
    if options.pairs:
        text += ["", "| pairs (pictures) | way | against clear | PSNR from the full solve |"]
        text += ["| --- | --- | --- | ---: |"]
        for pairs in options.pairs:
            text += quality(restorers, *pairs)
    report("\n".join(text), options.output)


if __name__ == "__main__":
    main(tyro.cli(Options))
