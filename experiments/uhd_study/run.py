"""4K pictures at full size, through a reduced copy, or in tiles: quality, time and memory.

    python experiments/uhd_study/run.py [--variant smoke|full] --output DIR

See README.md beside this file.
"""

import dataclasses
import json
import pathlib
import statistics
import sys
import time
from typing import Any, Literal

import jax.numpy as jnp
import rich.console
import tyro

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bench.measuring import peak_megabytes, run_alone
from studies.records import write_record
from uhd_study.config import VARIANTS, StudyConfig
from uhd_study.report import Results, as_markdown, sheet
from uhd_study.scenes import picture_names, write_pairs
from uhd_study.ways import make_way

import dehaze_jax
from dehaze_jax import image, metrics, storage

_PART = 480  # pixels of a picture that the page shows


def restore(weights: str, way: str, config: StudyConfig, folder: pathlib.Path) -> dict[str, float]:
    """Restores the pictures of `folder` in this process; returns time and peak memory."""
    run = make_way(way, dehaze_jax.load(weights), config)
    target = folder / _name(weights, way)
    target.mkdir(parents=True, exist_ok=True)
    seconds = []
    for name in (names := picture_names(config)):
        hazy = image.read(folder / "hazy" / name).pixels
        if name == names[0]:
            run(hazy)  # compiles
        for _ in range(config.repeats):
            start = time.perf_counter()
            restored = run(hazy)
            seconds.append(time.perf_counter() - start)
        image.write(target / name, restored)
    return {"seconds": statistics.median(seconds), "megabytes": peak_megabytes()}


def study(variant: str, output: pathlib.Path, *, console: rich.console.Console) -> Results:
    """Measures everything and writes the page to `output`.

    Args:
        variant: what to do: a name in `VARIANTS`.
        output: folder for everything; the hazy pictures in it are used again.
        console: for progress.
    """
    config = VARIANTS[variant]
    folder = _folder(config, output)
    with console.status("rendering scenes"):
        write_pairs(config, folder)
    names = picture_names(config)
    hazy = [_scores(folder / "hazy" / name, folder / "clear" / name) for name in names]
    results: dict[str, dict[str, Any]] = {}
    for weights in config.weights:
        for way in config.ways:
            with console.status(f"{weights}, {way}"):
                # A process of its own: its peak of memory is that of this way alone.
                options = ("--output", str(output), "--variant", variant)
                measured = run_alone(__file__, *options, "--only", weights, way)
                made = folder / _name(weights, way)
                scores = [_scores(made / name, folder / "clear" / name) for name in names]
            results.setdefault(weights, {})[way] = {**measured, "scores": scores}
            psnr = statistics.fmean(score["psnr"] for score in scores)
            console.print(f"{weights}, {way}: {psnr:.2f} dB, {measured['seconds']:.2f} s")
    write_record(output / "results.json", config, variant=variant, hazy=hazy, results=results)
    first = names[0]
    rows = [
        {
            "hazy": image.read(folder / "hazy" / first).pixels,
            **{
                f"{weights}, {way}": image.read(folder / _name(weights, way) / first).pixels
                for way in config.ways
            },
            "clear": image.read(folder / "clear" / first).pixels,
        }
        for weights in config.weights
    ]
    image.write(output / "pictures.png", sheet(rows, side=_PART))
    page = as_markdown(results, hazy, config, variant)
    storage.write_atomically(output / "report.md", page.encode())
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return results


def _scores(restored: pathlib.Path, clear: pathlib.Path) -> dict[str, float]:
    pictures = (jnp.asarray(image.to_float(image.read(file).pixels)) for file in (restored, clear))
    return {name: float(value) for name, value in metrics.score("rgb-full", *pictures).items()}


def _folder(config: StudyConfig, output: pathlib.Path) -> pathlib.Path:
    """Of pictures that depend on these values."""
    haze = "-".join(map(str, (*config.transmission, config.non_homogeneity, config.seed)))
    return output / f"{config.width}x{config.height}-{haze}"


def _name(weights: str, way: str) -> str:
    return f"{weights}-{way}".replace(" ", "-").replace("/", "-")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the study of 4K pictures."""

    output: pathlib.Path
    """Folder for pictures and results."""
    variant: Literal["smoke", "full"] = "full"
    """`smoke` does a little of everything in a minute; its figures mean nothing."""
    only: tuple[str, str] | None = None
    """Restore with these weights in this way, in this process, and print JSON."""


def main(options: Options) -> None:
    """Runs the study of the options."""
    config = VARIANTS[options.variant]
    if options.only is None:
        study(options.variant, options.output, console=rich.console.Console())
        return
    print(json.dumps(restore(*options.only, config, _folder(config, options.output))))


if __name__ == "__main__":
    main(tyro.cli(Options))
