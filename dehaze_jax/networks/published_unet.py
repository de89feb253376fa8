"""The U-Net of the published bilateral network, with PyTorch's initial values."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.image.resampling import resize_corners
from dehaze_jax.networks.normalisation import BatchNorm

_WIDE = 32  # output channels that XLA's matrix products need to be quick


class TorchConv(nn.Module):
    """Convolution with zeros around; kernel and bias are drawn as PyTorch draws them.

    Attributes:
        features: channels of the output.
        size: side of the kernel, odd.
    """

    features: int
    size: int = 3

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b h w k"]:
        """Convolves with stride 1; the size stays. `train` says that a gradient will be asked for.

        Both ways are the same sums.
        """
        bound = (self.size**2 * x.shape[-1]) ** -0.5

        def uniform(key, shape):
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        kernel = self.param("kernel", uniform, (self.size, self.size, x.shape[-1], self.features))
        bias = self.param("bias", uniform, (self.features,))
        if train:
            y = _convolve(x, kernel)
        else:
            y = jax.lax.platform_dependent(x, kernel, cpu=_convolve_wide, default=_convolve)
        return y + bias[None, None, None]


def _convolve(x, kernel, stride: int = 1, padding: Any = "SAME"):
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (1, stride), padding, dimension_numbers=layout)


def _convolve_wide(x, kernel):
    """Several neighbouring columns as channels of one place.

    XLA's convolutions on CPUs are matrix products that are slow with few output channels: from 8 to
    3 channels this takes a sixth of the time, from 16 to 16 three quarters. Its gradient does not.
    """
    size, _, features, new = kernel.shape
    together = 1
    while size > 1 and 2 * together * new <= _WIDE and x.shape[2] % (2 * together) == 0:
        together *= 2
    if together == 1:
        return _convolve(x, kernel)
    shifted = [
        jnp.pad(kernel, [(0, 0), (place, together - 1 - place), (0, 0), (0, 0)])
        for place in range(together)
    ]
    wide = jnp.stack(shifted, axis=3).reshape(size, size + together - 1, features, -1)
    margin = size // 2
    y = _convolve(x, wide, together, ((margin, margin), (margin, margin)))
    return y.reshape(*x.shape[:3], new)


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
