"""`dehaze-jax demo`: everything at once, small."""

import tyro
from rich.console import Console


def main(args: list[str]) -> int:
    """Runs the command."""
    from dehaze_jax.demo import DemoConfig, run_demo
    from dehaze_jax.evaluation.tables import as_table

    config = tyro.cli(
        DemoConfig,
        args=args,
        prog="dehaze-jax demo",
        description="Prepare, train, stop, resume, evaluate and restore, in a few minutes.",
    )
    result = run_demo(config, console=Console(stderr=True))
    out = Console(soft_wrap=True, highlight=False, markup=False)
    for report in result.reports.values():
        out.print(as_table(report))
    for page in result.pages.values():
        out.print(f"report: {page}")
    for picture in result.pictures:
        out.print(f"picture: {picture}")
    return 0
