"""A survey of a prepared dataset as one picture: pairs with what is known of them, histograms."""

import collections
import os
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dehaze_jax.data.surveying import Look
from dehaze_jax.image.atomic import check_folder, replacing

_COLUMNS = {1: 5, 2: 3, 3: 3}  # by the pictures of an example
_WIDTH = 13.5  # inches
_INK, _MUTED, _LINE = "#1f2328", "#57606a", "#d0d7de"
_COLOURS = {"train": "#1f6feb", "validation": "#b35900", "test": "#2da44e"}
_SIZES = 8  # bars; the last one is for all others
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _LINE,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_contact_sheet(
    looks: Sequence[Look], output: str | os.PathLike[str], *, title: str, facts: str
) -> None:
    """Writes the contact sheet of a survey as PNG.

    Args:
        looks: the survey; those with pictures are shown.
        output: the file to create or replace.
        title: printed above, such as the name of the dataset.
        facts: a smaller line below it.

    Raises:
        InputError: the file cannot be written.
    """
    check_folder(output)
    with matplotlib.rc_context(_STYLE):
        figure = _draw(looks, title, facts)
        with replacing(output) as stream:
            figure.savefig(stream, format="png", dpi=120, facecolor="white")


def _draw(looks: Sequence[Look], title: str, facts: str) -> Figure:
    shown = [look for look in looks if look.pictures]
    strips = [_strip(look) for look in shown]
    columns = _COLUMNS[len(shown[0].pictures)]
    rows = -(-len(shown) // columns)
    # Portraits among landscapes become smaller, not the rows higher.
    ratio = float(np.median([strip.shape[0] / strip.shape[1] for strip in strips]))
    heights = [0.75, rows * (_WIDTH / columns * ratio + 0.5), 2.9]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    head, sheet, plots = (
        figure.add_subfigure(cell) for cell in figure.add_gridspec(3, 1, height_ratios=heights)
    )
    head.text(0.012, 0.6, title, fontsize=15, fontweight="bold", va="center")
    head.text(0.012, 0.22, facts, fontsize=10, color=_MUTED, va="center")
    cells = sheet.subplots(rows, columns, squeeze=False).flat
    for number, axes in enumerate(cells):
        axes.set(xticks=[], yticks=[], anchor="NW")
        axes.spines[:].set_visible(False)
        if number < len(shown):
            axes.imshow(strips[number])
            axes.set_xlabel(_caption(shown[number]), loc="left", fontsize=8, color=_MUTED)
            axes.set_title(shown[number].id, loc="left", fontsize=9, pad=3)
    sizes, psnr = plots.subplots(1, 2)
    _draw_sizes(sizes, looks)
    if any(look.psnr is not None for look in looks):
        _draw_psnr(psnr, looks)
    else:
        psnr.axis("off")
    return figure


def _strip(look: Look) -> np.ndarray:
    """An example's pictures side by side, a little apart."""
    pictures = list(look.pictures.values())
    gap = np.full((pictures[0].shape[0], max(2, pictures[0].shape[1] // 80), 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _caption(look: Look) -> str:
    height, width = look.size
    facts = [look.split, f"{width} x {height}"]
    if look.psnr is not None:
        facts.append(f"{look.psnr:.1f} dB")
    facts += [f"{name} {value:.3g}" for name, value in look.known.items()]
    return "  ·  ".join(facts)


def _draw_sizes(axes: Axes, looks: Sequence[Look]) -> None:
    """The most common sizes, and how many have others."""
    sizes = collections.Counter(look.size for look in looks).most_common()
    bars = [(f"{width} x {height}", count) for (height, width), count in sizes[:_SIZES]]
    if len(sizes) > _SIZES:
        others = sizes[_SIZES - 1 :]
        bars[-1] = f"{len(others)} others", sum(count for _, count in others)
    names, counts = zip(*bars, strict=True)
    axes.barh(names, counts, color=_MUTED, height=0.6)
    axes.set(xlabel="pictures", ylim=(max(len(bars), 4) - 0.4, -0.6))  # from the top
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"sizes of {len(looks):,} pictures", loc="left", fontsize=10)


def _draw_psnr(axes: Axes, looks: Sequence[Look]) -> None:
    """Histogram of PSNR by split."""
    found: dict[str, list[float]] = {split: [] for split in _COLOURS}
    for look in looks:
        if look.psnr is not None:
            found.setdefault(look.split, []).append(look.psnr)
    found = {split: values for split, values in found.items() if values}
    everything = np.concatenate([*found.values()])
    width = max(1.0, float(np.ptp(everything)) / 40)
    low = float(np.floor(everything.min()))
    bins = low + width * np.arange((everything.max() - low) // width + 2)
    axes.hist(
        list(found.values()),
        bins=bins.tolist(),
        stacked=True,
        color=[_COLOURS.get(split, _MUTED) for split in found],
        label=[f"{split}, mean {np.mean(values):.2f}" for split, values in found.items()],
        edgecolor="white",
        linewidth=0.6,
    )
    axes.set(xlabel="PSNR, dB", ylabel="pictures")
    axes.set_title("hazy against clear", loc="left", fontsize=10, pad=20)  # above the legend
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 0.98))
