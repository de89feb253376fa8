"""Plots and the sheet of pictures."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from solving_pays.config import CURVES, ONE_STEP, RECIPES
from solving_pays.results import Results

from dehaze_jax import flow, restoring

_COLOURS = {
    "one step": "#000000",
    "matching": "#D55E00",
    "solver": "#0072B2",
    "backbone": "#009E73",
}
_CURVE_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73")
_SCORES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "ciede2000": "CIEDE2000, less of it",
}
_PANEL_WIDTH = 240


def steps(results: Results) -> Figure:
    """PSNR and sharpness against evaluations of the field, a line a recipe and solver."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for name, colour in zip(CURVES, _CURVE_COLOURS, strict=True):
        if name not in results.recipes:
            continue
        for solver, style in (("euler", "o--"), ("rk4", "s-")):
            ways = [way for way in results.config.ways if way.solver == solver]
            evaluations = [flow.evaluations(flow.SOLVERS[solver], way.steps) for way in ways]
            scores = [results.mean(name, way) for way in ways]
            for axes, score in zip(panels, ("psnr", "sharpness"), strict=True):
                values = [each[score] for each in scores]
                label = f"{name}, {solver}"
                axes.plot(
                    evaluations, values, style, color=colour, markerfacecolor="none", label=label
                )
    panels[0].set(ylabel="PSNR, dB")
    panels[1].set(ylabel="sharpness, share of the clear picture's")
    for axes in panels:
        axes.set(xscale="log", xlabel="evaluations of the field")
        axes.grid(color="#d0d7de", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    panels[1].legend(frameon=False, fontsize=8)
    return figure


def differences(results: Results) -> Figure:
    """Every recipe but for backbones against one step, with intervals; a panel a score."""
    names = [
        name for name in results.recipes if name != ONE_STEP and RECIPES[name].group != "backbone"
    ]
    figure = Figure(figsize=(11, 1.2 + 0.34 * max(len(names), 1)), layout="constrained")
    panels = figure.subplots(1, len(_SCORES), sharey=True)
    found = {name: results.difference(name, ONE_STEP) for name in names}
    for axes, (score, title) in zip(panels, _SCORES.items(), strict=True):
        for place, name in enumerate(names):
            value = found[name][score]
            axes.plot([value.low, value.high], [place, place], color=_COLOURS[RECIPES[name].group])
            axes.plot([value.mean], [place], "o", color=_COLOURS[RECIPES[name].group])
        axes.axvline(0, color="#57606a", linewidth=0.8)
        axes.set(title=title, ylim=(len(names) - 0.5, -0.5))
        axes.grid(axis="x", color="#d0d7de", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    figure.supxlabel("against one step; right of the line is better", fontsize=10)
    return figure


def sheet(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures `[b, h, w, 3]` of one size side by side, a row for each, with labels."""
    count = len(next(iter(columns.values())))
    rows = [
        restoring.side_by_side(
            {name: pictures[row] for name, pictures in columns.items()},
            width=_PANEL_WIDTH,
        )
        for row in range(count)
    ]
    return np.concatenate(rows)
