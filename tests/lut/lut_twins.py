"""Tables, `.cube` texts, and how OpenColorIO applies them; shared by the tests of this folder."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import PyOpenColorIO as ocio

from dehaze_jax import lut

INTERPOLATIONS = ("trilinear", "tetrahedral")
_THEIRS = {"trilinear": ocio.INTERP_LINEAR, "tetrahedral": ocio.INTERP_TETRAHEDRAL}
_DEPTHS = {
    np.uint8: ocio.BIT_DEPTH_UINT8,
    np.uint16: ocio.BIT_DEPTH_UINT16,
    np.float32: ocio.BIT_DEPTH_F32,
}

UNIT = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
# The eight corners, red fastest, seen through an invertible map of colours.
CORNERS = np.stack(np.indices((2, 2, 2)), axis=-1) * [0.5, 0.25, 2.0] + [0.125, -1.0, 0.5]
BODY = "\n".join(
    " ".join(map(str, CORNERS[r, g, b])) for b in (0, 1) for g in (0, 1) for r in (0, 1)
)
PLAIN = f"LUT_3D_SIZE 2\n{BODY}\n"
CURVES = "0 0 0\n0.25 0.5 0.125\n1 1 1\n"


def random_table(seed, size, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-0.2, 1.2, (size,) * 3 + (3,)).astype(dtype)


def spread(seed, shape=(20, 30, 3), low=-0.5, high=1.5, dtype=np.float32):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def nodes(size):
    return (np.stack(np.indices((size,) * 3), axis=-1) / (size - 1)).astype(np.float32)


def domain(cube):
    return cube.domain_min, cube.domain_max


@functools.cache
def _compiled():
    return jax.jit(lut.apply, static_argnames=("interpolation", "domain"))


def apply(table, image, **options):
    """`lut.apply` as one program."""
    return np.asarray(_compiled()(jnp.asarray(table), jnp.asarray(image), **options))


def opencolorio_file(path, image, interpolation="trilinear"):
    """A file, applied to floats."""
    transform = ocio.FileTransform(src=str(path), interpolation=_THEIRS[interpolation])
    pixels = np.array(image, np.float32)  # changed in place
    ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(pixels)
    return pixels


def opencolorio_table(table, image, interpolation):
    """A table, applied to float32, uint8 or uint16."""
    transform = ocio.Lut3DTransform(gridSize=len(table))
    transform.setData(table.reshape(-1))
    transform.setInterpolation(_THEIRS[interpolation])
    depth = _DEPTHS[image.dtype.type]
    processor = (
        ocio.Config.CreateRaw()
        .getProcessor(transform)
        .getOptimizedCPUProcessor(depth, depth, ocio.OPTIMIZATION_LOSSLESS)
    )

    def describe(pixels):
        height, width, _ = pixels.shape
        return ocio.PackedImageDesc(pixels, width, height, 3, depth, *pixels.strides[::-1])

    out = np.empty_like(image)
    processor.apply(describe(image.copy()), describe(out))
    return out
