"""Networks of the velocity field: the haze purifier and the mixer of several Haze-LUTs.

Both work at the proxy's fixed low resolution, whatever the size of the picture.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Grid
from dehaze_jax.methods.dehazeflow.config import DehazeFlowConfig
from dehaze_jax.networks.cells import cell_features
from dehaze_jax.networks.precision import FLOAT32, Policy
from dehaze_jax.networks.time import TimeEmbedding

_COEFFICIENTS = 12  # a 3 x 4 affine colour model


class HazePurifier(nn.Module):
    """Reads a proxy of the state and predicts a bilateral grid of affine velocities.

    Blocks of 4 x 4 pixels become features, a backbone works on them, and a head that starts at zero
    makes the grid, so that nothing moves before training.

    Attributes:
        config: sizes, backbone and time conditioning.
        policy: types that the backbone works in; the embedding of time and the heads are float32.
    """

    config: DehazeFlowConfig
    policy: Policy = FLOAT32

    @nn.compact
    def __call__(
        self, proxy: Float[Array, "b p p c"], t: Float[Array, " b"]
    ) -> tuple[Grid, Float[Array, "b 3"]]:
        """Returns the grid `[b, g, g, d, 12]` and the gate of the Haze-LUT, in (0, 2)."""
        config = self.config
        embedding = TimeEmbedding(config.time_features)(t)
        gate = 2 * nn.sigmoid(nn.Dense(3, kernel_init=nn.initializers.zeros)(nn.silu(embedding)))
        if config.time_conditioning == "channel":
            plane = jnp.broadcast_to(t[:, None, None, None], (*proxy.shape[:-1], 1))
            proxy = jnp.concatenate([proxy, plane], axis=-1)
            embedding = jnp.zeros_like(embedding)
        x = cell_features(
            2 * proxy - 1,
            embedding,
            backbone=config.backbone,
            width=config.width,
            cells=config.grid_size,
            policy=self.policy,
        )
        depth = config.grid_depth
        grid = nn.Dense(depth * _COEFFICIENTS, kernel_init=nn.initializers.zeros)(x)
        return grid.reshape(*grid.shape[:-1], depth, _COEFFICIENTS), gate


class LutMixer(nn.Module):
    """Weights of several Haze-LUTs, from time and from the colours of the proxy.

    Attributes:
        config: number of tables, length of the time embedding.

    Reference: Zeng et al. (TPAMI 2020), whose weights come from a network on the picture; here
    from the mean and the standard deviation of its colours.
    """

    config: DehazeFlowConfig

    @nn.compact
    def __call__(
        self, proxy: Float[Array, "b p p 3"], t: Float[Array, " b"]
    ) -> Float[Array, "b n"]:
        """Returns weights that sum to 1."""
        mean = jnp.mean(proxy, axis=(1, 2))
        spread = jnp.sqrt(jnp.mean((proxy - mean[:, None, None, :]) ** 2, axis=(1, 2)) + 1e-6)
        embedding = TimeEmbedding(self.config.time_features)(t)
        features = jnp.concatenate([mean, spread, embedding], axis=-1)
        hidden = nn.gelu(nn.Dense(self.config.time_features)(features))
        return jax.nn.softmax(nn.Dense(self.config.lut_count)(hidden), axis=-1)
