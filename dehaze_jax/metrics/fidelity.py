"""Pixel-wise fidelity. Images are float in [0, 1], `[*, h, w, c]`; one value per image."""

import jax.numpy as jnp

from dehaze_jax.arrays import Image, PerImage
from dehaze_jax.metrics.precision import as_score_dtype


def psnr(restored: Image, clear: Image, *, data_range: float = 1.0) -> PerImage:
    """Peak signal-to-noise ratio over all pixels and channels, in dB; higher is better.

    Equal images score `inf`; the gradient there is zero.

    Args:
        restored: image to score.
        clear: reference, same shape.
        data_range: distance between the smallest and the largest possible value.
    """
    restored, clear = as_score_dtype(restored, clear)
    error = jnp.square(restored - clear).mean(axis=(-3, -2, -1)) / data_range**2
    equal = error == 0
    return jnp.where(equal, jnp.inf, -10 * jnp.log10(jnp.where(equal, 1, error)))
