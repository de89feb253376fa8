"""Changing the size of images."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Num


def box_reduce(
    image: Num[Array, "*batch height width channels"], factor: int
) -> Float[Array, "..."]:
    """Means over squares of `factor` x `factor` pixels.

    Where the size does not divide, the last row and column are repeated to fill the squares.

    Args:
        image: float, or integers of at most 16 bits; any channels.
        factor: side of a square, at least 1.

    Returns:
        `[*batch, ceil(height / factor), ceil(width / factor), channels]` in the units of `image`;
        float32, or the dtype of a float image.

    Raises:
        ValueError: `factor` is less than 1.
    """
    if factor < 1:
        raise ValueError(f"an image is reduced by a factor of at least 1, not {factor}")
    values = image if jnp.issubdtype(image.dtype, jnp.floating) else image.astype(jnp.float32)
    if factor == 1:
        return values
    *batch, height, width, _ = image.shape
    around = [(0, 0)] * len(batch) + [(0, -height % factor), (0, -width % factor), (0, 0)]
    values = jnp.pad(values, around, mode="edge")
    # Sums of strided slices: XLA's reductions over the middle axes are several times slower on
    # CPUs.
    rows = sum(
        (values[..., k::factor, :, :] for k in range(1, factor)), values[..., ::factor, :, :]
    )
    total = sum((rows[..., k::factor, :] for k in range(1, factor)), rows[..., ::factor, :])
    return total / factor**2
