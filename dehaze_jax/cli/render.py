"""`dehaze-jax render`: haze onto clear pictures."""

import dataclasses
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress

from dehaze_jax.cli.parsing import parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Render:
    """Render haze onto clear pictures with the scattering model I = J T + A (1 - T).

    Bit depth, alpha and colour profile are kept. Inputs are never overwritten.
    """

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A picture, a folder or a pattern."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """A file, or a folder, which is made if its parent exists."""
    beta: float
    """Scattering coefficient per unit of depth; transmission is exp(-beta depth)."""
    airlight: Annotated[tuple[float, ...], tyro.conf.arg(metavar="A | R G B")] = (0.9,)
    """Colour of the haze in [0, 1]: one number, or red, green and blue."""
    depth: Annotated[str | None, tyro.conf.arg(metavar="FILE|DIR")] = None
    """Depth map (brighter is farther; integers count as [0, 1]) or a folder of them by name.
    Without one, a plausible depth is made up whose farthest point has depth 1."""
    non_homogeneous: float = 0.0
    """Unevenness of the haze: standard deviation of the logarithm of its density; 0.5 is strong."""
    seed: int = 0
    """Seed of made-up depth and density."""


def main(args: list[str]) -> int:
    """Runs the command; 0 only if every picture was rendered."""
    options = parse(
        Render, args=args, prog="dehaze-jax render", config=(tyro.conf.FlagCreatePairsOff,)
    )
    from dehaze_jax.data.hazing import render_files
    from dehaze_jax.errors import InputError
    from dehaze_jax.restoring.planning import plan

    if len(options.airlight) not in (1, 3):
        raise InputError("airlight", "takes one number, or red, green and blue")
    jobs = plan([options.input], options.output)
    results = render_files(
        [(job.source, job.target) for job in jobs],
        depth=options.depth,
        beta=options.beta,
        airlight=options.airlight * (3 // len(options.airlight)),
        non_homogeneous=options.non_homogeneous,
        seed=options.seed,
    )
    out = Console(soft_wrap=True, highlight=False, markup=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    failed = 0
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        for target, error in bars.track(results, total=len(jobs), description="pictures"):
            failed += error is not None
            if error is None:
                out.print(str(target))
            else:
                errors.print(str(error))
    if len(jobs) > 1:
        out.print(f"{len(jobs) - failed} of {len(jobs)} pictures rendered, {failed} failed")
    return 1 if failed else 0
