"""LPIPS, a learned perceptual distance, by features of AlexNet; its weights are the user's."""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dehaze_jax.arrays import Image, PerImage
from dehaze_jax.errors import InputError

# What the weights were learnt with, for values in [-1, 1].
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_TINY = 1e-10


class Convolution(NamedTuple):
    """Of AlexNet: side, inputs and outputs of its kernel; its step; whether maxima go before it."""

    size: int
    inputs: int
    outputs: int
    stride: int
    pooled: bool


CONVOLUTIONS = (
    Convolution(11, 3, 64, 4, pooled=False),
    Convolution(5, 64, 192, 1, pooled=True),
    Convolution(3, 192, 384, 1, pooled=True),
    Convolution(3, 384, 256, 1, pooled=False),
    Convolution(3, 256, 256, 1, pooled=False),
)
"""Those of AlexNet, Krizhevsky 2014 (arXiv 1404.5997), each followed by a ReLU."""

SMALLEST = 31
"""Pixels that a side needs at least."""

Kernel: TypeAlias = Float[Array, "size size inputs outputs"]


class LpipsParams(NamedTuple):
    """Weights of LPIPS, one entry for each of `CONVOLUTIONS`.

    Attributes:
        kernels: of the convolutions.
        biases: `[outputs]`.
        linear: what a squared difference of a feature counts, `[outputs]`.
    """

    kernels: tuple[Kernel, ...]
    biases: tuple[Float[Array, " outputs"], ...]
    linear: tuple[Float[Array, " outputs"], ...]


def lpips(params: LpipsParams, restored: Image, clear: Image) -> PerImage:
    """Learned perceptual image patch similarity; lower is better, 0 for equal images.

    Images are clipped to [0, 1] and rounded to 8 bit first, as if they had been written to files.

    Args:
        params: from `evaluation.load_lpips`.
        restored: image to score, `[*, h, w, 3]`.
        clear: reference, same shape.

    Raises:
        InputError: a side is shorter than `SMALLEST` pixels.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang, "The unreasonable effectiveness of deep features as a
        perceptual metric", CVPR 2018, equation 1; version 0.1 of its code.
    """
    height, width = restored.shape[-3:-1]
    if min(height, width) < SMALLEST:
        raise InputError("lpips", f"needs {SMALLEST} pixels a side, not {width} x {height}")
    return _lpips(params, restored, clear)


@jax.jit
def _lpips(params: LpipsParams, restored: Image, clear: Image) -> PerImage:
    batch = restored.shape[:-3]
    pictures = jnp.stack([restored, clear]).reshape(-1, *restored.shape[-3:])
    maps = jnp.round(jnp.clip(pictures.astype(jnp.float32), 0, 1) * 255) / 127.5 - 1
    maps = (maps - jnp.asarray([[[_SHIFT]]])) / jnp.asarray([[[_SCALE]]])
    distance = jnp.zeros(len(pictures) // 2)
    for convolution, kernel, bias, linear in zip(CONVOLUTIONS, *params, strict=True):
        if convolution.pooled:
            maps = jax.lax.reduce_window(
                maps, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "VALID"
            )
        # A fifth of the first kernel lies outside, half of the others, as published.
        padding = 2 if convolution.stride > 1 else convolution.size // 2
        maps = jax.lax.conv_general_dilated(
            maps,
            kernel,
            (convolution.stride,) * 2,
            [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )
        maps = jax.nn.relu(maps + bias[None, None, None])
        length = jnp.sqrt(jnp.sum(maps**2, axis=-1, keepdims=True))
        ours, theirs = jnp.split(maps / (length + _TINY), 2)
        distance += jnp.mean((ours - theirs) ** 2 @ linear, axis=(1, 2))
    return distance.reshape(batch)
