"""Probability paths between paired images: the state at time t and its velocity.

Both paths start at the hazy image (t = 0) and end at the clear one (t = 1) exactly. `t` has one
value an image.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, PerImage


def _per_pixel(values: Float[Array, "*batch"]) -> Float[Array, "*batch 1 1 1"]:
    return values[..., None, None, None]


def linear_path(hazy: Image, clear: Image, t: PerImage) -> tuple[Image, Image]:
    """The straight path x_t = (1 - t) hazy + t clear, with its constant velocity.

    Reference: Lipman et al., Flow matching for generative modeling (ICLR 2023), with paired ends
    and no noise.
    """
    s = _per_pixel(t)
    return (1 - s) * hazy + s * clear, clear - hazy


def scattering_path(
    hazy: Image,
    clear: Image,
    t: PerImage,
    *,
    transmission: Float[Array, "*batch height width 1"],
    airlight: Float[Array, "*batch 3"],
    min_transmission: float = 0.02,
) -> tuple[Image, Image]:
    """The path on which haze thins physically: the optical depth falls linearly in time.

    x_t = J T^(1-t) + A (1 - T^(1-t)) + (1-t) r, where r = hazy - J T - A (1 - T) is what the
    scattering model does not explain, so that x_0 is the hazy image exactly. Its velocity is
    -ln(T) T^(1-t) (J - A) - r.

    Args:
        hazy: images at t = 0.
        clear: images at t = 1, J.
        t: times in [0, 1].
        transmission: T in [0, 1].
        airlight: A, one colour an image.
        min_transmission: T is clamped from below to this.
    """
    s = _per_pixel(t)
    light = airlight[..., None, None, :]
    whole = jnp.clip(transmission, min_transmission, 1)
    residual = hazy - clear * whole - light * (1 - whole)
    log_whole = jnp.log(whole)
    part = jnp.exp((1 - s) * log_whole)
    state = clear * part + light * (1 - part) + (1 - s) * residual
    return state, -log_whole * part * (clear - light) - residual


def pair_transmission(
    hazy: Image, clear: Image, airlight: Float[Array, "*batch 3"], *, ridge: float = 1e-3
) -> Float[Array, "*batch height width 1"]:
    """Transmission that explains a hazy/clear pair best: least squares over the colours.

    T = <hazy - A, J - A> / |J - A|^2, in [0, 1]; where J is the airlight itself nothing can be
    told and T tends to 1.

    Args:
        hazy: hazy images.
        clear: clear images.
        airlight: one colour an image.
        ridge: weight of the preference for T = 1.
    """
    light = airlight[..., None, None, :]
    direct = clear - light
    product = jnp.sum((hazy - light) * direct, axis=-1, keepdims=True)
    square = jnp.sum(direct**2, axis=-1, keepdims=True)
    return jnp.clip((product + ridge) / (square + ridge), 0, 1)
