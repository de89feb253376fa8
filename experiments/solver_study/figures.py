"""Plots and strips of pictures."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from solver_study.measuring import Result, Row

from dehaze_jax import restoring

# Colours of Okabe and Ito and greys; every solver has its own marker as well.
_LOOKS = {
    "euler": ("#000000", "o"),
    "midpoint": ("#E69F00", "v"),
    "heun": ("#D55E00", "^"),
    "ralston": ("#CC79A7", "<"),
    "rk4": ("#0072B2", "s"),
    "rk4-38": ("#56B4E9", "D"),
    "bosh3": ("#009E73", "P"),
    "tsit5": ("#7F7F7F", "X"),
    "dopri5": ("#8C6D1F", "p"),
    "dopri8": ("#5B2A86", "*"),
}
LARGEST_ERROR = 3.0
"""Errors above are of solves that blew up; they are drawn at the upper edge."""
_LOWEST_DB = 6.0
"""Scores further below the reference's are of solves that blew up; they are cut off."""
_PANEL_WIDTH = 192


def work_precision(result: Result) -> Figure:
    """Error against evaluations, fixed steps beside steps chosen by tolerance."""
    figure = Figure(figsize=(10.5, 5.4), layout="constrained")
    fixed, adaptive = figure.subplots(1, 2, sharex=True, sharey=True)
    _draw_errors(fixed, result, "fixed")
    _draw_errors(adaptive, result, "adaptive")
    fixed.set(title="equal steps", ylabel="error at t = 1, root mean square")
    adaptive.set(title="steps chosen by tolerance")
    _finish(figure, result.field.title, [fixed, adaptive])
    return figure


def overview(results: Sequence[Result]) -> Figure:
    """Error against evaluations with equal steps, one panel a field."""
    figure = Figure(figsize=(4.2 * len(results), 4.9), layout="constrained")
    panels = figure.subplots(1, len(results), sharex=True, sharey=True, squeeze=False)[0]
    for axes, result in zip(panels, results, strict=True):
        _draw_errors(axes, result, "fixed")
        axes.set_title(result.field.title)
    panels[0].set_ylabel("error at t = 1, root mean square")
    _finish(figure, "", panels)
    return figure


def quality(result: Result) -> Figure:
    """PSNR against evaluations and against time, with equal steps."""
    assert result.field.pairs is not None
    count = len(result.field.pairs.ids)
    figure = Figure(figsize=(10.5, 5.4), layout="constrained")
    by_nfe, by_time = figure.subplots(1, 2, sharey=True)
    solved = result.solved["psnr"]
    shown = [row.psnr for row in _rows(result, "fixed") if row.psnr is not None]
    for axes, across, name in (
        (by_nfe, lambda row: row.nfe, "evaluations of the field"),
        (
            by_time,
            lambda row: row.seconds,
            f"seconds for {count} picture{'s' if count > 1 else ''}",
        ),
    ):
        _draw(axes, result, "fixed", across, lambda row: row.psnr)
        axes.axhline(solved, color="#57606a", linewidth=0.9, linestyle="--", label="reference")
        axes.set(xlabel=name)
    _count_in_powers(by_nfe)
    by_time.set_xscale("log")
    by_time.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    by_time.xaxis.set_major_formatter("{x:g}")
    by_time.xaxis.set_minor_formatter(NullFormatter())
    # Solves that blew up would leave no room for the others.
    low, high = min([*shown, solved]), max([*shown, solved])
    low = max(low, solved - _LOWEST_DB)
    margin = 0.05 * (high - low) + 0.01
    by_nfe.set(ylabel="PSNR against the clear pictures, dB", ylim=(low - margin, high + margin))
    _finish(figure, result.field.title, [by_nfe, by_time])
    return figure


def strip(result: Result) -> np.ndarray:
    """The first picture: a row for each solver, from hazy over ever more steps to clear."""
    pairs = result.field.pairs
    assert pairs is not None
    rows = []
    for solver in dict.fromkeys(solver for solver, _ in result.strips):
        panels = {"hazy": pairs.hazy[0]}
        for (name, steps), picture in sorted(result.strips.items()):
            if name == solver:
                label = f"{solver}, {steps} step{'s' if steps > 1 else ''}"
                panels[label] = np.clip(picture, 0, 1)
        panels["clear"] = pairs.clear[0]
        rows.append(restoring.side_by_side(panels, width=_PANEL_WIDTH))
    gap = np.full((4, *rows[0].shape[1:]), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])


def _draw_errors(axes: Any, result: Result, mode: str) -> None:
    lowest = max(result.reference_error, 1e-16)

    def error(row: Row) -> float:
        return float(np.clip(row.error, lowest, LARGEST_ERROR))

    _draw(axes, result, mode, lambda row: row.nfe, error)
    axes.axhspan(lowest / 10, lowest, color="#d0d7de", linewidth=0, label="reference's own error")
    axes.set(yscale="log", xlabel="evaluations of the field")
    _count_in_powers(axes)


def _count_in_powers(axes: Any) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")


def _draw(
    axes: Any,
    result: Result,
    mode: str,
    across: Callable[[Row], float],
    up: Callable[[Row], float | None],
) -> None:
    rows = _rows(result, mode)
    for solver in dict.fromkeys(row.solver for row in rows):
        own = [(across(row), up(row)) for row in rows if row.solver == solver]
        own = [(x, y) for x, y in own if y is not None and math.isfinite(y)]
        colour, marker = _LOOKS[solver]
        axes.plot(
            *zip(*own, strict=True) if own else ((), ()),
            color=colour,
            marker=marker,
            # Open markers of falling size: where solvers agree, all of them are seen.
            markersize=11 - 0.7 * list(_LOOKS).index(solver),
            markerfacecolor="none",
            linewidth=1.1,
            label=solver,
        )


def _rows(result: Result, mode: str) -> list[Row]:
    return [row for row in result.rows if row.mode == mode]


def _finish(figure: Figure, title: str, panels: Sequence[Any]) -> None:
    entries: dict[str, Any] = {}
    for axes in panels:
        axes.grid(color="#d0d7de", linewidth=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if title:
        figure.suptitle(title)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=min(len(entries), 6),
        frameon=False,
    )
