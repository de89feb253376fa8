"""Mean scores as a table for the terminal."""

from rich.table import Table

from dehaze_jax.evaluation.page import DIGITS, TITLES
from dehaze_jax.evaluation.report import Report
from dehaze_jax.metrics.protocols import PROTOCOLS


def as_table(report: Report) -> Table:
    """One line per method, one column per protocol and score."""
    table = Table(title=f"{report.dataset}, mean of {len(report.ids)} pictures")
    table.add_column("method")
    columns = [(name, score) for name in report.protocols for score in PROTOCOLS[name].scores]
    for name, score in columns:
        table.add_column(f"{name}\n{TITLES[score]}", justify="right")
    summary = report.summary()
    for method in report.methods:
        means = (
            f"{summary[method][name][score]['mean']:.{DIGITS[score]}f}" for name, score in columns
        )
        table.add_row(method, *means)
    return table
