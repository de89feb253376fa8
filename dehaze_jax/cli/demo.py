"""`dehaze-jax demo`: everything at once, small."""

from rich.console import Console

from dehaze_jax.cli.parsing import parse


def main(args: list[str]) -> int:
    """Runs the command."""
    from dehaze_jax.demo import DemoConfig, run_demo
    from dehaze_jax.evaluation.tables import as_table

    config = parse(
        DemoConfig,
        args=args,
        prog="dehaze-jax demo",
        description="Prepare, train, stop, resume, evaluate and restore, in a few minutes.",
    )
    result = run_demo(config, console=Console(stderr=True))
    out = Console(soft_wrap=True, highlight=False, markup=False)
    out.print(as_table(result.report))
    out.print(
        f"the model trained here gains {result.gain_over('hazy'):.1f} dB PSNR over the hazy "
        f"pictures and {result.gain_over('dark-channel'):.1f} dB over the dark-channel prior"
    )
    out.print(f"report: {result.page}")
    for picture in result.pictures:
        out.print(f"picture: {picture}")
    return 0
