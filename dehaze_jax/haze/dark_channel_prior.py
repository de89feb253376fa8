"""The dark-channel prior, the classical baseline. Images are float in [0, 1], `[*, h, w, 3]`.

Reference:
    He, Sun, Tang, "Single image haze removal using dark channel prior", TPAMI 2011; refined with
    their guided filter, TPAMI 2013, instead of soft matting.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Plane
from dehaze_jax.haze.airlight import estimate_airlight
from dehaze_jax.haze.minimum import minimum_filter
from dehaze_jax.haze.scattering import invert
from dehaze_jax.image.colour import luma
from dehaze_jax.image.filters import guided_filter


def dark_channel(image: Image, *, patch: int = 15) -> Plane:
    """Minimum over channels and a `patch` x `patch` window (equation 5); `patch` is odd."""
    return minimum_filter(image.min(axis=-1), patch)


def estimate_transmission(
    hazy: Image, airlight: Float[Array, "*batch 3"], *, patch: int = 15, omega: float = 0.95
) -> Plane:
    """Transmission, constant over patches (equation 12).

    Args:
        hazy: image.
        airlight: colour of the haze, one per image.
        patch: side of the dark channel's window, odd.
        omega: share of the haze that is taken for haze; the rest keeps distance visible.
    """
    airlight = jnp.maximum(airlight, 1e-3)  # of a black picture
    return 1 - omega * dark_channel(hazy / airlight[..., None, None, :], patch=patch)


@functools.partial(
    jax.jit, static_argnames=("patch", "omega", "radius", "epsilon", "min_transmission")
)
def dark_channel_restore(
    hazy: Image,
    *,
    patch: int = 15,
    omega: float = 0.95,
    radius: int = 60,
    epsilon: float = 1e-4,
    min_transmission: float = 0.1,
) -> Image:
    """Restores images with the dark-channel prior and the guided filter; clipped to [0, 1].

    Args:
        hazy: images of any size.
        patch: side of the dark channel's window, odd.
        omega: share of the haze that is removed.
        radius: radius of the guided filter.
        epsilon: regularisation of the guided filter.
        min_transmission: transmission is not divided by less than this.
    """
    airlight = estimate_airlight(hazy, patch=patch, pick="brightest")
    coarse = estimate_transmission(hazy, airlight, patch=patch, omega=omega)
    refined = guided_filter(luma(hazy), coarse, radius=radius, epsilon=epsilon)
    restored = invert(hazy, refined, airlight, min_transmission=min_transmission)
    return jnp.clip(restored, 0, 1)
