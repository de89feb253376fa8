"""Colour spaces. Images are float `[*, h, w, 3]`, R G B, sRGB-encoded in [0, 1] unless said."""

from typing import Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, Plane

Values: TypeAlias = Float[Array, "..."]

# Shares of R, G, B in luma: ITU-R BT.601-7, 2.5.1, and BT.709-6, 3.2.
_LUMA = {"bt601": (0.299, 0.587, 0.114), "bt709": (0.2126, 0.7152, 0.0722)}

# IEC 61966-2-1.
_ENCODED_KNEE, _LINEAR_KNEE = 0.04045, 0.0031308
_SLOPE, _OFFSET, _GAMMA = 12.92, 0.055, 2.4
_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_WHITE = (0.3127, 0.3290)

# CIE 15:2004, 8.2.1.
_LAB_DELTA = 6 / 29


def _xyz(xy: tuple[float, float]) -> np.ndarray:
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


_WHITE_XYZ = _xyz(_WHITE)
_PRIMARY_XYZ = np.stack([_xyz(xy) for xy in _PRIMARIES], axis=1)
# Unrounded, unlike the matrix that the standard prints, so that white is exactly white.
_RGB_TO_XYZ = _PRIMARY_XYZ * np.linalg.solve(_PRIMARY_XYZ, _WHITE_XYZ)


def luma(image: Image, *, standard: Literal["bt601", "bt709"] = "bt601") -> Plane:
    """Weighted sum of the encoded channels, in [0, 1].

    Args:
        image: colour image.
        standard: `"bt601"`, what restoration papers call Y, or `"bt709"`. Full range, not 16..235.
    """
    red, green, blue = _LUMA[standard]
    return image[..., 0] * red + image[..., 1] * green + image[..., 2] * blue


def srgb_to_linear(values: Values) -> Values:
    """Encoded values of any shape to linear light. The straight part goes on below 0."""
    # Inside `where` the unused branch must stay finite too, or its gradient is NaN.
    curved = jnp.maximum(values, _ENCODED_KNEE)
    curved = ((curved + _OFFSET) / (1 + _OFFSET)) ** _GAMMA
    return jnp.where(values <= _ENCODED_KNEE, values / _SLOPE, curved)


def linear_to_srgb(values: Values) -> Values:
    """Linear light of any shape to encoded values. The straight part goes on below 0."""
    curved = (1 + _OFFSET) * jnp.maximum(values, _LINEAR_KNEE) ** (1 / _GAMMA) - _OFFSET
    return jnp.where(values <= _LINEAR_KNEE, values * _SLOPE, curved)


def srgb_to_xyz(image: Image) -> Image:
    """Encoded colours to CIE 1931 XYZ, D65, Y of white = 1."""
    linear = srgb_to_linear(image)
    # Not a matrix product: accelerators would do it in fewer bits.
    matrix = jnp.asarray(_RGB_TO_XYZ, linear.dtype)
    rows = [sum(linear[..., j] * matrix[i, j] for j in range(3)) for i in range(3)]
    return jnp.stack(rows, axis=-1)


def srgb_to_lab(image: Image) -> Image:
    """Encoded colours to CIE L*a*b*, D65, 2 degree observer: L in [0, 100].

    Its gradient is finite everywhere, black included.
    """
    xyz = srgb_to_xyz(image)
    relative = [xyz[..., i] / jnp.asarray(_WHITE_XYZ[i], xyz.dtype) for i in range(3)]
    x, y, z = (_lab_curve(value) for value in relative)
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _lab_curve(value: Plane) -> Plane:
    curved = jnp.cbrt(jnp.maximum(value, _LAB_DELTA**3))
    return jnp.where(value > _LAB_DELTA**3, curved, value / (3 * _LAB_DELTA**2) + 4 / 29)
