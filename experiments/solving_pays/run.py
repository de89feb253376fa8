r"""Does solving a learnt flow pay, against the same network in one step?

    python experiments/solving_pays/run.py --pairs DATA [--variant smoke|full] [--recipes ...] \
        --output DIR

See README.md beside this file.
"""

import dataclasses
import pathlib
import sys
from typing import Literal

import jax
import rich.console
import tyro

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from solving_pays.config import VARIANTS
from solving_pays.study import run

from dehaze_jax.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the study."""

    output: pathlib.Path
    """Folder for results and trainings; the trainings in it are gone on with."""
    variant: Literal["smoke", "full"] = "full"
    """`smoke` does a little of everything in a minute; its figures mean nothing."""
    recipes: tuple[str, ...] | None = None
    """Only these, by name; `one step` has to be among them."""
    pairs: pathlib.Path | None = None
    """Folder of paired data sets, see README.md; `smoke` renders its own."""


def main(options: Options) -> None:
    """Runs the study of the options."""
    # Trainings that differ in their fold alone share their programs.
    jax.config.update("jax_compilation_cache_dir", str(options.output / "programs"))
    config = VARIANTS[options.variant]
    try:
        if options.recipes is not None:
            config = dataclasses.replace(config, recipes=options.recipes)
        run(
            config,
            options.output,
            pairs=options.pairs,
            variant=options.variant,
            console=rich.console.Console(),
        )
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(tyro.cli(Options))
