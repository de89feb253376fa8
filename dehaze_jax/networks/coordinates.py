"""Places of pixels as a network reads them."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def pixel_centres(height: int, width: int) -> Float[Array, "height width 2"]:
    """Row and column of each pixel's centre, where the image reaches from -1 to 1 both ways."""
    rows, columns = ((2 * jnp.arange(n) + 1 - n) / n for n in (height, width))
    return jnp.stack(jnp.meshgrid(rows, columns, indexing="ij"), axis=-1)


def encode(
    coordinates: Float[Array, "*batch 2"], frequencies: int = 4
) -> Float[Array, "*batch features"]:
    """Sines and cosines of 2^k pi x for k = 0 ... `frequencies` - 1, where x is row or column.

    Args:
        coordinates: row and column, usually in [-1, 1].
        frequencies: number of octaves, at least 1.

    Returns:
        4 `frequencies` values: octave after octave, in each the sines of row and column before
        their cosines.

    Reference: Mildenhall et al., NeRF (ECCV 2020), section 5.1.
    """
    angles = [2**k * jnp.pi * coordinates for k in range(frequencies)]
    return jnp.concatenate([wave(angle) for angle in angles for wave in (jnp.sin, jnp.cos)], -1)
