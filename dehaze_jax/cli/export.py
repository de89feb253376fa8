"""`dehaze-jax export`: a model as one StableHLO program."""

import dataclasses
from typing import Annotated, Literal

import tyro
from rich.console import Console

from dehaze_jax.cli.parsing import parse
from dehaze_jax.cli.solving import Solver, Steps, solver_options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Write a model, solver and weights included, as one program for pictures of one size.

    In Python, jax.export.deserialize(FILE's bytes).call(picture) restores; JAX and flatbuffers are
    all that is needed.
    """

    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """The file to write."""
    weights: str = "dehazeflow"
    """Weights that come with the package, a folder of weights, or a run directory."""
    height: int = 2160
    """Rows of the pictures."""
    width: int = 3840
    """Columns of the pictures."""
    dtype: Literal["float32", "uint8", "uint16"] = "float32"
    """Type of the pictures: float32 in [0, 1], or integers in full range."""
    platforms: tuple[Literal["cpu", "cuda", "tpu"], ...] = ("cpu", "cuda", "tpu")
    """Where the program has to run."""
    solver: Solver = None
    """ODE solver; see restore."""
    steps: Steps = None
    """Steps of the solver."""


def main(args: list[str]) -> int:
    """Runs the command."""
    options = parse(Export, args=args, prog="dehaze-jax export")
    import pathlib

    from dehaze_jax.image.atomic import check_folder, replacing
    from dehaze_jax.restoring.exporting import export_restorer
    from dehaze_jax.restoring.loading import load

    output = pathlib.Path(options.output)
    check_folder(output)
    restorer = load(options.weights, **solver_options(options))
    exported = export_restorer(
        restorer,
        height=options.height,
        width=options.width,
        dtype=options.dtype,
        platforms=options.platforms,
    )
    data = exported.serialize()
    with replacing(output) as stream:
        stream.write(data)
    Console(soft_wrap=True, highlight=False, markup=False).print(
        f"{output}: {options.height} x {options.width} {options.dtype}, "
        f"{', '.join(options.platforms)}, {len(data) / 1e6:.1f} MB"
    )
    return 0
