"""Box means against scikit-image and OpenCV."""

import cv2
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.transform import downscale_local_mean

from dehaze_jax import image as im


@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8, np.uint16])
def test_equals_scikit_image_where_the_size_divides(factor, dtype):
    picture = np.random.default_rng(0).uniform(0, 255, (2, 24, 48, 3)).astype(dtype)
    ours = im.box_reduce(jnp.asarray(picture), factor)
    assert ours.dtype == jnp.float32
    expected = [downscale_local_mean(one.astype(float), (factor, factor, 1)) for one in picture]
    np.testing.assert_allclose(ours, np.stack(expected), rtol=1e-6)


@pytest.mark.parametrize("size", [(7, 11), (8, 9), (1, 1), (3, 16)])
def test_repeats_the_edge_where_it_does_not(size):
    picture = np.random.default_rng(1).uniform(size=(*size, 3)).astype(np.float32)
    below, right = -size[0] % 4, -size[1] % 4
    whole = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    shape = (whole.shape[1] // 4, whole.shape[0] // 4)
    expected = cv2.resize(whole, shape, interpolation=cv2.INTER_AREA)
    ours = im.box_reduce(jnp.asarray(picture), 4)
    np.testing.assert_allclose(ours, expected.reshape(ours.shape), atol=1e-6)


def test_keeps_narrow_floats():
    ours = im.box_reduce(jnp.ones((4, 4, 3), jnp.bfloat16), 2)
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_array_equal(ours.astype(jnp.float32), 1)


def test_refuses_to_enlarge():
    with pytest.raises(ValueError, match="factor of at least 1, not 0"):
        im.box_reduce(jnp.ones((4, 4, 3)), 0)
