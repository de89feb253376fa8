"""`dehaze-jax prepare`: a public dataset or the user's pictures to a prepared dataset."""

import dataclasses
import json
from typing import Annotated, Literal, get_args

import tyro
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from dehaze_jax.cli.parsing import parse
from dehaze_jax.data.pairing import Rule

_RULES = f"{{{','.join(get_args(Rule))}}}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepare:
    """Write a prepared dataset; dehaze-jax data list tells which there are.

    Stopped or killed, the same command goes on where it was. Files that cannot be used fail the
    command and are listed in DIR.report.json: those without a partner at once, damaged ones when
    all others are encoded.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """What to prepare."""
    to: Annotated[str, tyro.conf.arg(metavar="DIR")]
    """Folder to write; it appears when it is complete."""
    source: Annotated[str | None, tyro.conf.arg(name="from", metavar="DIR")] = None
    """Folder of the pictures, at any depth below it, or a zip file; the default downloads the
    datasets whose archives can be."""
    downloads: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for downloaded archives; the default is downloads/ beside the folder to write."""
    tiles: int = 0
    """Side in pixels of the tiles that pictures are stored in, a multiple of 8, for crops of large
    pictures; 0 stores whole pictures."""
    quality: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Quality of JPEG, 1 to 100; the default keeps every pixel as it is."""
    bad: Literal["fail", "skip"] = "fail"
    """What to do about files that cannot be used; skip leaves them out."""
    workers: int = 0
    """Threads that read and encode; 0 is one for each core."""
    seed: int = 0
    """Seed of everything drawn."""
    rule: Annotated[Rule | None, tyro.conf.arg(metavar=_RULES)] = None
    """How hazy and clear files are paired; the default is as the dataset says."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="HEIGHT WIDTH")] = None
    """Height and width of rendered landscapes; 384 512 by default."""
    scenes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Number of rendered landscapes; 24 by default."""
    hazes: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Hazy pictures of each scene, for rendered haze; 4 by default."""
    overwrite: bool = False
    """Replace a prepared dataset that stands there."""


_OPTIONS = ("tiles", "quality", "rule", "size", "scenes", "hazes", "seed")


def main(args: list[str]) -> int:
    """Runs the command; 0 only if the dataset was written."""
    options = parse(
        Prepare, args=args, prog="dehaze-jax prepare", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from dehaze_jax import data
    from dehaze_jax.data.builders import REPORT

    given = {key: getattr(options, key) for key in _OPTIONS if getattr(options, key) is not None}
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with _bars(errors) as bars:
        download = bars.add_task("bytes", total=None, visible=False)
        task = bars.add_task("examples", total=None)
        target = data.prepare(
            options.name,
            options.to,
            source=options.source,
            downloads=options.downloads,
            overwrite=options.overwrite,
            bad=options.bad,
            workers=options.workers,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
            download_progress=lambda done, total: bars.update(
                download, completed=done, total=total or None, visible=done != total
            ),
            **given,
        )
    report = json.loads((target / REPORT).read_bytes())
    for note in report["notes"]:
        errors.print(f"{target}: warning: {note}")
    if left_out := len(report["left_out"]):
        errors.print(f"{target}: warning: {left_out} left out, see {target / REPORT}")
    sizes = ", ".join(f"{count} {split}" for split, count in data.split_sizes(target).items())
    out = Console(soft_wrap=True, highlight=False, markup=False)
    out.print(f"{target}: {sizes}")
    return 0


def _bars(console: Console) -> Progress:
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
