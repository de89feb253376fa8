"""`dehaze-jax evaluate`: scores of weights and baselines over one dataset."""

import dataclasses
import pathlib
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress

from dehaze_jax.cli.parsing import UsageError, parse
from dehaze_jax.cli.solving import Solver, Steps, solver_options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score trained weights, the dark-channel prior and the untouched hazy pictures.

    Takes the pairs of one dataset: two folders (--hazy, --clear) or a prepared one (--data).
    """

    output: pathlib.Path
    """Folder of the report; made if its parent exists."""
    hazy: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of hazy pictures."""
    clear: Annotated[pathlib.Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of clear pictures; names are matched."""
    data: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Prepared dataset; also an address such as gs://..."""
    split: str = "test"
    """Split of the prepared dataset."""
    name: Annotated[str | None, tyro.conf.arg(metavar="STR")] = None
    """Name of the dataset on the report; by default made from its folder."""
    weights: str = "dehazeflow"
    """Weights that come with the package, a folder of weights, or a run directory."""
    solver: Solver = None
    """ODE solver, see restore."""
    steps: Steps = None
    """Steps of the solver."""
    protocols: tuple[str, ...] = ("rgb-full", "rgb-ssim256", "y-full")
    """Ids of protocols; the first ranks the pictures."""
    lpips: Annotated[tuple[pathlib.Path, ...] | None, tyro.conf.arg(metavar="FILE [FILE]")] = None
    """Also report LPIPS with these weights: AlexNet and the linear ones, in one file or two,
    safetensors or, where PyTorch is installed, its own."""
    limit: Annotated[int | None, tyro.conf.arg(metavar="INT")] = None
    """Score the first so many pairs only."""
    full_pictures: bool = False
    """Also keep the pictures at full size."""


def main(args: list[str]) -> int:
    """Runs the command; 0 only if every pair was scored."""
    options = parse(
        Evaluate,
        args=args,
        prog="dehaze-jax evaluate",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    from dehaze_jax.evaluation.perceptual import load_lpips
    from dehaze_jax.evaluation.scoring import evaluate
    from dehaze_jax.evaluation.tables import as_table
    from dehaze_jax.restoring.loading import load

    pairs, name = _open(options)
    restorer = load(options.weights, **solver_options(options))
    model = pathlib.Path(options.weights).resolve().name
    solves = restorer.method.evaluations is not None
    used = restorer.options
    how = {"solver": used.solver, "steps": used.num_steps} if solves else {}
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task("pairs", total=None)
        report = evaluate(
            pairs,
            {model: restorer},
            output=options.output,
            dataset=name,
            protocols=options.protocols,
            lpips=load_lpips(*options.lpips) if options.lpips else None,
            limit=options.limit,
            full_pictures=options.full_pictures,
            about={model: {"card": restorer.card, **how}},
            progress=lambda done, total: bars.update(task, completed=done, total=total),
        )
    out = Console(soft_wrap=True, highlight=False, markup=False)
    out.print(as_table(report))
    out.print(f"report: {options.output / 'index.html'}")
    for error in report.skipped:
        errors.print(str(error))
    if report.skipped:
        errors.print(f"{len(report.skipped)} pairs could not be scored")
    return 1 if report.skipped else 0


def _open(options: Evaluate):
    """The pairs and the name of their dataset."""
    from dehaze_jax.data.folders import pair_folders
    from dehaze_jax.data.prepared import open_prepared

    folders = options.hazy is not None and options.clear is not None
    if folders == (options.data is not None) or (options.hazy is None) != (options.clear is None):
        raise UsageError("evaluate", "needs either --hazy and --clear, or --data")
    if options.data is not None:
        name = f"{pathlib.Path(options.data).resolve().name} ({options.split})"
        return open_prepared(options.data, options.split), options.name or name
    assert options.hazy is not None
    assert options.clear is not None
    pairs = pair_folders(options.hazy, options.clear)
    return pairs, options.name or options.hazy.resolve().parent.name
