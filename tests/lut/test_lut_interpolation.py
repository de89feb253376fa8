"""Look-up against SciPy and OpenColorIO, and the properties that callers count on."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import PyOpenColorIO as ocio
import pytest
from scipy.interpolate import RegularGridInterpolator

from dehaze_jax import lut

INTERPOLATIONS = ("trilinear", "tetrahedral")
THEIRS = {"trilinear": ocio.INTERP_LINEAR, "tetrahedral": ocio.INTERP_TETRAHEDRAL}
SIZES = (2, 3, 17, 33, 65, 129)


def random_table(seed, size, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-0.2, 1.2, (size,) * 3 + (3,)).astype(dtype)


def random_image(seed, shape=(7, 9, 3), dtype=np.float32, low=0.0, high=1.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


@functools.cache
def compiled():
    return jax.jit(lut.apply, static_argnames=("interpolation", "domain"))


def apply(table, image, **options):
    return np.asarray(compiled()(jnp.asarray(table), jnp.asarray(image), **options))


def nodes(size):
    return (np.stack(np.indices((size,) * 3), axis=-1) / (size - 1)).astype(np.float32)


def scipy_apply(table, image, domain=(0.0, 1.0)):
    ends = np.broadcast_to(np.stack(np.broadcast_arrays(*domain), axis=-1), (3, 2))
    nodes = [np.linspace(low, high, len(table)) for low, high in ends]
    return RegularGridInterpolator(nodes, table)(np.clip(image, *ends.T))


def opencolorio_apply(table, image, interpolation):
    transform = ocio.Lut3DTransform(gridSize=len(table))
    transform.setData(np.ascontiguousarray(table.reshape(-1), np.float32))
    transform.setInterpolation(THEIRS[interpolation])
    pixels = np.ascontiguousarray(image, np.float32)
    ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(pixels)
    return pixels


@pytest.mark.parametrize("size", SIZES)
def test_trilinear_equals_scipy(size):
    table, image = random_table(0, size), random_image(1, low=-0.3, high=1.3)
    expected = scipy_apply(table.astype(np.float64), image)
    np.testing.assert_allclose(apply(table, image), expected, atol=2e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "domain",
    [(0.0, 1.0), (-0.5, 2.0), ((-0.5, 0.0, 0.2), (2.0, 1.0, 0.7)), ((-0.5, 0.0, 0.2), 1.0)],
)
def test_trilinear_equals_scipy_in_double_precision(domain):
    table = random_table(0, 7, np.float64)
    image = random_image(1, (2, 7, 9, 3), np.float64, low=-0.8, high=2.4)
    ours = apply(table, image, domain=domain)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, scipy_apply(table, image, domain), atol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_equals_opencolorio(interpolation, size):
    table, image = random_table(2, size), random_image(3, (40, 50, 3), low=-0.1, high=1.1)
    ours = apply(table, image, interpolation=interpolation)
    np.testing.assert_allclose(ours, opencolorio_apply(table, image, interpolation), atol=1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
class TestProperties:
    @pytest.mark.parametrize("size", [2, 3, 9, 33])  # 2^n + 1: the nodes are floats unrounded
    def test_exact_at_nodes(self, interpolation, size):
        table = random_table(4, size)
        ours = apply(table, nodes(size), interpolation=interpolation)
        np.testing.assert_array_equal(ours, table)

    def test_identity_returns_its_input(self, interpolation):
        image = random_image(5)
        ours = apply(nodes(17), image, interpolation=interpolation)
        np.testing.assert_allclose(ours, image, atol=1e-6)

    def test_clamps_to_the_domain(self, interpolation):
        table = random_table(6, 4)
        image = random_image(7, low=-3, high=5)
        image[0, 0] = np.inf, -np.inf, 0.5
        ours = apply(table, image, interpolation=interpolation, domain=(-1.0, 2.0))
        clamped = np.clip(image, -1, 2)
        expected = apply(table, clamped, interpolation=interpolation, domain=(-1.0, 2.0))
        np.testing.assert_array_equal(ours, expected)
        assert np.isfinite(ours).all()

    def test_nan_gives_nan(self, interpolation):
        image = random_image(8)
        image[2, 3, 0] = image[4, 1, 2] = np.nan
        ours = apply(random_table(6, 4), image, interpolation=interpolation)
        bad = np.isnan(image).any(axis=-1)
        assert np.isnan(ours[bad]).all()
        assert np.isfinite(ours[~bad]).all()

    def test_affine_tables_are_applied_exactly(self, interpolation):
        matrix = random_image(11, (3, 3))
        table = nodes(6) @ matrix + 0.1
        image = random_image(12)
        ours = apply(table, image, interpolation=interpolation)
        np.testing.assert_allclose(ours, image @ matrix + 0.1, atol=2e-6)

    def test_planes_of_any_shape(self, interpolation):
        table, image = random_table(15, 5), random_image(16, (2, 3, 4, 3))
        planes = tuple(jnp.asarray(image[..., k]).reshape(4, 6) for k in range(3))
        ours = lut.apply_planes(jnp.asarray(table), planes, interpolation=interpolation)
        expected = apply(table, image, interpolation=interpolation)
        np.testing.assert_allclose(
            np.stack(ours, axis=-1).reshape(image.shape), expected, atol=1e-7
        )


def test_tetrahedral_keeps_the_neutral_axis():
    table = random_table(17, 9)
    at = np.arange(9)
    table[at, at, at] = np.linspace(0, 1, 9)[:, None] ** 2  # neutral to neutral, whatever else
    grey = np.repeat(random_image(18, (40, 40, 1)), 3, axis=-1)
    ours = apply(table, grey, interpolation="tetrahedral")
    np.testing.assert_array_equal(ours, np.repeat(ours[..., :1], 3, axis=-1))
    expected = np.interp(grey, np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    linear = apply(table, grey, interpolation="trilinear")
    assert np.ptp(linear, axis=-1).max() > 0.01
