"""Restoring with a method's `summarise` and `render`: whole, in strips of rows, over devices.

`restore_whole` works on JAX arrays and is differentiable. The others take and return a NumPy
picture `[h, w, 3]` or `[h, w]`, or a part of its rows: integers use their full range, floats lie in
[0, 1]. Pixels cross to the device in the type they have, and are converted and rounded there.
"""

import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Bool, Float, Num

from dehaze_jax.arrays import Image, Params, Tree
from dehaze_jax.errors import InputError
from dehaze_jax.image.colour import luma
from dehaze_jax.image.resampling import box_reduce
from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.methods.protocol import Method, Rows
from dehaze_jax.restoring.cutting import (
    BAND_PIXELS,
    STRIP_PIXELS,
    PixelRows,
    Pixels,
    Progress,
    narrow,
    over_bands,
    over_strips,
    take,
)

Device: TypeAlias = Any
"""A `jax.Device`, which type checkers do not take for a type."""


def restore_whole(
    method: Method, variables: Params, hazy: Image, options: RestoreOptions | None = None
) -> Image:
    """Restores whole pictures in one piece; may be jitted and differentiated.

    Args:
        method: what restores.
        variables: its trained variables.
        hazy: `[*batch, h, w, 3]` in [0, 1].
        options: solver and steps; default is the method's own.

    Returns:
        Restored pictures in [0, 1].
    """
    reduced = box_reduce(hazy, reduction(method, hazy.shape[-3], hazy.shape[-2]))
    context = method.summarise(variables, reduced, options or method.options)
    return jnp.clip(_render_rows(method, variables, context, hazy, hazy.shape[-3]), 0, 1)


def restore_pixels(
    method: Method,
    variables: Params,
    pixels: Num[Array, "h w *c"],
    options: RestoreOptions | None = None,
) -> Num[Array, "h w *c"]:
    """`restore_whole` for a picture as it comes: integers in full range, colour or grey."""
    return _from_unit(restore_whole(method, variables, _to_unit(pixels), options), pixels)


def summarise_picture(
    method: Method,
    variables: Params,
    picture: PixelRows,
    options: RestoreOptions | None = None,
    *,
    device: Device | None = None,
) -> Tree:
    """All that is global in a picture; small. `device` is the one that holds `variables`.

    A picture that is reduced before is read from top to bottom and never held whole.
    """
    factor = reduction(method, *picture.shape[:2])
    if factor > 1:
        pixels = _reduce_rows(picture, factor, device)
    else:
        pixels = jax.device_put(narrow(picture[: picture.shape[0]]), device)
        if pixels.ndim == 2 or pixels.dtype != jnp.float32:
            pixels = _reduce(pixels, 1)  # elsewhere it would only copy the picture
    return method.summarise(variables, pixels, options or method.options)


def _reduce_rows(
    picture: PixelRows, factor: int, device: Device | None
) -> Float[Array, "rows columns 3"]:
    """`box_reduce` of a picture, some rows at a time, which takes a third of the time as well."""
    height, width = picture.shape[:2]
    squares = -(-height // factor)
    step = factor * min(squares, max(1, STRIP_PIXELS // (factor * width)))
    parts = []
    for start in range(0, height, step):
        pixels = picture[start : min(start + step, height)]
        # The last row fills the strip, as it fills the squares.
        pixels = jax.device_put(narrow(take(pixels, 0, step, width)), device)
        parts.append(_reduce(pixels, factor))
    return jnp.concatenate(parts)[:squares]


def restore_rows(
    method: Method,
    variables: Params,
    context: Tree,
    picture: Pixels,
    *,
    strip_pixels: int = STRIP_PIXELS,
    progress: Progress | None = None,
) -> Pixels:
    """Restores a picture strip by strip of full rows.

    Every strip has the same shape, and pictures of many sizes share it (`strip_shape`), so that few
    programs are compiled. Some strips are under way at any time, so that all cores of a CPU work,
    and copies and computation overlap; nothing of the size of the picture is held but its input and
    output.

    Args:
        method: what restores.
        variables: its trained variables.
        context: what `summarise_picture` returned for this picture.
        picture: pixels of any size from 1 x 1.
        strip_pixels: about as many pixels are on the device at once.
        progress: called after each strip.

    Returns:
        The restored picture, of the same shape and type.

    Raises:
        InputError: a restored value is not finite.
    """
    work = _strip_worker(method, variables, context, picture.dtype)
    return over_strips(
        picture, work, halo=method.halo, strip_pixels=strip_pixels, progress=progress
    )


def restore_bands(
    method: Method,
    variables: Params,
    context: Tree,
    picture: PixelRows,
    *,
    strip_pixels: int = STRIP_PIXELS,
    band_pixels: int = BAND_PIXELS,
    progress: Progress | None = None,
) -> Generator[np.ndarray, None, None]:
    """`restore_rows` of a picture that is neither held whole nor returned whole.

    Args:
        method: what restores.
        variables: its trained variables.
        context: what `summarise_picture` returned for this picture.
        picture: rows of any size from 1 x 1; they are read from top to bottom.
        strip_pixels: about as many pixels are on the device at once.
        band_pixels: about as many pixels are read and returned at once.
        progress: called after each strip.

    Yields:
        Restored rows `[rows, w, *c]` from top to bottom, of the type of the picture.

    Raises:
        InputError: a restored value is not finite.
    """
    work = _strip_worker(method, variables, context, picture.dtype)
    return over_bands(
        picture,
        work,
        halo=method.halo,
        strip_pixels=strip_pixels,
        band_pixels=band_pixels,
        progress=progress,
    )


def _strip_worker(
    method: Method, variables: Params, context: Tree, dtype: np.dtype[Any]
) -> Callable[[np.ndarray, Rows], np.ndarray]:
    def restore_strip(pixels: np.ndarray, where: Rows) -> np.ndarray:
        strip, finite = _render_strip(method, variables, context, pixels, where)
        check_finite(finite, "the restored values")
        return np.asarray(strip).astype(dtype, copy=False)

    return restore_strip


def restore_sharded(
    method: Method,
    variables: Params,
    picture: Pixels,
    options: RestoreOptions | None = None,
    *,
    devices: Sequence[Device],
) -> Pixels:
    """Restores a picture in one piece with its rows shared between devices.

    The global part is computed on the first device; see `render_sharded`.

    Args:
        method: what restores.
        variables: its trained variables.
        picture: pixels of any size from 1 x 1.
        options: solver and steps; default is the method's own.
        devices: the devices.

    Returns:
        The restored picture, of the same shape and type.

    Raises:
        InputError: a restored value is not finite.
    """
    first = jax.device_put(variables, devices[0])
    context = summarise_picture(method, first, picture, options, device=devices[0])
    return render_sharded(method, variables, context, picture, devices=devices)


def render_sharded(
    method: Method,
    variables: Params,
    context: Tree,
    picture: Pixels,
    *,
    devices: Sequence[Device],
) -> Pixels:
    """`restore_sharded` from what `summarise_picture` returned.

    That is copied to all devices. Rows are added, for the halo and so that they divide, and cut off
    again; the compiler exchanges rows between neighbours.
    """
    height, halo = picture.shape[0], method.halo
    mesh = Mesh(np.asarray(devices), ("space",))
    by_rows = NamedSharding(mesh, PartitionSpec("space"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    variables, context = jax.device_put((variables, context), everywhere)
    rows = -(-(height + 2 * halo) // len(devices)) * len(devices)
    # Here, because on the devices every row would have to move.
    padded = take(picture, -halo, rows - halo, picture.shape[1])
    pixels = jax.device_put(narrow(padded), by_rows)
    restored, finite = _render_sharded(
        method, variables, context, pixels, np.int32(height), by_rows
    )
    check_finite(finite, "the restored values")
    return np.asarray(restored)[halo : halo + height].astype(picture.dtype)


def reduction(method: Method, height: int, width: int) -> int:
    """How many times smaller than the picture what `summarise` reads may be."""
    return max(1, min(height, width) // method.overview) if method.overview else 1


@functools.partial(jax.jit, static_argnames="factor")
def _reduce(pixels: Num[Array, "h w *c"], factor: int) -> Float[Array, "rows columns 3"]:
    return box_reduce(_to_unit(pixels), factor)


def _to_unit(pixels: Num[Array, "h w *c"]) -> Float[Array, "h w 3"]:
    image = pixels.astype(jnp.float32)
    if jnp.issubdtype(pixels.dtype, jnp.integer):
        image = image / jnp.float32(jnp.iinfo(pixels.dtype).max)
    return jnp.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image


def _from_unit(image: Float[Array, "h w 3"], like: Num[Array, "..."]) -> Num[Array, "h w *c"]:
    image = jnp.clip(image, 0, 1)
    if like.ndim == 2:
        image = luma(image)
    if jnp.issubdtype(like.dtype, jnp.integer):
        image = jnp.round(image * jnp.float32(jnp.iinfo(like.dtype).max))
    return image.astype(like.dtype)


def _render_rows(method, variables, context, rows: Image, height) -> Image:
    """Renders rows that begin at the top of the picture; adds the halo, removes it."""
    halo = method.halo
    around = [(0, 0)] * (rows.ndim - 3) + [(halo, halo), (0, 0), (0, 0)]
    where = Rows(jnp.int32(-halo), jnp.asarray(height, jnp.int32), rows.shape[-2])
    restored = method.render(variables, context, jnp.pad(rows, around, mode="edge"), where)
    return restored[..., halo : restored.shape[-3] - halo, :, :]


def _render_strip(
    method: Method, variables: Params, context: Tree, pixels: Pixels, where: Rows
) -> tuple[Num[Array, "rows w *c"], Bool[Array, ""]]:
    restored = method.render(variables, context, unit_of(pixels), where)
    return _finish(restored[method.halo : restored.shape[0] - method.halo], pixels)


unit_of = jax.jit(_to_unit)
"""A strip's pixels as colours in [0, 1]."""


@jax.jit
def _finish(restored, pixels):
    return _from_unit(restored, pixels), jnp.isfinite(restored).all()


@functools.partial(jax.jit, static_argnames=("method", "by_rows"))
def _render_sharded(method, variables, context, pixels, height, by_rows):
    where = Rows(jnp.int32(-method.halo), jnp.asarray(height, jnp.int32), pixels.shape[1])
    restored = method.render(variables, context, _to_unit(pixels), where)
    row = where.start + jnp.arange(pixels.shape[0])
    finite = jnp.isfinite(restored).all(axis=(1, 2)) | (row < 0) | (row >= height)
    pixels = jax.lax.with_sharding_constraint(_from_unit(restored, pixels), by_rows)
    return pixels, finite.all()


def check_finite(finite: Bool[Array, ""], what: str) -> None:
    """Refuses a picture of which a model made NaN or infinity.

    Raises:
        InputError: says `what` is not finite.
    """
    if not bool(finite):
        raise InputError("picture", f"{what} are not finite")
