"""Images of integers and of narrow floats.

OpenColorIO and Pillow compute integers in their own ways, so that a value near the middle between
two levels may be rounded to the other one.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lut_twins import INTERPOLATIONS, apply, opencolorio_table, random_table
from PIL import Image, ImageFilter

from dehaze_jax import lut

DTYPES = (np.uint8, np.uint16)


def random_pixels(dtype):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (60, 50, 3), dtype)
    image[0, 0], image[0, 1] = 0, np.iinfo(dtype).max
    return image


def check_close(ours, theirs, share):
    """At most one level apart, and no more than this share of the values."""
    distance = np.abs(ours.astype(int) - theirs)
    assert distance.max() <= 1
    assert np.mean(distance > 0) <= share


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("domain", [(0.0, 1.0), ((0.1, 0.0, -0.5), (0.8, 1.0, 2.0))])
def test_integers_are_floats_rounded(dtype, domain):
    table, image = random_table(1, 9), random_pixels(dtype)
    options = {"domain": domain}
    ours = apply(table, image, **options)
    assert ours.dtype == dtype
    top = np.iinfo(dtype).max
    floats = apply(table, image.astype(np.float32) / np.float32(top), **options)
    assert (floats.min() < 0) & (floats.max() > 1)  # so that clamping is tested too
    expected = np.floor(np.clip(floats, 0, 1) * top + 0.5)
    check_close(ours, expected, share=1e-3 if dtype == np.uint8 else 1e-2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_halves_are_rounded_up(dtype):
    top = np.iinfo(dtype).max
    # Between two levels, as both tops are odd; looked up at a node, where nothing else is rounded.
    table = np.full((2, 2, 2, 3), 0.5, np.float32)
    image = np.array([[0, 0, 0], [top, 0, top], [top, top, top]], dtype)
    assert (apply(table, image) == top // 2 + 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_identity_returns_integers_as_they_are(dtype):
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    image = np.stack([levels, levels[::-1], np.roll(levels, 77)], axis=-1)
    np.testing.assert_array_equal(apply(lut.identity(17), image), image)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_integers_against_opencolorio(dtype, interpolation):
    table, image = random_table(2, 33), random_pixels(dtype)
    ours = apply(table, image, interpolation=interpolation)
    theirs = opencolorio_table(table, image, interpolation)
    check_close(ours, theirs, share=1e-3 if dtype == np.uint8 else 1e-2)


def test_bytes_against_pillow():
    """Pillow computes with 16 bits."""
    table, image = random_table(3, 33), random_pixels(np.uint8)
    theirs = ImageFilter.Color3DLUT(33, table.transpose(2, 1, 0, 3).reshape(-1, 3))
    check_close(apply(table, image), np.asarray(Image.fromarray(image).filter(theirs)), share=0.05)


@pytest.mark.parametrize(
    ("dtype", "interpolation"), [(jnp.bfloat16, "trilinear"), (jnp.float16, "tetrahedral")]
)
def test_narrow_floats_are_computed_in_float32(dtype, interpolation):
    """The result is rounded once: it is that of the same numbers in float32, rounded."""
    rng = np.random.default_rng(4)
    table = random_table(5, 33)
    image = jnp.asarray(rng.uniform(-0.1, 1.1, (30, 40, 3)), dtype)
    ours = apply(table, image, interpolation=interpolation)
    assert ours.dtype == dtype
    whole = apply(table, image.astype(jnp.float32), interpolation=interpolation)
    np.testing.assert_array_equal(ours, whole.astype(dtype))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_tables(dtype):
    table = jnp.asarray(random_table(6, 9), dtype)
    image = np.random.default_rng(7).uniform(size=(8, 9, 3)).astype(np.float32)
    ours = apply(table, image)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, apply(table.astype(jnp.float32), image))


def test_gradients_have_the_dtypes_of_their_arguments():
    dtype = jnp.bfloat16
    table = jnp.asarray(random_table(8, 5))
    image = jnp.asarray(np.random.default_rng(9).uniform(size=(8, 9, 3)), dtype)

    def total(table, image):
        return jnp.sum(lut.apply(table, image).astype(jnp.float32))

    gradients = jax.jit(jax.grad(total, argnums=(0, 1)))
    d_table, d_image = gradients(table, image)
    assert (d_table.dtype, d_image.dtype) == (np.float32, dtype)
    whole_table, whole_image = gradients(table, image.astype(jnp.float32))
    np.testing.assert_allclose(d_table, whole_table, atol=1e-6)
    np.testing.assert_array_equal(d_image, whole_image.astype(dtype))
