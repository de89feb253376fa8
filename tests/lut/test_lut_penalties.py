"""Penalties against loops over the table, and in closed form where there is one."""

import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import lut

SIZES = (2, 5)


def nodes(size):
    return (np.stack(np.indices((size,) * 3), axis=-1) / (size - 1)).astype(np.float32)


def slopes(table, axis):
    table = np.moveaxis(np.asarray(table, np.float64), axis, 0)
    return (table[1:] - table[:-1]) * (len(table) - 1)


def random_tables(size):
    return np.random.default_rng(size).normal(size=(2, size, size, size, 3)).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("penalty", [lut.smoothness, lut.monotonicity])
def test_the_identity_costs_nothing(penalty, size):
    np.testing.assert_allclose(penalty(jnp.asarray(nodes(size))), 0, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
def test_smoothness_of_a_linear_table(size):
    """For an affine map M c + b each slope is a constant: the sum of (M - I)^2, over 3 outputs."""
    matrix = np.random.default_rng(0).normal(size=(3, 3))
    table = jnp.asarray(nodes(size) @ matrix.T + 0.3, jnp.float32)
    expected = np.sum((matrix - np.eye(3)) ** 2) / 3
    np.testing.assert_allclose(lut.smoothness(table), expected, rtol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_monotonicity_of_a_linear_table(size):
    """Output k has slope s_k along its own input: only falling channels count."""
    slope = np.array([0.5, -0.25, -2.0])
    table = jnp.asarray(nodes(size) * slope, jnp.float32)
    np.testing.assert_allclose(lut.monotonicity(table), 0.25**2 + 2.0**2, rtol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_smoothness_equals_numpy(size):
    tables = random_tables(size)
    expected = [
        sum(np.mean(slopes(table - nodes(size), axis) ** 2) for axis in range(3))
        for table in tables
    ]
    np.testing.assert_allclose(lut.smoothness(jnp.asarray(tables)), expected, rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_monotonicity_equals_numpy(size):
    tables = random_tables(size)
    expected = [
        sum(np.mean(np.minimum(slopes(table[..., k], k), 0) ** 2) for k in range(3))
        for table in tables
    ]
    np.testing.assert_allclose(lut.monotonicity(jnp.asarray(tables)), expected, rtol=1e-5)


@pytest.mark.parametrize("penalty", [lut.smoothness, lut.monotonicity])
@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((1, 1, 1, 3), np.float32), "at least 2 nodes along each axis, not 1$"),
        (np.zeros((3, 3, 3, 3), np.int32), "holds floats, not int32$"),
        (np.zeros((3, 3, 3), np.float32), r"not \[3, 3, 3\]$"),
    ],
)
def test_refuses_what_is_no_table(penalty, table, message):
    with pytest.raises(ValueError, match=message):
        penalty(table)
