"""Structural similarity. Images are float in [0, 1], `[*, h, w, c]`; one value per image."""

import math
from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, PerImage
from dehaze_jax.metrics.precision import as_score_dtype
from dehaze_jax.sharing import divided

Window: TypeAlias = Literal["gaussian", "uniform"]
Padding: TypeAlias = Literal["valid", "zero", "replicate"]

_K1, _K2 = 0.01, 0.03  # Wang et al. 2004, section III-C


def ssim(
    restored: Image,
    clear: Image,
    *,
    window: Window = "gaussian",
    padding: Padding = "valid",
    data_range: float = 1.0,
) -> PerImage:
    """Mean structural similarity, the mean of the channels' values; higher is better.

    Variances are those of the window itself (divided by n, not n - 1). A side shorter than the
    window gets the largest odd window that fits.

    Args:
        restored: image to score.
        clear: reference, same shape.
        window: "gaussian", 11 x 11 with sigma 1.5, or "uniform", 7 x 7.
        padding: "valid" uses only windows that lie in the image; "zero" and "replicate" centre
            one on every pixel and fill up with zeros or with the border's values.
        data_range: distance between the smallest and the largest possible value.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to
        structural similarity", IEEE TIP 2004, equation 13.
    """
    restored, clear = as_score_dtype(restored, clear)
    *batch, height, width, channels = restored.shape
    rows, columns = _taps(window, height), _taps(window, width)
    planes = jnp.moveaxis(jnp.stack([restored, clear]), -1, 1 + len(batch))
    planes = planes.reshape(2, math.prod(batch) * channels, height, width)
    if padding != "valid":
        edges = [(0, 0), (0, 0), *((len(taps) // 2,) * 2 for taps in (rows, columns))]
        planes = jnp.pad(planes, edges, mode="constant" if padding == "zero" else "edge")

    constants = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    down, across = (
        side - len(taps) + 1 for side, taps in zip(planes.shape[-2:], (rows, columns), strict=True)
    )
    strips = _strips(planes, restored.shape[:-1], len(rows) - 1)

    def of_planes(pair):
        similar = _similarity(pair[0], pair[1], rows, columns, constants)
        if strips.shape[-3] > 1:  # the last strip goes on at the top of the picture
            row = jnp.arange(similar.shape[-3] * similar.shape[-2]).reshape(similar.shape[-3:-1])
            similar = jnp.where((row < down)[..., None], similar, 0)
        return similar.sum(axis=(-2, -1))

    # One plane after the other, because the moments of a single one take 130 MB at 4K.
    sums = jax.lax.map(of_planes, strips)
    means = jnp.moveaxis(sums.sum(axis=-1), 0, 1) / (down * across)
    return means.reshape(*batch, channels).mean(axis=-1)


def _strips(
    planes: Float[Array, "2 n h w"], shape: tuple[int, ...], halo: int
) -> Float[Array, "planes 2 examples strips rows w"]:
    """Planes as the devices that share a batch hold them: each its own, with `halo` rows more.

    Else every device would do the work of all, and exchange rows for every row of the window.
    """
    examples, strips = divided(shape) if len(shape) == 3 else (1, 1)
    _, count, height, width = planes.shape
    if height % strips or height // strips < halo:
        strips = 1
    planes = planes.reshape(2, examples, count // examples, strips, height // strips, width)
    if strips > 1:
        below = jnp.roll(planes[..., :halo, :], -1, axis=-3)
        planes = jnp.concatenate([planes, below], axis=-2)
    return jnp.moveaxis(planes, 2, 0)


def _taps(window: Window, side: int) -> list[float]:
    """Weights of the window along an axis of `side` pixels."""
    largest = side if side % 2 else side - 1
    if window == "uniform":
        size = min(7, max(1, largest))
        return [1 / size] * size
    size = min(11, max(1, largest))
    weights = np.exp(-0.5 * ((np.arange(size) - size // 2) / 1.5) ** 2)
    return (weights / weights.sum()).tolist()


def _similarity(
    x: Float[Array, "*n h w"],
    y: Float[Array, "*n h w"],
    rows: list[float],
    columns: list[float],
    constants: tuple[float, float],
) -> Float[Array, "*n _ _"]:
    """Of every window that lies in the planes."""
    c1, c2 = constants
    # Variances do not see a common offset, and taking it off saves them from cancellation.
    offset = jax.lax.stop_gradient(y.mean(axis=(-2, -1), keepdims=True))
    x, y = x - offset, y - offset
    maps = jnp.stack([x, y, x * x + y * y, x * y])
    mean_x, mean_y, squares, product = _blur(_blur(maps, rows, axis=-2), columns, axis=-1)
    contrast = 2 * (product - mean_x * mean_y) + c2
    contrast /= squares - mean_x**2 - mean_y**2 + c2
    mean_x, mean_y = mean_x + offset, mean_y + offset
    return contrast * (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)


def _blur(maps: Float[Array, "*n _ _"], taps: list[float], *, axis: int) -> Float[Array, "*n _ _"]:
    """Valid correlation as a sum of shifted slices: XLA fuses them, unlike a convolution."""
    length = maps.shape[axis] - len(taps) + 1
    total = jnp.zeros((), maps.dtype)
    for start, weight in enumerate(taps):
        total += weight * jax.lax.slice_in_dim(maps, start, start + length, axis=axis)
    return total
