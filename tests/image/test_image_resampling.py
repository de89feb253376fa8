"""Box means against scikit-image and OpenCV, enlarged rows against OpenCV."""

import cv2
import jax
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


enlarge = jax.jit(im.enlarge_rows, static_argnames=("count", "columns"))


@pytest.mark.parametrize("size", [(5, 7), (1, 4), (6, 1)])
@pytest.mark.parametrize("new", [(5, 7), (13, 22), (17, 40)])
def test_enlarges_as_opencv(size, new):
    small = np.random.default_rng(2).uniform(size=(*size, 4)).astype(np.float32)
    expected = cv2.resize(small, new[::-1], interpolation=cv2.INTER_LINEAR)
    ours = enlarge(jnp.asarray(small), 0, new[0], *new, new[1])
    # OpenCV rounds the places of pixels to float32 otherwise.
    np.testing.assert_allclose(ours, expected.reshape(ours.shape), atol=3e-6)


def test_enlarges_strips_of_a_padded_picture():
    small = jnp.asarray(np.random.default_rng(3).uniform(size=(2, 5, 6, 3)), jnp.float32)
    whole = enlarge(small, 0, 20, 20, 31, 31)
    strip = enlarge(small, -2, 9, 20, 31, 40)
    np.testing.assert_allclose(strip[:, 2:, :31], whole[:, :7], atol=1e-6)
    np.testing.assert_allclose(strip[:, :2, :31], whole[:, [0, 0]], atol=1e-6)
    np.testing.assert_allclose(
        strip[:, 2:, 31:], np.repeat(whole[:, :7, -1:], 9, axis=2), atol=1e-6
    )
    below = enlarge(small, 18, 4, 20, 31, 31)
    np.testing.assert_allclose(below, whole[:, [18, 19, 19, 19]], atol=1e-6)
