"""What a `.cube` file holds, applied to images: one curve a channel, then a 3D table."""

from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from dehaze_jax.lut.checks import Domain, Interpolation
from dehaze_jax.lut.interpolation import apply_planes, to_levels, to_unit

Colours: TypeAlias = Shaped[Array, "*batch 3"]


@jax.jit
def _curve(plane, curve, low, high):
    size = curve.shape[0]
    # Narrower floats cannot count the nodes of a long curve.
    wide = jnp.float64 if plane.dtype == jnp.float64 else jnp.float32
    plane, curve = to_unit(plane, wide), curve.astype(wide)
    at = jnp.clip((plane - low) / (high - low), 0, 1) * (size - 1)
    # Clipped below as well: what a NaN becomes as an integer is left open.
    index = jnp.clip(at.astype(jnp.int32), 0, size - 2)
    below = curve[index]
    return below + (at - index.astype(wide)) * (curve[index + 1] - below)


@jax.jit
def _join(planes, image):
    return to_levels(jnp.stack(planes, axis=-1), image.dtype)


def apply_with_curves(
    image: Colours,
    curves: Float[np.ndarray, "nodes 3"],
    curves_domain: Domain,
    table: Float[np.ndarray, "size size size 3"] | None,
    domain: Domain,
    *,
    interpolation: Interpolation,
) -> Colours:
    """Looks every channel up in its own curve, linearly interpolated, then colours in the table.

    Args:
        image: floats, or uint8 or uint16, whose largest value stands for 1.
        curves: values at equal distances over their domain, to which the image is clamped.
        curves_domain: input values of the first and the last row of `curves`.
        table: as for `lut.apply`; none only clamps to `domain`.
        domain: input values of the first and the last node of `table`.
        interpolation: as for `lut.apply`.
    """
    # Plane by plane, and joined in a program of its own: see `lut.apply`.
    ends = zip(*curves_domain, strict=True)
    red, green, blue = (
        _curve(image[..., k], jnp.asarray(curves[:, k]), *end) for k, end in enumerate(ends)
    )
    planes = (red, green, blue)
    if table is None:
        ends = zip(planes, *domain, strict=True)
        return _join([jnp.clip(plane, low, high) for plane, low, high in ends], image)
    planes = apply_planes(jnp.asarray(table), planes, interpolation=interpolation, domain=domain)
    return _join(planes, image)
