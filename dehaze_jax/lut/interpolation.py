"""Looking colours up in a table.

Colours outside the domain are clamped to it, channel by channel; a NaN gives NaN. The index of the
cell is clamped, not the coordinate stretched, so that the end nodes are met exactly, and the others
to rounding. All is computed in float32 (float64 for float64 colours), whatever the dtype of the
image.

Differentiable in the table and in float images, forward and backward.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import DTypeLike
from jaxtyping import Array, Shaped

from dehaze_jax.lut.checks import (
    Bound,
    Interpolation,
    check_colours,
    check_domain,
    check_dtype,
    check_interpolation,
    check_table,
)
from dehaze_jax.lut.lookup import read

Values: TypeAlias = Shaped[Array | np.ndarray, "..."]
Channel: TypeAlias = Shaped[Array, "..."]


def to_unit(values: Channel, dtype: DTypeLike) -> Channel:
    """Values in a float dtype; integers are divided by their largest value."""
    if jnp.issubdtype(values.dtype, jnp.floating):
        return values.astype(dtype)
    return values.astype(dtype) / jnp.iinfo(values.dtype).max


def to_levels(values: Channel, dtype: DTypeLike) -> Channel:
    """The way back from `to_unit`: rounded and clamped where `dtype` is an integer's."""
    if not jnp.issubdtype(dtype, jnp.floating):
        values = jnp.floor(jnp.clip(values, 0, 1) * jnp.iinfo(dtype).max + 0.5)
    return values.astype(dtype)


def is_finite(values: Channel) -> bool:
    """Whether all values are finite, or unknown because they are traced."""
    if isinstance(values, Tracer):
        return True
    with jax.ensure_compile_time_eval():
        return bool(jnp.isfinite(values).all())


def _check_planes(planes: Sequence[Channel], tables: Sequence[int]) -> None:
    """Refuses planes that do not belong together, or to tables of these axes."""
    shape, dtype = planes[0].shape, planes[0].dtype
    check_dtype(dtype, "planes")
    if any((plane.shape, plane.dtype) != (shape, dtype) for plane in planes):
        raise ValueError("the planes of the three channels differ in shape or dtype")
    if tuple(tables) != shape[: len(tables)]:
        raise ValueError(f"there are {list(tables)} tables for colours of shape {list(shape)}")


@partial(jax.jit, static_argnames=("interpolation", "domain"))
def _apply_planes(table, planes, *, interpolation, domain):
    dtype = planes[0].dtype
    compute = jnp.float64 if dtype == jnp.float64 else jnp.float32

    def inside(plane, low, high):
        plane = to_unit(plane, compute)
        return plane if (low, high) == (0.0, 1.0) else (plane - low) / (high - low)

    red, green, blue = (inside(*channel) for channel in zip(planes, *domain, strict=True))
    found = read(table.astype(compute), (red, green, blue), interpolation=interpolation)
    return tuple(to_levels(plane, dtype) for plane in found)


# Two programs of their own outside of `jit`: as parts of one, XLA on CPUs looks colours up one by
# one as it puts the channels together, instead of many at a time.
@jax.jit
def _split(image):
    return image[..., 0], image[..., 1], image[..., 2]


@jax.jit
def _join(planes):
    return jnp.stack(planes, axis=-1)


def apply_planes(
    table: Values | Sequence,
    planes: tuple[Values, Values, Values],
    *,
    interpolation: Interpolation = "trilinear",
    domain: tuple[Bound, Bound] = (0.0, 1.0),
) -> tuple[Channel, Channel, Channel]:
    """Looks up colours given as three arrays of any one shape and dtype.

    This is the form for full-resolution work inside `jit`: colour planes vectorise, interleaved
    colours do not. Arguments, result and errors are those of `apply`.
    """
    check_interpolation(interpolation)
    ends = check_domain(domain)
    if len(planes) != 3:
        raise ValueError(f"colours are three planes, not {len(planes)}")
    table, channels = jnp.asarray(table), tuple(jnp.asarray(plane) for plane in planes)
    check_table(table, batch_axes=channels[0].ndim)
    _check_planes(channels, table.shape[:-4])
    if not jnp.issubdtype(channels[0].dtype, jnp.floating) and not is_finite(table):
        raise ValueError("the table holds NaN or infinity, which integers cannot show")
    return _apply_planes(table, channels, interpolation=interpolation, domain=ends)


def apply(
    table: Values | Sequence,
    image: Values | Sequence,
    *,
    interpolation: Interpolation = "trilinear",
    domain: tuple[Bound, Bound] = (0.0, 1.0),
) -> Shaped[Array, "*batch channels"]:
    """Looks every pixel of an image up in a table.

    Args:
        table: one table, `[size, size, size, 3]`, or one for each image: then its other axes are
            the first ones of the image. At least 2 nodes along an axis; any float dtype.
        image: colours, `[*batch, 3]`: any float dtype, or uint8 or uint16, whose largest value
            stands for 1.
        interpolation: between the eight nodes of a cell (`"trilinear"`) or the four of a
            tetrahedron (`"tetrahedral"`, which keeps the neutral axis exactly).
        domain: input values of the first and the last node: numbers, or one for each channel.
            Never traced: each new value compiles a new program.

    Returns:
        An image of the shape and dtype of `image`. Floats are in the range of the table; integers
        are rounded, and clamped to their range.

    Raises:
        ValueError: the image has not three channels or another dtype, the table is none (see
            `checks.check_table`) or there is not one for each image, the domain is empty or not
            finite in float32, or the interpolation is unknown. A table that holds NaN or infinity
            is refused for integer images, unless it is traced: then its pixels are left open.
    """
    image = jnp.asarray(image)
    check_colours(image, "image")
    planes = _split(image)
    return _join(apply_planes(table, planes, interpolation=interpolation, domain=domain))
