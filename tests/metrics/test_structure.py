import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics
from jax.test_util import check_grads

from dehaze_jax import metrics


def _pair(*shape, seed=0):
    rng = np.random.default_rng(seed)
    clear = rng.random(shape)
    return np.clip(clear + 0.2 * rng.standard_normal(shape), 0, 1), clear


def _twin(restored, clear, window, padding, data_range=1.0):
    if padding != "valid":
        half = 5 if window == "gaussian" else 3
        mode = {"zero": "constant", "replicate": "edge"}[padding]
        edges = ((half, half), (half, half), (0, 0))
        restored, clear = (np.pad(x, edges, mode=mode) for x in (restored, clear))
    gaussian = {"gaussian_weights": True, "sigma": 1.5} if window == "gaussian" else {}
    return skimage.metrics.structural_similarity(
        restored,
        clear,
        data_range=data_range,
        channel_axis=-1,
        use_sample_covariance=False,
        **gaussian,
    )


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
@pytest.mark.parametrize("padding", ["valid", "zero", "replicate"])
def test_equals_scikit_image(x64, window, padding):
    restored, clear = _pair(23, 17, 3)
    ours = metrics.ssim(jnp.asarray(restored), jnp.asarray(clear), window=window, padding=padding)
    np.testing.assert_allclose(ours, _twin(restored, clear, window, padding), rtol=1e-9)


def test_data_range(x64):
    restored, clear = _pair(20, 20, 1)
    ours = metrics.ssim(jnp.asarray(restored * 255), jnp.asarray(clear * 255), data_range=255.0)
    np.testing.assert_allclose(ours, _twin(restored, clear, "gaussian", "valid"), rtol=1e-9)


def test_batch_equals_one_by_one_in_single_precision():
    restored, clear = (jnp.asarray(x, jnp.float32) for x in _pair(2, 3, 15, 14, 3))
    ours = jax.jit(metrics.ssim)(restored, clear)
    assert ours.shape == (2, 3)
    assert ours.dtype == jnp.float32
    for index in np.ndindex(2, 3):
        twin = _twin(
            np.asarray(restored[index], float), np.asarray(clear[index], float), "gaussian", "valid"
        )
        np.testing.assert_allclose(ours[index], twin, atol=2e-6)


def test_known_values():
    image = jnp.asarray(_pair(16, 16, 3)[0], jnp.float32)
    np.testing.assert_allclose(metrics.ssim(image, image), 1.0, rtol=1e-6)
    flat = jnp.full((16, 16, 3), 0.5)
    expected = (2 * 0.5 * 0.7 + 1e-4) / (0.5**2 + 0.7**2 + 1e-4)
    np.testing.assert_allclose(metrics.ssim(flat, flat + 0.2), expected, rtol=1e-4)


def test_sides_shorter_than_the_window(x64):
    restored, clear = _pair(6, 30, 3)
    ours = metrics.ssim(jnp.asarray(restored), jnp.asarray(clear), window="uniform")
    rows = [
        np.lib.stride_tricks.sliding_window_view(x, (5, 7), axis=(0, 1)) for x in (restored, clear)
    ]
    (mx, my), (vx, vy) = ([f(x, axis=(-2, -1)) for x in rows] for f in (np.mean, np.var))
    cov = (rows[0] * rows[1]).mean(axis=(-2, -1)) - mx * my
    twin = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    np.testing.assert_allclose(ours, twin.mean(), rtol=1e-9)
    one = jnp.full((1, 1, 3), 0.25)
    assert metrics.ssim(one, one) == 1


def test_gradient(x64):
    restored, clear = (jnp.asarray(x) for x in _pair(13, 12, 1))
    check_grads(
        jax.jit(lambda x: metrics.ssim(x, clear)), (restored,), order=1, modes=["rev"], atol=1e-6
    )
    flat = jnp.full((13, 12, 1), 0.5)
    assert jnp.isfinite(jax.grad(metrics.ssim)(flat, flat)).all()
