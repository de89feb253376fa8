"""Airlight of a single hazy image."""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image
from dehaze_jax.haze.minimum import minimum_filter


def estimate_airlight(
    hazy: Image,
    *,
    patch: int = 15,
    share: float = 0.001,
    pick: Literal["mean", "brightest", "largest"] = "mean",
) -> Float[Array, "*batch channels"]:
    """Colour of the pixels that are brightest in the dark channel.

    Args:
        hazy: image in [0, 1].
        patch: side of the dark channel's window, odd.
        share: share of the pixels that count, at least one.
        pick: "mean" of these pixels, steadier against white objects and clipped highlights, or
            the "brightest" of them, as He et al. do, or the "largest" value of each channel.

    Reference:
        He, Sun, Tang, "Single image haze removal using dark channel prior", TPAMI 2011, 4.4.
    """
    *batch, height, width, channels = hazy.shape
    dark = minimum_filter(hazy.min(axis=-1), patch).reshape(*batch, height * width)
    count = max(1, int(share * height * width))
    _, brightest = jax.lax.top_k(dark, count)
    colours = hazy.reshape(*batch, height * width, channels)
    candidates = jnp.take_along_axis(colours, brightest[..., None], axis=-2)
    if pick == "mean":
        return candidates.mean(axis=-2)
    if pick == "largest":
        return candidates.max(axis=-2)
    first = candidates.sum(axis=-1).argmax(axis=-1)
    return jnp.take_along_axis(candidates, first[..., None, None], axis=-2)[..., 0, :]
