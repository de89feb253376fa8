"""The U-Net of the published bilateral network."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.image.resampling import resize_corners
from dehaze_jax.networks.convolutions import TorchConv
from dehaze_jax.networks.normalisation import BatchNorm


class DoubleConv(nn.Module):
    """Two 3 x 3 convolutions, each with batch normalisation and ReLU.

    Attributes:
        features: channels of the output.
        middle: channels between; as many as of the output if not given.
    """

    features: int
    middle: int | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w k"]:
        """Refines features."""
        for number, features in enumerate((self.middle or self.features, self.features), start=1):
            x = TorchConv(features, name=f"conv{number}")(x, train=train)
            x = nn.relu(BatchNorm(name=f"norm{number}")(x, train=train))
        return x


class PublishedUNet(nn.Module):
    """U-Net with four levels below the first and bilinear upsampling.

    Attributes:
        features: channels of the output.
        width: channels of the first level; those below have 2, 4, 8 and 8 times as many.

    Reference: Ronneberger et al., U-Net (MICCAI 2015), with padding and batch normalisation.
    """

    features: int
    width: int = 64

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w k"]:
        """Maps an image to `features` channels of the same size, at least 16 x 16."""
        skips = [DoubleConv(self.width, name="inc")(x, train=train)]
        for number, factor in enumerate((2, 4, 8, 8), start=1):
            x = nn.max_pool(skips[-1], (2, 2), strides=(2, 2))
            skips.append(DoubleConv(factor * self.width, name=f"down{number}")(x, train=train))
        x = skips.pop()
        for number, factor in enumerate((4, 2, 1, 1), start=1):
            skip = skips.pop()
            x = jnp.concatenate([skip, _double(x, *skip.shape[1:3])], axis=-1)
            block = DoubleConv(factor * self.width, x.shape[-1] // 2, name=f"up{number}")
            x = block(x, train=train)
        return TorchConv(self.features, name="head")(x, train=train)


def _double(x: Array, height: int, width: int) -> Array:
    """Twice the size, with zeros around where the skip is larger."""
    rows, columns = 2 * x.shape[1], 2 * x.shape[2]
    x = resize_corners(x, rows, columns, kernel="bilinear")
    below, right = height - rows, width - columns
    around = [(n // 2, n - n // 2) for n in (below, right)]
    return jnp.pad(x, [(0, 0), *around, (0, 0)])
