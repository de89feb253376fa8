"""CIEDE2000 colour difference. Images are sRGB-encoded float in [0, 1], `[*, h, w, 3]`."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, PerImage
from dehaze_jax.image.colour import srgb_to_lab
from dehaze_jax.metrics.precision import as_score_dtype

_TURN = 2 * jnp.pi
# Opposite hues: rounding must not decide on which side of half a turn they lie.
_HALF_TURN = jnp.pi + 1e-6


def ciede2000(restored: Image, clear: Image) -> PerImage:
    """Mean CIEDE2000 difference over the pixels of an image; lower is better, 0 for equal images.

    CIELAB is that of D65 and the 2 degree observer, k_L = k_C = k_H = 1.

    Args:
        restored: image to score.
        clear: reference, same shape.
    """
    restored, clear = as_score_dtype(restored, clear)
    return lab_difference(srgb_to_lab(restored), srgb_to_lab(clear)).mean(axis=(-2, -1))


def lab_difference(
    lab1: Float[Array, "*shape 3"], lab2: Float[Array, "*shape 3"]
) -> Float[Array, "*shape"]:
    """CIEDE2000 difference of CIELAB colours; symmetric.

    The gradient is finite everywhere, and zero where the colours are equal.

    Reference:
        Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation notes,
        supplementary test data, and mathematical observations", Color Research and Application
        2005, equations 2 to 22.
    """
    lightness1, a1, b1 = jnp.moveaxis(lab1, -1, 0)
    lightness2, a2, b2 = jnp.moveaxis(lab2, -1, 0)
    stretch = 1.5 - 0.5 * _high_chroma((_norm(a1, b1) + _norm(a2, b2)) / 2)
    a1, a2 = stretch * a1, stretch * a2
    chroma1, chroma2 = _norm(a1, b1), _norm(a2, b2)
    hue1, hue2 = _angle(b1, a1), _angle(b2, a2)
    coloured = chroma1 * chroma2 > 0

    turn = hue2 - hue1
    far = jnp.abs(turn) > _HALF_TURN
    turn = jnp.where(far, turn - jnp.sign(turn) * _TURN, turn)
    total = hue1 + hue2
    hue = jnp.where(far, total + jnp.where(total < _TURN, _TURN, -_TURN), total) / 2
    hue = jnp.where(coloured, hue, total)
    d_hue = jnp.where(coloured, 2 * _sqrt(chroma1 * chroma2) * jnp.sin(turn / 2), 0)
    d_chroma = chroma2 - chroma1
    chroma = (chroma1 + chroma2) / 2

    weight = (
        1
        - 0.17 * jnp.cos(hue - jnp.deg2rad(30.0))
        + 0.24 * jnp.cos(2 * hue)
        + 0.32 * jnp.cos(3 * hue + jnp.deg2rad(6.0))
        - 0.20 * jnp.cos(4 * hue - jnp.deg2rad(63.0))
    )
    off_middle = ((lightness1 + lightness2) / 2 - 50) ** 2
    term_l = (lightness2 - lightness1) / (1 + 0.015 * off_middle / jnp.sqrt(20 + off_middle))
    term_c = d_chroma / (1 + 0.045 * chroma)
    term_h = d_hue / (1 + 0.015 * chroma * weight)
    blue = jnp.deg2rad(60.0) * jnp.exp(-(((jnp.rad2deg(hue) - 275) / 25) ** 2))
    rotation = -2 * jnp.sin(blue) * _high_chroma(chroma)
    return _sqrt(term_l**2 + term_c**2 + term_h**2 + rotation * term_c * term_h)


def _high_chroma(chroma):
    """Goes from 0 for greys to 1 for strong colours."""
    power = chroma**7
    return _sqrt(power / (power + 25.0**7))


def _sqrt(x):
    """Square root whose gradient at 0 is 0."""
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1)), 0)


def _norm(a, b):
    return _sqrt(a * a + b * b)


def _angle(b, a):
    """Hue angle in [0, 2 pi), 0 for grey."""
    grey = (a == 0) & (b == 0)
    angle = jnp.arctan2(jnp.where(grey, 0, b), jnp.where(grey, 1, a))
    return jnp.where(angle < 0, angle + _TURN, angle)
