"""Files of results: tables, records, figures. Each is written whole or not at all."""

import csv
import dataclasses
import io
import math
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax

from dehaze_jax import storage, training

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_csv(path: pathlib.Path, rows: Sequence[Any]) -> None:
    """Rows are dataclasses of one class; what a row lacks stays empty."""
    names = [field.name for field in dataclasses.fields(rows[0])]
    text = io.StringIO()
    lines = csv.DictWriter(text, names, lineterminator="\n")
    lines.writeheader()
    lines.writerows({name: _cell(getattr(row, name)) for name in names} for row in rows)
    storage.write_atomically(path, text.getvalue().encode())


def write_record(path: pathlib.Path, config: Any, **parts: Any) -> None:
    """JSON of a study: what it ran on, its config, and what it found.

    Numbers that are not finite, which JSON lacks, become null.
    """
    record = {
        "machine": {**training.machine(), "processors": os.cpu_count()},
        "config": storage.config_to_dict(config),
        **parts,
    }
    storage.write_json(path, _plain(record))


def write_figure(path: pathlib.Path, figure: "Figure") -> None:
    """PNG of a matplotlib figure."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130)
    storage.write_atomically(path, content.getvalue())


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def machine_line() -> str:
    """What figures of time depend on, in one line."""
    record = training.machine()
    versions = ", ".join(f"{name} {record['versions'][name]}" for name in ("jax", "diffrax"))
    devices = f"{jax.device_count()} x {record['devices'][0]}"
    return f"{os.cpu_count()} processors, {devices}, {versions}, Python {record['python']}"


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
