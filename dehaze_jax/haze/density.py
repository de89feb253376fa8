"""Density fields of non-homogeneous haze."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key

_OCTAVES = 4


@functools.partial(jax.jit, static_argnames=("height", "width", "scale"))
def density_field(
    key: Key,
    height: int,
    width: int,
    *,
    strength: float | Float[Array, ""] = 0.5,
    scale: float = 0.5,
) -> Float[Array, "height width"]:
    """A smooth positive field of mean 1; multiply it with beta.

    Fractal noise of cubic B-splines on random lattices, as the logarithm of the density. The same
    key gives the same field at any size of the same aspect ratio.

    Args:
        key: which field.
        height: rows.
        width: columns.
        strength: standard deviation of the logarithm of the density; 0 gives homogeneous haze.
        scale: size of the largest patches, as a share of the longer side.
    """
    longer = max(height, width)
    noise = jnp.zeros((height, width))
    for octave, octave_key in enumerate(jax.random.split(key, _OCTAVES)):
        cells = 2**octave / scale
        knots = int(cells) + 4
        lattice = jax.random.normal(octave_key, (knots, knots))
        rows, columns = (_spline(n, cells / longer, knots) for n in (height, width))
        noise += 0.5**octave * jnp.einsum(
            "ij,jk,lk->il", rows, lattice, columns, precision="highest"
        )
    noise -= noise.mean()
    spread = jnp.sqrt(jnp.maximum(jnp.mean(noise**2), 1e-12))  # one pixel has none
    density = jnp.exp(strength * noise / spread)
    return density / density.mean()


def _spline(size: int, step: float, knots: int) -> Float[Array, "size knots"]:
    """Uniform cubic B-spline weights of `size` pixel centres, `step` cells apart."""
    position = (jnp.arange(size, dtype=float) + 0.5) * step + 1
    distance = jnp.abs(position[:, None] - jnp.arange(knots, dtype=float)[None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = jnp.maximum(2 - distance, 0) ** 3 / 6
    return jnp.where(distance < 1, near, far)
