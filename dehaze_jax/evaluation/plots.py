"""Plots of a report as SVG, to stand inside a page."""

import io

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from dehaze_jax.evaluation.baselines import HAZY
from dehaze_jax.evaluation.report import Report

_COLOURS = ("#8a94a6", "#1f6feb", "#b35900", "#2da44e", "#8250df")


def psnr_plots(report: Report) -> str:
    """PSNR of every method against the hazy picture's, and the gains of the shown method."""
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "report",
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    ):
        figure = Figure(figsize=(9.6, 3.4), layout="constrained")
        scatter, bars = figure.subplots(1, 2)
        _draw_scatter(scatter, report)
        _draw_gains(bars, report)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


def _psnr(report: Report, method: str) -> np.ndarray:
    values = np.asarray(report.values(method, report.protocols[0], "psnr"))
    return np.where(np.isfinite(values), values, np.nan)  # equal pictures have no place on an axis


def _draw_scatter(axes, report: Report) -> None:
    hazy = _psnr(report, HAZY)
    for name, colour in zip(report.methods[1:], _COLOURS, strict=False):
        axes.scatter(hazy, _psnr(report, name), s=18, color=colour, label=name, alpha=0.85)
    finite = hazy[np.isfinite(hazy)]
    if finite.size:
        ends = [finite.min() - 0.5, finite.max() + 0.5]
        axes.plot(ends, ends, color="#57606a", linewidth=0.8, linestyle="--")
    axes.set(xlabel="PSNR of the hazy picture, dB", ylabel="PSNR after restoring, dB")
    axes.legend(frameon=False, loc="best")


def _draw_gains(axes, report: Report) -> None:
    gains = np.asarray(list(report.gains().values()))
    gains = np.where(np.isfinite(gains), gains, 0.0)
    colours = np.where(gains < 0, "#cf222e", "#2da44e")
    axes.bar(np.arange(gains.size), gains, width=0.85, color=colours)
    axes.axhline(0, color="#57606a", linewidth=0.8)
    axes.set(xlabel=f"pictures, worst first ({report.shown})", ylabel="PSNR gain over hazy, dB")
    axes.set_xticks([])
