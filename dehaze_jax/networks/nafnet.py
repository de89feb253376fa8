"""NAFNet: a U-shaped network without activation functions, modulated by an embedding."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.networks.depthwise import DepthwiseConv
from dehaze_jax.networks.layers import film, fold, upsample


class NAFBlock(nn.Module):
    """Products of two halves of the channels (`SimpleGate`) in place of activations.

    y = x + beta W (pool(g) g), g = gate(depthwise(W norm(x))), then y + gamma W gate(W norm(y)):
    `pool` weighs channels by their spatial means (simplified channel attention). Both norms are
    scaled and shifted by the embedding; beta and gamma start at zero, so that a new block is the
    identity.

    Attributes:
        features: channels in and out.

    Reference: Chen et al., Simple Baselines for Image Restoration (ECCV 2022); the embedding is
    an addition of ours.
    """

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w c"]:
        """Refines features."""
        y = nn.Dense(2 * self.features)(film(nn.LayerNorm(epsilon=1e-6)(x), embedding))
        y = simple_gate(DepthwiseConv(3)(y))
        y = y * nn.Dense(self.features)(jnp.mean(y, axis=(1, 2)))[:, None, None, :]
        x = x + self._weight("beta") * nn.Dense(self.features)(y)
        y = nn.Dense(2 * self.features)(film(nn.LayerNorm(epsilon=1e-6)(x), embedding))
        return x + self._weight("gamma") * nn.Dense(self.features)(simple_gate(y))

    def _weight(self, name: str) -> Array:
        weights = self.param(name, nn.initializers.zeros, (self.features,), jnp.float32)
        return weights[None, None, None]


def simple_gate(x: Float[Array, "b h w c"]) -> Float[Array, "b h w k"]:
    """The first half of the channels times the second; `c` is even."""
    first, second = jnp.split(x, 2, axis=-1)
    return first * second


class NAFNet(nn.Module):
    """`NAFBlock`s on a pyramid: down by two at each level, and up again with sums of skips.

    Attributes:
        features: channels of the output.
        width: channels at the first level; twice as many at each further one.
        levels: of the pyramid.
        middle: blocks at the lowest level; there is one on the way down and up at the others.

    Reference: as `NAFBlock`.
    """

    features: int
    width: int = 32
    levels: int = 3
    middle: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w k"]:
        """Maps an image or features to `features` channels of the same size; any size."""
        x = nn.Conv(self.width, (3, 3))(x)
        skips = []
        for level in range(1, self.levels):
            x = NAFBlock(x.shape[-1])(x, embedding)
            skips.append(x)
            x = nn.Dense(self.width * 2**level)(fold(x, 2))
        for _ in range(self.middle):
            x = NAFBlock(x.shape[-1])(x, embedding)
        for skip in reversed(skips):
            x = upsample(nn.Dense(skip.shape[-1])(x), *skip.shape[1:3]) + skip
            x = NAFBlock(x.shape[-1])(x, embedding)
        return nn.Conv(self.features, (3, 3))(x)
