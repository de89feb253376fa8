"""Cutting columns into runs: every column finds its place in the grid, and comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.image.runs import Runs


def joined_fraction(runs):
    """How far each column lies from the grid column to its left, as a plane of one row."""
    fraction = jnp.asarray(runs.fraction, jnp.float32)[None]
    return runs.join((fraction, fraction, fraction))[0, :, 0]


@pytest.mark.parametrize("places", ["centres", "corners"])
@pytest.mark.parametrize("cells", [1, 2, 5, 16])
@pytest.mark.parametrize("width", [1, 2, 7, 16, 33, 100])
class TestRuns:
    def test_every_column_finds_its_place_in_the_grid(self, width, cells, places):
        """Left and right grid column and the fraction between them, carried along the runs."""
        runs = Runs(width, cells, places=places)
        left, right = Runs.ends(cells, places)
        along = jnp.asarray(left[:, None] + runs.fraction * (right - left)[:, None])[None]
        found = runs.join((along, along, along))[0, :, 0]
        column = np.arange(width)
        if places == "centres":
            expected = np.clip((column + 0.5) / width * cells - 0.5, 0, cells - 1)
        else:
            expected = column * (cells - 1) / max(width - 1, 1)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_joining_undoes_splitting(self, width, cells, places):
        image = np.random.default_rng(0).uniform(size=(2, width, 3)).astype(np.float32)
        runs = Runs(width, cells, places=places)
        np.testing.assert_array_equal(runs.join(runs.split(jnp.asarray(image))), image)


@pytest.mark.parametrize("places", ["centres", "corners"])
@pytest.mark.parametrize(("width", "columns"), [(1, 8), (2, 8), (7, 8), (8, 8), (19, 32), (32, 32)])
def test_a_traced_width_gives_the_same_cut(width, columns, places):
    """Pictures padded on the right to a common number of columns share one compilation."""
    image = np.random.default_rng(0).uniform(size=(2, columns, 3)).astype(np.float32)

    @jax.jit
    def cut(width, image):
        runs = Runs(width, 4, columns, places=places)
        return runs.join(runs.split(image)), joined_fraction(runs)

    found, fraction = cut(width, jnp.asarray(image))
    np.testing.assert_array_equal(found[:, :width], image[:, :width])
    expected = joined_fraction(Runs(width, 4, places=places))
    np.testing.assert_allclose(fraction[:width], expected, rtol=2e-7)
