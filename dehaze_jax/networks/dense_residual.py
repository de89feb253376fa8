"""Enhancement of features by residual dense blocks."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.networks.convolutions import TorchConv


class ResidualDenseBlock(nn.Module):
    """Three convolutions that each read all features before them, merged and added.

    Attributes:
        size: side of the kernels.

    Reference: Zhang et al., Residual dense network (CVPR 2018), section 3.2.
    """

    size: int = 5

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        """Refines features."""
        features, known = x.shape[-1], x
        for number in (1, 2, 3):
            new = nn.relu(TorchConv(features, self.size, name=f"conv{number}")(known, train=train))
            known = jnp.concatenate([known, new], axis=-1)
        return x + TorchConv(features, 1, name="merge")(known, train=train)


class DenseResidualEnhancement(nn.Module):
    """Takes from features what two residual dense blocks find in them.

    Attributes:
        width: channels inside.
        size: side of the kernels.
    """

    width: int = 64
    size: int = 5

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        """Refines features; their number and size stay."""
        first = TorchConv(self.width, self.size, name="first")(x, train=train)
        one = nn.relu(ResidualDenseBlock(self.size, name="block1")(first, train=train))
        two = nn.relu(ResidualDenseBlock(self.size, name="block2")(one, train=train))
        found = TorchConv(self.width, self.size, name="fuse")(first + one + two, train=train)
        return x - TorchConv(x.shape[-1], self.size, name="last")(nn.relu(found), train=train)
