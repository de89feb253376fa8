"""Everything at once, small: prepare, train, stop, resume, evaluate, restore.

Nothing is downloaded: the pictures are procedural landscapes with rendered haze.
"""

import dataclasses
import os
import pathlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import rich.console
import rich.progress

from dehaze_jax.data.builders import prepare
from dehaze_jax.data.config import DataConfig
from dehaze_jax.data.hazing import add_haze
from dehaze_jax.data.prepared import open_prepared
from dehaze_jax.errors import InputError
from dehaze_jax.evaluation.report import Report
from dehaze_jax.evaluation.scoring import evaluate
from dehaze_jax.haze.landscapes import landscape
from dehaze_jax.image.files import write
from dehaze_jax.image.picture import Picture
from dehaze_jax.image.ranges import from_float
from dehaze_jax.methods.bilateral.config import BilateralConfig
from dehaze_jax.methods.config import OptimiserConfig
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig, ObjectiveConfig
from dehaze_jax.restoring.jobs import restore_files
from dehaze_jax.restoring.loading import load
from dehaze_jax.restoring.planning import plan
from dehaze_jax.training.config import TrainConfig
from dehaze_jax.training.loop import train

_BUILDER = "rendered_haze/landscapes"
_TRAINED = "trained here"
_MARKER = ".dehaze_jax_demo"
_SCENE = 2026  # of the picture that is restored at the end; not among the prepared ones


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """How much the demo does."""

    method: Literal["dehazeflow", "bilateral"] = "dehazeflow"
    """What is trained."""
    output: str = "demo_output"
    """Folder for everything it writes; an earlier demo in it is replaced."""
    steps: int = 300
    """Training steps; the run is stopped after half of them and gone on with."""
    scenes: int = 20
    """Landscapes to prepare."""
    width: int = 3840
    """Width of the picture that is restored at the end; its height is 9/16 of that."""

    def __post_init__(self):
        for field in ("width", "steps"):
            if getattr(self, field) < 2:
                raise InputError(field, f"must be at least 2, not {getattr(self, field)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo made.

    Attributes:
        report: evaluation on the test scenes, of the model trained here and of the weights that
            ship.
        page: its HTML page.
        pictures: hazy, restored and side-by-side picture at the end.
    """

    report: Report
    page: pathlib.Path
    pictures: tuple[pathlib.Path, ...]

    def gain_over(self, baseline: str) -> float:
        """Mean PSNR of the model trained here above that of a baseline, in dB."""
        summary = self.report.summary()
        trained, other = (summary[name]["rgb-full"]["psnr"] for name in (_TRAINED, baseline))
        return trained["mean"] - other["mean"]


def train_config(config: DemoConfig) -> TrainConfig:
    """The run of the demo: a small field by flow matching alone, or a small bilateral network."""
    method = {
        "dehazeflow": DehazeFlowConfig(
            width=24, proxy_size=64, grid_size=8, objective=ObjectiveConfig(kind="matching")
        ),
        "bilateral": BilateralConfig(width=24, proxy_size=64, grid_size=8),
    }[config.method]
    folder = pathlib.Path(config.output)
    prepared = (str(folder / "prepared"),)
    return TrainConfig(
        method=method,
        data=DataConfig(train=prepared, validation=prepared, batch_size=8, crop_size=128),
        optimiser=OptimiserConfig(learning_rate=2e-3, warmup_steps=20, ema_decay=0.98),
        workdir=str(folder / "run"),
        steps=config.steps,
        log_every=max(config.steps // 6, 1),
        save_every=max(config.steps // 2, 1),
        evaluate_every=config.steps,
        validation_pictures=2,
    )


def run_demo(config: DemoConfig, *, console: rich.console.Console) -> DemoResult:
    """Runs the demo.

    Args:
        config: how much to do.
        console: for progress.

    Raises:
        InputError: the output folder holds something else, or cannot be written.
    """
    folder = _fresh_folder(config.output)
    prepared = folder / "prepared"
    with _stage(console, "1. prepare: landscapes with haze, split by scene"), _bar(console) as bar:
        prepare(_BUILDER, prepared, scenes=config.scenes, hazes=3, progress=bar)

    run = train_config(config)
    with _stage(console, f"2. train {config.method}, and stop half-way"):
        train(dataclasses.replace(run, stop_after=config.steps // 2), console=console)
    with _stage(console, "3. the same command again: resume, to the end"):
        train(run, console=console)

    title = "4. evaluate on test scenes that training has not seen"
    with _stage(console, title), _bar(console) as bar:
        report = evaluate(
            open_prepared(prepared, "test"),
            {_TRAINED: load(run.workdir), "shipped weights": load(config.method)},
            output=folder / "report",
            dataset="rendered haze on landscapes, test scenes; shipped weights know real haze best",
            protocols=("rgb-full",),
            progress=bar,
        )

    title = f"5. restore a picture {config.width} pixels wide with the weights that ship"
    with _stage(console, title):
        pictures = _restore_large(folder, config, console)
    page = folder / "report" / "index.html"
    return DemoResult(report=report, page=page, pictures=pictures)


def _restore_large(
    folder: pathlib.Path, config: DemoConfig, console: rich.console.Console
) -> tuple[pathlib.Path, ...]:
    clear, depth = landscape(_SCENE, config.width * 9 // 16, config.width)
    picture = Picture(from_float(clear, np.uint8))
    hazy = add_haze(picture, depth, beta=1.6, airlight=(0.86, 0.88, 0.9), seed=_SCENE)
    source, target = folder / "hazy_4k.png", folder / "restored_4k.png"
    write(source, hazy)
    with _bar(console) as bar:
        (result,) = restore_files(
            plan([str(source)], str(target), compare=True), load(config.method), progress=bar
        )
    if result.error is not None:
        raise result.error
    console.print(f"   restored in {result.seconds:.1f} s, compilation included")
    return source, target, folder / "restored_4k_compare.jpg"


def _fresh_folder(path: str | os.PathLike[str]) -> pathlib.Path:
    """An empty folder with the demo's mark; what is there is deleted only if it bears the mark."""
    folder = pathlib.Path(path)
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / _MARKER).exists()):
            raise InputError(folder, "is in the way, and no earlier demo made it")
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        (folder / _MARKER).touch()
    except OSError as error:
        raise InputError(folder, f"cannot be made: {error.strerror}") from error
    return folder


@contextmanager
def _stage(console: rich.console.Console, title: str) -> Iterator[None]:
    console.print(f"[bold]{title}[/bold]")
    start = time.perf_counter()
    yield
    console.print(f"   {time.perf_counter() - start:.0f} s")


@contextmanager
def _bar(console: rich.console.Console) -> Iterator[Any]:
    with rich.progress.Progress(
        console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task("  ", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
