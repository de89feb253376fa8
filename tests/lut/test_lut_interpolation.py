"""Look-up against SciPy and OpenColorIO, and the properties that callers count on."""

import jax.numpy as jnp
import numpy as np
import pytest
from lut_twins import INTERPOLATIONS, apply, nodes, opencolorio_table, random_table, spread
from scipy.interpolate import RegularGridInterpolator

from dehaze_jax import lut

SIZES = (2, 3, 17, 33, 65, 129)
# These and others, of which most have nodes that are no floats.
NODES = (*SIZES, 4, 7, 9, 12, 48, 100)
PICTURE, SMALL = (40, 50, 3), (7, 9, 3)
# Three coordinates, each off by half an ulp twice, between neighbours that differ by 1.4 or less.
BOUND = 3 * 1.4 * 2**-23


def scipy_apply(table, image, domain=(0.0, 1.0)):
    ends = np.broadcast_to(np.stack(np.broadcast_arrays(*domain), axis=-1), (3, 2))
    nodes = [np.linspace(low, high, len(table)) for low, high in ends]
    return RegularGridInterpolator(nodes, table)(np.clip(image, *ends.T))


@pytest.mark.parametrize("size", SIZES)
def test_trilinear_equals_scipy(size):
    table, image = random_table(0, size), spread(1, PICTURE, low=-0.3, high=1.3)
    expected = scipy_apply(table.astype(np.float64), image)
    np.testing.assert_allclose(apply(table, image), expected, atol=2e-6)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    "domain",
    [(0.0, 1.0), (-0.5, 2.0), ((-0.5, 0.0, 0.2), (2.0, 1.0, 0.7)), ((-0.5, 0.0, 0.2), 1.0)],
)
def test_trilinear_equals_scipy_in_double_precision(domain):
    table = random_table(0, 7, np.float64)
    image = spread(1, (2, 7, 9, 3), low=-0.8, high=2.4, dtype=np.float64)
    ours = apply(table, image, domain=domain)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, scipy_apply(table, image, domain), atol=1e-12)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_equals_opencolorio(interpolation, size):
    table, image = random_table(2, size), spread(3, PICTURE, low=-0.1, high=1.1)
    ours = apply(table, image, interpolation=interpolation)
    np.testing.assert_allclose(ours, opencolorio_table(table, image, interpolation), atol=1e-6)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
class TestProperties:
    @pytest.mark.parametrize("size", NODES)
    def test_nodes_are_met(self, interpolation, size):
        """Unrounded where they are floats; else off by the rounding of where they are."""
        table = random_table(4, size)
        node = np.random.default_rng(5).integers(0, size, PICTURE)
        node[0, 0], node[0, 1] = 0, size - 1
        image = (node / (size - 1)).astype(np.float32)
        ours = apply(table, image, interpolation=interpolation)
        expected = table[tuple(np.moveaxis(node, -1, 0))]
        np.testing.assert_array_equal(ours[0, :2], expected[0, :2])
        bound = 0 if (size - 1) & (size - 2) == 0 else BOUND * (size - 1)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=bound)

    def test_identity_returns_its_input(self, interpolation):
        image = spread(5, SMALL, 0, 1)
        ours = apply(nodes(17), image, interpolation=interpolation)
        np.testing.assert_allclose(ours, image, atol=1e-6)

    def test_clamps_to_the_domain(self, interpolation):
        table = random_table(6, 4)
        image = spread(7, SMALL, low=-3, high=5)
        image[0, 0] = np.inf, -np.inf, 0.5
        ours = apply(table, image, interpolation=interpolation, domain=(-1.0, 2.0))
        clamped = np.clip(image, -1, 2)
        expected = apply(table, clamped, interpolation=interpolation, domain=(-1.0, 2.0))
        np.testing.assert_array_equal(ours, expected)
        assert np.isfinite(ours).all()

    def test_nan_gives_nan(self, interpolation):
        image = spread(8, SMALL, 0, 1)
        image[2, 3, 0] = image[4, 1, 2] = np.nan
        ours = apply(random_table(6, 4), image, interpolation=interpolation)
        bad = np.isnan(image).any(axis=-1)
        assert np.isnan(ours[bad]).all()
        assert np.isfinite(ours[~bad]).all()

    def test_affine_tables_are_applied_exactly(self, interpolation):
        matrix = spread(11, (3, 3), 0, 1)
        table = nodes(6) @ matrix + 0.1
        image = spread(12, SMALL, 0, 1)
        ours = apply(table, image, interpolation=interpolation)
        np.testing.assert_allclose(ours, image @ matrix + 0.1, atol=2e-6)

    def test_planes_of_any_shape(self, interpolation):
        table, image = random_table(15, 5), spread(16, (2, 3, 4, 3), 0, 1)
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
    grey = np.repeat(spread(18, (40, 40, 1), 0, 1), 3, axis=-1)
    ours = apply(table, grey, interpolation="tetrahedral")
    np.testing.assert_array_equal(ours, np.repeat(ours[..., :1], 3, axis=-1))
    expected = np.interp(grey, np.linspace(0, 1, 9), np.linspace(0, 1, 9) ** 2)
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    linear = apply(table, grey, interpolation="trilinear")
    assert np.ptp(linear, axis=-1).max() > 0.01
