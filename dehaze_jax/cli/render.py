"""`dehaze-jax render`: haze onto clear pictures."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import Progress

from dehaze_jax.cli.parsing import UsageError, parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Render:
    """Render haze onto clear pictures.

    By the scattering model I = J T + A (1 - T), with the depth that a file gives or one that is
    made up; or, with --weights, by a model that has learnt depth and haze from photographs.

    Bit depth, alpha and colour profile are kept. Inputs are never overwritten.
    """

    input: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """A picture, a folder or a pattern."""
    output: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OUTPUT")]
    """A file, or a folder, which is made if its parent exists."""
    beta: Annotated[float | None, tyro.conf.arg(metavar="B")] = None
    """Scattering coefficient per unit of depth; transmission is exp(-beta depth). Required without
    --weights; with them the middle of the range that they were trained on if not given."""
    airlight: Annotated[tuple[float, ...] | None, tyro.conf.arg(metavar="A | R G B")] = None
    """Colour of the haze in [0, 1]: one number, or red, green and blue. If not given, 0.9; with
    --weights what the model finds in the picture."""
    weights: Annotated[str | None, tyro.conf.arg(metavar="NAME|DIR")] = None
    """Render by a model (nedr): weights that come with the package, a folder of weights, or a run
    directory. The options below have no place there."""
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
    from dehaze_jax.restoring.planning import plan

    if options.airlight is not None and len(options.airlight) not in (1, 3):
        raise UsageError("airlight", "takes one number, or red, green and blue")
    if options.weights is None and options.beta is None:
        raise UsageError("beta", "is required without --weights")
    if options.weights is not None:
        for name in ("depth", "non_homogeneous", "seed"):
            if getattr(options, name) != getattr(Render, name):
                raise UsageError(name.replace("_", "-"), "has no place with --weights")
    jobs = plan([options.input], options.output)
    if options.weights is None:
        results = _by_formula(options, jobs)
    else:
        results = _by_model(options, options.weights, jobs)
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


def _by_formula(options: Render, jobs: Sequence[Any]) -> Any:
    """Each hazy file, or what kept it from being written."""
    from dehaze_jax.data.hazing import render_files

    return render_files(
        [(job.source, job.target) for job in jobs],
        depth=options.depth,
        beta=options.beta,
        airlight=_colour(options) or (0.9, 0.9, 0.9),
        non_homogeneous=options.non_homogeneous,
        seed=options.seed,
    )


def _by_model(options: Render, weights: str, jobs: Sequence[Any]) -> Any:
    """The same."""
    from dehaze_jax.errors import InputError
    from dehaze_jax.methods.config import HazeOptions
    from dehaze_jax.restoring.jobs import restore_files
    from dehaze_jax.restoring.loading import load_hazing

    try:
        haze = HazeOptions(density=options.beta, airlight=_colour(options))
    except InputError as error:
        field = "beta" if error.subject == "HazeOptions.density" else "airlight"
        raise InputError(field, error.reason) from error
    restorer = load_hazing(weights, haze)
    return ((result.job.target, result.error) for result in restore_files(jobs, restorer))


def _colour(options: Render) -> Any:
    """Red, green and blue; None if nothing is given."""
    return options.airlight and options.airlight * (3 // len(options.airlight))
