import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax import networks


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (7, 4)])
def test_pixels_fill_the_square_from_minus_one_to_one(height, width):
    centres = networks.pixel_centres(height, width)
    assert centres.dtype == jnp.float32
    for row, column in np.ndindex(height, width):
        expected = [(row + 0.5) / height * 2 - 1, (column + 0.5) / width * 2 - 1]
        np.testing.assert_allclose(centres[row, column], expected, atol=1e-6)


def test_every_third_centre_of_a_grid_three_times_as_fine_is_one_of_the_coarse():
    coarse, fine = networks.pixel_centres(5, 8), networks.pixel_centres(15, 24)
    np.testing.assert_allclose(fine[1::3, 1::3], coarse, atol=1e-6)


@pytest.mark.parametrize("frequencies", [1, 4, 6])
def test_octaves_of_sines_and_cosines(frequencies):
    coordinates = np.random.default_rng(0).uniform(-1, 1, (2, 3, 2)).astype(np.float32)
    encoded = networks.encode(jnp.asarray(coordinates), frequencies)
    assert encoded.shape == (2, 3, 4 * frequencies)
    for octave in range(frequencies):
        angles = np.pi * 2**octave * coordinates.astype(float)
        expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
        found = encoded[..., 4 * octave : 4 * octave + 4]
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_four_octaves_if_not_told():
    assert networks.encode(jnp.zeros(2)).shape == (16,)
