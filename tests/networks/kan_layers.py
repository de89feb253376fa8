"""KAN layers with weights far from the initial ones."""

import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.networks import KANLinear, uniform_knots


def layer_of(inputs, features, *, spread=1.0, **options):
    """A layer and its variables; `spread` times as wide knots as its domain asks for."""
    layer = KANLinear(features, **options)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), jnp.zeros((1, inputs)))["params"]
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda s: jnp.asarray(rng.normal(size=s.shape), jnp.float32), shapes)
    knots = uniform_knots(*layer.domain, layer.intervals, layer.order).astype(jnp.float32)
    return layer, {"params": params, "grids": {"knots": spread * jnp.tile(knots, (inputs, 1))}}
