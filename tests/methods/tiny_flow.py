"""The smallest 4KDehazeFlow, with a backbone given as a user gives theirs."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dehaze_jax.methods import DehazeFlowConfig
from dehaze_jax.methods.dehazeflow.field import init_params


class Pointwise(nn.Module):
    """Compiles quickly."""

    features: int
    width: int

    @nn.compact
    def __call__(self, x, embedding):
        hidden = nn.Dense(self.width)(x) + nn.Dense(self.width)(embedding)[:, None, None, :]
        return nn.Dense(self.features)(nn.gelu(hidden))


TINY = DehazeFlowConfig(
    proxy_size=16,
    grid_size=4,
    grid_depth=2,
    backbone="tiny_flow:Pointwise",
    width=8,
    lut_size=5,
    time_features=8,
)


def random_params(config):
    """Parameters of the right shapes with no layer at zero."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda key: init_params(config, key), jax.random.key(0))
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(0, 0.1, leaf.shape), jnp.float32), shapes
    )
