"""Slicing against SciPy, against a plain formulation in JAX, in strips and over devices."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from scipy.ndimage import map_coordinates

from dehaze_jax import image as im

PLACES = ("centres", "corners")
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


def several_inputs(size, cells, guides, batch=()):
    """Grid, image, guides first, and their shares in the cells of the grid."""
    rng = np.random.default_rng(1)
    grid, image, _ = random_inputs(size, cells, batch)
    looks = rng.uniform(-0.2, 1.2, size=(guides, *batch, *size))
    return grid, image, looks, rng.uniform(-0.5, 1.5, size=(*batch, *cells[:2], guides))


def as_arrays(arrays):
    return tuple(jnp.asarray(array, float) for array in arrays)


def slice_several(grid, image, guides, shares, **where):
    return im.slice_apply(grid, image, tuple(guides), shares=shares, **where)


def positions(pixels, size, cells, places):
    """Where pixels lie between the cells of a grid."""
    if places == "corners":
        return pixels * ((cells - 1) / max(size - 1, 1))
    return (pixels + 0.5) / size * cells - 0.5


def scipy_interpolate(values, at):
    """Multilinear interpolation of `[..., k]`, held at the ends of each axis."""
    channels = np.moveaxis(values, -1, 0)
    found = [map_coordinates(channel, at, order=1, mode="nearest") for channel in channels]
    return np.stack(found, axis=-1)


def scipy_slice_apply(grid, image, guide, start=0, height=None, places="centres"):
    rows, columns, depth, _ = grid.shape
    count, width = guide.shape
    y = positions(start + np.arange(count), height or count, rows, places)
    x = positions(np.arange(width), width, columns, places)
    y, x = np.meshgrid(y, x, indexing="ij")
    models = scipy_interpolate(grid, [y, x, np.clip(guide, 0, 1) * (depth - 1)])
    models = models.reshape(count, width, 3, 4)
    return np.einsum("hwij,hwj->hwi", models[..., :3], image) + models[..., 3]


def scipy_shares(shares, height, width, places):
    rows, columns, _ = shares.shape
    y = positions(np.arange(height), height, rows, places)
    x = positions(np.arange(width), width, columns, places)
    return scipy_interpolate(shares, np.meshgrid(y, x, indexing="ij"))


def dense_slice_apply(grid, image, guides, shares, places):
    """Hat functions along each axis and one contraction; everything at full size."""

    def hats(at, cells):
        at = jnp.clip(at, 0, cells - 1)
        nodes = jnp.arange(float(cells)).reshape((1,) * at.ndim + (-1,))
        return jnp.maximum(1 - jnp.abs(at[..., None] - nodes), 0)

    (rows, columns, depth, _), (height, width) = grid.shape, image.shape[:2]
    y = hats(positions(jnp.arange(float(height)), height, rows, places), rows)
    x = hats(positions(jnp.arange(float(width)), width, columns, places), columns)
    z = hats(jnp.clip(guides, 0, 1) * (depth - 1), depth)
    spread = jnp.einsum("hy,wx,yxg->ghw", y, x, shares)
    models = jnp.einsum("ghw,hy,wx,ghwz,yxzk->hwk", spread, y, x, z, grid)
    models = models.reshape(height, width, 3, 4)
    return jnp.einsum("hwij,hwj->hwi", models[..., :3], image) + models[..., 3]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize(("size", "cells"), SIZES)
def test_equals_scipy(size, cells, places):
    inputs = random_inputs(size, cells)
    ours = jax.jit(im.slice_apply, static_argnames="places")(*as_arrays(inputs), places=places)
    np.testing.assert_allclose(ours, scipy_slice_apply(*inputs, places=places), atol=1e-12)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("guides", [1, 3])
def test_several_guides_are_summed_by_their_shares(guides, places):
    """Each guide's slice by itself, times its share of the place; for a batch."""
    inputs = several_inputs((6, 9), (4, 5, 3), guides, batch=(2,))
    ours = slice_several(*as_arrays(inputs), places=places)
    grid, image, looks, shares = inputs
    for index in range(2):
        spread = scipy_shares(shares[index], 6, 9, places)
        expected = sum(
            spread[..., number, None]
            * scipy_slice_apply(grid[index], image[index], looks[number, index], places=places)
            for number in range(guides)
        )
        np.testing.assert_allclose(ours[index], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("guides", "shares", "message"),
    [(2, None, "2 guides and no shares"), (2, 3, "2 guides and 3 shares"), (1, 2, "1 guides and")],
)
def test_a_share_for_each_guide(guides, shares, message):
    grid, image, looks, known = as_arrays(several_inputs((2, 3), (2, 2, 2), 3))
    known = None if shares is None else known[..., :shares]
    with pytest.raises(ValueError, match=message):
        slice_several(grid, image, looks[:guides], known)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("places", "guides", "size", "cells"),
    [
        ("centres", 1, (7, 5), (4, 3, 5)),
        ("centres", 3, (6, 16), (3, 4, 2)),
        ("corners", 2, (6, 15), (3, 4, 2)),
    ],
)
def test_gradients(places, guides, size, cells):
    """Of all inputs: against the plain formulation, and finite differences."""
    *inputs, shares = as_arrays(several_inputs(size, cells, guides))
    if guides > 1:
        inputs.append(shares)
    weights = jnp.asarray(np.random.default_rng(1).normal(size=(*size, 3)))

    def ours(grid, image, looks, shares=None):
        looks = tuple(looks) if guides > 1 else looks[0]
        restored = im.slice_apply(grid, image, looks, shares=shares, places=places)
        return jnp.sum(weights * restored)

    def plain(grid, image, looks, shares=None):
        shares = jnp.ones((*cells[:2], 1)) if shares is None else shares
        return jnp.sum(weights * dense_slice_apply(grid, image, looks, shares, places))

    slopes, expected = (
        jax.jit(jax.grad(total, argnums=tuple(range(len(inputs)))))(*inputs)
        for total in (ours, plain)
    )
    for mine, theirs in zip(slopes, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-11)

    compiled, step = jax.jit(ours), 1e-6
    rng = np.random.default_rng(2)
    for _ in range(3):
        direction = [jnp.asarray(rng.normal(size=array.shape)) for array in inputs]
        ahead, behind = (
            compiled(*(a + sign * step * d for a, d in zip(inputs, direction, strict=True)))
            for sign in (1, -1)
        )
        slope = sum(np.vdot(g, d) for g, d in zip(slopes, direction, strict=True))
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


@pytest.mark.parametrize(
    ("places", "guides", "width"),
    [("centres", 1, 8), ("centres", 1, 11), ("centres", 3, 11), ("corners", 2, 11)],
)
def test_strips_equal_the_whole(places, guides, width):
    """With start and height traced, one compilation serves every strip."""
    grid, image, looks, shares = as_arrays(several_inputs((12, width), (4, 4, 3), guides))
    shares = shares if guides > 1 else None
    slice_apply = partial(slice_several, places=places)
    whole = jax.jit(slice_apply)(grid, image, looks, shares)
    strip = jax.jit(
        lambda rows, planes, start, height: slice_apply(
            grid, rows, planes, shares, start=start, height=height
        )
    )
    parts = [strip(image[at : at + 3], looks[:, at : at + 3], at, 12) for at in range(0, 12, 3)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("traced", [False, True])
def test_columns_added_on_the_right_change_nothing(traced, places):
    grid, image, looks, shares = as_arrays(several_inputs((6, 21), (4, 4, 3), 2))
    whole = slice_several(grid, image, looks, shares, places=places)
    image = jnp.pad(image, [(0, 0), (0, 11), (0, 0)])
    looks = jnp.pad(looks, [(0, 0), (0, 0), (0, 11)])
    width = np.int32(21) if traced else 21
    ours = slice_several(grid, image, looks, shares, width=width, places=places)
    np.testing.assert_allclose(ours[:, :21], whole, atol=1e-6)


@pytest.mark.parametrize("places", PLACES)
def test_rows_outside_the_picture_take_the_nearest(places):
    grid, image, guide = random_inputs((4, 6), (3, 2, 2))
    for start in (-5, 18):
        ours = im.slice_apply(
            *as_arrays((grid, image, guide)), start=start, height=20, places=places
        )
        expected = scipy_slice_apply(grid, image, guide, start, 20, places)
        np.testing.assert_allclose(ours, expected, atol=2e-6)


@pytest.mark.devices
@pytest.mark.parametrize(("places", "guides"), [("centres", 1), ("corners", 3)])
def test_rows_over_devices_equal_one_device(places, guides):
    mesh = Mesh(np.array(jax.devices()[:4]), ("space",))
    grid, image, looks, shares = as_arrays(several_inputs((16, 11), (4, 4, 3), guides))
    rows = NamedSharding(mesh, PartitionSpec("space"))
    slice_apply = jax.jit(partial(slice_several, places=places))
    whole = slice_apply(grid, image, looks, shares)
    grid, shares = jax.device_put((grid, shares), NamedSharding(mesh, PartitionSpec()))
    looks = jax.device_put(looks, NamedSharding(mesh, PartitionSpec(None, "space")))
    sharded = slice_apply(grid, jax.device_put(image, rows), looks, shares)
    assert sharded.sharding.is_equivalent_to(rows, 3)
    np.testing.assert_allclose(sharded, whole, atol=1e-6)
