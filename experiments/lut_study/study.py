"""The ablation from start to end."""

import pathlib
from typing import Any

import jax
import numpy as np
import rich.console
import rich.progress
from lut_study import figures
from lut_study.config import DEFAULT, StudyConfig
from lut_study.measuring import SCORES, Row, effect, restore, scores, train_and_score
from lut_study.report import as_markdown, findings
from studies.landscapes import Pairs, load_pairs, prepare
from studies.records import write_csv, write_figure, write_record

import dehaze_jax
from dehaze_jax import image, storage


def run(
    config: StudyConfig,
    output: pathlib.Path,
    *,
    variant: str = "custom",
    console: rich.console.Console,
) -> list[Row]:
    """Trains and scores every change with every seed, and writes the results to `output`.

    Args:
        config: what to do.
        output: folder for everything; trainings that are in it are gone on with.
        variant: name of the config, for the page.
        console: for progress.
    """
    output.mkdir(parents=True, exist_ok=True)
    prepared = prepare(config.landscapes, output, console)
    pairs = load_pairs(prepared, "validation")
    quiet = rich.console.Console(quiet=True)
    rows, shown = [], {"hazy": pairs.hazy[0]}
    cases = [(name, seed) for name in _changes(config) for seed in config.seeds]
    with rich.progress.Progress(console=console, transient=True) as bars:
        for name, seed in bars.track(cases, description="training"):
            workdir = str(output / "runs" / f"{name.replace(' ', '-')}-{seed}")
            row = train_and_score(config, name, seed, prepared, workdir, pairs, quiet)
            rows.append(row)
            bars.print(f"{name}, seed {seed}: {row.psnr:.2f} dB in {row.seconds:.0f} s")
            if seed == config.seeds[0]:
                shown[name] = restore(dehaze_jax.load(workdir), pairs.hazy[:1])[0]
            # Programs of one configuration are of no use to the next.
            jax.clear_caches()
    shown["clear"] = pairs.clear[0]
    _write(rows, config, output, variant, pairs, shown)
    console.print(f"results in {output / 'report.md'}", highlight=False, soft_wrap=True)
    return rows


def _changes(config: StudyConfig) -> list[str]:
    return [DEFAULT, *(name for name in config.changes if name != DEFAULT)]


def _write(
    rows: list[Row],
    config: StudyConfig,
    output: pathlib.Path,
    variant: str,
    pairs: Pairs,
    shown: dict[str, np.ndarray],
) -> None:
    hazy = scores(pairs.hazy, pairs.clear)
    effects: dict[str, Any] = {
        name: {score: effect(rows, name, score) for score in SCORES} for name in _changes(config)
    }
    write_csv(output / "results.csv", rows)
    write_record(
        output / "results.json",
        config,
        variant=variant,
        pairs={"ids": pairs.ids, "fingerprint": pairs.fingerprint},
        hazy=hazy,
        rows=rows,
        effects=effects,
        findings=findings(rows),
    )
    write_figure(output / "psnr.png", figures.psnr(rows))
    image.write(output / "pictures.png", figures.sheet(shown))
    page = as_markdown(rows, hazy, len(pairs.ids), config.train_steps, variant)
    storage.write_atomically(output / "report.md", page.encode())
