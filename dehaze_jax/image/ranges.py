"""Between the integers of files and floats in [0, 1]. NumPy, because loader workers use it."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1].

    Args:
        pixels: uint8 or uint16, scaled by the largest value of the type, or floats, which are only
            cast.

    Returns:
        float32 array of the same shape.

    Raises:
        TypeError: for other types.
    """
    if np.issubdtype(pixels.dtype, np.floating):
        return pixels.astype(np.float32, copy=False)
    return np.divide(pixels, _largest(pixels.dtype), dtype=np.float32)


def from_float(pixels: np.ndarray, dtype: DTypeLike) -> np.ndarray:
    """Pixels in [0, 1] as `dtype`: clipped, and rounded to the nearest value for integers.

    Args:
        pixels: floats; what lies outside [0, 1] is clipped.
        dtype: uint8, uint16 or a float type.

    Returns:
        Array of the same shape. `from_float(to_float(x), x.dtype)` is `x` for uint8 and uint16.

    Raises:
        TypeError: for another `dtype`.
        ValueError: if a value is NaN, for which an integer has no place.
    """
    dtype = np.dtype(dtype)
    clipped = np.clip(pixels, 0.0, 1.0)
    if np.issubdtype(dtype, np.floating):
        return clipped.astype(dtype, copy=False)
    scaled = clipped * np.asarray(_largest(dtype), clipped.dtype)
    if np.isnan(scaled).any():
        raise ValueError("pixels hold NaN")
    return np.rint(scaled, out=scaled).astype(dtype)


def _largest(dtype: np.dtype[Any]) -> int:
    if dtype not in (np.uint8, np.uint16):
        raise TypeError(f"pixels must be uint8, uint16 or floats, not {dtype}")
    return int(np.iinfo(dtype).max)
