import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from dehaze_jax import haze


def lamps(*, colour=((0.8, 0.6, 0.3), (0.2, 0.3, 0.4)), shape=(0.7, 1.3)):
    return haze.Lamps(
        place=jnp.asarray([[0.25, 0.5], [0.7, 0.2]]),
        colour=jnp.asarray(colour),
        width=jnp.asarray([0.1, 0.2]),
        shape=jnp.asarray(shape),
    )


def distances(given, height, width):
    """Of pixel centres from each lamp, in shares of the longer side."""
    row, column = np.mgrid[:height, :width] + 0.5
    x, y = np.asarray(given.place, np.float64).T[:, :, None, None]
    return np.hypot(column - x * width, row - y * height) / max(height, width)


@pytest.mark.parametrize("shape", [(64, 48), (30, 40)])
def test_glow_equals_a_loop_over_lamps(shape):
    given, beta, depth = lamps(), 1.4, jnp.asarray([0.5, 1.0])
    twin = np.zeros((*shape, 3))
    for k, distance in enumerate(distances(given, *shape)):
        spread = np.exp(-((distance / float(given.width[k])) ** float(given.shape[k])))
        share = 1 - np.exp(-beta * float(depth[k]))
        twin += spread[..., None] * share * np.asarray(given.colour[k])
    ours = haze.lamp_glow(given, *shape, depth=depth, beta=beta)
    np.testing.assert_allclose(ours, twin, atol=2e-5)


def test_glow_of_a_large_picture_is_one_made_small():
    given = lamps(shape=(1.2, 1.5))
    large, small = (
        np.asarray(haze.lamp_glow(given, *size, depth=jnp.ones(2), beta=1.0))
        for size in ((192, 256), (48, 64))
    )
    twin = scipy.ndimage.zoom(small, (4, 4, 1), order=1, grid_mode=True, mode="nearest")
    np.testing.assert_allclose(large, twin, atol=1e-5)


def test_no_haze_no_glow_and_no_lamp_no_light():
    assert jnp.all(haze.lamp_glow(lamps(), 20, 30, depth=jnp.ones(2), beta=0.0) == 0)
    dark = lamps(colour=np.zeros((2, 3)))
    assert jnp.all(haze.lamp_glow(dark, 20, 30, depth=jnp.ones(2), beta=2.0) == 0)
    assert jnp.all(haze.lamp_discs(dark, 20, 30) == 0)


def test_discs_are_where_the_lamps_are_and_as_large():
    given = lamps()
    height, width = 300, 400
    discs = np.asarray(haze.lamp_discs(given, height, width))
    for k, distance in enumerate(distances(given, height, width)):
        colour = np.asarray(given.colour[k]) / np.asarray(given.colour[k]).max()
        assert np.abs(discs[distance < 0.0045] - colour).max() < 1e-6
        area = (discs.max(-1) * (distance < 0.05)).sum()
        assert area == pytest.approx(np.pi * (0.006 * width) ** 2, rel=0.15)
    assert np.all(discs[(distances(given, height, width) > 0.01).all(0)] == 0)


def test_a_lamp_is_as_far_away_as_what_is_seen_at_its_place():
    depth = jnp.arange(20.0).reshape(4, 5)
    corners = haze.Lamps(
        place=jnp.asarray([[0.0, 0.0], [0.99, 0.3], [1.0, 1.0]]),
        colour=jnp.ones((3, 3)),
        width=jnp.ones(3),
        shape=jnp.ones(3),
    )
    np.testing.assert_array_equal(haze.lamp_depths(corners, depth), [0, 9, 19])
