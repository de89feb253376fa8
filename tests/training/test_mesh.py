import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dehaze_jax.errors import InputError
from dehaze_jax.training import MeshConfig, make_mesh
from dehaze_jax.training.mesh import (
    batch_sharding,
    check_batch,
    device_batches,
    state_shardings,
)

pytestmark = pytest.mark.devices


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (MeshConfig(), (4, 1)),
        (MeshConfig(space=2), (2, 2)),
        (MeshConfig(data=1), (1, 1)),
        (MeshConfig(data=1, space=3), (1, 3)),
    ],
)
def test_shapes(config, shape):
    mesh = make_mesh(config)
    assert (mesh.shape["data"], mesh.shape["space"]) == shape
    assert mesh.devices.flat[0] == jax.devices()[0]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (MeshConfig(data=5), "5 x 1 devices asked for, there are 4"),
        (MeshConfig(data=2, space=3), "2 x 3 devices"),
        (MeshConfig(space=3), "3 does not divide 4 devices"),
        (MeshConfig(space=5), "5 does not divide 4 devices"),
    ],
)
def test_meshes_that_the_devices_do_not_fill_are_refused(config, reason):
    with pytest.raises(InputError, match=reason):
        make_mesh(config)


def test_large_arrays_are_divided_along_their_longest_axis_that_divides():
    mesh = make_mesh(MeshConfig(data=2, space=2))
    sizes = {"large": (3, 4, 8), "odd": (3, 5, 7), "small": (2, 2), "one": (30, 1)}
    shapes = {name: jax.ShapeDtypeStruct(size, jnp.float32) for name, size in sizes.items()}
    found = state_shardings(mesh, shapes, above=30)
    specs = {name: tuple(sharding.spec) for name, sharding in found.items()}
    assert specs == {"large": (None, None, "data"), "odd": (), "small": (), "one": ("data",)}
    assert not any(tuple(s.spec) for s in state_shardings(mesh, shapes, above=0).values())


def test_batches_that_do_not_divide_are_refused():
    mesh = make_mesh(MeshConfig(data=2, space=2))
    check_batch(mesh, batch_size=6, crop_size=8)
    with pytest.raises(InputError, match=r"batch_size: 5 is not divisible by the 2 devices"):
        check_batch(mesh, batch_size=5, crop_size=8)
    with pytest.raises(InputError, match=r"crop_size: 7 is not divisible by the 2 devices"):
        check_batch(mesh, batch_size=6, crop_size=7)
    check_batch(mesh, batch_size=6, crop_size=8, accumulate=3)
    with pytest.raises(InputError, match="accumulate: 2 does not divide the 3 examples of a batch"):
        check_batch(mesh, batch_size=6, crop_size=8, accumulate=2)


def test_batches_arrive_in_order_and_sharded():
    mesh = make_mesh(MeshConfig(data=2, space=2))
    host = [
        {
            "hazy": np.full((4, 8, 6, 3), i, np.float32),
            "airlight": np.arange(12, dtype=np.float32).reshape(4, 3) + i,
        }
        for i in range(5)
    ]
    arrived = list(device_batches(host, mesh))
    assert len(arrived) == 5
    for there, here in zip(arrived, host, strict=True):
        jax.tree.map(np.testing.assert_array_equal, there, here)
        shapes = {shard.data.shape for shard in there["hazy"].addressable_shards}
        assert shapes == {(2, 4, 6, 3)}
        assert {shard.data.shape for shard in there["airlight"].addressable_shards} == {(2, 3)}
        assert there["hazy"].sharding == batch_sharding(mesh, 4)


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_are_fetched_that_far_ahead(ahead):
    fetched = []

    def host():
        for i in range(6):
            fetched.append(i)
            yield {"hazy": np.zeros((4, 4, 4, 3), np.float32)}

    batches = device_batches(host(), make_mesh(MeshConfig()), ahead=ahead)
    next(batches)
    assert len(fetched) == 1 + ahead
    assert len(list(batches)) == 5
