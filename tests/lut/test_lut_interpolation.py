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
    nodes = np.linspace(*domain, len(table))
    return RegularGridInterpolator((nodes,) * 3, table)(np.clip(image, *domain))


def opencolorio_apply(table, image, interpolation):
    transform = ocio.Lut3DTransform(gridSize=len(table))
    for index in np.ndindex(table.shape[:3]):
        transform.setValue(*index, *table[index].tolist())
    transform.setInterpolation(interpolation)
    pixels = np.ascontiguousarray(image, np.float32)
    ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(pixels)
    return pixels


@pytest.mark.parametrize("size", [2, 5, 16])
def test_trilinear_equals_scipy(size):
    table, image = random_table(0, size), random_image(1, low=-0.3, high=1.3)
    expected = scipy_apply(table.astype(np.float64), image)
    np.testing.assert_allclose(apply(table, image), expected, atol=2e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("domain", [(0.0, 1.0), (-0.5, 2.0)])
def test_trilinear_equals_scipy_in_double_precision(domain):
    table = random_table(0, 7, np.float64)
    image = random_image(1, (2, 7, 9, 3), np.float64, low=-0.8, high=2.4)
    ours = apply(table, image, domain=domain)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, scipy_apply(table, image, domain), atol=1e-12)


@pytest.mark.parametrize(
    ("interpolation", "theirs"),
    [("trilinear", ocio.INTERP_LINEAR), ("tetrahedral", ocio.INTERP_TETRAHEDRAL)],
)
@pytest.mark.parametrize("size", [2, 9])
def test_equals_opencolorio(interpolation, theirs, size):
    table, image = random_table(2, size), random_image(3, (40, 50, 3), low=-0.1, high=1.1)
    ours = apply(table, image, interpolation=interpolation)
    np.testing.assert_allclose(ours, opencolorio_apply(table, image, theirs), atol=1e-5)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
class TestProperties:
    def test_exact_at_nodes(self, interpolation):
        table = random_table(4, 9)  # 8 cells: the nodes are floats without rounding
        image = nodes(9).reshape(27, 27, 3)
        ours = apply(table, image, interpolation=interpolation)
        rounding = 1e-7 if interpolation == "trilinear" else 0
        np.testing.assert_allclose(ours, table.reshape(27, 27, 3), rtol=0, atol=rounding)

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

    def test_one_table_an_image(self, interpolation):
        tables = np.stack([random_table(seed, 5) for seed in range(2)])
        images = random_image(9, (2, 4, 6, 3))
        ours = apply(tables, images, interpolation=interpolation)
        for table, image, result in zip(tables, images, ours, strict=True):
            expected = apply(table, image, interpolation=interpolation)
            np.testing.assert_allclose(result, expected, atol=1e-6)

    @pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
    def test_keeps_narrow_dtypes(self, interpolation, dtype):
        # A smooth table: the error is that of the dtype alone.
        table = nodes(9) ** 2
        image = random_image(10)
        ours = apply(table, jnp.asarray(image, dtype), interpolation=interpolation)
        assert ours.dtype == dtype
        expected = apply(table, image, interpolation=interpolation)
        tolerance = 4 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(np.asarray(ours, np.float32), expected, atol=tolerance)

    def test_affine_tables_are_applied_exactly(self, interpolation):
        matrix = random_image(11, (3, 3))
        table = nodes(6) @ matrix + 0.1
        image = random_image(12)
        ours = apply(table, image, interpolation=interpolation)
        np.testing.assert_allclose(ours, image @ matrix + 0.1, atol=2e-6)

    @pytest.mark.usefixtures("x64")
    def test_gradients_equal_finite_differences(self, interpolation):
        table, image = random_table(13, 4, np.float64), random_image(14, (3, 3, 3), np.float64)

        def total(table, image):
            return jnp.sum(lut.apply(table, image, interpolation=interpolation) ** 2)

        total = jax.jit(total)
        d_table, d_image = jax.jit(jax.grad(total, argnums=(0, 1)))(table, image)
        rng, step = np.random.default_rng(0), 1e-6
        for _ in range(3):
            u, v = rng.normal(size=table.shape), rng.normal(size=image.shape)
            ahead = total(table + step * u, image + step * v)
            behind = total(table - step * u, image - step * v)
            slope = np.vdot(d_table, u) + np.vdot(d_image, v)
            np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6)

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


def test_refuses_what_has_not_three_channels():
    with pytest.raises(ValueError, match="three channels, not 4"):
        lut.apply(lut.identity(3), jnp.zeros((2, 2, 4)))


@pytest.mark.parametrize("domain", [(1.0, 1.0), (1.0, 0.0)])
def test_refuses_an_empty_domain(domain):
    with pytest.raises(ValueError, match="empty"):
        lut.apply(lut.identity(3), jnp.zeros((2, 2, 3)), domain=domain)
