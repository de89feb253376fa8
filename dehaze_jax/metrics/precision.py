"""In which precision scores are computed."""

import jax
import jax.numpy as jnp


def as_score_dtype(restored: jax.Array, clear: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both images in float32, or in float64 if one of them is."""
    double = jnp.float64 in (restored.dtype, clear.dtype)
    dtype = jnp.float64 if double else jnp.float32
    return restored.astype(dtype), clear.astype(dtype)
