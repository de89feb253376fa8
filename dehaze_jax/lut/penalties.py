"""What a learnt table pays for being rough or for reversing the order of colours.

Both are zero for the identity and are averages over the table, so that weights carry over from one
size to another.

Reference: Zeng et al., Learning image-adaptive 3D lookup tables for high performance photo
enhancement in real-time (TPAMI 2020); there the sums run over the table itself,
here over its difference from the identity, so that leaving colours alone costs nothing.

What is not a table of floats, or has a single node along an axis, raises ValueError.
"""

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from dehaze_jax.arrays import Lut
from dehaze_jax.lut.checks import check_table
from dehaze_jax.lut.tables import identity

Tables: TypeAlias = Shaped[Array | np.ndarray, "..."]


def _checked(table: Tables) -> Lut:
    check_table(table, batch_axes=None)
    return jnp.asarray(table)


def _differences(table: Lut) -> list[Array]:
    """Slopes along red, green and blue: differences of neighbours over their distance."""
    steps = table.shape[-2] - 1
    return [jnp.diff(table, axis=axis) * steps for axis in (-4, -3, -2)]


def smoothness(table: Tables) -> Float[Array, "*batch"]:
    """Mean squared slope of the table's difference from the identity, along its three axes."""
    table = _checked(table)
    difference = table - identity(table.shape[-2], dtype=table.dtype).reshape(
        (1,) * (table.ndim - 4) + table.shape[-4:]
    )
    slopes = [jnp.mean(slope**2, axis=(-4, -3, -2, -1)) for slope in _differences(difference)]
    return slopes[0] + slopes[1] + slopes[2]


def monotonicity(table: Tables) -> Float[Array, "*batch"]:
    """Mean squared negative slope of an output channel along its own input channel."""
    table = _checked(table)
    total = jnp.zeros(table.shape[:-4], table.dtype)
    for channel, slope in enumerate(_differences(table)):
        own = slope[..., channel]
        total = total + jnp.mean(jnp.minimum(own, 0) ** 2, axis=(-3, -2, -1))
    return total
