"""Density fields of non-homogeneous haze, relative to its density at the camera or on average.

Multiply them with beta: beta times depth is then the optical depth along the ray of each pixel.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key, Plane
from dehaze_jax.haze.fractal import fractal_noise

_FOCAL = 1.2
"""Focal length of the camera over the height of its picture: 45 degrees from top to bottom."""


@functools.partial(jax.jit, static_argnames=("height", "width", "scale"))
def density_field(
    key: Key,
    height: int,
    width: int,
    *,
    strength: float | Float[Array, ""] = 0.5,
    scale: float = 0.5,
) -> Float[Array, "height width"]:
    """A smooth positive field of mean 1: fractal noise as the logarithm of the density.

    The same key gives the same field at any size of the same aspect ratio.

    Args:
        key: which field.
        height: rows.
        width: columns.
        strength: standard deviation of the logarithm of the density; 0 gives homogeneous haze.
        scale: size of the largest patches, as a share of the longer side.
    """
    density = jnp.exp(strength * fractal_noise(key, height, width, scale=scale))
    return density / density.mean()


def altitude_falloff(
    depth: Plane,
    *,
    rate: float | Float[Array, ""],
    horizon: float | Float[Array, ""],
) -> Plane:
    """Mean density along the ray of each pixel in haze that thins exponentially with altitude.

    Haze of density exp(-rate z) at the altitude z above the camera has the mean
    (1 - exp(-s)) / s along a ray that climbs to z = s / rate: less than 1 above the horizon, more
    below it, where s is held at -1.

    Args:
        depth: distance along the axis of the camera, which is level.
        rate: inverse of the scale height, per unit of `depth`; 0 is haze of one density.
        horizon: row of the horizon as a share of the height, from the top.

    Reference:
        Narasimhan, Nayar, "Vision and the atmosphere", IJCV 2002; the exponential atmosphere.
    """
    height = depth.shape[-2]
    row = (jnp.arange(height, dtype=depth.dtype) + 0.5) / height
    climb = (horizon - row) / _FOCAL
    # Ground lies little below a camera; where the horizon is a guess, a ray may seem to dive.
    s = jnp.maximum(rate * climb[:, None] * depth, -1)
    level = jnp.abs(s) < 1e-3
    return jnp.where(level, 1 - s / 2, -jnp.expm1(-s) / jnp.where(level, 1, s))
