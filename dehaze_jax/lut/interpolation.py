"""Looking colours up in a table.

Colours outside the domain are clamped to it, channel by channel; a NaN gives NaN. The index of the
cell is clamped, not the coordinate stretched, so that the nodes are met at both ends. All is
computed in float32 (float64 for float64 colours), whatever the dtype of the image.

Differentiable in the table and in float images, forward and backward.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped

from dehaze_jax.lut.lookup import Interpolation, read

AnyArray: TypeAlias = Array | np.ndarray
Channel: TypeAlias = Shaped[Array, "..."]
Bound: TypeAlias = float | Sequence[float]
"""One end of a domain: for all channels, or for each of the three."""


def check_table(table: AnyArray, count: int = 0) -> None:
    """Refuses what is not a table.

    Args:
        table: to be looked at, `[*tables, size, size, size, 3]`.
        count: number of axes for which there may be a table each.

    Raises:
        ValueError: the shape is not that of tables, there are fewer than 2 nodes along an axis, or
            the values are not floats.
    """
    shape = tuple(table.shape)
    if len(shape) < 4 or shape[-1] != 3 or len({*shape[-4:-1]}) != 1 or len(shape) - 4 > count:
        raise ValueError(f"a look-up table has the shape [size, size, size, 3], not {list(shape)}")
    if shape[-2] < 2:
        raise ValueError(f"a look-up table needs at least 2 nodes along each axis, not {shape[-2]}")
    if not jnp.issubdtype(table.dtype, jnp.floating):
        raise ValueError(f"a look-up table holds floats, not {table.dtype}")


def _check_domain(domain: tuple[Bound, Bound]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    ends = np.broadcast_arrays(*(np.asarray(bound, float) for bound in domain), np.zeros(3))[:2]
    low, high = (tuple(end.tolist()) for end in ends)
    if not all(-np.inf < a < b < np.inf for a, b in zip(low, high, strict=True)):
        raise ValueError(f"the domain {domain} is empty or not finite")
    return low, high


def _check_planes(planes: Sequence[AnyArray], tables: Sequence[int]) -> None:
    """Refuses planes that do not belong together, or to tables of these axes."""
    shape, dtype = planes[0].shape, planes[0].dtype
    if not (jnp.issubdtype(dtype, jnp.floating) or dtype in (jnp.uint8, jnp.uint16)):
        raise ValueError(f"colours are floats, uint8 or uint16, not {dtype}")
    if any((plane.shape, plane.dtype) != (shape, dtype) for plane in planes):
        raise ValueError("the planes of the three channels differ in shape or dtype")
    if tuple(tables) != shape[: len(tables)]:
        raise ValueError(f"there are {list(tables)} tables for colours of shape {list(shape)}")


@partial(jax.jit, static_argnames=("interpolation", "domain"))
def _apply_planes(table, planes, *, interpolation, domain):
    dtype = planes[0].dtype
    levels = None if jnp.issubdtype(dtype, jnp.floating) else jnp.iinfo(dtype).max
    compute = jnp.float64 if dtype == jnp.float64 else jnp.float32

    def unit(plane, low, high):
        plane = plane.astype(compute)
        plane = plane / levels if levels else plane
        return plane if (low, high) == (0.0, 1.0) else (plane - low) / (high - low)

    def back(plane):
        if levels:
            plane = jnp.floor(jnp.clip(plane, 0, 1) * levels + 0.5)
        return plane.astype(dtype)

    inside = tuple(unit(*channel) for channel in zip(planes, *domain, strict=True))
    red, green, blue = read(table.astype(compute), inside, interpolation=interpolation)
    return back(red), back(green), back(blue)


# Two programs of their own outside of `jit`: as parts of one, XLA on CPUs looks colours up one by
# one as it puts the channels together, instead of many at a time.
@jax.jit
def _split(image):
    return image[..., 0], image[..., 1], image[..., 2]


@jax.jit
def _join(planes):
    return jnp.stack(planes, axis=-1)


def apply_planes(
    table: Shaped[AnyArray, "..."],
    planes: tuple[Channel, Channel, Channel],
    *,
    interpolation: Interpolation = "trilinear",
    domain: tuple[Bound, Bound] = (0.0, 1.0),
) -> tuple[Channel, Channel, Channel]:
    """Looks up colours given as three arrays of any one shape and dtype.

    This is the form for full-resolution work inside `jit`: colour planes vectorise, interleaved
    colours do not. Arguments, result and errors are those of `apply`.
    """
    check_table(table, planes[0].ndim)
    _check_planes(planes, table.shape[:-4])
    return _apply_planes(
        jnp.asarray(table), planes, interpolation=interpolation, domain=_check_domain(domain)
    )


def apply(
    table: Shaped[AnyArray, "..."],
    image: Shaped[AnyArray, "*batch channels"],
    *,
    interpolation: Interpolation = "trilinear",
    domain: tuple[Bound, Bound] = (0.0, 1.0),
) -> Shaped[Array, "*batch channels"]:
    """Looks every pixel of an image up in a table.

    Args:
        table: one table, `[size, size, size, 3]`, or one for each image: then its other axes are
            the first ones of the image. At least 2 nodes along an axis; any float dtype.
        image: colours, three channels: any float dtype, or uint8 or uint16, whose largest value
            stands for 1.
        interpolation: between the eight nodes of a cell (`"trilinear"`) or the four of a
            tetrahedron (`"tetrahedral"`, which keeps the neutral axis exactly).
        domain: input values of the first and the last node: numbers, or one for each channel.

    Returns:
        An image of the shape and dtype of `image`. Floats are in the range of the table; integers
        are rounded, and clamped to their range.

    Raises:
        ValueError: the image has not three channels or another dtype, the table is none (see
            `check_table`) or there is not one for each image, or the domain is empty or not finite.
    """
    if image.ndim < 1 or image.shape[-1] != 3:
        channels = image.shape[-1] if image.ndim else 0
        raise ValueError(f"a 3D table needs three channels, not {channels}")
    check_table(table, image.ndim - 1)
    planes = _split(jnp.asarray(image))
    return _join(apply_planes(table, planes, interpolation=interpolation, domain=domain))
