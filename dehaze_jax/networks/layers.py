"""Building blocks of the backbones. Features are `[b, h, w, c]`."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, modulated by an embedding and by what the whole image looks like.

    x + conv(gelu(conv(norm(x) (1 + scale) + shift)) gate): scale and shift come from the embedding
    (FiLM), the channel gate from the spatial mean (squeeze and excitation). The last convolution
    starts at zero, so that a new block is the identity.

    Attributes:
        features: channels in and out.

    Reference: Hu et al., Squeeze-and-excitation (CVPR 2018).
    """

    features: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]
    ) -> Float[Array, "b h w c"]:
        """Refines features."""
        y = film(nn.LayerNorm()(x), embedding)
        y = nn.gelu(nn.Conv(self.features, (3, 3))(y))
        mean = jnp.mean(y, axis=(1, 2))
        gate = nn.sigmoid(
            nn.Dense(self.features)(nn.relu(nn.Dense(max(self.features // 4, 1))(mean)))
        )
        y = y * gate[:, None, None, :]
        return x + nn.Conv(self.features, (3, 3), kernel_init=nn.initializers.zeros)(y)


def film(x: Float[Array, "b h w c"], embedding: Float[Array, "b e"]) -> Float[Array, "b h w c"]:
    """A layer inside a compact module: x (1 + scale) + shift, both from the embedding, 0 at first.

    Reference: Perez et al., FiLM (AAAI 2018).
    """
    both = nn.Dense(2 * x.shape[-1], kernel_init=nn.initializers.zeros)(nn.silu(embedding))
    scale, shift = jnp.split(both[:, None, None, :], 2, axis=-1)
    return x * (1 + scale) + shift


def fold(x: Float[Array, "b h w c"], size: int) -> Float[Array, "b H W k"]:
    """Moves each `size` x `size` block of pixels into the channels (space to depth).

    Followed by a dense layer this is a convolution with stride `size`, whose gradient XLA computes
    many times slower on CPUs. Sizes that do not divide are padded by repeating the edge.
    """
    bottom, right = -x.shape[1] % size, -x.shape[2] % size
    if bottom or right:
        x = jnp.pad(x, ((0, 0), (0, bottom), (0, right), (0, 0)), mode="edge")
    b, h, w, c = x.shape
    x = x.reshape(b, h // size, size, w // size, size, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h // size, w // size, size * size * c)


def upsample(x: Float[Array, "b h w c"], height: int, width: int) -> Float[Array, "b H W c"]:
    """Doubles the size by repeating, then cuts to `height` x `width` (odd sizes of a skip)."""
    twice = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
    return twice[:, :height, :width, :]
