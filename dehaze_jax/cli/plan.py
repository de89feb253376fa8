"""`dehaze-jax plan`: what a model costs, before anything is run."""

import dataclasses
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from dehaze_jax.cli.parsing import parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Print parameters and multiplications of a model, counted from the program.

    No picture is read, nothing is trained, and nothing runs on a device.
    """

    model: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A configuration file as for train (CONFIG.py or CONFIG.py:VARIANT), weights that come with
    the package, a folder of weights, or a run directory."""
    height: int = 2160
    """Rows of the picture."""
    width: int = 3840
    """Columns of the picture."""
    solver: str = "rk4"
    """ODE solver, see restore."""
    steps: int = 4
    """Steps of the solver."""


def main(args: list[str]) -> int:
    """Runs the command."""
    options = parse(Plan, args=args, prog="dehaze-jax plan")
    from dehaze_jax import methods
    from dehaze_jax.cli.train import read_config
    from dehaze_jax.errors import InputError
    from dehaze_jax.programs import KINDS
    from dehaze_jax.restoring.cost import count_cost
    from dehaze_jax.restoring.loading import check_options, load

    if min(options.height, options.width) < 1:
        raise InputError("size", f"must be at least 1 x 1, not {options.height} x {options.width}")
    restore = check_options(solver=options.solver, steps=options.steps)
    if options.model.partition(":")[0].endswith(".py"):
        method = methods.build(read_config(options.model).method)
    else:
        method = load(options.model).method
    cost = count_cost(method, options.height, options.width, restore)
    pixels = options.height * options.width

    console = Console(soft_wrap=True, highlight=False, markup=False)
    how = ""
    if method.evaluations is not None:
        how = f", {options.solver}, {options.steps} steps"
    console.print(f"{method.name}{how}: {cost.parameters:,} parameters")
    table = Table(title=f"multiplications for {options.width} x {options.height}")
    table.add_column("")
    for title in ("low resolution, G", "full size, G", "full size, a pixel"):
        table.add_column(title, justify="right")
    for kind in (*KINDS, "all"):
        low, full = (
            sum(part.values()) if kind == "all" else part[kind]
            for part in (cost.summarise, cost.render)
        )
        table.add_row(kind, f"{low / 1e9:.3f}", f"{full / 1e9:.3f}", f"{full / pixels:,.0f}")
    console.print(table)
    return 0
