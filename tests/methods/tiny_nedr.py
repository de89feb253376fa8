"""The smallest NeDR, and pictures for it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.methods import NedrConfig, build
from dehaze_jax.networks import uniform_knots

TINY = NedrConfig(width=4, proxy_size=64, radius=3)


@functools.cache
def variables_of(config):
    """Values of the kind that training starts from, drawn without compiling anything."""
    shapes = jax.eval_shape(build(config).init, jax.random.key(1), {})
    rng = np.random.default_rng(1)

    def draw(path, leaf):
        collection, name, shape = path[0].key, path[-1].key, leaf.shape
        if collection == "grids":
            flat = uniform_knots(-1.0, 1.0, 5, 3)
            values = np.broadcast_to(flat, shape)
        elif collection == "spectral":
            values = rng.normal(size=shape)
            values = values / np.linalg.norm(values)
        elif name in ("scale", "var") and len(shape) == 1:
            values = rng.uniform(0.5, 1.0, shape)
        else:
            fan_in = max(np.prod(shape[:-1]), 1)
            values = rng.uniform(-1, 1, shape) / np.sqrt(fan_in)
        return jnp.asarray(values, jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def pictures(seed, *shape):
    """Smooth pictures `[*shape, 3]` with some noise."""
    rng = np.random.default_rng(seed)
    *batch, height, width = shape
    y, x = np.mgrid[:height, :width] / max(height, width)
    phases = rng.uniform(0, 6, (*batch, 1, 1, 3))
    waves = 0.5 + 0.3 * np.sin(6 * x[..., None] + phases) * np.cos(4 * y[..., None] - phases)
    noise = rng.normal(0, 0.03, (*batch, height, width, 3))
    return np.clip(waves + noise, 0, 1).astype(np.float32)
