import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.metrics

from dehaze_jax import metrics


@pytest.mark.parametrize("batch", [(), (3,), (2, 1)])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_equals_scikit_image(batch, data_range):
    rng = np.random.default_rng(0)
    clear, restored = rng.random((2, *batch, 9, 7, 3)).astype(np.float32)
    ours = metrics.psnr(jnp.asarray(restored), jnp.asarray(clear), data_range=data_range)
    assert ours.dtype == jnp.float32
    for index in np.ndindex(*batch):
        twin = skimage.metrics.peak_signal_noise_ratio(
            clear[index], restored[index], data_range=data_range
        )
        np.testing.assert_allclose(ours[index], twin, rtol=1e-5)


def test_known_value_and_equal_images():
    image = jnp.full((4, 4, 3), 0.3)
    np.testing.assert_allclose(metrics.psnr(image + 0.1, image), 20.0, rtol=1e-5)
    assert metrics.psnr(image, image) == jnp.inf
    gradient = jax.jit(jax.grad(metrics.psnr))(image, image)
    np.testing.assert_array_equal(gradient, 0)


def test_half_precision_images_are_scored_in_single_precision():
    image = jnp.full((64, 64, 3), 0.5, jnp.bfloat16)
    value = metrics.psnr(image + jnp.bfloat16(2**-7), image)
    assert value.dtype == jnp.float32
    np.testing.assert_allclose(value, 20 * np.log10(2**7), rtol=1e-5)
