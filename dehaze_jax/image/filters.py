"""Box and guided filters. Images are float `[*, h, w, c]`; windows are cut at the borders."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from dehaze_jax.arrays import Plane

_ORIGIN = 0.5


def box_filter(
    image: Float[Array, "..."], *, radius: int, axes: tuple[int, int] = (-3, -2)
) -> Float[Array, "..."]:
    """Mean over the window of side `2 radius + 1` around each pixel, as far as it lies inside.

    The sums of 1, 2, 4, ... neighbours are built from one another: about `2 log2(radius)` additions
    a pixel and axis, as exact as float32 allows. Running sums over a whole row are not: they lose
    two to three digits.

    Args:
        image: any values.
        radius: in pixels; may exceed the image.
        axes: height and width; those of planes `[*, h, w]` are `(-2, -1)`.

    Returns:
        The means, in the type of `image`; float16 and bfloat16 are summed in float32.

    Raises:
        ValueError: for a negative radius.
    """
    if radius < 0:
        raise ValueError(f"radius must be 0 or more, not {radius}")
    result = image.astype(_sum_type(image))
    for axis in (a % image.ndim for a in axes):
        result = _window_mean(result, min(radius, image.shape[axis] - 1), axis)
    return result.astype(image.dtype)


def guided_filter(
    guide: Float[Array, "..."], source: Plane, *, radius: int, epsilon: float
) -> Plane:
    """Smooths `source` along the structures of `guide`, by local linear models of it.

    In each window `source ~ a . guide + b` with `epsilon |a|^2` as penalty (eqs. 5, 6; for a
    colour guide eqs. 14, 15); a pixel gets the mean over the windows that hold it.

    Args:
        guide: in [0, 1]; a plane `[*, h, w]`, or an image `[*, h, w, c]`, whose channels all guide.
        source: one value a pixel, of the guide's batch, height and width.
        radius: of the windows, in pixels.
        epsilon: variance of the guide below which a window counts as flat; at least about 1e-6 in
            float32.

    Returns:
        The filtered source, of its shape and type.

    Raises:
        ValueError: if shapes do not fit or `epsilon` is not positive.

    Reference:
        He, Sun, Tang: Guided Image Filtering. IEEE TPAMI 35 (6), 2013.
    """
    channels, slopes, offset = _local_models(guide, source, radius, epsilon)
    result = sum((s * c for s, c in zip(slopes, channels, strict=True)), offset)
    return result.astype(source.dtype)


def guided_models(
    guide: Float[Array, "*batch h w c"], source: Plane, *, radius: int, epsilon: float
) -> Float[Array, "*batch h w d"]:
    """The linear models of a guide that `guided_filter` evaluates.

    They are smooth, so they may be made on a small copy, brought up bilinearly and evaluated with
    the guide at full size.

    Args:
        guide: image in [0, 1].
        source: one value a pixel.
        radius: see `guided_filter`.
        epsilon: see `guided_filter`.

    Returns:
        For each pixel a slope for each channel of the guide, and the value at guide 0.

    Raises:
        ValueError: see `guided_filter`.

    Reference:
        He, Sun: Fast Guided Filter. arXiv 1505.00996, 2015.
    """
    _, slopes, offset = _local_models(guide, source, radius, epsilon)
    models = [*slopes, offset - _ORIGIN * sum(slopes, jnp.zeros_like(offset))]
    return jnp.stack(models, axis=-1).astype(source.dtype)


def _local_models(guide, source: Plane, radius: int, epsilon: float):
    """Channels of the guide around the origin, and slopes and offsets of the models of them."""
    if epsilon <= 0:
        raise ValueError(f"epsilon must be positive, not {epsilon}")
    if source.shape not in (guide.shape, guide.shape[:-1]):
        raise ValueError(f"guide {guide.shape} and source {source.shape} do not fit together")
    dtype = _sum_type(source)
    channels = [guide] if guide.ndim == source.ndim else list(jnp.moveaxis(guide, -1, 0))
    # Nothing depends on the origin of the guide; near 0 its products lose fewer digits.
    channels = [channel.astype(dtype) - _ORIGIN for channel in channels]
    values = source.astype(dtype)
    size = len(channels)

    def mean(plane: Plane) -> Plane:
        return box_filter(plane, radius=radius, axes=(-2, -1))

    means, values_mean = [mean(channel) for channel in channels], mean(values)
    covariance = {}
    for i in range(size):
        for j in range(i, size):
            value = mean(channels[i] * channels[j]) - means[i] * means[j]
            covariance[i, j] = covariance[j, i] = value + epsilon if i == j else value
    correlation = [mean(channels[i] * values) - means[i] * values_mean for i in range(size)]
    slopes = _solve(covariance, correlation)
    offset = values_mean - sum(slopes[i] * means[i] for i in range(size))
    return channels, [mean(slope) for slope in slopes], mean(offset)


def _sum_type(values: Float[Array, "..."]) -> DTypeLike:
    return values.dtype if jnp.finfo(values.dtype).bits >= 32 else jnp.float32


def _window_mean(image: Float[Array, "..."], radius: int, axis: int) -> Float[Array, "..."]:
    size, width = image.shape[axis], 2 * radius + 1
    padding = [(radius, radius) if a == axis else (0, 0) for a in range(image.ndim)]
    # `sums[i]` covers `length` pixels from i on; `total[i]` the first `covered` of the window.
    sums, length = jnp.pad(image, padding), 1
    total, covered = jnp.zeros_like(image), 0
    while True:
        if width & length:
            total = total + lax.slice_in_dim(sums, covered, covered + size, axis=axis)
            covered += length
        if 2 * length > width:
            break
        rest = sums.shape[axis] - length
        first = lax.slice_in_dim(sums, 0, rest, axis=axis)
        sums, length = first + lax.slice_in_dim(sums, length, length + rest, axis=axis), 2 * length
    position = jnp.arange(size)
    inside = jnp.minimum(position + radius, size - 1) - jnp.maximum(position - radius, 0) + 1
    shape = [size if a == axis else 1 for a in range(image.ndim)]
    return total / inside.astype(image.dtype).reshape(shape)


def _solve(matrix: Mapping[tuple[int, int], Plane], right: Sequence[Plane]) -> list[Plane]:
    """One small system a pixel, by elimination; positive definite, so no pivoting.

    For 3x3 systems at millions of pixels this is far faster than a batched `linalg.solve`.
    """
    m, b, size = dict(matrix), list(right), len(right)
    for k in range(size):
        for i in range(k + 1, size):
            factor = m[i, k] / m[k, k]
            b[i] = b[i] - factor * b[k]
            for j in range(k + 1, size):
                m[i, j] = m[i, j] - factor * m[k, j]
    for i in reversed(range(size)):
        for j in range(i + 1, size):
            b[i] = b[i] - m[i, j] * b[j]
        b[i] = b[i] / m[i, i]
    return b
