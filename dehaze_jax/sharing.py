"""How the devices of the program that is being traced share a batch of pictures.

The compiler divides the work by itself wherever it can see how. What it cannot see is told here, by
the mesh of `jax.set_mesh`: its axis `data` divides the examples of a batch, `space` the rows of
every picture. Where there is no such mesh, or one device, nothing here does anything.
"""

import math

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from dehaze_jax.arrays import Tree

_AXES = ("data", "space")


def divided(shape: tuple[int, ...]) -> tuple[int, int]:
    """Over how many devices the first axis (examples) and the second (rows) of pictures lie.

    Args:
        shape: of an array of pictures. An axis that does not divide counts as lying on one device.
    """
    counts = _counts()
    examples, rows = (
        counts.get(name, 1) if axis < len(shape) and shape[axis] % counts.get(name, 1) == 0 else 1
        for axis, name in enumerate(_AXES)
    )
    return examples, rows


def spread_copies(small: Float[Array, "b p p c"]) -> Float[Array, "b p p c"]:
    """Small copies of pictures as they are, each whole on one device.

    Networks read them, whose levels have so few rows that neighbours would exchange more than they
    own; and where a level has fewer rows than devices need, XLA's gradients are wrong. The devices
    that share a picture take other copies each, if there are enough; else they do the same work.
    """
    enough = small.shape[0] % math.prod(_counts().get(name, 1) for name in _AXES) == 0
    return _constrain(small, _AXES if enough else _AXES[:1])


def beside_rows(small: Tree) -> Tree:
    """What belongs to each picture, such as a grid, on all devices that hold rows of the picture.

    Else the compiler makes it as large as the picture first, and moves that.
    """
    return jax.tree.map(lambda leaf: _constrain(leaf, _AXES[:1]), small)


def _constrain(array: Array, names: tuple[str, ...]) -> Array:
    counts = _counts()
    if math.prod(counts.values()) == 1:
        return array
    among = tuple(name for name in names if name in counts)
    if array.shape[0] % math.prod(counts[name] for name in among):
        return array
    return jax.lax.with_sharding_constraint(array, PartitionSpec(among))


def _counts() -> dict[str, int]:
    """Devices along the axes that the compiler divides: not those of `shard_map` and `pmap`."""
    mesh = jax.sharding.get_abstract_mesh()
    return {name: mesh.shape[name] for name in _AXES if name in mesh.auto_axes}
