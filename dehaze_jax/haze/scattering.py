"""The atmospheric scattering model I = J T + A (1 - T), T = exp(-beta d).

Images are float in [0, 1], `[*, h, w, 3]`. As in the benchmark data sets the model is applied to
sRGB-encoded values unless `linear_light` is asked for.

Reference:
    Narasimhan, Nayar, "Vision and the atmosphere", IJCV 2002 (after Koschmieder 1924).
"""

from typing import TypeAlias

import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Plane
from dehaze_jax.errors import InputError
from dehaze_jax.image.colour import linear_to_srgb, srgb_to_linear

Beta: TypeAlias = float | Float[Array, "..."]
"""Scattering coefficient, in 1 / unit of depth: scalar, `[*]` per image, or `[*, h, w]` per pixel.

A field per pixel is the mean density along that pixel's ray, so that beta times depth is the
optical depth of non-homogeneous haze.
"""

Airlight: TypeAlias = float | Float[Array, "..."]
"""Colour of infinitely thick haze: scalar, one colour `[c]`, one colour per image `[*, c]`, or one
per pixel `[*, h, w, c]`."""


def transmission(depth: Plane, *, beta: Beta) -> Plane:
    """Share of light that reaches the camera, exp(-beta depth), in (0, 1].

    Args:
        depth: distance to the camera, in any unit, not negative.
        beta: scattering coefficient per that unit.

    Raises:
        InputError: `beta` is neither a scalar nor per image nor per pixel of `depth`.
    """
    beta = jnp.asarray(beta, depth.dtype)
    if beta.ndim and beta.shape == depth.shape[:-2]:
        beta = beta[..., None, None]
    elif beta.ndim and beta.shape != depth.shape:
        reason = f"has shape {beta.shape}, which does not fit depth of shape {depth.shape}"
        raise InputError("beta", reason)
    return jnp.exp(-beta * depth)


def compose(clear: Image, transmission: Plane, airlight: Airlight) -> Image:
    """Hazy image of a clear one: J T + A (1 - T)."""
    airlight, t = _per_pixel(clear, transmission, airlight)
    return airlight + (clear - airlight) * t


def invert(
    hazy: Image, transmission: Plane, airlight: Airlight, *, min_transmission: float = 0.0
) -> Image:
    """Clear image of a hazy one: (I - A) / max(T, min_transmission) + A; not clipped to [0, 1]."""
    airlight, t = _per_pixel(hazy, transmission, airlight)
    return airlight + (hazy - airlight) / jnp.maximum(t, min_transmission)


def render(
    clear: Image, depth: Plane, *, beta: Beta, airlight: Airlight, linear_light: bool = False
) -> Image:
    """Renders haze onto a clear image of known depth.

    Args:
        clear: haze-free image.
        depth: distance to the camera.
        beta: scattering coefficient per unit of `depth`.
        airlight: colour of the haze, sRGB-encoded in [0, 1].
        linear_light: mix linear light, as the air does, instead of sRGB-encoded values.

    Raises:
        InputError: `beta` is neither a scalar nor per image nor per pixel of `depth`.
    """
    t = transmission(depth, beta=beta)
    if not linear_light:
        return compose(clear, t, airlight)
    linear_airlight = srgb_to_linear(jnp.asarray(airlight, clear.dtype))
    return linear_to_srgb(compose(srgb_to_linear(clear), t, linear_airlight))


def _per_pixel(image: Image, transmission: Plane, airlight: Airlight):
    """Airlight and transmission with as many axes as the image."""
    airlight = jnp.asarray(airlight, image.dtype)
    if 1 < airlight.ndim < image.ndim:
        airlight = airlight[..., None, None, :]
    airlight = airlight.reshape((1,) * (image.ndim - airlight.ndim) + airlight.shape)
    return airlight, transmission[..., None].astype(image.dtype)
