"""Plot of a table."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Array, Shaped

from dehaze_jax.lut.checks import check_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Ever thinner, so that equal curves are all seen.
_CHANNELS = (("red", "#cf222e", 3.6), ("green", "#2da44e", 2.3), ("blue", "#1f6feb", 1.1))
_NODES = 9
"""Most nodes along each axis that stay apart in the cube."""


def plot(table: Shaped[Array | np.ndarray, "..."], *, title: str = "") -> "Figure":
    """Draws where a table moves the colours of the cube, and its curves.

    Three axes: the cube, where each node (at most nine along each axis) stands at the colour it
    returns, is painted in it, and is tied to the colour it stands for; the three channels of what
    greys become; what each channel becomes when it alone varies and the others stay at the middle
    node.

    Args:
        table: one table with domain [0, 1], float `[size, size, size, 3]`.
        title: printed above.

    Returns:
        A figure that belongs to no window: `figure.savefig(path)`.

    Raises:
        ValueError: `table` is not a table of floats, or holds NaN or infinity.
    """
    from matplotlib.figure import Figure

    check_table(table)
    values = np.asarray(table, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the table holds NaN or infinity")
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    grid = figure.add_gridspec(1, 3, width_ratios=(1.2, 1, 1))
    cube = figure.add_subplot(grid[0], projection="3d")
    neutral = figure.add_subplot(grid[1])
    single = figure.add_subplot(grid[2])
    _draw_cube(cube, values)
    _draw_neutral(neutral, values)
    _draw_single(single, values)
    if title:
        figure.suptitle(title)
    return figure


def _draw_cube(axes, values: np.ndarray) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    size = len(values)
    shown = np.unique(np.linspace(0, size - 1, min(size, _NODES)).round().astype(int))
    chosen = np.stack(np.meshgrid(shown, shown, shown, indexing="ij"), axis=-1).reshape(-1, 3)
    given = chosen / (size - 1)
    returned = values[tuple(chosen.T)]
    ties = np.stack([given, returned], axis=1)
    axes.add_collection3d(Line3DCollection(list(ties), colors="#8a94a6", linewidths=0.5, alpha=0.5))
    axes.scatter(*returned.T, c=np.clip(returned, 0, 1), s=14, depthshade=False, linewidths=0)
    low, high = min(0.0, returned.min()), max(1.0, returned.max())
    axes.set(xlim=(low, high), ylim=(low, high), zlim=(low, high))
    axes.set(xlabel="red", ylabel="green", zlabel="blue", title="colours returned")
    axes.set_box_aspect((1, 1, 1), zoom=0.85)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_ticks([0, 0.5, 1], labels=["0", "0.5", "1"])
        axis.labelpad = 0
    axes.zaxis.labelpad = 6
    axes.tick_params(labelsize=8, pad=0)
    axes.view_init(elev=22, azim=-60)


def _draw_neutral(axes, values: np.ndarray) -> None:
    nodes = np.linspace(0, 1, len(values))
    along = np.arange(len(values))
    greys = values[along, along, along]
    for channel, (name, colour, width) in enumerate(_CHANNELS):
        axes.plot(nodes, greys[:, channel], color=colour, linewidth=width, label=name)
    _finish(axes, "neutral axis", "grey, red = green = blue")


def _draw_single(axes, values: np.ndarray) -> None:
    nodes = np.linspace(0, 1, len(values))
    middle = (len(values) - 1) // 2
    for channel, (name, colour, width) in enumerate(_CHANNELS):
        at: list[int | slice] = [middle] * 3
        at[channel] = slice(None)
        curve = values[(*at, channel)]
        axes.plot(nodes, curve, color=colour, linewidth=width, label=name)
    _finish(axes, f"one channel, the others {nodes[middle]:.2f}", "the channel")


def _finish(axes, title: str, given: str) -> None:
    axes.plot([0, 1], [0, 1], color="#57606a", linewidth=0.8, linestyle="--", label="identity")
    axes.set(title=title, xlabel=given, ylabel="returned", xlim=(0, 1))
    axes.grid(color="#d0d7de", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
