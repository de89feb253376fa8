"""A small network with skips that refines an image."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.image.resampling import resize_corners
from dehaze_jax.networks.convolutions import TorchConv
from dehaze_jax.networks.normalisation import BatchNorm

_SLOPE = 0.2


class NormConv(nn.Module):
    """3 x 3 convolution and batch normalisation.

    Attributes:
        features: channels of the output.
        stride: 1 or 2.
    """

    features: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b H W k"]:
        """Maps features."""
        conv = TorchConv(self.features, stride=self.stride, padding="reflect", name="conv")
        return BatchNorm(name="norm")(conv(x, train=train), train=train)


class RefinementCNN(nn.Module):
    """Down twice, residual blocks, and up again with skips; mirrored at the border.

    Attributes:
        width: channels of the first layer; 2, 4 and 8 times as many in the three after it.
        blocks: residual blocks at a quarter of the size.
    """

    width: int = 16
    blocks: int = 4

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"], *, train: bool) -> Float[Array, "b h w 3"]:
        """Maps images to values in (-1, 1) of the same size, which can be any."""

        def conv(features, name, x):
            x = TorchConv(features, padding="reflect", name=name)(x, train=train)
            return nn.leaky_relu(x, _SLOPE)

        def norm_conv(features, name, x, stride=1):
            return nn.leaky_relu(NormConv(features, stride, name=name)(x, train=train), _SLOPE)

        width = self.width
        whole = norm_conv(2 * width, "down1", conv(width, "first", x))
        half = norm_conv(4 * width, "down2", whole, stride=2)
        quarter = norm_conv(8 * width, "down3", half, stride=2)
        x = quarter
        for number in range(1, self.blocks + 1):
            y = norm_conv(8 * width, f"block{number}_1", x)
            x = x + NormConv(8 * width, name=f"block{number}_2")(y, train=train)
        x = norm_conv(4 * width, "up1", _enlarge(x, quarter, half))
        x = conv(2 * width, "up2", _enlarge(x, half, whole))
        x = conv(2 * width, "up3", jnp.concatenate([x, whole], axis=-1))
        return jnp.tanh(conv(3, "last", x))


def _enlarge(x, skip, like):
    """Features and skip at the size of another: twice their own, or one less if that is odd."""
    x = jnp.concatenate([x, skip], axis=-1)
    return resize_corners(x, *like.shape[1:3], kernel="bilinear")
