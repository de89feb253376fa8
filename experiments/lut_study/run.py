"""The LUT ablation: size, interpolation, penalties, and where the LUT enters the field.

    python experiments/lut_study/run.py [--variant smoke|full] --output DIR

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

from lut_study.config import VARIANTS
from lut_study.study import run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Run the LUT ablation."""

    output: pathlib.Path
    """Folder for results and trainings; the trainings in it are gone on with."""
    variant: Literal["smoke", "full"] = "full"
    """`smoke` does a little of everything in a minute; its figures mean nothing."""


def main(options: Options) -> None:
    """Runs the study of the options."""
    # Trainings that differ in their seed alone share their programs.
    jax.config.update("jax_compilation_cache_dir", str(options.output / "programs"))
    run(
        VARIANTS[options.variant],
        options.output,
        variant=options.variant,
        console=rich.console.Console(),
    )


if __name__ == "__main__":
    main(tyro.cli(Options))
