"""Convolutions with PyTorch's initial values and kinds of padding."""

from typing import Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Padding: TypeAlias = Literal["zeros", "reflect", "none"]

_WIDE = 32  # output channels that XLA's matrix products need to be quick


class TorchConv(nn.Module):
    """Convolution whose kernel and bias are drawn as PyTorch draws them.

    Attributes:
        features: channels of the output.
        size: side of the kernel.
        stride: pixels from one place of the kernel to the next.
        padding: what is around the image, `margin` pixels at each side: zeros, the image mirrored
            at the centre of its outermost pixels, or nothing.
        margin: half the kernel if not given.
        bias: whether there is one.
    """

    features: int
    size: int = 3
    stride: int = 1
    padding: Padding = "zeros"
    margin: int | None = None
    bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], *, train: bool) -> Float[Array, "b H W k"]:
        """Convolves. `train` says that a gradient will be asked for.

        Both ways are the same sums.
        """
        bound = (self.size**2 * x.shape[-1]) ** -0.5

        def uniform(key, shape):
            return jax.random.uniform(key, shape, jnp.float32, -bound, bound)

        kernel = self.param("kernel", uniform, (self.size, self.size, x.shape[-1], self.features))
        margin = self.size // 2 if self.margin is None else self.margin
        if self.padding == "reflect":
            x = reflect(x, margin)
        around = margin if self.padding == "zeros" else 0
        if train or self.stride > 1:
            y = _convolve(x, kernel, (self.stride, self.stride), around)
        else:
            y = jax.lax.platform_dependent(
                x,
                kernel,
                cpu=lambda x, kernel: _convolve_wide(x, kernel, around),
                default=lambda x, kernel: _convolve(x, kernel, (1, 1), around),
            )
        if not self.bias:
            return y
        return y + self.param("bias", uniform, (self.features,))[None, None, None]


def reflect(x: Float[Array, "b h w c"], margin: int) -> Float[Array, "b H W c"]:
    """Adds `margin` pixels at each side by mirroring at the centres of the outermost pixels."""
    return jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")


def _convolve(x, kernel, strides: tuple[int, int], margin: int):
    layout = ("NHWC", "HWIO", "NHWC")
    around = [(margin, margin)] * 2
    return jax.lax.conv_general_dilated(x, kernel, strides, around, dimension_numbers=layout)


def _convolve_wide(x, kernel, margin: int):
    """Several neighbouring columns as channels of one place.

    XLA's convolutions on CPUs are matrix products that are slow with few output channels: from 8 to
    3 channels this takes a sixth of the time, from 16 to 16 three quarters. Its gradient does not.
    """
    size, _, features, new = kernel.shape
    columns = x.shape[2] + 2 * margin - size + 1
    together = 1
    while size > 1 and 2 * together * new <= _WIDE and columns % (2 * together) == 0:
        together *= 2
    if together == 1:
        return _convolve(x, kernel, (1, 1), margin)
    shifted = [
        jnp.pad(kernel, [(0, 0), (place, together - 1 - place), (0, 0), (0, 0)])
        for place in range(together)
    ]
    wide = jnp.stack(shifted, axis=3).reshape(size, size + together - 1, features, -1)
    y = _convolve(x, wide, (1, together), margin)
    return y.reshape(x.shape[0], y.shape[1], columns, new)
