"""Depthwise convolution: each channel with a small kernel of its own."""

import functools
from typing import Literal, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.networks.convolutions import reflect

DepthwisePadding: TypeAlias = Literal["same", "reflect"]


class DepthwiseConv(nn.Module):
    """Convolves each channel by itself.

    Attributes:
        size: side of the kernel.
        stride: pixels from one place of the kernel to the next.
        padding: what is around the image: as many zeros as give `ceil(size / stride)` pixels, the
            odd one below and on the right as in TensorFlow; or half a kernel of the image mirrored
            at the centre of its outermost pixels.
        bias: whether there is one.
        kernel_init: initial values of the kernel, `[size, size, 1, channels]`; PyTorch's if not
            given, uniform within one over the side of the kernel.
    """

    size: int = 3
    stride: int = 1
    padding: DepthwisePadding = "same"
    bias: bool = True
    kernel_init: nn.initializers.Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b H W c"]:
        """Convolves."""
        channels = x.shape[-1]

        def uniform(key, shape, dtype):
            return jax.random.uniform(key, shape, dtype, -1 / self.size, 1 / self.size)

        shape = (self.size, self.size, 1, channels)
        kernel = self.param("kernel", self.kernel_init or uniform, shape, jnp.float32)
        if self.padding == "reflect":
            x = reflect(x, self.size // 2)
        else:
            around = [_same(length, self.size, self.stride) for length in x.shape[1:3]]
            x = jnp.pad(x, [(0, 0), *around, (0, 0)])
        y = jax.lax.platform_dependent(
            x,
            kernel,
            cpu=lambda x, kernel: _shifted(x, kernel, self.stride),
            default=lambda x, kernel: _grouped(x, kernel, self.stride),
        )
        if not self.bias:
            return y
        return y + self.param("bias", uniform, (channels,), jnp.float32)[None, None, None]


def _same(length: int, size: int, stride: int) -> tuple[int, int]:
    """Zeros before and after."""
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def _grouped(x, kernel, stride: int):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _shifted(x, kernel, stride: int):
    """Sum of shifted images; on CPUs XLA takes twenty to seventy times as long for groups.

    Its gradient is written out because XLA sums over places slowly when each channel is kept.
    """
    size = kernel.shape[0]
    height, width = ((length - size) // stride + 1 for length in x.shape[1:3])
    total = None
    for i in range(size):
        rows = x[:, i : i + stride * (height - 1) + 1 : stride]
        for j in range(size):
            shifted = rows[:, :, j : j + stride * (width - 1) + 1 : stride]
            part = shifted * kernel[None, None, None, i, j, 0]
            total = part if total is None else total + part
    return total


def _forward(x, kernel, stride: int):
    return _shifted(x, kernel, stride), (x, kernel)


def _backward(stride: int, kept, cotangents):
    x, kernel = kept
    return (
        _gradient_of_image(cotangents, kernel, stride, x.shape),
        _gradient_of_kernel(x, cotangents, kernel.shape, stride),
    )


_shifted.defvjp(_forward, _backward)


def _gradient_of_image(cotangents, kernel, stride: int, shape):
    size = kernel.shape[0]
    around = [(0, 0, 0)] * 4
    for axis in (1, 2):
        reached = stride * (cotangents.shape[axis] - 1) + size
        around[axis] = (size - 1, size - 1 + shape[axis] - reached, stride - 1)
    apart = jax.lax.pad(cotangents, jnp.zeros((), cotangents.dtype), around)
    return _shifted(apart, kernel[::-1, ::-1], 1)


def _gradient_of_kernel(x, cotangents, shape, stride: int):
    size, channels = shape[0], shape[-1]
    batch, height, width, _ = cotangents.shape
    ones = jnp.ones((1, batch * height), x.dtype)  # a matrix product sums faster than a reduction

    def row(i):
        rows = jax.lax.dynamic_slice_in_dim(x, i, stride * (height - 1) + 1, 1)[:, ::stride]
        sums = []
        for j in range(size):
            shifted = rows[:, :, j : j + stride * (width - 1) + 1 : stride]
            products = (shifted * cotangents).reshape(batch * height, width * channels)
            sums.append(jnp.sum((ones @ products).reshape(width, channels), axis=0))
        return jnp.stack(sums)

    return jax.lax.map(row, jnp.arange(size)).reshape(shape)
