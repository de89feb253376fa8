"""Fractal noise of the plane, on the device."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key

_OCTAVES = 4


def fractal_noise(
    key: Key, height: int, width: int, *, scale: float
) -> Float[Array, "height width"]:
    """Octaves of cubic B-splines on random lattices, of mean 0 and variance 1.

    The same key gives the same field at any size of the same aspect ratio.

    Args:
        key: which field.
        height: rows.
        width: columns.
        scale: size of the largest patches, as a share of the longer side.
    """
    longer = max(height, width)
    cells = [2**octave / scale for octave in range(_OCTAVES)]
    knots = [int(count) + 4 for count in cells]
    # All lattices as large as the finest, in one call: that compiles in a third of the time.
    keys = jax.random.split(key, _OCTAVES)
    lattices = jax.vmap(lambda key: jax.random.normal(key, (knots[-1] ** 2,)))(keys)
    noise = jnp.zeros((height, width))
    for octave, (count, size) in enumerate(zip(cells, knots, strict=True)):
        lattice = lattices[octave, : size**2].reshape(size, size)
        rows, columns = (_spline(n, count / longer, size) for n in (height, width))
        noise += 0.5**octave * jnp.einsum(
            "ij,jk,lk->il", rows, lattice, columns, precision="highest"
        )
    noise -= noise.mean()
    spread = jnp.sqrt(jnp.maximum(jnp.mean(noise**2), 1e-12))  # one pixel has none
    return noise / spread


def _spline(size: int, step: float, knots: int) -> Float[Array, "size knots"]:
    """Uniform cubic B-spline weights of `size` pixel centres, `step` cells apart."""
    position = (jnp.arange(size, dtype=float) + 0.5) * step + 1
    distance = jnp.abs(position[:, None] - jnp.arange(knots, dtype=float)[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = jnp.maximum(2 - distance, 0) ** 3 / 6
    return jnp.where(distance < 1, near, far)
