"""The solver study: every solver, step count and tolerance, on fields with and without a network.

    python experiments/solver_study/run.py [--variant smoke|quick|full] --output DIR

See README.md beside this file.
"""

import dataclasses
import pathlib
import sys
from typing import Literal

import rich.console
import tyro

# Studies are scripts, not an installed package: their folder is put on the path here.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from solver_study.config import VARIANTS
from solver_study.study import run

from dehaze_jax.errors import InputError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the solver study."""

    output: pathlib.Path
    """Folder for results and trained fields; the fields in it are gone on with."""
    variant: Literal["smoke", "quick", "full"] = "full"
    """`smoke` does a little of everything in a minute; its figures mean nothing."""
    hazy: pathlib.Path | None = None
    """Folder of real hazy pictures, to score the weights that ship on; needs `clear` too."""
    clear: pathlib.Path | None = None
    """Folder of their clear partners."""


def main(options: Options) -> None:
    """Runs the study of the options.

    Raises:
        InputError: one of the folders of real pairs is given without the other.
    """
    real = None
    if options.hazy is not None or options.clear is not None:
        if options.hazy is None or options.clear is None:
            raise InputError("hazy and clear", "are given together or not at all")
        real = options.hazy, options.clear
    run(
        VARIANTS[options.variant],
        options.output,
        variant=options.variant,
        real=real,
        console=rich.console.Console(),
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
