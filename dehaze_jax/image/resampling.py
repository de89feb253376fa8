"""Changing the size of images."""

import functools
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from dehaze_jax.sharing import divided, spread_copies

Kernel: TypeAlias = Literal["bilinear", "bicubic"]

_A = -0.75  # of the cubic kernel in PyTorch and OpenCV; Keys (1981) has -0.5


def box_reduce(
    image: Num[Array, "*batch height width channels"], factor: int
) -> Float[Array, "..."]:
    """Means over squares of `factor` x `factor` pixels.

    Where the size does not divide, the last row and column are repeated to fill the squares.

    Args:
        image: float, or integers of at most 16 bits; any channels.
        factor: side of a square, at least 1.

    Returns:
        `[*batch, ceil(height / factor), ceil(width / factor), channels]` in the units of `image`;
        float32, or the dtype of a float image.

    Raises:
        ValueError: `factor` is less than 1.
    """
    if factor < 1:
        raise ValueError(f"an image is reduced by a factor of at least 1, not {factor}")
    values = image if jnp.issubdtype(image.dtype, jnp.floating) else image.astype(jnp.float32)
    if factor == 1:
        return values
    *batch, height, width, _ = image.shape
    around = [(0, 0)] * len(batch) + [(0, -height % factor), (0, -width % factor), (0, 0)]
    values = jnp.pad(values, around, mode="edge")
    # Sums of strided slices: XLA's reductions over the middle axes are several times slower on
    # CPUs.
    rows = sum(
        (values[..., k::factor, :, :] for k in range(1, factor)), values[..., ::factor, :, :]
    )
    total = sum((rows[..., k::factor, :] for k in range(1, factor)), rows[..., ::factor, :])
    return total / factor**2


def square_copy(
    image: Float[Array, "b height width c"], size: int
) -> Float[Array, "b {size} {size} c"]:
    """Shrinks (or stretches) images to small squares for networks to read: triangle filter.

    Args:
        image: images; any channels.
        size: side of the squares.
    """
    count, height, _, channels = image.shape
    if divided(image.shape)[1] > 1:
        # Columns first, while rows are divided: less for devices to add up.
        image = jax.image.resize(image, (count, height, size, channels), "linear", antialias=True)
    square = jax.image.resize(image, (count, size, size, channels), "linear", antialias=True)
    return spread_copies(square)


def resize_corners(
    image: Float[Array, "*batch rows columns channels"],
    height: int,
    width: int,
    *,
    kernel: Kernel = "bicubic",
) -> Float[Array, "*batch height width channels"]:
    """Resizes so that the centres of the corner pixels stay in the corners, without antialiasing.

    As PyTorch's `interpolate(..., align_corners=True)`, whose cubic kernel has a = -0.75.

    Args:
        image: images; any channels.
        height: rows of the result.
        width: columns of the result.
        kernel: bilinear or bicubic; the latter overshoots.
    """
    for axis, size in ((-3, height), (-2, width)):
        taps, weights = _taps(np.arange(size), image.shape[axis], size, kernel)
        if size < image.shape[axis]:
            image = _gather(image, taps, weights, axis)
        else:
            image = _multiply(image, taps, weights, axis)
    return image


def resize_corners_rows(
    image: Float[Array, "*batch rows columns channels"],
    start: Any,
    count: int,
    height: Any,
    width: Any,
    columns: int,
    *,
    kernel: Kernel = "bicubic",
) -> Float[Array, "*batch count padded channels"]:
    """Some rows of `resize_corners`, for a small image that is made larger.

    Args:
        image: images; any channels.
        start: first row of the result; may be traced. Rows outside repeat the nearest.
        count: number of rows.
        height: rows of the whole result; may be traced.
        width: its columns; may be traced.
        columns: columns to return, at least `width`; those beyond it repeat the last.
        kernel: bilinear or bicubic.
    """
    row = jnp.clip(start + jnp.arange(count), 0, height - 1)
    column = jnp.minimum(jnp.arange(columns), width - 1)
    for axis, at, size in ((-3, row, height), (-2, column, width)):
        taps, weights = _taps(at, image.shape[axis], size, kernel)
        image = _multiply(image, taps, weights, axis)
    return image


def enlarge_rows(
    image: Float[Array, "*batch rows columns channels"],
    start: Any,
    count: int,
    height: Any,
    width: Any,
    columns: int,
) -> Float[Array, "*batch count padded channels"]:
    """Some rows of a small image that is made larger bilinearly.

    Pixels are areas: the centre of row y lies at (y + 0.5) / height of the picture, and beyond the
    outermost centres their values hold, as in OpenCV and in PyTorch's `align_corners=False`.

    Args:
        image: images; any channels.
        start: first row of the result; may be traced. Rows outside repeat the nearest.
        count: number of rows.
        height: rows of the whole result; may be traced.
        width: its columns; may be traced.
        columns: columns to return, at least `width`; those beyond it repeat the last.
    """
    row = jnp.clip(start + jnp.arange(count), 0, height - 1)
    column = jnp.minimum(jnp.arange(columns), width - 1)
    for axis, at, new_size in ((-3, row, height), (-2, column, width)):
        size = image.shape[axis]
        scale = size / jnp.asarray(new_size, jnp.float32)
        place = jnp.clip((at.astype(jnp.float32) + 0.5) * scale - 0.5, 0, size - 1)
        first = jnp.floor(place).astype(jnp.int32)
        taps = jnp.stack([first, jnp.minimum(first + 1, size - 1)])
        t = place - first.astype(jnp.float32)
        image = _multiply(image, taps, jnp.stack([1 - t, t]), axis)
    return image


def _taps(at, size: int, new_size, kernel: Kernel):
    """Places and weights of the pixels that pixels `at` of a resized axis are made of."""
    # In float32 as PyTorch, so that places next to a pixel fall on the same side of it.
    scale = jnp.float32(size - 1) / jnp.maximum(jnp.asarray(new_size, jnp.float32) - 1, 1)
    place = jnp.asarray(at, jnp.float32) * scale
    first = jnp.minimum(jnp.floor(place), size - 1)
    t = place - first
    if kernel == "bilinear":
        offsets, weights = (0, 1), (1 - t, t)
    else:
        offsets = (-1, 0, 1, 2)
        weights = (_cubic_far(t + 1), _cubic_near(t), _cubic_near(1 - t), _cubic_far(2 - t))
    taps = jnp.stack([first.astype(jnp.int32) + offset for offset in offsets])
    return jnp.clip(taps, 0, size - 1), jnp.stack(weights)


def _cubic_near(x):
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _cubic_far(x):
    return ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A


def _gather(image, taps, weights, axis):
    shape = [1] * image.ndim
    shape[axis] = taps.shape[1]
    parts = [
        jnp.take(image, tap, axis=axis) * weight.reshape(shape).astype(image.dtype)
        for tap, weight in zip(taps, weights, strict=True)
    ]
    return functools.reduce(jnp.add, parts)


def _multiply(image, taps, weights, axis):
    # Gathers of single pixels are slow on CPUs, and their gradients on all devices.
    pixels = jnp.arange(image.shape[axis], dtype=taps.dtype)[:, None]
    parts = [
        jnp.where(pixels == tap[None], weight[None], 0)
        for tap, weight in zip(taps, weights, strict=True)
    ]
    matrix = functools.reduce(jnp.add, parts).astype(image.dtype)
    if axis == -3:
        return jnp.einsum("...yxc,yn->...nxc", image, matrix, precision="highest")
    # Channels in front of columns: one product of two plain matrices.
    columns = jnp.swapaxes(image, -1, -2)
    return jnp.swapaxes(jnp.matmul(columns, matrix, precision="highest"), -1, -2)
