"""Devices as a mesh, and batches and states laid out on it."""

import collections
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from dehaze_jax.arrays import Tree
from dehaze_jax.errors import InputError
from dehaze_jax.training.config import MeshConfig

_NAMES = ("data", "space")
_TYPES = (AxisType.Auto, AxisType.Auto)


def make_mesh(config: MeshConfig, devices: Sequence[Any] = ()) -> Mesh:
    """A mesh with the axes `data` and `space`.

    Args:
        config: sizes of the axes.
        devices: default is all devices of all processes.

    Raises:
        InputError: more devices asked for than there are, or a number that does not divide them; of
            several processes, one would have nothing to do or only a part of each picture.
    """
    devices = list(devices or jax.devices())
    data, space = _axes(config, len(devices))
    needed = data * space
    processes = len({device.process_index for device in devices})
    if processes > 1 and needed < len(devices):
        raise InputError(
            "TrainConfig.mesh",
            f"{data} x {config.space} devices asked for; {processes} processes need all of the "
            f"{len(devices)} that they have",
        )
    if processes > 1 and (own := len(devices) // processes) % config.space:
        raise InputError(
            "TrainConfig.mesh.space", f"{config.space} does not divide the {own} of each process"
        )
    return jax.make_mesh((data, space), _NAMES, axis_types=_TYPES, devices=devices[:needed])


def plan_mesh(config: MeshConfig, count: int) -> AbstractMesh:
    """The mesh of `make_mesh` over so many devices of one process, which need not be here.

    Raises:
        InputError: more devices asked for, or a number that does not divide them.
    """
    return AbstractMesh(_axes(config, count), _NAMES, axis_types=_TYPES)


def _axes(config: MeshConfig, count: int) -> tuple[int, int]:
    """Devices along `data` and `space`, of `count`."""
    data = count // config.space if config.data == -1 else config.data
    needed = data * config.space
    if config.data == -1 and needed != count:
        raise InputError(
            "TrainConfig.mesh.space", f"{config.space} does not divide {count} devices"
        )
    if needed > count:
        raise InputError(
            "TrainConfig.mesh", f"{data} x {config.space} devices asked for, there are {count}"
        )
    return data, config.space


def check_batch(
    mesh: Mesh | AbstractMesh, *, batch_size: int, crop_size: int, accumulate: int = 1
) -> None:
    """Refuses batches that do not divide over a mesh, in as many parts as are worked off in turn.

    Raises:
        InputError: names the field.
    """
    for field, value, axis in (
        ("batch_size", batch_size, "data"),
        ("crop_size", crop_size, "space"),
    ):
        if value % mesh.shape[axis]:
            raise InputError(
                f"TrainConfig.data.{field}",
                f"{value} is not divisible by the {mesh.shape[axis]} devices of mesh.{axis}",
            )
    on_device = batch_size // mesh.shape["data"]
    if on_device % accumulate:
        raise InputError(
            "TrainConfig.optimiser.accumulate",
            f"{accumulate} does not divide the {on_device} examples of a batch on each device",
        )


def replicated(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """The same array on every device."""
    return NamedSharding(mesh, P())


def state_shardings(mesh: Mesh | AbstractMesh, shapes: Tree, *, above: int) -> Tree:
    """Where the arrays of a training state lie.

    Args:
        mesh: devices.
        shapes: of the state.
        above: arrays of at least so many values are divided over `data`, along the longest of their
            axes that divides; all others, and with 0 all, are whole on every device.
    """

    def choose(leaf: jax.ShapeDtypeStruct) -> NamedSharding:
        count = mesh.shape["data"]
        axes = [axis for axis, size in enumerate(leaf.shape) if size % count == 0]
        if not above or leaf.size < above or not axes:
            return replicated(mesh)
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(mesh, P(*[None] * longest, "data"))

    return jax.tree.map(choose, shapes)


def batch_sharding(mesh: Mesh | AbstractMesh, rank: int) -> NamedSharding:
    """Examples over `data`; rows over `space` where the array is one of pictures."""
    return NamedSharding(mesh, P("data", "space") if rank == 4 else P("data"))


def device_batches(
    batches: Iterable[Mapping[str, np.ndarray]], mesh: Mesh, *, ahead: int = 2
) -> Iterator[dict[str, jax.Array]]:
    """Moves batches to the devices ahead of their use.

    Args:
        batches: each process gives its own part of every batch.
        mesh: where they go.
        ahead: batches that are under way while one is worked on.
    """
    waiting: collections.deque[dict[str, Any]] = collections.deque()
    batches = iter(batches)
    while True:
        for batch in itertools.islice(batches, ahead + 1 - len(waiting)):
            waiting.append(
                {
                    name: jax.make_array_from_process_local_data(
                        batch_sharding(mesh, value.ndim), value
                    )
                    for name, value in batch.items()
                }
            )
        if not waiting:
            return
        yield waiting.popleft()
