import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.methods.config import RestoreOptions
from dehaze_jax.restoring import Restorer, restore_whole, summarise_picture

SCALE = {"uint8": 255, "uint16": 65535, "float16": 1, "float32": 1, "float64": 1}


def picture(dtype, shape=(21, 10, 3)):
    image = np.random.default_rng(0).random(shape) * SCALE[dtype]
    return (np.round(image) if dtype.startswith("u") else image).astype(dtype)


@pytest.mark.parametrize("dtype", list(SCALE))
def test_types_are_kept_and_rounded(method, variables, twin, dtype):
    image = picture(dtype)
    restored = Restorer(method, variables, strip_pixels=100)(image)
    assert restored.dtype == image.dtype
    expected = twin(image / SCALE[dtype]) * SCALE[dtype]
    # Integers: rounded to the nearest, up to float32's doubt at the half; float16 has 11 bits.
    tolerance = {"uint8": 0.501, "uint16": 0.51, "float16": 5e-4}.get(dtype, 1e-6)
    np.testing.assert_allclose(restored.astype(np.float64), expected, atol=tolerance)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_level_survives_a_method_that_does_nothing(method, dtype):
    unchanged = dataclasses.replace(method, render=lambda variables, context, rows, where: rows)
    levels = np.arange(SCALE[dtype] + 1, dtype=dtype).reshape(16, -1, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(Restorer(unchanged, {})(levels), levels)
    np.testing.assert_array_equal(Restorer(unchanged, {})(levels[..., 0]), levels[..., 0])


def test_grey_is_the_luma_of_the_restored_colours(method, variables, twin):
    image = picture("float32", (15, 8))
    restored = Restorer(method, variables)(image)
    expected = twin(np.repeat(image[..., None], 3, axis=2)) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(restored, expected, atol=1e-6)


@pytest.mark.devices
@pytest.mark.parametrize("dtype", list(SCALE))
@pytest.mark.parametrize("shape", [(21, 10, 3), (3, 5)])
def test_several_devices_give_the_same_picture(method, variables, dtype, shape):
    image = picture(dtype, shape)
    one = Restorer(method, variables)(image)
    four = Restorer(method, variables, devices=jax.devices())(image)
    assert four.dtype == image.dtype
    # Integers: a sum in another order may fall on the other side of a half.
    level = 1 if dtype.startswith("u") else 1e-6
    difference = np.abs(four.astype(np.float64) - one.astype(np.float64))
    assert difference.max() <= level
    assert np.mean(difference > 1e-6) < 0.01


def test_options_reach_the_method(method, variables):
    by_steps = dataclasses.replace(
        method,
        render=lambda variables, context, rows, where: (
            jnp.zeros_like(rows) + 0.1 * context["steps"]
        ),
    )
    restored = Restorer(by_steps, variables, RestoreOptions(num_steps=3))(picture("float32"))
    np.testing.assert_allclose(restored, 0.3, atol=1e-6)


def test_the_method_says_by_what_options(method, variables):
    by_steps = dataclasses.replace(
        method,
        render=lambda variables, context, rows, where: (
            jnp.zeros_like(rows) + 0.1 * context["steps"]
        ),
        options=RestoreOptions(num_steps=7),
    )
    pixels = picture("float32")
    np.testing.assert_allclose(Restorer(by_steps, variables)(pixels), 0.7, atol=1e-6)
    whole = restore_whole(by_steps, variables, jnp.asarray(pixels))
    np.testing.assert_allclose(whole, 0.7, atol=1e-6)
    assert summarise_picture(by_steps, variables, pixels)["steps"] == 7


def test_results_are_clipped(method):
    loud = Restorer(method, {"gain": jnp.float32(9)})(picture("float32"))
    assert loud.max() == 1
    dark = Restorer(method, {"gain": jnp.float32(-9)})(picture("float32"))
    assert dark.min() == 0


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 4, 4), np.uint8), "shape"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((4, 4, 3), np.int32), "type must be"),
        (np.zeros((4, 4), bool), "type must be"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.full((4, 4, 3), np.nan, np.float32), "not finite"),
        (np.full((4, 4, 3), np.inf, np.float64), "not finite"),
        (np.full((4, 4, 3), 255, np.float32), "must lie in"),
        (np.full((4, 4, 3), -1, np.float32), "must lie in"),
    ],
)
def test_pictures_that_cannot_be_used(method, variables, image, reason):
    with pytest.raises(InputError, match=reason):
        Restorer(method, variables)(image)


def test_no_strip_without_pixels(method, variables):
    with pytest.raises(InputError, match="strip_pixels"):
        Restorer(method, variables, strip_pixels=0)
