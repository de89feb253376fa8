import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.interpolate

from dehaze_jax import haze
from dehaze_jax.haze.density import _spline


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (40, 60), (60, 40)])
def test_mean_and_spread(key, shape):
    field = haze.density_field(key, *shape, strength=0.6)
    assert field.shape == shape
    np.testing.assert_allclose(field.mean(), 1, rtol=1e-5)
    assert field.min() > 0
    if shape != (1, 1):
        np.testing.assert_allclose(jnp.log(field).std(), 0.6, rtol=1e-4)


def test_no_strength_is_homogeneous(key):
    np.testing.assert_allclose(haze.density_field(key, 8, 9, strength=0.0), 1, rtol=1e-6)


def test_same_field_at_another_size_and_other_fields_of_other_keys(key):
    small, large = (haze.density_field(key, n, 2 * n) for n in (30, 120))
    pooled = large.reshape(30, 4, 60, 4).mean(axis=(1, 3))
    assert jnp.abs(pooled - small).max() < 0.02
    other = haze.density_field(jax.random.key(1), 30, 60)
    assert jnp.abs(other - small).mean() > 0.1


def test_larger_scale_is_smoother(key):
    def roughness(scale):
        field = jnp.log(haze.density_field(key, 64, 64, scale=scale))
        return jnp.abs(jnp.diff(field, axis=0)).mean()

    assert roughness(0.15) > 2 * roughness(0.6)


def test_spline_equals_scipy(x64):
    knots = np.random.default_rng(0).random(9)
    ours = _spline(20, 0.25, 9) @ jnp.asarray(knots)
    twin = scipy.interpolate.BSpline(np.arange(-2, 11), knots, 3)
    np.testing.assert_allclose(ours, twin(1 + (np.arange(20) + 0.5) * 0.25), rtol=1e-6)
