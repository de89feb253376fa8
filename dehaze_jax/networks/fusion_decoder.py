"""Parts of a decoder that fuses features from coarse to fine, as in MiDaS.

Reference: Ranftl et al., Towards robust monocular depth estimation (TPAMI 2022), the small network.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.image.resampling import resize_corners
from dehaze_jax.networks.convolutions import TorchConv


class ChannelMapper(nn.Module):
    """Brings features of an encoder to the channels of the decoder.

    Attributes:
        features: channels of the output.
    """

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w k"]:
        """Maps features of at least 2 x 2 pixels."""
        conv = TorchConv(self.features, padding="reflect", bias=False, name="conv")
        return conv(x, train=train)


class ResidualUnit(nn.Module):
    """x + conv(relu(conv(relu(x)))), without normalisation."""

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w c"]:
        """Refines features of at least 2 x 2 pixels."""
        y = x
        for number in (1, 2):
            conv = TorchConv(x.shape[-1], padding="reflect", name=f"conv{number}")
            y = conv(nn.relu(y), train=train)
        return x + y


class Refine(nn.Module):
    """Fuses what comes from below with features of the encoder, and doubles the size.

    Attributes:
        features: channels of the output.
    """

    features: int

    @nn.compact
    def __call__(
        self,
        deeper: Float[Array, "b h w c"],
        skip: Float[Array, "b h w c"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "b H W k"]:
        """Features of twice the size.

        Args:
            deeper: features of the coarser scale, already of this size; at least 2 x 2 pixels.
            skip: features of the encoder; none at the coarsest scale.
            train: whether a gradient will be asked for.
        """
        total = deeper
        if skip is not None:
            total = total + ResidualUnit(name="unit1")(skip, train=train)
        total = ResidualUnit(name="unit2")(total, train=train)
        # The published order is the other way round. They commute, since the weights of the
        # interpolation sum to one, and here a quarter of the pixels is multiplied.
        total = TorchConv(self.features, 1, name="out")(total, train=train)
        height, width = total.shape[1:3]
        return resize_corners(total, 2 * height, 2 * width, kernel="bilinear")


class MapHead(nn.Module):
    """One number for each pixel of an image of twice the size, before any squashing.

    Attributes:
        width: channels before the last layer.
    """

    width: int = 32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b H W 1"]:
        """Maps features of at least 2 x 2 pixels."""
        x = TorchConv(x.shape[-1] // 2, padding="reflect", name="conv1")(x, train=train)
        x = double(x)
        x = TorchConv(self.width, padding="reflect", name="conv2")(x, train=train)
        return TorchConv(1, 1, name="conv3")(nn.relu(x), train=train)


def double(x: Float[Array, "b h w c"]) -> Float[Array, "b H W c"]:
    """Twice the size by linear interpolation; the corners of the image stay, not of its pixels.

    As PyTorch's `interpolate(scale_factor=2, mode="bilinear", align_corners=False)`: the centres of
    new pixels are a quarter of a pixel beside those of the old, and the edge is repeated.
    """
    for axis in (1, 2):
        length = x.shape[axis]
        around = [(0, 0)] * 4
        around[axis] = (1, 1)
        wide = jnp.pad(x, around, mode="edge")
        index = [slice(None)] * 4
        index[axis] = slice(0, length)
        before = wide[tuple(index)]
        index[axis] = slice(2, length + 2)
        after = wide[tuple(index)]
        pairs = jnp.stack([0.25 * before + 0.75 * x, 0.75 * x + 0.25 * after], axis + 1)
        shape = list(x.shape)
        shape[axis] = 2 * length
        x = pairs.reshape(shape)
    return x
