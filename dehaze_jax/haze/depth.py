"""Depth for clear pictures of which none is known, on the device."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Key, Plane
from dehaze_jax.haze.fractal import fractal_noise
from dehaze_jax.image.colour import luma
from dehaze_jax.image.filters import guided_models

_FARTHEST = 6.0
"""Distance of the horizon over that of the nearest ground."""

_RELIEF = 0.35
"""Standard deviation of the logarithm of depth over a smooth ground."""

_SCALE = 0.5
"""Size of the largest relief, as a share of the longer side."""

_COARSE = 64
"""Longer side at which smooth fields are made."""

_RADIUS = 4
"""Of the guided filter, in pixels of the coarse picture."""


@jax.jit
def procedural_depth(
    key: Key, clear: Float[Array, "height width 3"], *, horizon: float | Float[Array, ""]
) -> Plane:
    """A ground that recedes to the horizon, with fractal relief that follows the picture's edges.

    Good for training and for demonstrations; it is no estimate of the depth of the picture. The
    edges are those of a guided filter (He, Sun: Fast guided filter, 2015), whose models are made on
    a small copy.

    Args:
        key: which relief.
        clear: the picture.
        horizon: its row as a share of the height, from the top.

    Returns:
        `[height, width]` in (0, 1]; the farthest point has depth 1.
    """
    height, width, _ = clear.shape
    rows, columns = coarse_size(height, width)
    row = (jnp.arange(rows, dtype=clear.dtype) + 0.5) / rows
    below = jnp.clip((row - horizon) / (1 - horizon), 1 / _FARTHEST, 1)
    relief = _RELIEF * fractal_noise(key, rows, columns, scale=_SCALE)
    rough = relief.astype(clear.dtype) - jnp.log(below)[:, None]
    guide = luma(clear)[..., None]
    small = jax.image.resize(guide, (rows, columns, 1), "linear", antialias=True)
    models = guided_models(small, rough, radius=_RADIUS, epsilon=1e-3)
    slope, offset = jnp.moveaxis(enlarge(models, height, width), -1, 0)
    logarithm = slope * guide[..., 0] + offset
    return jnp.exp(logarithm - logarithm.max())


def coarse_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns at which smooth fields of a picture are made, 64 at most."""
    scale = min(1.0, _COARSE / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))


def enlarge(
    fields: Float[Array, "rows columns channels"], height: int, width: int
) -> Float[Array, "height width channels"]:
    """Brings smooth fields to full size, bilinearly: two products with narrow matrices."""
    return jax.image.resize(fields, (height, width, fields.shape[-1]), "linear")
