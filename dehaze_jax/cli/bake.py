"""`dehaze-jax bake`: what a model does to a picture, as a `.cube` file."""

import dataclasses
from typing import Annotated

import tyro
from rich.console import Console

from dehaze_jax.cli.parsing import parse
from dehaze_jax.cli.solving import Solver, Steps, solver_options

_LARGEST = 129  # more than that OpenColorIO does not read


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bake:
    """Compress what a model does to a picture into a 3D look-up table.

    The table is a .cube file, which video and photo editors, ffmpeg and OpenColorIO apply. It knows
    of colours only, not of places: it suits pictures of the same scene in the same haze.
    """

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A hazy picture."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT.cube")]
    """The file to write."""
    weights: str = "dehazeflow"
    """Weights that come with the package, a folder of weights, or a run directory."""
    solver: Solver = None
    """ODE solver; see restore."""
    steps: Steps = None
    """Steps of the solver."""
    size: int = 33
    """Nodes of the table along each axis."""


def main(args: list[str]) -> int:
    """Runs the command."""
    options = parse(Bake, args=args, prog="dehaze-jax bake")
    import pathlib

    import numpy as np

    from dehaze_jax.errors import InputError
    from dehaze_jax.image.atomic import check_folder
    from dehaze_jax.image.files import read
    from dehaze_jax.lut.cube import write_cube
    from dehaze_jax.restoring.baking import bake_picture
    from dehaze_jax.restoring.loading import load

    output = pathlib.Path(options.output)
    if output.suffix.lower() != ".cube":
        raise InputError(output, "must be called .cube")
    if not 2 <= options.size <= _LARGEST:
        raise InputError("size", f"must lie in [2, {_LARGEST}], not {options.size}")
    check_folder(output)
    picture = read(options.input)
    restorer = load(options.weights, **solver_options(options))
    baked, psnr = bake_picture(restorer, picture.pixels, size=options.size)
    write_cube(output, np.asarray(baked.table), title="dehaze-jax")
    Console(soft_wrap=True, highlight=False, markup=False).print(
        f"{options.input} -> {output}: {options.size} nodes; on a small copy of the picture "
        f"{psnr:.1f} dB PSNR from the full restoration"
    )
    return 0
