"""Slicing against SciPy, against a plain formulation in JAX, in strips and over devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from scipy.ndimage import map_coordinates

from dehaze_jax import image as im
from dehaze_jax.image.bilateral_grid import Runs

# (height, width), (rows, columns, depth): one pixel, one cell, widths that divide and do not, more
# cells than pixels.
SIZES = [
    ((1, 1), (3, 4, 2)),
    ((7, 5), (1, 1, 1)),
    ((7, 5), (4, 3, 5)),
    ((6, 16), (3, 4, 2)),
    ((9, 17), (2, 4, 3)),
    ((5, 64), (16, 16, 8)),
    ((3, 2), (4, 8, 1)),
]


def random_inputs(size, cells, batch=()):
    rng = np.random.default_rng(0)
    grid = rng.normal(size=(*batch, *cells, 12))
    image = rng.uniform(size=(*batch, *size, 3))
    guide = rng.uniform(-0.2, 1.2, size=(*batch, *size))
    return grid, image, guide


def as_arrays(arrays):
    return tuple(jnp.asarray(array, float) for array in arrays)


def scipy_slice_apply(grid, image, guide, start=0, height=None):
    rows, columns, depth, _ = grid.shape
    count, width = guide.shape
    y = (start + np.arange(count) + 0.5) / (height or count) * rows - 0.5
    x = (np.arange(width) + 0.5) / width * columns - 0.5
    y, x = np.meshgrid(y, x, indexing="ij")
    places = [y, x, np.clip(guide, 0, 1) * (depth - 1)]
    models = np.stack(
        [map_coordinates(grid[..., k], places, order=1, mode="nearest") for k in range(12)], axis=-1
    ).reshape(count, width, 3, 4)
    return np.einsum("hwij,hwj->hwi", models[..., :3], image) + models[..., 3]


def dense_slice_apply(grid, image, guide):
    """Hat functions along each axis and one contraction; everything at full size."""

    def hats(at, cells):
        at = jnp.clip(at, 0, cells - 1)
        nodes = jnp.arange(float(cells)).reshape((1,) * at.ndim + (-1,))
        return jnp.maximum(1 - jnp.abs(at[..., None] - nodes), 0)

    (rows, columns, depth, _), (height, width) = grid.shape, guide.shape
    y = hats((jnp.arange(float(height)) + 0.5) / height * rows - 0.5, rows)
    x = hats((jnp.arange(float(width)) + 0.5) / width * columns - 0.5, columns)
    z = hats(jnp.clip(guide, 0, 1) * (depth - 1), depth)
    models = jnp.einsum("hy,wx,hwz,yxzk->hwk", y, x, z, grid).reshape(height, width, 3, 4)
    return jnp.einsum("hwij,hwj->hwi", models[..., :3], image) + models[..., 3]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("size", "cells"), SIZES)
def test_equals_scipy(size, cells):
    inputs = random_inputs(size, cells)
    ours = jax.jit(im.slice_apply)(*as_arrays(inputs))
    np.testing.assert_allclose(ours, scipy_slice_apply(*inputs), atol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("size", "cells"), [((7, 5), (4, 3, 5)), ((6, 16), (3, 4, 2))])
def test_gradients(size, cells):
    """Of grid, image and guide: against the plain formulation, and finite differences."""
    inputs = as_arrays(random_inputs(size, cells))
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(*size, 3)))

    def total(slice_apply, *inputs):
        return jnp.sum(weights * slice_apply(*inputs))

    def gradient(slice_apply):
        return jax.jit(jax.grad(lambda *inputs: total(slice_apply, *inputs), argnums=(0, 1, 2)))

    ours = gradient(im.slice_apply)(*inputs)
    for mine, plain in zip(ours, gradient(dense_slice_apply)(*inputs), strict=True):
        np.testing.assert_allclose(mine, plain, atol=1e-11)

    compiled, step = jax.jit(lambda *inputs: total(im.slice_apply, *inputs)), 1e-6
    rng = np.random.default_rng(2)
    for _ in range(3):
        direction = [jnp.asarray(rng.normal(size=array.shape)) for array in inputs]
        ahead, behind = (
            compiled(*(a + sign * step * d for a, d in zip(inputs, direction, strict=True)))
            for sign in (1, -1)
        )
        slope = sum(np.vdot(g, d) for g, d in zip(ours, direction, strict=True))
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)


def test_constant_grid_is_one_affine_map():
    _, image, guide = random_inputs((6, 9), (1, 1, 1))
    model = np.random.default_rng(3).normal(size=(3, 4))
    grid = np.broadcast_to(model.reshape(12), (4, 5, 3, 12))
    ours = im.slice_apply(*as_arrays((grid, image, guide)))
    np.testing.assert_allclose(ours, image @ model[:, :3].T + model[:, 3], atol=2e-6)


def test_guide_has_no_effect_at_depth_one():
    grid, image, guide = as_arrays(random_inputs((6, 9), (4, 5, 1)))
    np.testing.assert_array_equal(
        im.slice_apply(grid, image, guide), im.slice_apply(grid, image, 1 - guide)
    )


def test_batches():
    inputs = random_inputs((5, 7), (2, 3, 2), batch=(2, 2))
    ours = im.slice_apply(*as_arrays(inputs))
    for index in np.ndindex(2, 2):
        expected = scipy_slice_apply(*(array[index] for array in inputs))
        np.testing.assert_allclose(ours[index], expected, atol=2e-6)


@pytest.mark.parametrize("width", [8, 11])
def test_strips_equal_the_whole(width):
    """With start and height traced, one compilation serves every strip."""
    inputs = random_inputs((12, width), (4, 4, 3))
    grid, image, guide = as_arrays(inputs)
    whole = jax.jit(im.slice_apply)(grid, image, guide)
    strip = jax.jit(
        lambda rows, planes, start, height: im.slice_apply(
            grid, rows, planes, start=start, height=height
        )
    )
    parts = [strip(image[at : at + 3], guide[at : at + 3], at, 12) for at in range(0, 12, 3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("traced", [False, True])
def test_columns_added_on_the_right_change_nothing(traced):
    grid, image, guide = as_arrays(random_inputs((6, 21), (4, 4, 3)))
    whole = im.slice_apply(grid, image, guide)
    padded = jnp.pad(image, [(0, 0), (0, 11), (0, 0)]), jnp.pad(guide, [(0, 0), (0, 11)])
    width = np.int32(21) if traced else 21
    ours = im.slice_apply(grid, *padded, width=width)
    np.testing.assert_allclose(ours[:, :21], whole, atol=1e-6)


def test_rows_outside_the_picture_take_the_nearest():
    grid, image, guide = random_inputs((4, 6), (3, 2, 2))
    for start in (-5, 18):
        ours = im.slice_apply(*as_arrays((grid, image, guide)), start=start, height=20)
        expected = scipy_slice_apply(grid, image, guide, start, 20)
        np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.devices
def test_rows_over_devices_equal_one_device():
    mesh = Mesh(np.array(jax.devices()[:4]), ("space",))
    grid, image, guide = as_arrays(random_inputs((16, 11), (4, 4, 3)))
    rows = NamedSharding(mesh, PartitionSpec("space"))
    everywhere = NamedSharding(mesh, PartitionSpec())
    slice_apply = jax.jit(im.slice_apply)
    sharded = slice_apply(
        jax.device_put(grid, everywhere), jax.device_put(image, rows), jax.device_put(guide, rows)
    )
    assert sharded.sharding.is_equivalent_to(rows, 3)
    np.testing.assert_allclose(sharded, slice_apply(grid, image, guide), atol=1e-6)


@pytest.mark.parametrize("cells", [1, 2, 5, 16])
@pytest.mark.parametrize("width", [1, 2, 7, 16, 33, 100])
class TestRuns:
    def test_every_column_finds_its_place_in_the_grid(self, width, cells):
        """Left and right grid column and the fraction between them, carried along the runs."""
        runs = Runs(width, cells)
        left, right = Runs.ends(cells)
        places = jnp.asarray(left[:, None] + runs.fraction * (right - left)[:, None])[None]
        found = runs.join((places, places, places))[0, :, 0]
        expected = np.clip((np.arange(width) + 0.5) / width * cells - 0.5, 0, cells - 1)
        np.testing.assert_allclose(found, expected, atol=1e-6)

    def test_joining_undoes_splitting(self, width, cells):
        image = np.random.default_rng(0).uniform(size=(2, width, 3)).astype(np.float32)
        runs = Runs(width, cells)
        np.testing.assert_array_equal(runs.join(runs.split(jnp.asarray(image))), image)


@pytest.mark.parametrize(("width", "columns"), [(1, 8), (7, 8), (8, 8), (19, 32), (32, 32)])
def test_a_traced_width_gives_the_same_cut(width, columns):
    """Pictures padded on the right to a common number of columns share one compilation."""
    image = np.random.default_rng(0).uniform(size=(2, columns, 3)).astype(np.float32)

    def cut(width, image):
        runs = Runs(width, 4, columns)
        return runs.join(runs.split(image)), runs.join(
            (jnp.asarray(runs.fraction, jnp.float32)[None],) * 3
        )

    found, fraction = jax.jit(cut)(width, jnp.asarray(image))
    np.testing.assert_array_equal(found[:, :width], image[:, :width])
    known = Runs(width, 4)
    expected = known.join((jnp.asarray(known.fraction, jnp.float32)[None],) * 3)
    np.testing.assert_allclose(fraction[:, :width], expected, rtol=2e-7)
