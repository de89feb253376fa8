"""Bilateral grids of affine colour models, sliced and applied at full resolution.

A grid holds, at `rows x columns` places of the picture and `depth` values of a guide, the 3 x 4
matrix of an affine colour model, row by row: `coefficients[4 * i + j]` takes input colour `j` (or
1 for j = 3) to output colour `i`. Slicing interpolates the matrices trilinearly at (place, guide);
here the interpolated matrix is applied at once and never stored.

Places are cell centres: row `y` of `height` lies at `(y + 0.5) / height * rows - 0.5`, held at the
outermost centre beyond it, so that a grid means the same on any size of picture. With
`places="corners"` the outermost cells lie on the outermost pixels: row `y` at
`y / (height - 1) * (rows - 1)`, as PyTorch's `align_corners`. Depth runs from guide 0 at the first
to guide 1 at the last value; guides outside are clamped. With a depth of 1 the guide has no effect
and slicing is bilinear interpolation.

Several guides may look into one grid, each with a share of the result that depends on the place.
The models of a level are the same for all, so that a further guide costs no more than its weights.

Reference: Chen et al., Real-time edge-aware image processing with the bilateral grid (SIGGRAPH
2007); Gharbi et al., Deep bilateral learning for real-time image enhancement (SIGGRAPH 2017),
section 3.3.

The pictures are handled as planes cut into runs of columns: see `runs`.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Grid, Image, Plane
from dehaze_jax.image.runs import Places, RunPlane, RunPlanes, Runs


def interpolate_rows(
    grid: Grid, start: Any, count: int, height: Any, *, places: Places = "centres"
) -> Float[Array, "*batch count columns depth coefficients"]:
    """Interpolates a grid vertically, for `count` rows of a picture from row `start` on.

    Args:
        grid: the grid.
        start: first row; may be traced, and may lie outside the picture.
        count: number of rows.
        height: rows of the whole picture; may be traced.
        places: where the cells lie.
    """
    cells = grid.shape[-4]
    row = jnp.asarray(start, grid.dtype) + jnp.arange(count, dtype=grid.dtype)
    high = jnp.asarray(height, grid.dtype)
    if places == "centres":
        at = (row + 0.5) * (cells / high) - 0.5
    else:
        at = row * ((cells - 1) / jnp.maximum(high - 1, 1))
    at = jnp.clip(at, 0, cells - 1)
    nodes = jnp.arange(cells, dtype=grid.dtype)
    tent = jnp.maximum(1 - jnp.abs(at[:, None] - nodes[None, :]), 0)
    # In full precision: GPUs would round the products to ten bits.
    return jnp.einsum("hy,...yxdk->...hxdk", tent, grid, precision="highest")


def level_weights(guide: Float[Array, "..."], depth: int) -> list[Float[Array, "..."]]:
    """Weight of each of `depth` levels at every pixel, for a guide clamped to [0, 1]."""
    at = jnp.clip(guide, 0, 1) * (depth - 1)
    return [jnp.maximum(1 - jnp.abs(at - level), 0) for level in range(depth)]


def _mixed_weights(guides, shares, depth: int) -> list[Array]:
    """Weight of each level at every pixel, over all guides."""
    each = [level_weights(guide, depth) for guide in guides]
    if shares is None:
        (weights,) = each
        return weights
    return [
        sum(
            (share * tents[level] for share, tents in zip(shares, each, strict=True)),
            jnp.zeros_like(guides[0]),
        )
        for level in range(depth)
    ]


class _Models:
    """The affine models along each run; `self(level, k)` is coefficient k at a depth level."""

    def __init__(self, grid_rows: Array, fraction: Array, places: Places):
        left, right = Runs.ends(grid_rows.shape[-3], places)
        self.left = grid_rows[..., left, :, :]
        self.slope = grid_rows[..., right, :, :] - self.left
        self.fraction = fraction.reshape((1,) * (grid_rows.ndim - 3) + fraction.shape)

    def __call__(self, level: int, k: int) -> Array:
        return self.left[..., level, k, None] + self.fraction * self.slope[..., level, k, None]


def spread_shares(
    shares: Float[Array, "*batch height columns guides"],
    fraction: Float[Array, "runs run"],
    *,
    places: Places = "centres",
) -> tuple[RunPlane, ...]:
    """Interpolates one weight a guide along the columns: a plane cut into runs for each guide.

    Args:
        shares: weights at the grid's columns, for each row of the picture (`interpolate_rows`).
        fraction: `Runs.fraction` of the cut.
        places: where the cells lie.
    """
    along = _Models(shares[..., None, :], fraction, places)
    return tuple(along(0, guide) for guide in range(shares.shape[-1]))


def apply_rows(
    grid_rows: Float[Array, "*batch height columns depth 12"],
    planes: RunPlanes,
    guides: tuple[RunPlane, ...],
    shares: tuple[RunPlane, ...] | None,
    fraction: Float[Array, "runs run"],
    places: Places = "centres",
) -> RunPlanes:
    """Applies the affine models of `interpolate_rows` to colour planes cut into runs.

    Args:
        grid_rows: one row of grid for each row of the picture.
        planes: red, green and blue.
        guides: where in the depth of the grid each pixel looks, clamped to [0, 1].
        shares: weight of what each guide finds there; None with a single guide.
        fraction: `Runs.fraction` of the cut; has no gradient.
        places: where the cells lie.
    """
    return _apply_rows(grid_rows, planes, guides, shares, fraction, places)


@functools.partial(jax.custom_vjp, nondiff_argnums=(5,))
def _apply_rows(grid_rows, planes, guides, shares, fraction, places):
    model = _Models(grid_rows, fraction, places)
    weights = _mixed_weights(guides, shares, grid_rows.shape[-2])
    red, green, blue = planes

    def output(i: int) -> RunPlane:
        total = jnp.zeros_like(red)
        for level, weight in enumerate(weights):
            a, b, c, d = (model(level, 4 * i + j) for j in range(4))
            total = total + weight * (a * red + b * green + c * blue + d)
        return total

    return output(0), output(1), output(2)


def _apply_rows_forward(grid_rows, planes, guides, shares, fraction, places):
    restored = _apply_rows(grid_rows, planes, guides, shares, fraction, places)
    return restored, (grid_rows, planes, guides, shares, fraction)


# The automatic gradient keeps every sliced coefficient of every pixel, and sums each coefficient's
# share on its own. Written out it keeps nothing and sums with one small matrix product a run: at
# 256 x 256 that is eight times less work.
def _apply_rows_backward(places, residuals, cotangents):
    grid_rows, planes, guides, shares, fraction = residuals
    depth = grid_rows.shape[-2]
    model = _Models(grid_rows, fraction, places)
    weights, of_weights = jax.vjp(
        lambda guides, shares: _mixed_weights(guides, shares, depth), guides, shares
    )
    inputs = (*planes, jnp.ones_like(planes[0]))

    d_planes = tuple(
        sum(
            weights[level] * sum(cotangents[i] * model(level, 4 * i + j) for i in range(3))
            for level in range(depth)
        )
        for j in range(3)
    )
    d_weights = [
        sum(
            cotangents[i] * sum(model(level, 4 * i + j) * inputs[j] for j in range(4))
            for i in range(3)
        )
        for level in range(depth)
    ]
    d_guides, d_shares = of_weights(d_weights)

    to_left = [weight * (1 - model.fraction) for weight in weights]
    to_right = [weight * model.fraction for weight in weights]
    outer = jnp.stack([c * x for c in cotangents for x in inputs], axis=-1)
    parts = jnp.stack([*to_left, *to_right], axis=-1)
    d_ends = jnp.einsum("...wd,...wk->...dk", parts, outer, precision="highest")
    d_sides = d_ends[..., :depth, :], d_ends[..., depth:, :]
    nodes = np.arange(grid_rows.shape[-3])
    d_rows = sum(
        jnp.einsum(
            "...rdk,rx->...xdk",
            d_side,
            jnp.asarray(nodes == end[:, None], d_side.dtype),
            precision="highest",
        )
        for d_side, end in zip(d_sides, Runs.ends(len(nodes), places), strict=True)
    )
    return d_rows, d_planes, d_guides, d_shares, jnp.zeros_like(fraction)


_apply_rows.defvjp(_apply_rows_forward, _apply_rows_backward)


def slice_apply(
    grid: Grid,
    image: Image,
    guide: Plane | Sequence[Plane],
    *,
    shares: Float[Array, "*batch rows columns guides"] | None = None,
    start: Any = 0,
    height: Any = None,
    width: Any = None,
    places: Places = "centres",
) -> Image:
    """Slices a bilateral grid at every pixel and applies the affine colour model found there.

    Args:
        grid: `[*batch, rows, columns, depth, 12]` affine models.
        image: colours that the models are applied to, three channels; a strip of full rows.
        guide: position in the depth of the grid, clamped to [0, 1]; or several, with `shares`.
        shares: weight of the model that each guide finds, interpolated bilinearly; they need not
            sum to 1.
        start: row of the picture that the strip begins with; may be traced.
        height: rows of the whole picture; those of `image` if not given.
        width: columns of the picture, if `image` is padded on its right; may be traced.
        places: where the cells of grid and shares lie.

    Returns:
        An image of the same shape. A strip equals the same rows of the whole picture.

    Raises:
        ValueError: the numbers of guides and shares differ.
    """
    guides = tuple(guide) if isinstance(guide, Sequence) else (guide,)
    if len(guides) != (1 if shares is None else shares.shape[-1]):
        known = "no shares" if shares is None else f"{shares.shape[-1]} shares"
        raise ValueError(f"{len(guides)} guides and {known}")
    count, columns = image.shape[-3:-1]
    width, height = columns if width is None else width, count if height is None else height
    cut, join = (_cut_known, _join_known) if isinstance(width, int) else (_cut_traced, _join_traced)
    how = {"width": width, "cells": grid.shape[-3], "places": places}
    planes, cut_guides, fraction = cut(image, guides, **how)
    restored = _apply_to_rows(
        grid, planes, cut_guides, shares, fraction, start, height, places=places
    )
    return join(restored, **how, columns=columns)


# Three programs outside of `jit`. As one, XLA on CPUs evaluates each pixel's models where it puts
# the channels together, one pixel at a time and on one core: four times slower.
def _cut(image, guides, *, width, cells, places):
    runs = Runs(width, cells, image.shape[-2], places=places)
    fraction = jnp.asarray(runs.fraction, image.dtype)
    return runs.split(image), tuple(map(runs.split_plane, guides)), fraction


def _join(planes, *, width, cells, places, columns):
    return Runs(width, cells, columns, places=places).join(planes)


_cut_known = jax.jit(_cut, static_argnames=("width", "cells", "places"))
_cut_traced = jax.jit(_cut, static_argnames=("cells", "places"))
_join_known = jax.jit(_join, static_argnames=("width", "cells", "places", "columns"))
_join_traced = jax.jit(_join, static_argnames=("cells", "places", "columns"))


@functools.partial(jax.jit, static_argnames="places")
def _apply_to_rows(grid, planes, guides, shares, fraction, start, height, *, places):
    count = planes[0].shape[-3]
    rows = interpolate_rows(grid, start, count, height, places=places)
    if shares is not None:
        of_rows = interpolate_rows(shares[..., None, :], start, count, height, places=places)
        shares = spread_shares(of_rows[..., 0, :], fraction, places=places)
    return apply_rows(rows, planes, guides, shares, fraction, places)
