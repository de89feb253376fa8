import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

from dehaze_jax import haze
from dehaze_jax.haze.density import _FOCAL


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


@pytest.mark.parametrize("rate", [0.0, 1e-3, 2.0, 8.0])
def test_falloff_equals_an_integral_along_every_ray(rate, x64):
    horizon, height = 0.4, 12
    depth = np.random.default_rng(0).uniform(0.05, 1, (height, 3))
    twin = np.empty(depth.shape)
    for row, column in np.ndindex(*depth.shape):
        climb = (horizon - (row + 0.5) / height) / _FOCAL  # tangent of the elevation

        def density(distance, climb=climb):
            return np.exp(-rate * climb * distance)

        twin[row, column] = scipy.integrate.quad(density, 0, depth[row, column])[0]
    twin /= depth
    ours = haze.altitude_falloff(jnp.asarray(depth), rate=rate, horizon=horizon)
    shallow = rate * depth * ((np.arange(height) + 0.5) / height - horizon)[:, None] / _FOCAL < 1
    assert shallow.mean() > 0.6
    np.testing.assert_allclose(ours[shallow], twin[shallow], rtol=1e-6)
    assert np.all(ours <= np.e - 1 + 1e-6)


def test_haze_thins_upwards_and_with_distance_above_the_horizon():
    depth = jnp.full((30, 1), 0.8)
    density = haze.altitude_falloff(depth, rate=1.0, horizon=0.5)[:, 0]
    assert jnp.all(jnp.diff(density) > 0)
    farther = haze.altitude_falloff(2 * depth, rate=1.0, horizon=0.5)[:, 0]
    assert jnp.all(farther[:15] < density[:15])
    assert jnp.all(farther[15:] > density[15:])
