"""Applying what `.cube` files hold: against OpenColorIO and NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lut_twins import BODY, CORNERS, CURVES, INTERPOLATIONS, domain, opencolorio_file, spread

from dehaze_jax import lut


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_table_equals_opencolorio(read, tmp_path, interpolation):
    rows = spread(2, (5**3, 3))
    text = "LUT_3D_SIZE 5\nDOMAIN_MIN -1 -0.5 0\nDOMAIN_MAX 1 2 4\n"
    cube = read(text + "\n".join(" ".join(map(str, row)) for row in rows))
    image = spread(3, low=-2, high=5)
    expected = opencolorio_file(tmp_path / "table.cube", image, interpolation)
    np.testing.assert_allclose(cube(image, interpolation=interpolation), expected, atol=1e-5)


def test_curves_and_table_equal_opencolorio(read, tmp_path):
    rows = np.concatenate([spread(4, (16, 3), -1, 2), spread(5, (4**3, 3))])
    text = "LUT_1D_SIZE 16\nLUT_1D_INPUT_RANGE -0.5 2\nLUT_3D_SIZE 4\nLUT_3D_INPUT_RANGE -1 1.5\n"
    cube = read(text + "\n".join(" ".join(map(str, row)) for row in rows))
    image = spread(6, low=-1, high=3)
    expected = opencolorio_file(tmp_path / "table.cube", image)
    np.testing.assert_allclose(cube(image), expected, atol=1e-5)


def test_long_curves_equal_numpy(read):
    """Exact to rounding where the output spans seven decades: there is no table in between."""
    curves = np.geomspace(1e-3, 1e4, 5000)[:, None] * [1, 2, 3]
    text = "LUT_1D_SIZE 5000\nDOMAIN_MIN -1 0 1\nDOMAIN_MAX 1 3 2\n"
    cube = read(text + "\n".join(" ".join(map(str, row)) for row in curves))
    image = spread(7, low=-2, high=4)
    expected = np.stack(
        [
            np.interp(image[..., k], np.linspace(low, high, 5000), curves[:, k])
            for k, (low, high) in enumerate([(-1, 1), (0, 3), (1, 2)])
        ],
        axis=-1,
    )
    np.testing.assert_allclose(cube(image), expected, rtol=2e-5)
    assert domain(cube) == (tuple(np.float32(curves[0])), tuple(np.float32(curves[-1])))


def test_the_table_of_curves_does_nothing_in_its_domain(read):
    """The second curve is constant."""
    cube = read("LUT_1D_SIZE 2\n-0.5 0.25 4\n2 0.25 -4\n")
    assert domain(cube) == ((-0.5, 0, -4), (2, 1, 4))
    values = np.asarray([[[0.5, 0.25, -1.5], [-0.5, 0.25, 4.0]]], np.float32)
    low, high = np.float32(cube.domain_min), np.float32(cube.domain_max)
    looked_up = lut.apply(jnp.asarray(cube.table), jnp.asarray((values - low) / (high - low)))
    np.testing.assert_allclose(looked_up, values, atol=1e-6)


@pytest.mark.parametrize("value", [-3e38, 0.0, 0.5, 3e38])
def test_constant_curves(read, value):
    cube = read(f"LUT_1D_SIZE 2\n{value} 0 0\n{value} 1 1\n")
    assert cube.domain_min[0] < cube.domain_max[0]
    np.testing.assert_array_equal(cube(spread(8, (4, 5, 3)))[..., 0], np.float32(value))


def test_nan_and_infinity(read):
    cube = read(f"LUT_1D_SIZE 3\nLUT_3D_SIZE 2\n{CURVES}{BODY}")
    image = np.full((2, 2, 3), 0.5, np.float32)
    image[0, 0], image[1, 1, 1] = (np.inf, -np.inf, 0), np.nan
    result = np.asarray(cube(image))
    np.testing.assert_allclose(result[0, 0], CORNERS[1, 0, 0], atol=1e-6)
    assert np.isnan(result[1, 1, 1])
    assert np.isfinite(result[0, 1]).all()


def test_dtypes_batches_and_jit(read):
    cube = read(f"LUT_1D_SIZE 3\nLUT_3D_SIZE 2\n{CURVES}{BODY}")
    images = spread(9, (2, 3, 4, 5, 3))
    expected = cube(images[1, 2])
    np.testing.assert_allclose(jax.jit(cube)(images)[1, 2], expected, atol=1e-6)
    half = cube(jnp.asarray(images[1, 2], jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(half, np.float32), expected, atol=0.03)


@pytest.mark.usefixtures("x64")
def test_double_precision(read):
    cube = read(f"LUT_1D_SIZE 3\n{CURVES}")
    image = spread(10).astype(np.float64)
    expected = np.interp(image[..., 1], [0, 0.5, 1], [0, 0.5, 1])
    np.testing.assert_allclose(cube(image)[..., 1], expected, atol=1e-15)


@pytest.mark.parametrize(
    "header", ["LUT_3D_SIZE 2\nDOMAIN_MIN -1 0 0\n", f"LUT_1D_SIZE 3\nLUT_3D_SIZE 2\n{CURVES}"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers(read, header, dtype):
    cube, largest = read(header + BODY), np.iinfo(dtype).max
    image = np.random.default_rng(11).integers(0, largest, (20, 30, 3), dtype, endpoint=True)
    result = cube(image)
    assert result.dtype == dtype
    expected = np.clip(cube((image / largest).astype(np.float32)), 0, 1) * largest
    # At a tie it may be either neighbour, and 16 bits leave float32 eight for the fraction.
    np.testing.assert_allclose(np.asarray(result, float), expected, atol=0.51)


@pytest.mark.parametrize(
    ("image", "shown"),
    [
        (np.zeros((2, 2, 4), np.float32), r"three channels, not shape \[2, 2, 4\]"),
        (np.zeros((2, 2, 3), np.int32), "floats, uint8 or uint16, not int32"),
        (np.float32(4), r"three channels, not shape \[\]"),
    ],
)
def test_refuses_what_is_no_picture(read, image, shown):
    with pytest.raises(ValueError, match=f"^image: colours .* {shown}$"):
        read(f"LUT_3D_SIZE 2\n{BODY}")(image)
