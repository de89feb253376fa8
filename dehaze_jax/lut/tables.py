"""Making look-up tables."""

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float


def identity(size: int, *, dtype: DTypeLike = jnp.float32) -> Float[Array, "size size size 3"]:
    """The table that returns its input: `table[r, g, b] = (r, g, b) / (size - 1)`.

    Args:
        size: nodes along each axis, at least 2.
        dtype: dtype of the table.

    Raises:
        ValueError: `size` is less than 2.
    """
    if size < 2:
        raise ValueError(f"a look-up table needs at least 2 nodes along each axis, not {size}")
    nodes = jnp.linspace(0, 1, size, dtype=dtype)
    return jnp.stack(jnp.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1)
