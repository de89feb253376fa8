"""Mean scores as a table for the terminal."""

from rich.table import Table

from dehaze_jax.evaluation.page import DIGITS, TITLES
from dehaze_jax.evaluation.report import Report, scores_of


def as_table(report: Report) -> Table:
    """One column per method, one line per protocol and score: it fits into 80 columns."""
    table = Table(title=f"{report.dataset}, mean of {len(report.ids)} pictures")
    table.add_column("protocol", no_wrap=True)
    table.add_column("score", no_wrap=True)
    for method in report.methods:
        table.add_column(method, justify="right", overflow="fold")
    summary = report.summary()
    for name in report.protocols:
        for score in scores_of(name):
            means = (summary[method][name][score]["mean"] for method in report.methods)
            cells = (f"{mean:.{DIGITS[score]}f}" for mean in means)
            table.add_row(name, TITLES[score], *cells)
    return table
