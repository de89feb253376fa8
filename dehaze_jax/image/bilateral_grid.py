"""Bilateral grids of affine colour models, sliced and applied at full resolution.

A grid holds, at `rows x columns` places of the picture and `depth` values of a guide, the 3 x 4
matrix of an affine colour model, row by row: `coefficients[4 * i + j]` takes input colour `j` (or
1 for j = 3) to output colour `i`. Slicing interpolates the matrices trilinearly at (place, guide);
here the interpolated matrix is applied at once and never stored.

Places are cell centres: row `y` of `height` lies at `(y + 0.5) / height * rows - 0.5`, held at the
outermost centre beyond it, so that a grid means the same on any size of picture. Depth runs from
guide 0 at the first to guide 1 at the last value; guides outside are clamped. With a depth of 1
the guide has no effect and slicing is bilinear interpolation.

Reference: Chen et al., Real-time edge-aware image processing with the bilateral grid (SIGGRAPH
2007); Gharbi et al., Deep bilateral learning for real-time image enhancement (SIGGRAPH 2017),
section 3.3.

The pictures are handled as planes cut into runs of columns, `[*batch, rows, runs, run]`, such that
no run crosses the centre of a cell: within a run an interpolated coefficient is a linear function
of the column, whose two numbers the compiler holds in registers while it walks along the run. At
3840 x 2160 this makes a slice cost little more than reading and writing the picture.
"""

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Grid, Image, Plane

RunPlane: TypeAlias = Float[Array, "*batch height runs run"]
RunPlanes: TypeAlias = tuple[RunPlane, RunPlane, RunPlane]


class Runs:
    """How the columns of a picture are cut so that no run crosses the centre of a cell.

    All positions are exact integers until the last division, so that a width that is known only
    when the program runs gives the same cut as one that is known when it is compiled.

    Attributes:
        cells: columns of the grid.
        count: number of runs.
        length: columns in a run; places that a run does not fill hold some other column.
        fraction: how far each place lies from the grid column to its left to the one to its
            right, `[runs, run]`.

    Args:
        width: columns of the picture; may be traced.
        cells: columns of the grid.
        columns: columns of the arrays, if the picture is padded on its right.
    """

    def __init__(self, width: Any, cells: int, columns: int | None = None):
        known = isinstance(width, int)
        xp = np if known else jnp
        columns = int(width) if columns is None else columns
        self.cells = cells
        self.count = count = 2 * cells
        self.length = -(-columns // count)
        self._reshape = known and width == columns and width % count == 0
        # Column x belongs to run floor((x + 1/2) count / width).
        starts = -((count - 2 * xp.arange(count) * width) // (2 * count))
        column = starts[:, None] + xp.arange(self.length)[None, :]
        self._columns = xp.clip(column, 0, width - 1)
        every = xp.arange(columns)
        run = xp.minimum(((2 * every + 1) * count) // (2 * width), count - 1)
        self._places = xp.minimum(run * self.length + every - starts[run], count * self.length - 1)
        left = self.ends(cells)[0][:, None]
        ahead = (2 * column + 1) * cells - (2 * left + 1) * width
        self.fraction = xp.clip(ahead / (2 * width), 0, 1)

    @staticmethod
    def ends(cells: int) -> tuple[np.ndarray, np.ndarray]:
        """Grid columns to the left and to the right of each run."""
        run = np.arange(2 * cells)
        left, right = (run - 1) // 2, (run + 1) // 2
        return np.clip(left, 0, cells - 1), np.clip(right, 0, cells - 1)

    def split(self, image: Float[Array, "*batch height columns 3"]) -> RunPlanes:
        """Cuts the three colour planes of an image into runs."""
        red, green, blue = (self.split_plane(image[..., channel]) for channel in range(3))
        return red, green, blue

    def split_plane(self, plane: Plane) -> RunPlane:
        """Cuts one plane into runs."""
        if not self._reshape:
            plane = jnp.take(plane, self._columns.reshape(-1), axis=-1)
        return plane.reshape(*plane.shape[:-1], self.count, self.length)

    def join(self, planes: RunPlanes) -> Float[Array, "*batch height columns 3"]:
        """Puts three planes together again; the inverse of `split`, but for padding."""
        flat = [plane.reshape(*plane.shape[:-2], -1) for plane in planes]
        if self._reshape:
            return jnp.stack(flat, axis=-1)
        # One gather for all channels: putting three together afterwards takes three times as long.
        every = self._places[:, None] + flat[0].shape[-1] * np.arange(3)[None, :]
        joined = jnp.take(jnp.concatenate(flat, axis=-1), every.reshape(-1), axis=-1)
        return joined.reshape(*joined.shape[:-1], -1, 3)


def interpolate_rows(
    grid: Grid, start: Any, count: int, height: Any
) -> Float[Array, "*batch count columns depth coefficients"]:
    """Interpolates a grid vertically, for `count` rows of a picture from row `start` on.

    Args:
        grid: the grid.
        start: first row; may be traced, and may lie outside the picture.
        count: number of rows.
        height: rows of the whole picture; may be traced.
    """
    cells = grid.shape[-4]
    row = jnp.asarray(start, grid.dtype) + jnp.arange(count, dtype=grid.dtype)
    at = (row + 0.5) * (cells / jnp.asarray(height, grid.dtype)) - 0.5
    at = jnp.clip(at, 0, cells - 1)
    nodes = jnp.arange(cells, dtype=grid.dtype)
    tent = jnp.maximum(1 - jnp.abs(at[:, None] - nodes[None, :]), 0)
    # In full precision: GPUs would round the products to ten bits.
    return jnp.einsum("hy,...yxdk->...hxdk", tent, grid, precision="highest")


def level_weights(guide: Float[Array, "..."], depth: int) -> list[Float[Array, "..."]]:
    """Weight of each of `depth` levels at every pixel, for a guide clamped to [0, 1]."""
    at = jnp.clip(guide, 0, 1) * (depth - 1)
    return [jnp.maximum(1 - jnp.abs(at - level), 0) for level in range(depth)]


class _Models:
    """The affine models along each run; `self(level, k)` is coefficient k at a depth level."""

    def __init__(self, grid_rows: Array, fraction: Array):
        left, right = Runs.ends(grid_rows.shape[-3])
        self.left = grid_rows[..., left, :, :]
        self.slope = grid_rows[..., right, :, :] - self.left
        self.fraction = fraction.reshape((1,) * (grid_rows.ndim - 3) + fraction.shape)

    def __call__(self, level: int, k: int) -> Array:
        return self.left[..., level, k, None] + self.fraction * self.slope[..., level, k, None]


@jax.custom_vjp
def apply_rows(
    grid_rows: Float[Array, "*batch height columns depth 12"],
    planes: RunPlanes,
    guide: RunPlane,
    fraction: Float[Array, "runs run"],
) -> RunPlanes:
    """Applies the affine models of `interpolate_rows` to colour planes cut into runs.

    Args:
        grid_rows: one row of grid for each row of the picture.
        planes: red, green and blue.
        guide: where in the depth of the grid each pixel looks, clamped to [0, 1].
        fraction: `Runs.fraction` of the cut; has no gradient.
    """
    model = _Models(grid_rows, fraction)
    tents = level_weights(guide, grid_rows.shape[-2])
    red, green, blue = planes

    def output(i: int) -> RunPlane:
        total = jnp.zeros_like(guide)
        for level, tent in enumerate(tents):
            a, b, c, d = (model(level, 4 * i + j) for j in range(4))
            total = total + tent * (a * red + b * green + c * blue + d)
        return total

    return output(0), output(1), output(2)


def _apply_rows_forward(grid_rows, planes, guide, fraction):
    return apply_rows(grid_rows, planes, guide, fraction), (grid_rows, planes, guide, fraction)


# The automatic gradient keeps every sliced coefficient of every pixel, and sums each coefficient's
# share on its own. Written out it keeps nothing and sums with one small matrix product a run: at
# 256 x 256 that is eight times less work.
def _apply_rows_backward(residuals, cotangents):
    grid_rows, planes, guide, fraction = residuals
    depth = grid_rows.shape[-2]
    model = _Models(grid_rows, fraction)
    tents, tent_slopes = jax.jvp(
        lambda g: level_weights(g, depth), (guide,), (jnp.ones_like(guide),)
    )
    inputs = (*planes, jnp.ones_like(guide))

    d_planes = tuple(
        sum(
            tents[level] * sum(cotangents[i] * model(level, 4 * i + j) for i in range(3))
            for level in range(depth)
        )
        for j in range(3)
    )
    d_guide = sum(
        tent_slopes[level]
        * sum(
            cotangents[i] * sum(model(level, 4 * i + j) * inputs[j] for j in range(4))
            for i in range(3)
        )
        for level in range(depth)
    )

    to_left = [tent * (1 - model.fraction) for tent in tents]
    to_right = [tent * model.fraction for tent in tents]
    outer = jnp.stack([c * x for c in cotangents for x in inputs], axis=-1)
    shares = jnp.stack([*to_left, *to_right], axis=-1)
    d_ends = jnp.einsum("...wd,...wk->...dk", shares, outer, precision="highest")
    d_sides = d_ends[..., :depth, :], d_ends[..., depth:, :]
    nodes = np.arange(grid_rows.shape[-3])
    d_rows = sum(
        jnp.einsum(
            "...rdk,rx->...xdk",
            d_side,
            jnp.asarray(nodes == end[:, None], d_side.dtype),
            precision="highest",
        )
        for d_side, end in zip(d_sides, Runs.ends(len(nodes)), strict=True)
    )
    return d_rows, d_planes, d_guide, jnp.zeros_like(fraction)


apply_rows.defvjp(_apply_rows_forward, _apply_rows_backward)


def slice_apply(
    grid: Grid,
    image: Image,
    guide: Plane,
    *,
    start: Any = 0,
    height: Any = None,
    width: Any = None,
) -> Image:
    """Slices a bilateral grid at every pixel and applies the affine colour model found there.

    Args:
        grid: `[*batch, rows, columns, depth, 12]` affine models.
        image: colours that the models are applied to, three channels; a strip of full rows.
        guide: position in the depth of the grid, clamped to [0, 1].
        start: row of the picture that the strip begins with; may be traced.
        height: rows of the whole picture; those of `image` if not given.
        width: columns of the picture, if `image` is padded on its right; may be traced.

    Returns:
        An image of the same shape. A strip equals the same rows of the whole picture.
    """
    count, columns = image.shape[-3:-1]
    width, height = columns if width is None else width, count if height is None else height
    known = isinstance(width, int)
    cut, join = (_cut_known, _join_known) if known else (_cut_traced, _join_traced)
    cells = grid.shape[-3]
    planes, guide, fraction = cut(image, guide, width=width, cells=cells)
    restored = _apply_to_rows(grid, planes, guide, fraction, start, height)
    return join(restored, width=width, cells=cells, columns=columns)


# Three programs outside of `jit`. As one, XLA on CPUs evaluates each pixel's models where it puts
# the channels together, one pixel at a time and on one core: four times slower.
def _cut(image, guide, *, width, cells):
    runs = Runs(width, cells, image.shape[-2])
    fraction = jnp.asarray(runs.fraction, image.dtype)
    return runs.split(image), runs.split_plane(guide), fraction


def _join(planes, *, width, cells, columns):
    return Runs(width, cells, columns).join(planes)


_cut_known = jax.jit(_cut, static_argnames=("width", "cells"))
_cut_traced = jax.jit(_cut, static_argnames="cells")
_join_known = jax.jit(_join, static_argnames=("width", "cells", "columns"))
_join_traced = jax.jit(_join, static_argnames=("cells", "columns"))


@jax.jit
def _apply_to_rows(grid, planes, guide, fraction, start, height):
    rows = interpolate_rows(grid, start, planes[0].shape[-3], height)
    return apply_rows(rows, planes, guide, fraction)
