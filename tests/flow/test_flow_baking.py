"""Baked flows against least squares done by hand, and on flows that they can follow exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dehaze_jax import flow, lut
from dehaze_jax.image import luma, slice_apply


def picture(seed=0, shape=(48, 64)):
    """Smooth colours that fill much of the cube."""
    noise = np.random.default_rng(seed).normal(size=(*shape, 3))
    smooth = gaussian_filter(noise, (4, 4, 0))
    return jnp.asarray(0.5 + 0.18 * smooth / smooth.std(), jnp.float32).clip(0, 1)


def affine(image):
    matrix = np.array([[1.3, -0.1, 0.0], [0.05, 1.1, -0.1], [0.0, 0.1, 0.9]], np.float32)
    return jnp.matmul(image, jnp.asarray(matrix.T), precision="highest") - 0.1


@pytest.mark.parametrize("kind", ["lut", "local"])
def test_an_affine_change_is_learnt_from_one_picture_and_holds_for_another(kind):
    baked = flow.bake(picture(0), affine(picture(0)), kind=kind)
    other = picture(1, (31, 77))
    # A table does not leave the range of the colours it has seen; most of `other` lies inside.
    error = np.abs(np.asarray(baked(other) - affine(other)))
    assert np.median(error) < 2e-3
    assert np.quantile(error, 0.9) < 0.02


def test_a_table_follows_a_curve_of_colours():
    source = picture(2)
    target = source**1.8
    baked = flow.bake(source, target, size=17)
    assert baked.table.shape == (17, 17, 17, 3)
    error = np.asarray(baked(source) - target)
    assert np.sqrt((error**2).mean()) < 3e-3
    assert np.abs(error).max() < 0.05  # at the rarest colours, where the prior has its say
    # The same table by the parts it is made of, within the range of the target.
    table = lut.fit(source, target, size=17, smoothness=1e-4, interpolation="tetrahedral")
    low, high = target.min(axis=(0, 1)), target.max(axis=(0, 1))
    np.testing.assert_allclose(baked.table, np.clip(table, low, high), atol=1e-6)


def test_a_grid_follows_haze_that_depends_on_place():
    source = picture(3, (96, 128))
    across = jnp.linspace(0.4, 1.0, 128).reshape(1, 128, 1)
    target = 0.9 + (source - 0.9) / jnp.broadcast_to(across, (1, 128, 1))
    local = flow.bake(source, target, kind="local", size=(8, 8, 4))
    table = flow.bake(source, target, kind="lut", size=9)

    def error(baked):
        return float(jnp.sqrt(jnp.mean((baked(source) - target) ** 2)))

    assert error(local) < 0.03
    assert error(local) < error(table) / 4


def test_one_node_is_ridge_regression():
    source, noise = picture(4), np.random.default_rng(5).normal(0, 0.05, (48, 64, 3))
    target = affine(source) + jnp.asarray(noise, jnp.float32)
    grid = flow.bake(source, target, kind="local", size=(1, 1, 1)).grid.reshape(3, 4)
    x = np.concatenate([np.asarray(source, float).reshape(-1, 3), np.ones((48 * 64, 1))], axis=1)
    y, count = np.asarray(target, float).reshape(-1, 3), 48 * 64
    ridge = np.diag([1e-4] * 3 + [0.0])
    squares, products = x.T @ x / count + ridge, x.T @ y / count
    overall = np.linalg.solve(squares, products + ridge @ np.eye(4, 3))
    expected = np.linalg.solve(squares, products + ridge @ overall).T
    np.testing.assert_allclose(grid, expected, atol=2e-4)


def test_cells_without_pixels_have_a_model():
    """Only dark colours: brighter ones are treated as these are."""
    source = picture(6) * 0.3
    baked = flow.bake(source, affine(source), kind="local", size=(4, 4, 8))
    bright = picture(7)
    np.testing.assert_allclose(baked(bright), affine(bright), atol=0.05)


@pytest.mark.parametrize("kind", ["lut", "local"])
def test_one_colour_everywhere(kind):
    source = jnp.full((16, 16, 3), 0.4)
    baked = flow.bake(source, source - 0.1, kind=kind)
    np.testing.assert_allclose(baked(source), 0.3, atol=2e-3)


@pytest.mark.parametrize("kind", ["lut", "local"])
def test_strips_and_padding_equal_the_whole(kind):
    source = picture(8)
    baked = flow.bake(source, source**1.5, kind=kind, size=5 if kind == "lut" else (3, 4, 5))
    whole = baked(source)
    padded = jnp.pad(source[16:40], [(0, 0), (0, 9), (0, 0)])
    strip = jax.jit(lambda b, x, start, width: b(x, start=start, height=48, width=width))(
        baked, padded, 16, 64
    )
    np.testing.assert_allclose(strip[:, :64], whole[16:40], atol=1e-6)


def test_a_grid_is_guided_by_luma():
    source = picture(9)
    baked = flow.bake(source, source**1.5, kind="local", size=(3, 4, 5))
    expected = slice_apply(baked.grid, source, luma(source))
    np.testing.assert_allclose(baked(source), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "affine"}, "one of lut, local, not 'affine'"),
        ({"kind": "lut", "size": (3, 3, 3)}, "a table has one size"),
        ({"kind": "local", "size": 8}, "rows, columns and levels"),
        ({"kind": "local", "size": (8, 8)}, "rows, columns and levels"),
        ({"kind": "local", "size": (8, 0, 8)}, "at least 1 each"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        flow.bake(picture(), picture(), **arguments)


@pytest.mark.parametrize("kind", ["lut", "local"])
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_refuses_values_that_are_not_finite(kind, bad):
    with pytest.raises(ValueError, match="the target holds values that are not finite"):
        flow.bake(picture(), picture().at[3, 4, 1].set(bad), kind=kind)


def test_refuses_integers():
    with pytest.raises(ValueError, match="floats in"):
        flow.bake(jnp.ones((4, 4, 3), jnp.uint8), picture(shape=(4, 4)))


def test_refuses_pictures_of_two_sizes():
    with pytest.raises(ValueError, match=r"one size .* not \[48, 64, 3\] and \[8, 8, 3\]"):
        flow.bake(picture(), picture(shape=(8, 8)))
