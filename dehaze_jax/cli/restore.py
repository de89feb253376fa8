"""`dehaze-jax restore`: hazy pictures to restored ones."""

import dataclasses
import math
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress

from dehaze_jax.cli.parsing import UsageError, parse
from dehaze_jax.cli.solving import Solver, Steps, solver_options

_PATHS = tyro.conf.arg(metavar="INPUT [INPUT ...] OUTPUT", help_behavior_hint="(required)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Restore:
    """Restore hazy pictures of any size.

    Size, bit depth, alpha and colour profile are kept. Inputs are never overwritten.
    """

    paths: Annotated[tuple[str, ...], tyro.conf.Positional, _PATHS]
    """Pictures, folders or patterns; then a file, or a folder (made if its parent exists)."""
    weights: str = "dehazeflow"
    """Weights that come with the package, a folder of weights, or a run directory."""
    solver: Solver = None
    """ODE solver: euler, midpoint, heun, ralston, rk4, rk4-38, bosh3, tsit5, dopri5, dopri8.
    Refused with models that solve no ODE."""
    steps: Steps = None
    """Steps of the solver."""
    baked: bool = False
    """Solve on a small copy of each picture and imitate the result at full size, in one pass."""
    maps: bool = False
    """Also write what a model finds of the haze (nedr does): NAME_transmission.png, 16-bit grey,
    white is 1; NAME_depth.png, white is the largest depth of the picture; NAME_maps.npz,
    both as float32, with airlight and density."""
    compare: bool = False
    """Also write a picture that sets hazy and restored side by side: NAME_compare.jpg."""
    recursive: bool = False
    """Take sub-folders of input folders too."""
    devices: int = 1
    """Devices that share the rows of each picture."""
    memory: Annotated[float | None, tyro.conf.arg(metavar="GB")] = None
    """Memory that pictures may take, by default what is free. What does not fit goes from TIFF to
    TIFF in parts."""


_SAID = {"stream": "in parts", "devices": "on several devices"}


def main(args: list[str]) -> int:
    """Runs the command; 0 only if every picture was restored."""
    options = parse(
        Restore,
        args=args,
        prog="dehaze-jax restore",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    from dehaze_jax.errors import InputError
    from dehaze_jax.restoring.jobs import restore_files
    from dehaze_jax.restoring.loading import first_devices, load
    from dehaze_jax.restoring.planning import plan

    if len(options.paths) < 2:
        raise UsageError("restore", "needs an input and an output; see dehaze-jax restore --help")
    if options.maps and options.baked:
        raise UsageError("maps", "are not found on a small copy; leave out --maps or --baked")
    if options.memory is not None and not 0 < options.memory < math.inf:
        raise InputError("memory", f"must be more than 0 GB, not {options.memory:g}")
    *inputs, output = options.paths
    jobs = plan(
        inputs,
        output,
        recursive=options.recursive,
        compare=options.compare,
        maps=options.maps,
    )
    restorer = load(
        options.weights,
        **solver_options(options),
        baked="local" if options.baked else None,
        devices=first_devices(options.devices),
        memory=None if options.memory is None else math.ceil(options.memory * 1e9),
    )
    if options.maps and restorer.method.maps is None:
        raise InputError(options.weights, f"{restorer.method.name} finds no maps; nedr does")
    how = ""
    if restorer.method.evaluations is not None:
        count = restorer.method.evaluations(restorer.options)
        how = f", {count} evaluation{'s' * (count != 1)}"
    if options.baked:
        how += " on a small copy" if how else ", on a small copy"

    out = Console(soft_wrap=True, highlight=False, markup=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    failed = 0
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        files = bars.add_task("pictures", total=len(jobs), visible=len(jobs) > 1)
        rows = bars.add_task("rows", total=None)
        results = restore_files(
            jobs,
            restorer,
            progress=lambda done, total: bars.update(rows, completed=done, total=total),
        )
        for result in results:
            bars.advance(files)
            if result.error is not None:
                failed += 1
                errors.print(str(result.error))
                continue
            height, width = result.size or (0, 0)
            way = ""
            if result.way is not None and result.way.name in _SAID:
                way = f", {_SAID[result.way.name]}: {result.way.reason}"
            out.print(
                f"{result.job.source} -> {result.job.target}: {width} x {height}, "
                f"{result.seconds:.1f} s{how}{way}"
            )
    if len(jobs) > 1:
        out.print(f"{len(jobs) - failed} of {len(jobs)} pictures restored, {failed} failed")
    return 1 if failed else 0
