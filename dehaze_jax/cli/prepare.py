"""`dehaze-jax prepare`: a dataset builder or the user's pictures to a prepared dataset."""

import dataclasses
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress

from dehaze_jax.cli.parsing import parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepare:
    """Write a prepared dataset.

    rendered_haze/photographs: haze on the photographs that scikit-image carries.

    rendered_haze/landscapes: haze on procedural landscapes with exact depth.

    rendered_haze/folder: haze on your clear pictures; depth maps from depth/, if there.

    paired_folder: your hazy/ and clear/ folders, or train/, val/ and test/ with both in each.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """What to prepare."""
    to: Annotated[str, tyro.conf.arg(metavar="DIR")]
    """Folder to write; it appears when it is complete."""
    source: Annotated[str | None, tyro.conf.arg(name="from", metavar="DIR")] = None
    """Folder of your pictures, for rendered_haze/folder and paired_folder."""
    size: Annotated[tuple[int, int], tyro.conf.arg(metavar="HEIGHT WIDTH")] = (384, 512)
    """Height and width of landscapes."""
    scenes: int = 24
    """Number of landscapes."""
    hazes: int = 4
    """Hazy pictures of each scene, for rendered haze."""
    seed: int = 0
    """Seed of everything drawn."""
    overwrite: bool = False
    """Replace a prepared dataset that stands there."""


def main(args: list[str]) -> int:
    """Runs the command; 0 only if the dataset was written."""
    options = parse(
        Prepare, args=args, prog="dehaze-jax prepare", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from dehaze_jax import data

    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("examples", total=None)
        target = data.prepare(
            options.name,
            options.to,
            source=options.source,
            overwrite=options.overwrite,
            size=options.size,
            scenes=options.scenes,
            hazes=options.hazes,
            seed=options.seed,
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    sizes = ", ".join(f"{count} {split}" for split, count in data.split_sizes(target).items())
    out = Console(soft_wrap=True, highlight=False, markup=False)
    out.print(f"{target}: {sizes}")
    return 0
