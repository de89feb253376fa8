"""Looking colours up in a table.

Colours outside the domain are clamped to it, channel by channel; a NaN gives NaN. The index of the
cell is clamped, not the coordinate stretched, so that the nodes are met at both ends.
"""

from typing import Literal, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image

Interpolation: TypeAlias = Literal["trilinear", "tetrahedral"]
Channel: TypeAlias = Float[Array, "..."]


def _cells(channels, size: int):
    scaled = [jnp.clip(channel, 0, 1) * (size - 1) for channel in channels]
    # Clipped below as well: what a NaN becomes as an integer is left open.
    index = [jnp.clip(at.astype(jnp.int32), 0, size - 2) for at in scaled]
    fraction = [at - cell.astype(at.dtype) for at, cell in zip(scaled, index, strict=True)]
    red, green, blue = index
    return (red * size + green) * size + blue, fraction


def _lerp(fraction, low, high):
    return low + fraction * (high - low)


def _trilinear(look, fraction, size: int):
    red, green, blue = fraction
    step_r, step_g = size * size, size
    edges = [
        _lerp(blue, look(corner), look(corner + 1))
        for corner in (0, step_g, step_r, step_r + step_g)
    ]
    return _lerp(red, _lerp(green, edges[0], edges[1]), _lerp(green, edges[2], edges[3]))


def _tetrahedral(look, fraction, size: int):
    """The cube is cut into six tetrahedra along its neutral diagonal.

    Reference: Kasson et al., Performing color space conversions with three-dimensional linear
    interpolation (Journal of Electronic Imaging, 1995).
    """
    red, green, blue = fraction
    step_r, step_g, step_b = size * size, size, 1
    high = jnp.maximum(jnp.maximum(red, green), blue)
    low = jnp.minimum(jnp.minimum(red, green), blue)
    middle = jnp.maximum(jnp.minimum(red, green), jnp.minimum(jnp.maximum(red, green), blue))
    first = jnp.where(red == high, step_r, jnp.where(green == high, step_g, step_b))
    last = jnp.where(blue == low, step_b, jnp.where(green == low, step_g, step_r))
    far = step_r + step_g + step_b
    return (
        (1 - high) * look(0)
        + (high - middle) * look(first)
        + (middle - low) * look(far - last)
        + low * look(far)
    )


_INTERPOLATIONS = {"trilinear": _trilinear, "tetrahedral": _tetrahedral}


def apply_planes(
    table: Float[Array, "size size size 3"],
    planes: tuple[Channel, Channel, Channel],
    *,
    interpolation: Interpolation = "trilinear",
) -> tuple[Channel, Channel, Channel]:
    """Looks up colours given as three arrays of any one shape; domain [0, 1].

    This is the form that full-resolution work uses: colour planes vectorise, interleaved colours
    do not.
    """
    size = table.shape[0]
    base, fraction = _cells(planes, size)
    flat = table.astype(planes[0].dtype).reshape(-1, 3)
    interpolate = _INTERPOLATIONS[interpolation]

    def channel(values):
        def look(offset):
            return values.at[base + offset].get(mode="promise_in_bounds")

        return interpolate(look, fraction, size)

    red, green, blue = (channel(flat[:, k]) for k in range(3))
    return red, green, blue


def apply(
    table: Float[Array, "*tables size size size 3"],
    image: Image,
    *,
    interpolation: Interpolation = "trilinear",
    domain: tuple[float, float] = (0.0, 1.0),
) -> Image:
    """Looks every pixel of an image up in a table.

    Args:
        table: one table, or one for each image: then its batch dimensions are the first ones of
            the image.
        image: colours, three channels, any float dtype.
        interpolation: between the eight nodes of a cell (`"trilinear"`) or the four of a
            tetrahedron (`"tetrahedral"`, which keeps the neutral axis exactly).
        domain: input values of the first and the last node.

    Returns:
        An image of the shape and dtype of `image`, in the range of the table.

    Raises:
        ValueError: the image has not three channels, or the domain is empty.
    """
    if image.shape[-1] != 3:
        raise ValueError(f"a 3D table needs three channels, not {image.shape[-1]}")
    low, high = domain
    if not low < high:
        raise ValueError(f"the domain {domain} is empty")
    if table.ndim > 4:
        return jax.vmap(
            lambda one, part: apply(one, part, interpolation=interpolation, domain=domain)
        )(table, image)
    unit = (image - low) / (high - low)
    planes = (unit[..., 0], unit[..., 1], unit[..., 2])
    return jnp.stack(apply_planes(table, planes, interpolation=interpolation), axis=-1)
