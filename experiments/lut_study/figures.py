"""Plot and strip of pictures."""

from collections.abc import Mapping, Sequence

import numpy as np
from lut_study.config import CHANGES, DEFAULT
from lut_study.measuring import Row
from matplotlib.figure import Figure

from dehaze_jax import restoring

_COLOURS = {
    "default": "#000000",
    "size": "#0072B2",
    "interpolation": "#D55E00",
    "penalties": "#009E73",
    "place": "#CC79A7",
}
_PANEL_WIDTH = 192
_COLUMNS = 4


def psnr(rows: Sequence[Row]) -> Figure:
    """PSNR of every training, a line for each change; the default's range is shaded."""
    present = {row.change for row in rows}
    changes = [change for change in CHANGES if change.name in present]
    figure = Figure(figsize=(8, 1.6 + 0.38 * len(changes)), layout="constrained")
    axes = figure.subplots()
    default = [row.psnr for row in rows if row.change == DEFAULT]
    axes.axvspan(min(default), max(default), color="#d0d7de", linewidth=0, alpha=0.7)
    for place, change in enumerate(changes):
        values = [row.psnr for row in rows if row.change == change.name]
        colour = _COLOURS[change.group]
        axes.plot(values, [place] * len(values), "o", color=colour, markerfacecolor="none")
        axes.plot([float(np.mean(values))], [place], "|", color=colour, markersize=16)
    axes.set_yticks(range(len(changes)), [change.name for change in changes])
    axes.set(
        xlabel="PSNR, dB; ring: one seed, stroke: their mean, grey: range of the default",
        ylim=(len(changes) - 0.5, -0.5),
    )
    axes.grid(axis="x", color="#d0d7de", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def sheet(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures of one size with their labels, four in a row."""
    names = list(pictures)
    rows = []
    for start in range(0, len(names), _COLUMNS):
        chosen = {name: pictures[name] for name in names[start : start + _COLUMNS]}
        rows.append(restoring.side_by_side(chosen, width=_PANEL_WIDTH))
    width = max(row.shape[1] for row in rows)
    padded = [
        np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(padded)[:-4]
