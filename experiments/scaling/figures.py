"""Plots of the study."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from scaling.config import StudyConfig
from scaling.counting import Count, Work
from scaling.model import strong, weak
from scaling.report import as_task, select

# Of Okabe and Ito.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
_MARKERS = ("o", "s", "^", "D")


def sent(works: Sequence[Work], counts: Sequence[Count], config: StudyConfig) -> Figure:
    """Megabytes that a device sends against the number of devices."""
    figure = Figure(figsize=(4.6 * len(works), 6.4), layout="constrained")
    panels = figure.subplots(2, len(works), sharex=True, squeeze=False)
    for row, scaling in zip(panels, ("weak", "strong"), strict=True):
        for axes, work in zip(row, works, strict=True):
            own = [c for c in select(counts, config, scaling) if c.method == work.method]
            for axis, colour, marker in zip(config.axes, _COLOURS, _MARKERS, strict=False):
                line = [(c.devices, c.total / 1e6) for c in own if c.axis == axis]
                axes.plot(*zip(*line, strict=True), color=colour, marker=marker, label=axis)
            axes.set(title=f"{work.method}, {scaling}", ylabel="MB a step", ylim=(0, None))
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.grid(color="#d0d7de", linewidth=0.5)
    for axes in panels[-1]:
        axes.set_xlabel("simulated devices")
    panels[0][0].legend()
    return figure


def modelled(works: Sequence[Work], counts: Sequence[Count], config: StudyConfig) -> Figure:
    """Useful examples a second against the number of accelerators."""
    figure = Figure(figsize=(4.6 * len(works), 4.4), layout="constrained")
    panels = figure.subplots(1, len(works), sharex=True, squeeze=False)[0]
    for axes, work in zip(panels, works, strict=True):
        task = as_task(work, counts)
        for accelerator, colour, marker in zip(
            config.accelerators, _COLOURS, _MARKERS, strict=False
        ):
            for points, style in ((weak, "-"), (strong, "--")):
                line = [(p.devices, p.rate) for p in points(task, accelerator, config)]
                axes.plot(
                    *zip(*line, strict=True),
                    color=colour,
                    marker=marker,
                    linestyle=style,
                    label=f"{accelerator.name}, {points.__name__}",
                )
        axes.set(title=work.method, xlabel="accelerators", ylabel="useful examples a second")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(color="#d0d7de", linewidth=0.5)
    panels[0].legend(fontsize="small")
    return figure
