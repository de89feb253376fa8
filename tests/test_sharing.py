"""What is said to the compiler changes where arrays lie, and no value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dehaze_jax import lut, metrics
from dehaze_jax.image.resampling import square_copy
from dehaze_jax.lut.interpolation import apply_planes
from dehaze_jax.sharing import beside_rows, divided, spread_copies
from dehaze_jax.training import find_collectives

pytestmark = pytest.mark.devices
P = PartitionSpec


def make(data, space):
    return jax.make_mesh((data, space), ("data", "space"), axis_types=(AxisType.Auto,) * 2)


def pictures(*shape):
    return jnp.asarray(np.random.default_rng(0).uniform(size=shape), jnp.float32)


def on(mesh, function, *arrays):
    """The result on a mesh, and what crosses between its devices."""
    arrays = [jax.device_put(x, NamedSharding(mesh, P("data", "space"))) for x in arrays]
    with jax.set_mesh(mesh):
        compiled = jax.jit(function).lower(*arrays).compile()
    return compiled(*arrays), find_collectives(compiled.as_text())


def test_no_mesh_divides_nothing():
    assert divided((4, 8)) == (1, 1)
    x = pictures(4, 8, 8, 3)
    assert spread_copies(x) is x
    assert beside_rows(x) is x


@pytest.mark.parametrize(
    ("shape", "counts"), [((4, 8, 3), (2, 2)), ((3, 8), (1, 2)), ((4, 7), (2, 1)), ((4,), (2, 1))]
)
def test_axes_that_divide(shape, counts):
    with jax.set_mesh(make(2, 2)):
        assert divided(shape) == counts


def test_axes_of_other_names_do_not_count():
    mesh = jax.make_mesh((2, 2), ("space", "model"), axis_types=(AxisType.Auto,) * 2)
    with jax.set_mesh(mesh):
        assert divided((4, 8)) == (1, 2)


def test_what_shard_map_has_divided_does_not_count():
    seen = []

    def look(x):
        seen.append(divided((4, 8)))
        return beside_rows(spread_copies(x))

    mesh = make(2, 2)
    x = pictures(4, 2, 2, 3)
    mapped = jax.shard_map(look, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    np.testing.assert_array_equal(jax.jit(mapped)(x), x)
    half = jax.shard_map(
        look, mesh=mesh, in_specs=P("data"), out_specs=P("data"), axis_names={"data"}
    )
    np.testing.assert_array_equal(jax.jit(half)(x), x)
    assert seen == [(1, 1), (1, 2)]


@pytest.mark.parametrize(
    ("count", "spec"),
    [(8, P(("data", "space"))), (2, P("data")), (3, P())],
    ids=["enough", "too few", "odd"],
)
def test_copies_are_spread_if_there_are_enough(count, spec):
    mesh = make(2, 2)
    x = jax.device_put(pictures(count, 4, 4, 3), NamedSharding(mesh, P()))
    with jax.set_mesh(mesh):
        spread = jax.jit(spread_copies)(x)
    assert spread.sharding.is_equivalent_to(NamedSharding(mesh, spec), 4)
    np.testing.assert_array_equal(spread, x)


def test_small_values_lie_beside_rows():
    mesh = make(2, 2)
    grid = jax.device_put(pictures(4, 2, 2), NamedSharding(mesh, P(("data", "space"))))
    with jax.set_mesh(mesh):
        beside = jax.jit(beside_rows)({"grid": grid})
    assert beside["grid"].sharding.is_equivalent_to(NamedSharding(mesh, P("data")), 3)


@pytest.mark.parametrize(("data", "space"), [(2, 2), (1, 4)])
def test_a_small_square_copy(data, space):
    x = pictures(4, 32, 24, 3)
    made, found = on(make(data, space), lambda x: square_copy(x, 8), x)
    np.testing.assert_allclose(made, square_copy(x, 8), atol=1e-6)
    np.testing.assert_allclose(made, jax.image.resize(x, (4, 8, 8, 3), "linear"), atol=1e-6)
    assert {each.kind for each in found} <= {"all-reduce", "reduce-scatter"}
    assert max(each.bytes for each in found) <= 4 // data * 8 * 8 * 3 * 4


@pytest.mark.parametrize(
    ("size", "data", "space", "padding"),
    [
        ((48, 20), 2, 2, "valid"),
        ((48, 20), 1, 4, "valid"),
        ((48, 20), 4, 1, "valid"),
        ((48, 20), 2, 2, "replicate"),
        ((32, 20), 1, 4, "valid"),  # strips of fewer rows than a window needs
    ],
)
def test_similarity_and_its_gradient(size, data, space, padding):
    x, y = pictures(4, *size, 3), pictures(4, *size, 3)[::-1] ** 2

    def scored(x, y):
        score = metrics.ssim(x, y, padding=padding)
        return score, jax.grad(lambda x: metrics.ssim(x, y, padding=padding).sum())(x)

    (score, gradient), found = on(make(data, space), scored, x, y)
    expected, expected_gradient = jax.jit(scored)(x, y)
    np.testing.assert_allclose(score, expected, atol=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)
    if data == 4:
        assert found == []
    elif size == (48, 20) and padding == "valid":
        assert all(each.times == 1 for each in found)
        halo = 4 // data * 2 * 3 * 10 * 20 * 4
        assert max(each.bytes for each in found) == halo
        assert {each.kind for each in found} == {"all-reduce", "collective-permute"}


@pytest.mark.parametrize("tables", [(), (4,)], ids=["one", "of each picture"])
@pytest.mark.parametrize(("data", "space"), [(2, 2), (1, 4)])
def test_gradients_of_tables(data, space, tables):
    x, y = pictures(4, 16, 300, 3), pictures(4, 16, 300, 3)[:, ::-1]
    table = jnp.broadcast_to(lut.identity(3), (*tables, 3, 3, 3, 3))

    def gradient(x, y):
        def total(table):
            found = apply_planes(table, (x[..., 0], x[..., 1], x[..., 2]))
            return sum((a * y[..., k]).sum() for k, a in enumerate(found))

        return jax.grad(total)(table)

    made, found = on(make(data, space), gradient, x, y)
    np.testing.assert_allclose(made, jax.jit(gradient)(x, y), rtol=1e-4, atol=1e-4)
    # Sums of tables, and no colours.
    assert {each.kind for each in found} == {"all-reduce"}
    assert all(each.times == 1 for each in found)
    assert max(each.bytes for each in found) <= 4 * table.nbytes // max(len(table.shape[:-4]), 1)
