import colour
import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
import skimage.color

from dehaze_jax.image import linear_to_srgb, luma, srgb_to_lab, srgb_to_linear, srgb_to_xyz


@pytest.fixture
def image():
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(1, 8, 3)
    random = np.random.default_rng(0).random((3, 8, 3))
    return np.concatenate([corners, random, random * 0.04])


@pytest.mark.parametrize(
    ("standard", "name"), [("bt601", "ITU-R BT.601"), ("bt709", "ITU-R BT.709")]
)
def test_luma(image, standard, name):
    weights = colour.WEIGHTS_YCBCR[name]  # red and blue
    expected = image @ np.array([weights[0], 1 - weights.sum(), weights[1]])
    result = luma(jnp.asarray(image, jnp.float32), standard=standard)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_transfer_curve(image, x64):
    linear = srgb_to_linear(jnp.asarray(image))
    np.testing.assert_allclose(linear, colour.models.eotf_sRGB(image), atol=1e-14)
    encoded = linear_to_srgb(jnp.asarray(image))
    np.testing.assert_allclose(encoded, colour.models.eotf_inverse_sRGB(image), atol=1e-14)
    # The printed constants leave a step of about 1e-8 between the two pieces.
    np.testing.assert_allclose(linear_to_srgb(linear), image, atol=1e-7)


def test_xyz_and_lab_are_those_of_colour_science(image, x64):
    space = colour.RGB_COLOURSPACES["sRGB"].copy()
    space.use_derived_transformation_matrices(True)
    expected = colour.RGB_to_XYZ(image, space, apply_cctf_decoding=True)
    np.testing.assert_allclose(srgb_to_xyz(jnp.asarray(image)), expected, atol=1e-12)
    lab = colour.XYZ_to_Lab(expected, space.whitepoint)
    np.testing.assert_allclose(srgb_to_lab(jnp.asarray(image)), lab, atol=1e-10)


def test_lab_is_close_to_that_of_scikit_image(image):
    """Which takes rounded values for matrix and white."""
    lab = srgb_to_lab(jnp.asarray(image, jnp.float32))
    np.testing.assert_allclose(lab, skimage.color.rgb2lab(image), atol=0.03)


def test_grey_is_neutral():
    grey = jnp.linspace(0.0, 1.0, 101)[:, None, None].repeat(3, axis=-1)
    lab = srgb_to_lab(grey)
    np.testing.assert_allclose(lab[..., 1:], 0, atol=2e-4)
    np.testing.assert_allclose(lab[-1, 0, 0], 100, atol=1e-4)


@pytest.mark.parametrize("function", [srgb_to_linear, linear_to_srgb, srgb_to_xyz, srgb_to_lab])
def test_gradients(function, image, x64):
    function = jax.jit(function)
    black = jnp.zeros((1, 1, 3))
    assert jnp.isfinite(jax.grad(lambda x: function(x).sum())(black)).all()
    assert jnp.isfinite(jax.grad(lambda x: function(x).sum())(black - 0.1)).all()
    jax.test_util.check_grads(
        lambda x: function(jnp.asarray(x)), (jnp.asarray(image[1:3]),), order=1, rtol=1e-3
    )


def test_keeps_type_and_batch(image):
    stack = jnp.asarray(np.stack([image, image[::-1]]), jnp.float32)
    for function in (srgb_to_linear, linear_to_srgb, srgb_to_xyz, srgb_to_lab, luma):
        result = jax.jit(function)(stack)
        assert result.dtype == jnp.float32
        np.testing.assert_allclose(result[1], function(stack[1]), rtol=1e-5, atol=1e-5)
