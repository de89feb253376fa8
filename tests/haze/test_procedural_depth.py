import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from dehaze_jax import haze
from dehaze_jax.haze.depth import enlarge
from dehaze_jax.haze.fractal import fractal_noise


def picture(height, width, seed=0):
    rough = np.random.default_rng(seed).random((height, width, 3))
    return jnp.asarray(scipy.ndimage.gaussian_filter(rough, (3, 3, 0), mode="nearest"), jnp.float32)


@pytest.mark.parametrize("shape", [(1, 1), (40, 3), (70, 100)])
def test_range_at_any_size(key, shape):
    depth = haze.procedural_depth(key, picture(*shape), horizon=0.3)
    assert depth.shape == shape
    assert depth.min() > 0.02
    np.testing.assert_allclose(depth.max(), 1, rtol=1e-6)


def test_equals_a_guided_filter_in_numpy_where_nothing_is_reduced(key):
    height, width, horizon = 64, 48, 0.4
    clear = np.asarray(picture(height, width), np.float64)
    guide = clear @ [0.299, 0.587, 0.114]
    row = (np.arange(height) + 0.5) / height
    ground = -np.log(np.clip((row - horizon) / (1 - horizon), 1 / 6, 1))
    noise = jax.jit(lambda key: fractal_noise(key, height, width, scale=0.5))
    relief = 0.35 * np.asarray(noise(key))
    rough = relief + ground[:, None]

    def mean(values):
        total = scipy.ndimage.uniform_filter(values, 9, mode="constant")
        return total / scipy.ndimage.uniform_filter(np.ones_like(values), 9, mode="constant")

    slope = mean(guide * rough) - mean(guide) * mean(rough)
    slope /= mean(guide**2) - mean(guide) ** 2 + 1e-3
    logarithm = mean(slope) * guide + mean(mean(rough) - slope * mean(guide))
    ours = haze.procedural_depth(key, jnp.asarray(clear, jnp.float32), horizon=horizon)
    np.testing.assert_allclose(ours, np.exp(logarithm - logarithm.max()), rtol=2e-3)


def test_ground_recedes_upwards(key):
    depths = jax.vmap(lambda k: haze.procedural_depth(k, picture(60, 80), horizon=0.3))(
        jax.random.split(key, 20)
    )
    rows = np.asarray(jnp.log(depths).mean(axis=(0, 2)))
    near, middle, far = rows[50:].mean(), rows[25:35].mean(), rows[:15].mean()
    assert near < middle - 0.4 < far - 0.8


def test_depth_has_the_edges_of_the_picture(key):
    clear = jnp.zeros((128, 128, 3)).at[:, 61:].set(1.0)  # no edge of the coarse picture
    jumps = []
    for k in jax.random.split(key, 8):
        across = np.abs(np.diff(np.log(haze.procedural_depth(k, clear, horizon=0.3)), axis=1))
        jumps.append(across[:, 60].mean() / np.delete(across, 60, axis=1).mean())
    assert np.mean(jumps) > 3


def test_about_the_same_scene_at_another_size(key):
    large = picture(128, 160)
    small = large.reshape(64, 2, 80, 2, 3).mean(axis=(1, 3))
    at_large = haze.procedural_depth(key, large, horizon=0.3)
    at_small = haze.procedural_depth(key, small, horizon=0.3)
    pooled = at_large.reshape(64, 2, 80, 2).mean(axis=(1, 3))
    assert jnp.abs(pooled - at_small).mean() < 0.02


def test_enlarging_is_bilinear_between_pixel_centres():
    small = np.random.default_rng(0).random((4, 5, 2))
    at = [np.clip((np.arange(n) + 0.5) * k / n - 0.5, 0, k - 1) for n, k in ((12, 4), (20, 5))]
    places = np.stack(np.meshgrid(*at, indexing="ij"))
    twin = [scipy.ndimage.map_coordinates(small[..., c], places, order=1) for c in range(2)]
    ours = enlarge(jnp.asarray(small, jnp.float32), 12, 20)
    np.testing.assert_allclose(ours, np.stack(twin, axis=-1), atol=1e-5)
