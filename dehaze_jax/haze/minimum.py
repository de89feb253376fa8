"""Minimum over a square window."""

import jax
import jax.numpy as jnp

from dehaze_jax.arrays import Plane


def minimum_filter(plane: Plane, size: int) -> Plane:
    """Minimum over `size` x `size` pixels, `size` odd; pixels outside the plane do not count."""
    for axis in (plane.ndim - 2, plane.ndim - 1):
        plane = _along(plane, size, axis)
    return plane


def _along(plane: Plane, size: int, axis: int) -> Plane:
    """Windows of doubling length, as min(a, a shifted): log2(size) passes that fuse."""
    length = plane.shape[axis]
    half = size // 2
    edges = [(half, half) if i == axis else (0, 0) for i in range(plane.ndim)]
    plane = jnp.pad(plane, edges, constant_values=jnp.inf)
    reach = 1
    while reach < size:
        shift = min(reach, size - reach)
        kept = plane.shape[axis] - shift
        plane = jnp.minimum(
            jax.lax.slice_in_dim(plane, 0, kept, axis=axis),
            jax.lax.slice_in_dim(plane, shift, shift + kept, axis=axis),
        )
        reach += shift
    return jax.lax.slice_in_dim(plane, 0, length, axis=axis)
