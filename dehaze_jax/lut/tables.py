"""Making look-up tables, and bringing them to another size."""

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Shaped

from dehaze_jax.lut.checks import check_size, check_table


def identity(size: int, *, dtype: DTypeLike = jnp.float32) -> Float[Array, "size size size 3"]:
    """The table that returns its input: `table[r, g, b] = (r, g, b) / (size - 1)`.

    Args:
        size: nodes along each axis, at least 2.
        dtype: dtype of the table.

    Raises:
        ValueError: `size` is less than 2.
    """
    check_size(size)
    nodes = jnp.linspace(0, 1, size, dtype=dtype)
    return jnp.stack(jnp.meshgrid(nodes, nodes, nodes, indexing="ij"), axis=-1)


def resample(
    table: Shaped[Array | np.ndarray, "..."], size: int
) -> Float[Array, "*batch new new new 3"]:
    """The table at another number of nodes, by trilinear interpolation.

    A new node that is an old one keeps its colour unrounded: a finer table whose `size - 1` is a
    multiple of the old one gives the same trilinear look-ups, to rounding.

    Args:
        table: one table, or several: float `[*batch, old, old, old, 3]`.
        size: nodes along each axis of the result, at least 2.

    Returns:
        Tables of the dtype of `table`.

    Raises:
        ValueError: `table` is not a table of floats, or a size is less than 2.
    """
    table = jnp.asarray(table)
    check_table(table, batch_axes=None)
    check_size(size)
    matrix = jnp.asarray(resampling_matrix(table.shape[-2], size), table.dtype)
    for axis in (-4, -3, -2):
        rows = jnp.moveaxis(table, axis, -1)
        table = jnp.moveaxis(jnp.matmul(rows, matrix.T, precision="highest"), -1, axis)
    return table


def resampling_matrix(old: int, new: int) -> Float[np.ndarray, "new old"]:
    """Weights of linear interpolation from `old` to `new` equidistant nodes with common ends."""
    # Whole numbers: where nodes coincide the weights are 0 and 1 exactly.
    cell, rest = np.divmod(np.arange(new) * (old - 1), new - 1)
    cell, rest = np.where(cell == old - 1, (cell - 1, rest + new - 1), (cell, rest))
    matrix = np.zeros((new, old))
    matrix[np.arange(new), cell] = 1 - rest / (new - 1)
    matrix[np.arange(new), cell + 1] = rest / (new - 1)
    return matrix
