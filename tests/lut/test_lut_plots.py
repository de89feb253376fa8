"""The curves and points of the plot, read back from the figure."""

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection

from dehaze_jax import lut


@pytest.fixture
def table():
    return np.random.default_rng(0).uniform(-0.2, 1.3, (17, 17, 17, 3)).astype(np.float32)


def curves(axes):
    return {line.get_label(): np.stack(line.get_data()) for line in axes.get_lines()}


def test_curves_are_those_of_the_table(table):
    _, neutral, single = lut.plot(jnp.asarray(table)).axes
    at = np.arange(17)
    for channel, name in enumerate(("red", "green", "blue")):
        given, returned = curves(neutral)[name]
        np.testing.assert_allclose(given, at / 16, atol=1e-12)
        np.testing.assert_array_equal(returned, table[at, at, at, channel])
        given, returned = curves(single)[name]
        np.testing.assert_allclose(given, at / 16, atol=1e-12)
        along = np.moveaxis(table[..., channel], channel, 0)
        np.testing.assert_array_equal(returned, along[:, 8, 8])
    assert single.get_title() == "one channel, the others 0.50"


@pytest.mark.parametrize(("size", "step"), [(17, 2), (9, 1), (2, 1)])
def test_points_stand_at_the_colours_returned(table, size, step):
    values = table[:size, :size, :size]
    cube = lut.plot(values).axes[0]
    ties, points = cube.collections
    shown = values[::step, ::step, ::step].reshape(-1, 3)
    np.testing.assert_array_equal(np.stack(points._offsets3d, axis=-1), shown)
    expected = np.clip(shown, 0, 1)
    np.testing.assert_allclose(PathCollection.get_facecolor(points)[:, :3], expected, atol=1e-6)
    starts = np.asarray(ties._segments3d)[:, 0]
    nodes = np.stack(np.indices((size,) * 3), axis=-1)[::step, ::step, ::step] / (size - 1)
    np.testing.assert_allclose(starts, nodes.reshape(-1, 3), atol=1e-12)


def test_is_drawn_without_a_window(table, tmp_path):
    before = plt.get_fignums()
    figure = lut.plot(table, title="A table")
    figure.savefig(tmp_path / "table.png", dpi=50)
    assert plt.get_fignums() == before
    assert figure.get_suptitle() == "A table"
    shades = plt.imread(tmp_path / "table.png")[..., :3]
    assert len(np.unique(shades.reshape(-1, 3).round(1), axis=0)) > 50  # the points' colours


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.full((3, 3, 3, 3), np.nan, np.float32), "NaN or infinity$"),
        (np.zeros((1, 1, 1, 3), np.float32), "at least 2 nodes along each axis, not 1$"),
        (np.zeros((3, 3, 3, 3), np.uint8), "holds floats, not uint8$"),
        (np.zeros((2, 3, 3, 3, 3), np.float32), r"not \[2, 3, 3, 3, 3\]$"),
    ],
)
def test_refuses_what_it_cannot_draw(table, message):
    with pytest.raises(ValueError, match=message):
        lut.plot(table)
