"""What a camera does to a picture after the air: noise and compression."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

from dehaze_jax.arrays import Image, Key
from dehaze_jax.image.colour import linear_to_srgb, srgb_to_linear

# ITU-T T.81 (JPEG), tables K.1 and K.2: luma and chroma at quality 50.
_LUMA_STEPS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMA_STEPS = np.array(
    [
        [17, 18, 24, 47, 99, 99, 99, 99],
        [18, 21, 26, 66, 99, 99, 99, 99],
        [24, 26, 56, 99, 99, 99, 99, 99],
        [47, 66, 99, 99, 99, 99, 99, 99],
        *([99] * 8 for _ in range(4)),
    ]
)
_STEPS = np.stack([_LUMA_STEPS, _CHROMA_STEPS, _CHROMA_STEPS]).astype(np.float32)

# ITU-T T.871 (JFIF): full-range BT.601, without the offsets of 128.
_TO_YCC = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.886 / 1.772],
        [0.701 / 1.402, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
_TO_RGB = np.linalg.inv(_TO_YCC)
# Luma is coded around its middle; chroma lies around 0 already.
_MIDDLE, _LOWEST = np.array([128.0, 0, 0]), np.array([0.0, -128, -128])

# The orthonormal cosine transform of 8 values, and of blocks of 8 x 8: one product of matrices.
_FREQUENCY, _PLACE = np.mgrid[:8, :8]
_COSINES = np.cos(np.pi * (2 * _PLACE + 1) * _FREQUENCY / 16) / 2
_COSINES[0] /= np.sqrt(2)
_TRANSFORM = np.kron(_COSINES, _COSINES)


def camera_noise(
    key: Key,
    image: Image,
    *,
    shot: float | Float[Array, "*batch"],
    read: float | Float[Array, "*batch"],
) -> Image:
    """Adds Gaussian noise of variance shot x + read to the linear light x of an image.

    Args:
        key: which noise.
        image: sRGB-encoded in [0, 1].
        shot: variance of the shot noise at white, one for all or one an image.
        read: variance of the read noise.

    Returns:
        The noisy image, sRGB-encoded, clipped to [0, 1].

    Reference:
        Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, equation 1.
    """
    shot, read = (_per_pixel(value, image) for value in (shot, read))
    linear = srgb_to_linear(image)
    noise = jax.random.normal(key, image.shape, image.dtype)
    return linear_to_srgb(jnp.clip(linear + jnp.sqrt(shot * linear + read) * noise, 0, 1))


@jax.jit
def compress_jpeg(image: Image, *, quality: int | Num[Array, "*batch"]) -> Image:
    """What is left of an image after JPEG with full-size chroma (4:4:4).

    Blocks of 8 x 8 pixels, cosine transform, quantisation by the tables of the standard scaled as
    libjpeg does, and everything rounded to 8 bits where a file has 8 bits. Entropy coding loses
    nothing and is left out. Its gradient is zero.

    Args:
        image: in [0, 1].
        quality: 1 to 100, whole; one for all or one an image.

    Returns:
        The image in [0, 1], in steps of 1 / 255.
    """
    *batch, height, width, _ = image.shape
    levels = jnp.round(jnp.clip(image, 0, 1) * 255)
    edges = [(0, 0)] * len(batch) + [(0, -height % 8), (0, -width % 8), (0, 0)]
    colours = jnp.round(_mix(_TO_YCC, jnp.pad(levels, edges, mode="edge")))
    middle, lowest = _channels(_MIDDLE, image), _channels(_LOWEST, image)
    blocks = _cut(colours - middle)
    steps = _quantisation(jnp.broadcast_to(jnp.asarray(quality).astype(image.dtype), batch))
    transform = jnp.asarray(_TRANSFORM, image.dtype)
    coefficients = jnp.matmul(blocks, transform.T, precision="highest")
    kept = jnp.round(coefficients / steps) * steps
    decoded = _join(jnp.matmul(kept, transform, precision="highest"))
    restored = jnp.clip(jnp.round(decoded) + middle, lowest, lowest + 255)
    rgb = _mix(_TO_RGB, restored)[..., :height, :width, :]
    return jnp.clip(jnp.round(rgb), 0, 255) / 255


def _quantisation(quality: Float[Array, "*batch"]) -> Float[Array, "*batch 1 1 3 64"]:
    """Steps of the coefficients, scaled as libjpeg's `jpeg_quality_scaling` has it."""
    percent = jnp.where(quality < 50, jnp.floor(5000 / quality), 200 - 2 * quality)
    base = jnp.asarray(_STEPS, quality.dtype).reshape(*(1,) * (quality.ndim + 2), 3, 64)
    steps = jnp.floor((base * percent[..., None, None, None, None] + 50) / 100)
    return jnp.clip(steps, 1, 255)


def _cut(image: Image) -> Float[Array, "*batch rows columns 3 64"]:
    """Blocks of 8 x 8 pixels, a channel at a time."""
    *batch, height, width, channels = image.shape
    n = len(batch)
    parts = image.reshape(*batch, height // 8, 8, width // 8, 8, channels)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return parts.transpose(order).reshape(*batch, height // 8, width // 8, channels, 64)


def _join(blocks: Float[Array, "*batch rows columns 3 64"]) -> Image:
    """The image whose blocks these are."""
    *batch, rows, columns, channels, _ = blocks.shape
    n = len(batch)
    parts = blocks.reshape(*batch, rows, columns, channels, 8, 8)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return parts.transpose(order).reshape(*batch, 8 * rows, 8 * columns, channels)


def _mix(matrix: np.ndarray, image: Image) -> Image:
    """Another colour space. Not a matrix product: accelerators would do it in fewer bits."""
    weights = jnp.asarray(matrix, image.dtype)
    channels = [sum(weights[i, j] * image[..., j] for j in range(3)) for i in range(3)]
    return jnp.stack(channels, axis=-1)


def _channels(values: np.ndarray, image: Image) -> Float[Array, "..."]:
    """One value a channel, with as many axes as the images."""
    return jnp.asarray(values, image.dtype).reshape(*(1,) * (image.ndim - 1), -1)


def _per_pixel(value: Any, image: Image) -> Float[Array, "..."]:
    """A number for all images, or one for each, with as many axes as the images."""
    value = jnp.asarray(value, image.dtype)
    return value.reshape(*value.shape, *(1,) * (image.ndim - value.ndim))
